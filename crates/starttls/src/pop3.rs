//! POP3: CAPA, then STLS (RFC 2595 section 4). Our greeting has no time stamp, so that APOP is not tried.

use crate::dialogue::{Dialogue, Turn};
use crate::fault::{Fault, quoted};
use crate::greeting::Greeting;
use crate::line;

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
        format!("+OK {} ready\r\n", self.0.host).into()
    }

    fn cut(&self, octets: &[u8]) -> Result<Option<usize>, Fault> {
        line::cut(octets)
    }

    fn hear(&mut self, frame: &[u8]) -> Turn {
        let (verb, argument) = line::command(frame);
        match verb.as_str() {
            "CAPA" => {
                let mut said = "+OK\r\nSTLS\r\n".to_owned();
                self.0.offers.iter().for_each(|offer| said += &format!("{offer}\r\n"));
                Turn::say(said + ".\r\n")
            }
            "STLS" if argument.is_empty() => Turn::begin("+OK begin TLS\r\n"),
            "QUIT" => Turn::end("+OK bye\r\n", Fault::Left),
            _ => Turn::say("-ERR STLS first\r\n"),
        }
    }
}

/// Asks a server for TLS.
#[derive(Debug, Default)]
pub(crate) struct Client(Awaits);

/// What is awaited.
#[derive(Clone, Copy, Debug, Default)]
enum Awaits {
    #[default]
    Greeting,
    Capabilities,
    Listed {
        offered: bool,
    },
    GoAhead,
}

impl Dialogue for Client {
    fn cut(&self, octets: &[u8]) -> Result<Option<usize>, Fault> {
        line::cut(octets)
    }

    fn hear(&mut self, frame: &[u8]) -> Turn {
        let bare = line::bare(frame);
        let (good, bad) = (is_status(bare, b"+OK"), is_status(bare, b"-ERR"));
        match self.0 {
            Awaits::Greeting if good => {
                self.0 = Awaits::Capabilities;
                Turn::say("CAPA\r\n")
            }
            Awaits::Greeting if bad => Turn::fail(Fault::Unready(quoted(frame))),
            Awaits::Capabilities if good => {
                self.0 = Awaits::Listed { offered: false };
                Turn::nothing()
            }
            Awaits::Capabilities if bad => Turn::fail(Fault::NotOffered),
            Awaits::Listed { offered } if bare == b"." => match offered {
                true => {
                    self.0 = Awaits::GoAhead;
                    Turn::say("STLS\r\n")
                }
                false => Turn::fail(Fault::NotOffered),
            },
            Awaits::Listed { offered } => {
                let offered = offered || bare.eq_ignore_ascii_case(b"STLS");
                self.0 = Awaits::Listed { offered };
                Turn::nothing()
            }
            Awaits::GoAhead if good => Turn::begin(""),
            Awaits::GoAhead if bad => Turn::fail(Fault::Declined(quoted(frame))),
            _ => Turn::fail(Fault::Malformed),
        }
    }
}

fn is_status(line: &[u8], word: &[u8]) -> bool {
    line.strip_prefix(word).is_some_and(|rest| rest.is_empty() || rest[0] == b' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_takes_no_password_and_a_client_no_missing_offer() {
        let mut server = Server::new(&Greeting::of("pop.test"));
        assert_eq!(server.hear(b"USER alice\r\n"), Turn::say("-ERR STLS first\r\n"));
        assert_eq!(server.hear(b"stls\r\n"), Turn::begin("+OK begin TLS\r\n"));
        let mut client = Client::default();
        assert_eq!(client.hear(b"+OK hello <1.2@pop.test>\r\n"), Turn::say("CAPA\r\n"));
        client.hear(b"+OK\r\n");
        client.hear(b"USER\r\n");
        assert_eq!(client.hear(b".\r\n"), Turn::fail(Fault::NotOffered));
        assert_eq!(Client::default().hear(b"+OKAY\r\n"), Turn::fail(Fault::Malformed));
    }
}
