//! STARTTLS: how a connection that begins in the clear comes to TLS, for both of its sides and many protocols.
//!
//! 1. [`Upgrade::server`] or [`Upgrade::client`], what [`Upgrade::first`] says, then [`Upgrade::hear`] for octets as they
//!    come, until it gives something else than [`Step::More`];
//! 2. TLS, which is the caller's;
//! 3. a [`Relay`] between a plain side, which knows nothing of all this, and the side under TLS: greetings that were
//!    heard twice, offers that hold no longer.
//!
//! The crate exists because each protocol has its own words for this, and the same trap: what comes behind the command
//! that begins TLS, in the clear, must never be taken for something that was said inside. No I/O, no clock, no
//! settings. Invariant: one octet behind that command, or behind the peer's go-ahead, ends the connection, in both
//! roles; where no go-ahead is waited for, it is handed over as TLS. How it degrades: what is not understood is a [`Fault`] and never a guess, and no side goes on in the clear.

mod asn1;
mod between;
mod dialogue;
mod doors;
mod fault;
mod ftp;
mod ftp_between;
mod ftp_words;
pub mod fuzzing;
mod greeting;
mod imap;
mod irc;
mod ldap;
mod line;
mod lines_between;
mod mysql;
mod mysql_between;
mod nntp;
mod offers;
mod pop3;
mod postgresql;
mod postgresql_between;
mod protocol;
mod relay;
mod reply;
mod sieve;
mod smtp;
mod upgrade;
mod xml;
mod xmpp;
mod xmpp_between;

pub use between::{Both, Introduction};
pub use doors::Doors;
pub use fault::Fault;
pub use greeting::Greeting;
pub use protocol::{Protocol, UnknownProtocol};
pub use relay::Relay;
pub use upgrade::{Step, Upgrade};
