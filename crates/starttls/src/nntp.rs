//! NNTP: CAPABILITIES, then STARTTLS (RFC 4642).

use crate::dialogue::{Dialogue, Turn};
use crate::fault::{Fault, quoted};
use crate::greeting::Greeting;
use crate::line;
use crate::reply::ReplyLine;

/// Speaks for a server that demands TLS.
#[derive(Debug)]
pub(crate) struct Server(Greeting);

impl Server {
    pub(crate) fn new(greeting: &Greeting) -> Self {
        Self(greeting.clone())
    }
}

impl Dialogue for Server {
    fn first(&mut self) -> Vec<u8> {
        format!("200 {} ready\r\n", self.0.host).into()
    }

    fn cut(&self, octets: &[u8]) -> Result<Option<usize>, Fault> {
        line::cut(octets)
    }

    fn hear(&mut self, frame: &[u8]) -> Turn {
        let (verb, argument) = line::command(frame);
        match verb.as_str() {
            "CAPABILITIES" => {
                let mut said =
                    "101 what there is\r\nVERSION 2\r\nREADER\r\nSTARTTLS\r\n".to_owned();
                self.0.offers.iter().for_each(|offer| said += &format!("{offer}\r\n"));
                Turn::say(said + ".\r\n")
            }
            "MODE" if argument.eq_ignore_ascii_case("READER") => Turn::say("200 ready\r\n"),
            "STARTTLS" if argument.is_empty() => Turn::begin("382 begin TLS\r\n"),
            "QUIT" => Turn::end("205 bye\r\n", Fault::Left),
            _ => Turn::say("483 STARTTLS first\r\n"),
        }
    }
}

/// Asks a server for TLS.
#[derive(Debug, Default)]
pub(crate) struct Client {
    awaits: Awaits,
    /// A server that has another one for readers offers what that one has only once it is there.
    is_reader: bool,
}

/// What is awaited.
#[derive(Clone, Copy, Debug, Default)]
enum Awaits {
    #[default]
    Greeting,
    Capabilities,
    Listed {
        offered: bool,
        has_readers: bool,
    },
    Reader,
    GoAhead,
}

impl Client {
    fn listed(&mut self, offered: bool, has_readers: bool) -> Turn {
        match (offered, has_readers && !self.is_reader) {
            (true, _) => {
                self.awaits = Awaits::GoAhead;
                Turn::say("STARTTLS\r\n")
            }
            (false, true) => {
                self.awaits = Awaits::Reader;
                self.is_reader = true;
                Turn::say("MODE READER\r\n")
            }
            (false, false) => Turn::fail(Fault::NotOffered),
        }
    }

    fn ask(&mut self) -> Turn {
        self.awaits = Awaits::Capabilities;
        Turn::say("CAPABILITIES\r\n")
    }
}

impl Dialogue for Client {
    fn cut(&self, octets: &[u8]) -> Result<Option<usize>, Fault> {
        line::cut(octets)
    }

    fn hear(&mut self, frame: &[u8]) -> Turn {
        let bare = line::bare(frame);
        if let Awaits::Listed { offered, has_readers } = self.awaits {
            if bare == b"." {
                return self.listed(offered, has_readers);
            }
            let offered = offered || bare.eq_ignore_ascii_case(b"STARTTLS");
            let has_readers = has_readers || bare.eq_ignore_ascii_case(b"MODE-READER");
            self.awaits = Awaits::Listed { offered, has_readers };
            return Turn::nothing();
        }
        let Some(reply) = ReplyLine::read(frame) else { return Turn::fail(Fault::Malformed) };
        match (self.awaits, reply.code) {
            (Awaits::Greeting | Awaits::Reader, 200 | 201) => self.ask(),
            (Awaits::Greeting | Awaits::Reader, _) => Turn::fail(Fault::Unready(quoted(frame))),
            (Awaits::Capabilities, 101) => {
                self.awaits = Awaits::Listed { offered: false, has_readers: false };
                Turn::nothing()
            }
            (Awaits::Capabilities, _) => Turn::fail(Fault::NotOffered),
            (_, 382) => Turn::begin(""),
            _ => Turn::fail(Fault::Declined(quoted(frame))),
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
    fn a_client_goes_to_where_readers_are_and_asks_there_once() {
        let mut client = Client::default();
        assert_eq!(heard(&mut client, "200 hello"), Turn::say("CAPABILITIES\r\n"));
        heard(&mut client, "101 list");
        heard(&mut client, "MODE-READER");
        assert_eq!(heard(&mut client, "."), Turn::say("MODE READER\r\n"));
        assert_eq!(heard(&mut client, "201 hello"), Turn::say("CAPABILITIES\r\n"));
        heard(&mut client, "101 list");
        heard(&mut client, "MODE-READER");
        assert_eq!(heard(&mut client, "."), Turn::fail(Fault::NotOffered));
    }

    #[test]
    fn a_server_demands_tls_before_articles_and_passwords() {
        let mut server = Server::new(&Greeting::of("news.test"));
        for line in ["AUTHINFO USER alice", "POST", "GROUP local.test"] {
            assert_eq!(heard(&mut server, line), Turn::say("483 STARTTLS first\r\n"));
        }
        assert_eq!(heard(&mut server, "StartTLS"), Turn::begin("382 begin TLS\r\n"));
    }
}
