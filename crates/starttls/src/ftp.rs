//! FTP: AUTH TLS (RFC 4217).

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
        format!("220 {} ready\r\n", self.0.host).into()
    }

    fn cut(&self, octets: &[u8]) -> Result<Option<usize>, Fault> {
        line::cut(octets)
    }

    fn hear(&mut self, frame: &[u8]) -> Turn {
        let (verb, argument) = line::command(frame);
        let argument = argument.to_ascii_uppercase();
        match (verb.as_str(), argument.as_str()) {
            ("AUTH", "TLS" | "TLS-C") => Turn::begin("234 begin TLS\r\n"),
            ("AUTH", _) => Turn::say("504 AUTH TLS\r\n"),
            ("FEAT", _) => Turn::say("211-Features:\r\n AUTH TLS\r\n PBSZ\r\n PROT\r\n211 End\r\n"),
            ("NOOP", _) => Turn::say("200 done\r\n"),
            ("QUIT", _) => Turn::end("221 bye\r\n", Fault::Left),
            _ => Turn::say("530 AUTH TLS first\r\n"),
        }
    }
}

/// Asks a server for TLS.
#[derive(Debug, Default)]
pub(crate) struct Client {
    was_greeted: bool,
}

impl Dialogue for Client {
    fn cut(&self, octets: &[u8]) -> Result<Option<usize>, Fault> {
        line::cut(octets)
    }

    fn hear(&mut self, frame: &[u8]) -> Turn {
        let reply = ReplyLine::read(frame);
        let Some(reply) = reply.filter(|reply| reply.is_last) else {
            // A greeting of many lines; those in its middle need no number.
            return if self.was_greeted { Turn::fail(Fault::Malformed) } else { Turn::nothing() };
        };
        match (self.was_greeted, reply.code) {
            (false, 220) => {
                self.was_greeted = true;
                Turn::say("AUTH TLS\r\n")
            }
            (false, 120) => Turn::nothing(),
            (false, _) => Turn::fail(Fault::Unready(quoted(frame))),
            (true, 234) => Turn::begin(""),
            (true, 500..=504 | 530 | 534) => Turn::fail(Fault::NotOffered),
            (true, _) => Turn::fail(Fault::Declined(quoted(frame))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_takes_no_password_and_a_client_no_less_than_tls() {
        let mut server = Server::new(&Greeting::of("ftp.test"));
        assert_eq!(server.hear(b"USER alice\r\n"), Turn::say("530 AUTH TLS first\r\n"));
        assert_eq!(server.hear(b"AUTH GSSAPI\r\n"), Turn::say("504 AUTH TLS\r\n"));
        assert_eq!(server.hear(b"auth tls\r\n"), Turn::begin("234 begin TLS\r\n"));
        let mut client = Client::default();
        assert_eq!(client.hear(b"220-Welcome\r\n"), Turn::nothing());
        assert_eq!(client.hear(b"here are rules\r\n"), Turn::nothing());
        assert_eq!(client.hear(b"220 ready\r\n"), Turn::say("AUTH TLS\r\n"));
        assert_eq!(client.hear(b"500 unknown\r\n"), Turn::fail(Fault::NotOffered));
    }
}
