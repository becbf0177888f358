//! The machine: octets in as they come, octets out, until TLS begins or it is over.
//!
//! Not here: any protocol's words. Invariant: TLS begins with nothing left in the buffer but what is handed over as TLS.

use crate::dialogue::{Dialogue, MOST_HEARD, Turn};
use crate::fault::Fault;
use crate::greeting::Greeting;
use crate::protocol::Protocol;
use crate::{ftp, imap, irc, ldap, mysql, nntp, pop3, postgresql, sieve, smtp, xmpp};

/// One side of a connection on its way to TLS.
#[derive(Debug)]
pub struct Upgrade {
    dialogue: Box<dyn Dialogue>,
    heard: Vec<u8>,
    octets: usize,
    turns: u32,
    is_over: bool,
}

/// What follows from what was heard. Whatever it carries is sent first.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// More is awaited.
    More(Vec<u8>),
    /// TLS begins with the next octet.
    Begin(Vec<u8>),
    /// TLS began with these octets: the peer knows that it may, or does not wait to hear so.
    Direct(Vec<u8>),
    /// The connection ends.
    No(Vec<u8>, Fault),
}

impl Upgrade {
    /// The side that is asked for TLS.
    ///
    /// # Errors
    /// Where the backend's greeting, which has to be its own, makes no sense or offers no TLS.
    pub fn server(protocol: Protocol, greeting: &Greeting) -> Result<Self, Fault> {
        Ok(Self::of(match protocol {
            Protocol::Smtp | Protocol::Submission => Box::new(smtp::Server::smtp(greeting)),
            Protocol::Lmtp => Box::new(smtp::Server::lmtp(greeting)),
            Protocol::Imap => Box::new(imap::Server::new(greeting)),
            Protocol::Pop3 => Box::new(pop3::Server::new(greeting)),
            Protocol::Sieve => Box::new(sieve::Server::new(greeting)),
            Protocol::Nntp => Box::new(nntp::Server::new(greeting)),
            Protocol::Ftp => Box::new(ftp::Server::new(greeting)),
            Protocol::Ldap => Box::new(ldap::Server),
            Protocol::Xmpp => Box::new(xmpp::Server::for_clients(greeting)),
            Protocol::XmppServer => Box::new(xmpp::Server::for_servers(greeting)),
            Protocol::Postgresql => Box::new(postgresql::Server),
            Protocol::Mysql => Box::new(mysql::Server::new(&greeting.service)?),
            Protocol::Irc => Box::new(irc::Server::new(greeting)),
        }))
    }

    /// The side that asks for TLS, of the service of this name.
    pub fn client(protocol: Protocol, name: &str) -> Self {
        Self::of(match protocol {
            Protocol::Smtp | Protocol::Submission => Box::new(smtp::Client::smtp()),
            Protocol::Lmtp => Box::new(smtp::Client::lmtp()),
            Protocol::Imap => Box::new(imap::Client::default()),
            Protocol::Pop3 => Box::new(pop3::Client::default()),
            Protocol::Sieve => Box::new(sieve::Client::default()),
            Protocol::Nntp => Box::new(nntp::Client::default()),
            Protocol::Ftp => Box::new(ftp::Client::default()),
            Protocol::Ldap => Box::new(ldap::Client),
            Protocol::Xmpp => Box::new(xmpp::Client::to_clients_port(name)),
            Protocol::XmppServer => Box::new(xmpp::Client::to_servers_port(name)),
            Protocol::Postgresql => Box::new(postgresql::Client),
            Protocol::Mysql => Box::new(mysql::Client::default()),
            Protocol::Irc => Box::new(irc::Client),
        })
    }

    /// The same, by the request that a client of ours made ([`Upgrade::request`]).
    pub fn client_asking(protocol: Protocol, name: &str, request: &[u8]) -> Self {
        match protocol {
            Protocol::Mysql => Self::of(Box::new(mysql::Client::asking(request))),
            _ => Self::client(protocol, name),
        }
    }

    fn of(dialogue: Box<dyn Dialogue>) -> Self {
        Self { dialogue, heard: Vec::new(), octets: 0, turns: 0, is_over: false }
    }

    /// What is said before anything is heard.
    pub fn first(&mut self) -> Vec<u8> {
        self.dialogue.first()
    }

