//! IRC: STARTTLS before anybody is registered (IRCv3 `tls`).

use crate::dialogue::{Dialogue, Turn};
use crate::fault::{Fault, quoted};
use crate::greeting::Greeting;
use crate::line;

/// Speaks for a server that demands TLS.
#[derive(Debug)]
pub(crate) struct Server(String);

impl Server {
    pub(crate) fn new(greeting: &Greeting) -> Self {
        Self(greeting.host.clone())
    }
}

impl Dialogue for Server {
    fn cut(&self, octets: &[u8]) -> Result<Option<usize>, Fault> {
        line::cut(octets)
    }

    fn hear(&mut self, frame: &[u8]) -> Turn {
        let (verb, argument) = line::command(frame);
        let (host, argument) = (&self.0, argument.to_ascii_uppercase());
        let first = argument.split(' ').next().unwrap_or("");
        match (verb.as_str(), first) {
            ("STARTTLS", _) => Turn::begin(format!(":{host} 670 * :begin TLS\r\n")),
            ("CAP", "LS") => Turn::say(format!(":{host} CAP * LS :tls\r\n")),
            ("CAP", "REQ")
                if argument.trim_start_matches("REQ").trim_matches([' ', ':']) == "TLS" =>
            {
                Turn::say(format!(":{host} CAP * ACK :tls\r\n"))
            }
            ("CAP", "END") | ("", _) => Turn::nothing(),
            ("PING", _) => Turn::say(format!(":{host} PONG {host}\r\n")),
            ("QUIT", _) => Turn::end("ERROR :bye\r\n", Fault::Left),
            // Whoever registers goes on in the clear.
            _ => Turn::end("ERROR :STARTTLS first\r\n", Fault::InTheClear),
        }
    }
}

/// Asks a server for TLS.
#[derive(Debug)]
pub(crate) struct Client;

impl Dialogue for Client {
    fn first(&mut self) -> Vec<u8> {
        b"STARTTLS\r\n".to_vec()
    }

    fn cut(&self, octets: &[u8]) -> Result<Option<usize>, Fault> {
        line::cut(octets)
    }

    fn hear(&mut self, frame: &[u8]) -> Turn {
        let text = String::from_utf8_lossy(line::bare(frame)).into_owned();
        // `:server 670 nick :text`; a server may leave out who it is.
        let mut words = text.split(' ').filter(|word| !word.starts_with(':'));
        match words.next().unwrap_or("") {
            "670" => Turn::begin(""),
            "691" => Turn::fail(Fault::Declined(quoted(frame))),
            "421" | "451" => Turn::fail(Fault::NotOffered),
            "ERROR" => Turn::fail(Fault::Unready(quoted(frame))),
            _ => Turn::nothing(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_registers_nobody_and_a_client_hears_past_notices() {
        let mut server = Server::new(&Greeting::of("irc.test"));
        assert_eq!(server.hear(b"CAP LS 302\r\n"), Turn::say(":irc.test CAP * LS :tls\r\n"));
        assert_eq!(server.hear(b"CAP REQ :tls\r\n"), Turn::say(":irc.test CAP * ACK :tls\r\n"));
        assert!(matches!(server.hear(b"NICK alice\r\n"), Turn::End(_, Fault::InTheClear)));
        assert_eq!(server.hear(b"STARTTLS\r\n"), Turn::begin(":irc.test 670 * :begin TLS\r\n"));
        let mut client = Client;
        assert_eq!(client.hear(b":irc.test NOTICE * :*** Looking up\r\n"), Turn::nothing());
        assert_eq!(
            client.hear(b":irc.test 421 * STARTTLS :Unknown\r\n"),
            Turn::fail(Fault::NotOffered)
        );
        assert_eq!(Client.hear(b"670 * :go\r\n"), Turn::begin(""));
    }
}
