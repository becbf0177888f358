//! IMAP: CAPABILITY, then STARTTLS (RFC 9051 section 6.2.1).
//!
//! A server that says PREAUTH can't be asked for TLS any more, which is a way to keep clients in the clear: to us it
//! offers none.

use crate::dialogue::{Dialogue, Turn};
use crate::fault::{Fault, quoted};
use crate::greeting::Greeting;
use crate::line;

/// Speaks for a server that demands TLS.
#[derive(Debug)]
pub(crate) struct Server {
    host: String,
    capabilities: String,
}

impl Server {
    pub(crate) fn new(greeting: &Greeting) -> Self {
        let mut capabilities = "IMAP4rev1 STARTTLS LOGINDISABLED".to_owned();
        greeting.offers.iter().for_each(|offer| capabilities += &format!(" {offer}"));
        Self { host: greeting.host.clone(), capabilities }
    }
}

impl Dialogue for Server {
    fn first(&mut self) -> Vec<u8> {
        format!("* OK [CAPABILITY {}] {} ready\r\n", self.capabilities, self.host).into()
    }

    fn cut(&self, octets: &[u8]) -> Result<Option<usize>, Fault> {
        line::cut(octets)
    }

    fn hear(&mut self, frame: &[u8]) -> Turn {
        let bare = line::bare(frame);
        // What it announces would come unasked, and look like commands.
        if bare.ends_with(b"+}") || bare.ends_with(b"-}") {
            return Turn::fail(Fault::Malformed);
        }
        let text = String::from_utf8_lossy(bare);
        let mut words = text.split(' ');
        let Some(tag) = words.next().filter(|tag| is_tag(tag)) else {
            return Turn::say("* BAD a command begins with a tag\r\n");
        };
        let (verb, alone) =
            (words.next().unwrap_or("").to_ascii_uppercase(), words.next().is_none());
        match verb.as_str() {
            "CAPABILITY" => {
                let listed = format!("* CAPABILITY {}\r\n", self.capabilities);
                Turn::say(format!("{listed}{tag} OK done\r\n"))
            }
            "STARTTLS" if alone => Turn::begin(format!("{tag} OK begin TLS\r\n")),
            "NOOP" => Turn::say(format!("{tag} OK done\r\n")),
            // Some clients say who they are before anything else (RFC 2971).
            "ID" => Turn::say(format!("* ID NIL\r\n{tag} OK done\r\n")),
            "LOGOUT" => Turn::end(format!("* BYE see you\r\n{tag} OK done\r\n"), Fault::Left),
            "LOGIN" | "AUTHENTICATE" => {
                Turn::say(format!("{tag} NO [PRIVACYREQUIRED] STARTTLS first\r\n"))
            }
            _ => Turn::say(format!("{tag} BAD STARTTLS first\r\n")),
        }
    }
}

fn is_tag(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 64
        && text.bytes().all(|b| b.is_ascii_graphic() && !b"(){%*\"\\+".contains(&b))
}

/// Asks a server for TLS.
#[derive(Debug, Default)]
pub(crate) struct Client(Awaits);

/// What is awaited.
#[derive(Clone, Copy, Debug, Default)]
enum Awaits {
    #[default]
    Greeting,
    Capabilities {
        offered: bool,
    },
    GoAhead,
}

impl Dialogue for Client {
    fn cut(&self, octets: &[u8]) -> Result<Option<usize>, Fault> {
        line::cut(octets)
    }

    fn hear(&mut self, frame: &[u8]) -> Turn {
        let text = String::from_utf8_lossy(line::bare(frame)).to_ascii_uppercase();
        let (tag, rest) = text.split_once(' ').unwrap_or((&text, ""));
        let (word, _) = rest.split_once(' ').unwrap_or((rest, ""));
        match (self.0, tag, word) {
            (Awaits::Greeting, "*", "OK") => {
                self.0 = Awaits::Capabilities { offered: false };
                Turn::say("A CAPABILITY\r\n")
            }
            (Awaits::Greeting, "*", "PREAUTH") => Turn::fail(Fault::NotOffered),
            (_, "*", "BYE") => Turn::fail(Fault::Unready(quoted(frame))),
            (Awaits::Capabilities { .. }, "*", "CAPABILITY") => {
                let offered = rest.split(' ').any(|word| word == "STARTTLS");
                self.0 = Awaits::Capabilities { offered };
                Turn::nothing()
            }
            (Awaits::Capabilities { offered: true }, "A", "OK") => {
                self.0 = Awaits::GoAhead;
                Turn::say("B STARTTLS\r\n")
            }
            (Awaits::Capabilities { .. }, "A", _) => Turn::fail(Fault::NotOffered),
            (Awaits::GoAhead, "B", "OK") => Turn::begin(""),
            (Awaits::GoAhead, "B", _) => Turn::fail(Fault::Declined(quoted(frame))),
            (Awaits::Capabilities { .. } | Awaits::GoAhead, "*", _) => Turn::nothing(),
            _ => Turn::fail(Fault::Malformed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(side: &mut dyn Dialogue, line: &str) -> Turn {
        side.hear(format!("{line}\r\n").as_bytes())
    }

    #[test]
    fn a_server_takes_no_password_and_no_literal_that_comes_unasked() {
        let mut server = Server::new(&Greeting::of("imap.test"));
        let refused = Turn::say("a1 NO [PRIVACYREQUIRED] STARTTLS first\r\n");
        assert_eq!(heard(&mut server, "a1 LOGIN alice secret"), refused);
        assert_eq!(heard(&mut server, "a1 LOGIN {5+}"), Turn::fail(Fault::Malformed));
        assert_eq!(heard(&mut server, "a1 SELECT {5}"), Turn::say("a1 BAD STARTTLS first\r\n"));
        assert_eq!(heard(&mut server, "* OK"), Turn::say("* BAD a command begins with a tag\r\n"));
        assert_eq!(heard(&mut server, "x.7 starttls"), Turn::begin("x.7 OK begin TLS\r\n"));
        assert!(matches!(heard(&mut server, "x STARTTLS y"), Turn::Say(_)));
    }

    #[test]
    fn a_client_takes_preauth_and_a_missing_offer_for_a_downgrade() {
        assert_eq!(heard(&mut Client::default(), "* PREAUTH hello"), Turn::fail(Fault::NotOffered));
        let mut client = Client::default();
        // What the greeting says counts for nothing.
        heard(&mut client, "* OK [CAPABILITY IMAP4rev1 STARTTLS] hello");
        heard(&mut client, "* CAPABILITY IMAP4rev1");
        assert_eq!(heard(&mut client, "A OK done"), Turn::fail(Fault::NotOffered));
        let mut client = Client::default();
        heard(&mut client, "* OK hello");
        heard(&mut client, "* CAPABILITY IMAP4rev1 STARTTLS");
        assert_eq!(heard(&mut client, "a ok done"), Turn::say("B STARTTLS\r\n"));
        assert!(matches!(heard(&mut client, "B BAD no"), Turn::End(_, Fault::Declined(_))));
    }
}