    /// Whom the client asked for, where the protocol says that before TLS.
    pub fn asked(&self) -> Option<&str> {
        self.dialogue.asked()
    }

    /// The client's own request for TLS, where the backend has to get the same.
    pub fn request(&self) -> &[u8] {
        self.dialogue.request()
    }

    /// The service's greeting, where it is part of what follows.
    pub fn greeting(&self) -> &[u8] {
        self.dialogue.greeting()
    }

    /// Hears what came. Nothing means that the peer has closed.
    pub fn hear(&mut self, octets: &[u8]) -> Step {
        let step = self.take(octets);
        self.is_over |= !matches!(step, Step::More(_));
        step
    }

    fn take(&mut self, octets: &[u8]) -> Step {
        if self.is_over || octets.is_empty() {
            return Step::No(Vec::new(), Fault::Left);
        }
        if self.octets == 0 && self.dialogue.is_direct(octets[0]) {
            return Step::Direct(octets.to_vec());
        }
        self.octets += octets.len();
        self.heard.extend_from_slice(octets);
        let mut said = Vec::new();
        loop {
            let frame = match self.dialogue.cut(&self.heard) {
                Ok(Some(end)) if end <= MOST_HEARD => self.heard.drain(..end).collect::<Vec<_>>(),
                Ok(None) if self.octets > MOST_OCTETS => return Step::No(said, Fault::TooMany),
                Ok(None) if self.heard.len() <= MOST_HEARD => return Step::More(said),
                Ok(_) => return Step::No(said, Fault::TooLong),
                Err(why) => return Step::No(said, why),
            };
            match self.dialogue.hear(&frame) {
                Turn::Say(more) => {
                    self.turns += u32::from(!more.is_empty());
                    said.extend(more);
                    if self.turns > MOST_TURNS {
                        return Step::No(said, Fault::TooMany);
                    }
                }
                Turn::Begin(more) if self.heard.is_empty() => {
                    said.extend(more);
                    return Step::Begin(said);
                }
                Turn::Begin(_) if self.dialogue.is_not_awaited() => {
                    return Step::Direct(std::mem::take(&mut self.heard));
                }
                // Nothing more is said: whoever sent it is not to believe that it was heard.
                Turn::Begin(_) => return Step::No(said, Fault::Injected),
                Turn::End(more, why) => {
                    said.extend(more);
                    return Step::No(said, why);
                }
            }
        }
    }
}

/// What a peer that means it says, ten times over.
const MOST_TURNS: u32 = 100;
const MOST_OCTETS: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn smtp() -> Upgrade {
        Upgrade::server(Protocol::Smtp, &Greeting::of("mail.example.org")).unwrap()
    }

    #[test]
    fn one_octet_behind_the_command_ends_it_and_the_go_ahead_is_not_said() {
        let Step::No(said, why) = smtp().hear(b"EHLO a\r\nSTARTTLS\r\nRSET\r\n") else { panic!() };
        assert_eq!(why, Fault::Injected);
        assert!(!String::from_utf8(said).unwrap().contains("220"));
        let mut upgrade = smtp();
        assert!(matches!(upgrade.hear(b"STARTTLS\r\n"), Step::Begin(_)));
        assert_eq!(upgrade.hear(b"x"), Step::No(Vec::new(), Fault::Left), "it is over");
    }

    #[test]
    fn a_peer_that_goes_on_and_on_is_given_up_with_little_said() {
        let mut upgrade = smtp();
        let mut said = 0;
        for _ in 0..MOST_TURNS * 2 {
            match upgrade.hear(&b"\r\n".repeat(2000)) {
                Step::More(more) => said += more.len(),
                Step::No(more, why) => {
                    assert_eq!(why, Fault::TooMany);
                    assert!(said + more.len() < 32 * 1024, "{}", said + more.len());
                    return;
                }
                step => panic!("{step:?}"),
            }
        }
        panic!("it goes on");
    }

    #[test]
    fn a_line_without_an_end_is_given_up() {
        let mut upgrade = smtp();
        for number in 0.. {
            match upgrade.hear(&[b'a'; 100]) {
                Step::More(_) => assert!(number < MOST_HEARD / 100, "it grows"),
                step => return assert_eq!(step, Step::No(Vec::new(), Fault::TooLong)),
            }
        }
    }
}
