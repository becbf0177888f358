//! SMTP, submission and LMTP: EHLO or LHLO, then STARTTLS (RFC 3207).

use crate::dialogue::{Dialogue, Turn};
use crate::fault::{Fault, quoted};
use crate::greeting::Greeting;
use crate::line;
use crate::reply::ReplyLine;

/// What differs between the two.
#[derive(Clone, Copy, Debug)]
struct Kind {
    name: &'static str,
    hello: &'static str,
}

const SMTP: Kind = Kind { name: "ESMTP", hello: "EHLO" };
const LMTP: Kind = Kind { name: "LMTP", hello: "LHLO" };

/// Speaks for a server that demands TLS.
#[derive(Debug)]
pub(crate) struct Server {
    kind: Kind,
    greeting: Greeting,
}

impl Server {
    pub(crate) fn smtp(greeting: &Greeting) -> Self {
        Self { kind: SMTP, greeting: greeting.clone() }
    }

    pub(crate) fn lmtp(greeting: &Greeting) -> Self {
        Self { kind: LMTP, greeting: greeting.clone() }
    }

    fn hello(&self) -> Turn {
        let mut said = format!("250-{}\r\n", self.greeting.host);
        self.greeting.offers.iter().for_each(|offer| said += &format!("250-{offer}\r\n"));
        Turn::say(said + "250 STARTTLS\r\n")
    }
}

impl Dialogue for Server {
    fn first(&mut self) -> Vec<u8> {
        format!("220 {} {}\r\n", self.greeting.host, self.kind.name).into()
    }

    fn cut(&self, octets: &[u8]) -> Result<Option<usize>, Fault> {
        line::cut(octets)
    }

    fn hear(&mut self, frame: &[u8]) -> Turn {
        let (verb, argument) = line::command(frame);
        match verb.as_str() {
            hello if hello == self.kind.hello => self.hello(),
            "HELO" if self.kind.hello == "EHLO" => {
                Turn::say(format!("250 {}\r\n", self.greeting.host))
            }
            "STARTTLS" if argument.is_empty() => Turn::begin("220 2.0.0 Ready to start TLS\r\n"),
            "STARTTLS" => Turn::say("501 5.5.4 No parameters allowed\r\n"),
            "NOOP" | "RSET" => Turn::say("250 2.0.0 Ok\r\n"),
            "QUIT" => Turn::end("221 2.0.0 Bye\r\n", Fault::Left),
            _ => Turn::say("530 5.7.0 Must issue a STARTTLS command first\r\n"),
        }
    }
}

/// Asks a server for TLS.
#[derive(Debug)]
pub(crate) struct Client {
    kind: Kind,
    awaits: Awaits,
}

/// The answer that is awaited.
#[derive(Clone, Copy, Debug)]
enum Awaits {
    Greeting,
    Hello { offered: bool },
    GoAhead,
}

impl Client {
    pub(crate) fn smtp() -> Self {
        Self { kind: SMTP, awaits: Awaits::Greeting }
    }

    pub(crate) fn lmtp() -> Self {
        Self { kind: LMTP, awaits: Awaits::Greeting }
    }
}

impl Dialogue for Client {
    fn cut(&self, octets: &[u8]) -> Result<Option<usize>, Fault> {
        line::cut(octets)
    }

    fn hear(&mut self, frame: &[u8]) -> Turn {
        let Some(reply) = ReplyLine::read(frame) else { return Turn::fail(Fault::Malformed) };
        match self.awaits {
            Awaits::Greeting if !reply.is_good() => Turn::fail(Fault::Unready(quoted(frame))),
            Awaits::Greeting if reply.is_last => {
                self.awaits = Awaits::Hello { offered: false };
                // Whoever is meant says who it is once nobody else listens.
                Turn::say(format!("{} localhost\r\n", self.kind.hello))
            }
            Awaits::Hello { .. } if !reply.is_good() => Turn::fail(Fault::NotOffered),
            Awaits::Hello { offered } => {
                let offered = offered || reply.text.eq_ignore_ascii_case(b"STARTTLS");
                self.awaits = Awaits::Hello { offered };
                match (reply.is_last, offered) {
                    (false, _) => Turn::nothing(),
                    (true, false) => Turn::fail(Fault::NotOffered),
                    (true, true) => {
                        self.awaits = Awaits::GoAhead;
                        Turn::say("STARTTLS\r\n")
                    }
                }
            }
            Awaits::GoAhead if reply.code == 220 && reply.is_last => Turn::begin(""),
            Awaits::GoAhead if reply.code == 220 => Turn::nothing(),
            Awaits::GoAhead => Turn::fail(Fault::Declined(quoted(frame))),
            Awaits::Greeting => Turn::nothing(),
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
    fn before_tls_a_server_takes_neither_mail_nor_a_password() {
        let mut server = Server::smtp(&Greeting::of("mx.test"));
        for line in ["MAIL FROM:<a@b>", "AUTH PLAIN AGEAYg==", "VRFY a", "XCLIENT ADDR=1.2.3.4", ""]
        {
            let Turn::Say(said) = heard(&mut server, line) else { panic!("{line}") };
            assert!(said.starts_with(b"530 "), "{line}");
        }
        assert_eq!(heard(&mut server, "helo a"), Turn::say("250 mx.test\r\n"));
        assert!(matches!(heard(&mut server, "STARTTLS now"), Turn::Say(_)));
        assert!(matches!(heard(&mut server, "starttls"), Turn::Begin(_)));
        assert!(matches!(heard(&mut server, "QUIT"), Turn::End(_, Fault::Left)));
    }

    #[test]
    fn a_client_tells_a_downgrade_from_a_refusal() {
        let hello = |client: &mut Client| heard(client, "220 mx.test ESMTP");
        let mut client = Client::smtp();
        assert_eq!(hello(&mut client), Turn::say("EHLO localhost\r\n"));
        heard(&mut client, "250-mx.test");
        assert_eq!(heard(&mut client, "250 XXXXXXXA"), Turn::fail(Fault::NotOffered));
        let mut client = Client::smtp();
        hello(&mut client);
        assert_eq!(heard(&mut client, "502 what?"), Turn::fail(Fault::NotOffered));
        let mut client = Client::smtp();
        hello(&mut client);
        assert_eq!(heard(&mut client, "250 starttls"), Turn::say("STARTTLS\r\n"));
        let declined = heard(&mut client, "454 4.7.0 no key");
        assert_eq!(declined, Turn::fail(Fault::Declined("454 4.7.0 no key".into())));
        let busy = heard(&mut Client::smtp(), "421 busy");
        assert_eq!(busy, Turn::fail(Fault::Unready("421 busy".into())));
        let other = heard(&mut Client::smtp(), "* OK IMAP4");
        assert_eq!(other, Turn::fail(Fault::Malformed));
    }
}
