//! What is said before TLS begins in the middle of a connection (STARTTLS).
//!
//! Of a server's words the first line is shown, of a client's the command that it gives: a client that gives a password
//! away in the clear should not have it shown here as well, and a password may be all that stands in a line.

use crate::catalogue::Kind;
use crate::fact::{Detail, Fact, Facts};
use crate::field::Field;
use crate::place::{Seen, Side};
use crate::story::Source;

/// The most that is listened to before TLS begins, and the most that is told of it.
const LONGEST: usize = 64 * 1024;
const MOST_TOLD: usize = 20;

/// What was said so far.
#[derive(Default)]
pub(crate) struct InTheClear {
    size: usize,
    told: usize,
}

impl InTheClear {
    /// True for the first bytes of a client that begins with TLS.
    pub(crate) fn is_over(seen: &Seen<'_>) -> bool {
        seen.from == Side::Client && matches!(seen.bytes, [22, 3, 0..=4, ..])
    }

    /// Takes what one side said; false if this leads to no TLS.
    pub(crate) fn hear(&mut self, seen: &Seen<'_>, facts: &mut Facts) -> bool {
        self.size += seen.bytes.len();
        if self.size > LONGEST {
            return false;
        }
        if self.told < MOST_TOLD {
            self.told += 1;
            facts.push(fact(seen));
        }
        true
    }
}

fn fact(seen: &Seen<'_>) -> Fact {
    let line = seen.bytes.split(|byte| *byte == b'\r' || *byte == b'\n').next().unwrap_or_default();
    let text = String::from_utf8_lossy(line);
    let shown = match seen.from {
        Side::Server => text.as_ref(),
        Side::Client => command(&text).unwrap_or("(no command that is known here, and not shown)"),
    };
    Fact {
        at: seen.at,
        from: seen.from,
        kind: Kind::InTheClear,
        fields: vec![Field::text("begins_with", shown)],
        basis: seen.places.clone(),
        key: None,
        handshake: 0,
        source: Source::Seen,
        detail: Detail::None,
    }
}

/// The word by which a client begins, where it is one of those that protocols with STARTTLS have. IMAP has a tag
/// before it.
fn command(line: &str) -> Option<&str> {
    if line.starts_with('<') {
        let end =
            line.find(|letter: char| !letter.is_ascii_alphabetic() && !"<?/:".contains(letter));
        return line.get(..end.unwrap_or(line.len()));
    }
    let is_known = |word: &&str| COMMANDS.iter().any(|known| known.eq_ignore_ascii_case(word));
    line.split(' ').take(2).find(is_known)
}

const COMMANDS: [&str; 31] = [
    "AUTH",
    "AUTHENTICATE",
    "AUTHINFO",
    "CAP",
    "CAPA",
    "CAPABILITIES",
    "CAPABILITY",
    "EHLO",
    "FEAT",
    "HELO",
    "ID",
    "LHLO",
    "LOGIN",
    "LOGOUT",
    "MAIL",
    "MODE",
    "NICK",
    "NOOP",
    "OPTS",
    "PASS",
    "PBSZ",
    "PROT",
    "QUIT",
    "RCPT",
    "RSET",
    "STARTTLS",
    "STLS",
    "SYST",
    "USER",
    "XCLIENT",
    "XFORWARD",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_client_its_command_is_shown_and_never_what_may_be_a_password() {
        for (line, shown) in [
            ("EHLO client.example.org", Some("EHLO")),
            ("starttls", Some("starttls")),
            ("a001 STARTTLS", Some("STARTTLS")),
            ("a002 LOGIN alice hunter2", Some("LOGIN")),
            ("AUTH PLAIN AGFsaWNlAGh1bnRlcjI=", Some("AUTH")),
            ("AGFsaWNlAGh1bnRlcjI=", None),
            ("hunter2", None),
            ("correct horse battery", None),
            ("<?xml version='1.0'?><stream:stream", Some("<?xml")),
            ("<starttls xmlns=", Some("<starttls")),
            ("<auth>AGFsaWNlAGh1bnRlcjI=", Some("<auth")),
        ] {
            assert_eq!(command(line), shown, "{line}");
        }
    }
}
