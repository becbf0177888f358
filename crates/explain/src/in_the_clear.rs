//! What is said before TLS begins in the middle of a connection (STARTTLS).
//!
//! Of a server's words the first line is shown, and the one that speaks of TLS; of a client's the command that it gives. A
//! client that gives a password away in the clear should not have it shown here as well: it may be all that stands in a
//! line, and a server that understands no such line may repeat it.

use crate::before_tls::{Prelude, Protocol, Said, Says};
use crate::catalogue::Kind;
use crate::fact::{Detail, Fact, Facts};
use crate::field::Field;
use crate::place::{Seen, Side};
use crate::story::Source;

/// The most that is listened to before TLS begins, and the most that is told of it.
const LONGEST: usize = 64 * 1024;
const MOST_TOLD: usize = 20;
const SERVER_HELLO: u8 = 2;

/// What was said so far.
#[derive(Default)]
pub(crate) struct InTheClear {
    size: usize,
    told: usize,
    /// Something that the client said may have been a password; which answer is to which is not known.
    may_be_repeated: bool,
    prelude: Prelude,
}

impl InTheClear {
    /// True for the first bytes of a client that begins with TLS, or of a server that answers to one that is not seen.
    pub(crate) fn is_over(seen: &Seen<'_>) -> bool {
        match seen.from {
            Side::Client => matches!(seen.bytes, [22, 3, 0..=4, ..]),
            Side::Server => matches!(seen.bytes, [22, 3, 0..=4, _, _, SERVER_HELLO, ..]),
        }
    }

    /// Takes what one side said; false if this leads to no TLS.
    pub(crate) fn hear(&mut self, seen: &Seen<'_>, facts: &mut Facts) -> bool {
        self.size += seen.bytes.len();
        if self.size > LONGEST {
            return false;
        }
        let said = self.prelude.hear(seen.from, seen.bytes);
        if self.told < MOST_TOLD {
            self.told += 1;
            facts.push(fact(seen, self.may_be_repeated, said));
        }
        if seen.from == Side::Client {
            self.may_be_repeated |= may_be_a_password(seen.bytes);
        }
        true
    }
}

fn fact(seen: &Seen<'_>, may_repeat: bool, said: Said) -> Fact {
    let line = seen.bytes.split(|byte| is_end(*byte)).next().unwrap_or_default();
    let text = String::from_utf8_lossy(line);
    let shown = match (seen.from, may_repeat) {
        (Side::Server, false) => text.as_ref(),
        (Side::Server, true) => code(&text).unwrap_or(REPEATED),
        (Side::Client, _) => request(said).or_else(|| command(&text)).unwrap_or(UNKNOWN),
    };
    let mut fields = vec![Field::text("begins_with", shown)];
    if (seen.from, may_repeat) == (Side::Server, false) {
        fields.extend(about_tls(seen.bytes).map(|line| Field::text("about_tls", &line)));
    }
    Fact {
        at: seen.at,
        from: seen.from,
        kind: Kind::InTheClear,
        fields,
        basis: seen.places.clone(),
        key: None,
        handshake: 0,
        source: Source::Seen,
        detail: Detail::Clear(said),
    }
}

/// The request for TLS in protocols whose words are numbers, by its name there.
fn request(said: Said) -> Option<&'static str> {
    match said {
        Said { says: Says::Asks, protocol: Some(Protocol::Postgresql | Protocol::Mysql) } => {
            Some("SSLRequest")
        }
        Said { says: Says::Asks, protocol: Some(Protocol::Directory) } => Some("StartTLS"),
        _ => None,
    }
}

fn is_end(byte: u8) -> bool {
    byte == b'\r' || byte == b'\n'
}

/// The first line behind the first one that speaks of TLS, as an offer of it does: `250-STARTTLS`, ` AUTH TLS`.
fn about_tls(said: &[u8]) -> Option<String> {
    let lines = said.split(|byte| is_end(*byte)).filter(|line| !line.is_empty());
    lines.skip(1).map(String::from_utf8_lossy).find_map(|line| {
        let mut words = line.split(|letter: char| !letter.is_ascii_alphanumeric());
        let speaks = words.any(|word| OFFERS.iter().any(|one| one.eq_ignore_ascii_case(word)));
        speaks.then(|| line.into_owned())
    })
}

