//! ManageSieve: the greeting lists the capabilities, then STARTTLS (RFC 5804 sections 1.7 and 2.2).

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

    fn capabilities(&self) -> String {
        let mut listed = "\"IMPLEMENTATION\" \"TLS first\"\r\n\"VERSION\" \"1.0\"\r\n".to_owned();
        self.0.offers.iter().for_each(|offer| listed += &format!("{offer}\r\n"));
        let host = self.0.host.replace(['"', '\\'], "");
        listed + "\"SASL\" \"\"\r\n\"SIEVE\" \"\"\r\n\"STARTTLS\"\r\nOK \"" + &host + "\"\r\n"
    }
}

impl Dialogue for Server {
    fn first(&mut self) -> Vec<u8> {
        self.capabilities().into()
    }

    fn cut(&self, octets: &[u8]) -> Result<Option<usize>, Fault> {
        line::cut(octets)
    }

    fn hear(&mut self, frame: &[u8]) -> Turn {
        // What it announces would come unasked, and look like commands.
        if line::bare(frame).ends_with(b"+}") {
            return Turn::fail(Fault::Malformed);
        }
        let (verb, argument) = line::command(frame);
        match verb.as_str() {
            "CAPABILITY" => Turn::say(self.capabilities()),
            "STARTTLS" if argument.is_empty() => Turn::begin("OK \"begin TLS\"\r\n"),
            "NOOP" => Turn::say("OK \"done\"\r\n"),
            "LOGOUT" => Turn::end("OK \"bye\"\r\n", Fault::Left),
            "AUTHENTICATE" => Turn::say("NO (ENCRYPT-NEEDED) \"STARTTLS first\"\r\n"),
            _ => Turn::say("NO \"STARTTLS first\"\r\n"),
        }
    }
}

/// Asks a server for TLS.
#[derive(Debug, Default)]
pub(crate) struct Client(Awaits);

/// What is awaited.
#[derive(Clone, Copy, Debug)]
enum Awaits {
    Listed { offered: bool },
    GoAhead,
}

impl Default for Awaits {
    fn default() -> Self {
        Self::Listed { offered: false }
    }
}

impl Dialogue for Client {
    fn cut(&self, octets: &[u8]) -> Result<Option<usize>, Fault> {
        line::cut(octets)
    }

    fn hear(&mut self, frame: &[u8]) -> Turn {
        let (word, _) = line::command(frame);
        match (self.0, word.as_str()) {
            (Awaits::Listed { .. }, "\"STARTTLS\"") => {
                self.0 = Awaits::Listed { offered: true };
                Turn::nothing()
            }
            (Awaits::Listed { .. }, word) if word.starts_with('"') => Turn::nothing(),
            (Awaits::Listed { offered: true }, "OK") => {
                self.0 = Awaits::GoAhead;
                Turn::say("STARTTLS\r\n")
            }
            (Awaits::Listed { offered: false }, "OK") => Turn::fail(Fault::NotOffered),
            (Awaits::Listed { .. }, "NO" | "BYE") => Turn::fail(Fault::Unready(quoted(frame))),
            (Awaits::GoAhead, "OK") => Turn::begin(""),
            (Awaits::GoAhead, "NO" | "BYE") => Turn::fail(Fault::Declined(quoted(frame))),
            _ => Turn::fail(Fault::Malformed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_demands_encryption_and_a_client_the_offer() {
        let mut server = Server::new(&Greeting::of("sieve.test"));
        let Turn::Say(said) = server.hear(b"AUTHENTICATE \"PLAIN\" \"AA==\"\r\n") else { panic!() };
        assert!(said.starts_with(b"NO (ENCRYPT-NEEDED)"));
        assert_eq!(server.hear(b"PUTSCRIPT \"a\" {9+}\r\n"), Turn::fail(Fault::Malformed));
        let mut client = Client::default();
        client.hear(b"\"SASL\" \"PLAIN\"\r\n");
        assert_eq!(client.hear(b"OK\r\n"), Turn::fail(Fault::NotOffered));
    }
}
