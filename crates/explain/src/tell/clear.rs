//! What is said of words before TLS: a greeting, an offer, the request or its answer, each in its protocol.

use crate::before_tls::{Protocol, Says};
use crate::catalogue::Entry;
use crate::fact::{Detail, Fact};

pub(super) fn of(fact: &Fact, all: &[&Fact], entry: Entry) -> Entry {
    let Detail::Clear(said) = &fact.detail else { return entry };
    // What is spoken may be known by later words alone.
    let known = all.iter().rev().find_map(|one| match &one.detail {
        Detail::Clear(said) => said.protocol,
        _ => None,
    });
    let section = known.map_or(entry.section, section);
    let (title, sentence) = match said.says {
        Says::Greets => (
            "A greeting, in the clear",
            "The server greets in the service's own protocol, in the clear: TLS has not begun.",
        ),
        Says::TurnsAway => (
            "Turned away, in the clear",
            "The server's first words say no, before anybody has asked for TLS.",
        ),
        Says::Offers => (
            "An offer of TLS, in the clear",
            "The server says in the clear that TLS can begin on this connection.",
        ),
        Says::Asks => (
            "A request for TLS, in the clear",
            "The client asks in the clear that TLS begin on this connection.",
        ),
        Says::Agrees => (
            "Yes to TLS, in the clear",
            "The server agrees in the clear: the next bytes of both are TLS.",
        ),
        Says::Declines => (
            "No to TLS, in the clear",
            "The server says no in the clear: TLS does not begin by this request.",
        ),
        Says::Speaks => (
            "In the clear, before TLS",
            "This side speaks the service's own protocol in the clear: TLS has not begun.",
        ),
    };
    let leaves_open = match said.says {
        Says::TurnsAway | Says::Declines => {
            "Who said it: the server, or somebody on the way in its name."
        }
        _ => entry.leaves_open,
    };
    Entry { title, sentence, leaves_open, section, ..entry }
}

fn section(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Mail => "RFC 3207",
        Protocol::Imap => "RFC 9051, 6.2.1; RFC 2595",
        Protocol::Pop3 => "RFC 2595, 4",
        Protocol::News => "RFC 4642",
        Protocol::Files => "RFC 4217, 4",
        Protocol::Directory => "RFC 4511, 4.14",
        Protocol::Chat => "RFC 6120, 5",
        Protocol::Postgresql => "PostgreSQL, Frontend/Backend Protocol, SSL Session Encryption",
        Protocol::Mysql => "MySQL, Client/Server Protocol, Protocol::SSLRequest",
    }
}