/// Of an answer that may repeat what was said, the number by which it begins.
fn code(line: &str) -> Option<&str> {
    let number = line.get(..3)?;
    number.bytes().all(|byte| byte.is_ascii_digit()).then_some(number)
}

/// Whether a client's words are no command that is known, or one beside which a password stands.
fn may_be_a_password(said: &[u8]) -> bool {
    let is_text = |byte: &u8| !byte.is_ascii_control() || is_end(*byte) || *byte == b'\t';
    let mut lines = said.split(|byte| is_end(*byte)).filter(|line| !line.is_empty());
    // Protocols whose words are numbers have no lines that could be repeated.
    said.iter().all(is_text)
        && lines.any(|line| match command(&String::from_utf8_lossy(line)) {
            None => true,
            Some(word) => CREDENTIALS.iter().any(|one| one.eq_ignore_ascii_case(word)),
        })
}

const UNKNOWN: &str = "(no command that is known here, and not shown)";
const REPEATED: &str = "(not shown: it may repeat what the client said)";
const OFFERS: [&str; 3] = ["STARTTLS", "STLS", "TLS"];
const CREDENTIALS: [&str; 6] = ["AUTH", "AUTHENTICATE", "AUTHINFO", "LOGIN", "PASS", "<auth"];

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
    use crate::place::Chunk;

    /// What is shown of what was said in turn.
    fn shown(said: &[(Side, &str)]) -> Vec<Vec<String>> {
        let (mut clear, mut facts) = (InTheClear::default(), Facts::default());
        for (from, text) in said {
            let chunk = Chunk { at: 0, from: *from, frame: 1, offset: 0, bytes: text.as_bytes() };
            assert!(clear.hear(&chunk.into(), &mut facts));
        }
        let values = |fact: &Fact| fact.fields.iter().map(|field| field.value.clone()).collect();
        facts.all().iter().map(values).collect()
    }

    #[test]
    fn the_line_that_offers_tls_is_shown_and_no_more_of_it_than_has_room() {
        let offers = |said: &str| shown(&[(Side::Server, said)]).remove(0);
        let mail = "250-mail.test\r\n250-SIZE 1\r\n250-STARTTLS\r\n250 HELP\r\n";
        assert_eq!(offers(mail), ["250-mail.test", "250-STARTTLS"]);
        assert_eq!(offers("+OK\r\nTOP\r\nSTLS\r\n.\r\n"), ["+OK", "STLS"]);
        assert_eq!(
            offers("211-Features:\r\n AUTH TLS\r\n211 End\r\n"),
            ["211-Features:", " AUTH TLS"]
        );
        assert_eq!(offers("250-mail.test\r\n250 HELP\r\n"), ["250-mail.test"], "none is none");
        assert_eq!(
            offers("* CAPABILITY IMAP4rev1 STARTTLS\r\n"),
            ["* CAPABILITY IMAP4rev1 STARTTLS"]
        );
        let long = format!("250-x\r\n250-TLS {}\r\n", "x".repeat(5_000));
        assert!(offers(&long)[1].chars().count() <= 201);
    }

    #[test]
    fn what_a_server_repeats_of_a_password_is_not_shown() {
        for said in [
            "AUTH LOGIN",
            "aHVudGVyMg==",
            "PASS hunter2",
            "a1 LOGIN alice hunter2",
            "EHLO x\r\nhunter2",
        ] {
            let answer = "500 hunter2 aHVudGVyMg==?\r\n250-TLS hunter2 aHVudGVyMg==\r\n";
            let told = shown(&[(Side::Client, said), (Side::Server, answer)]);
            assert_eq!(told[1], ["500"], "{said}");
            let told = shown(&[(Side::Client, said), (Side::Server, "a1 BAD hunter2\r\n")]);
            assert_eq!(told[1], [REPEATED], "{said}");
        }
        let asked = [(Side::Client, "\0\0\0\x08\x04\x52\x16/"), (Side::Server, "S")];
        assert_eq!(shown(&asked)[1], ["S"], "a protocol without lines");
        let asked = [(Side::Client, "\0\0\0\x08\x04\u{d2}\x16/")];
        assert_eq!(shown(&asked)[0], [UNKNOWN], "bytes that are no request");
    }

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
