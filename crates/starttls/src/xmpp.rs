//! XMPP: a stream is opened, offers STARTTLS, and is begun anew inside TLS (RFC 6120 section 5).

use crate::dialogue::{Dialogue, Turn};
use crate::fault::Fault;
use crate::greeting::Greeting;
use crate::xml::{self, Kind, Tag, escaped};

/// Speaks for a server that demands TLS.
#[derive(Debug)]
pub(crate) struct Server {
    space: &'static str,
    host: String,
    asked: Option<String>,
    /// A stream was opened.
    is_open: bool,
    /// TLS was asked for, and the tag that does so is open.
    begins: bool,
}

impl Server {
    pub(crate) fn for_clients(greeting: &Greeting) -> Self {
        Self::new(greeting, OF_CLIENTS)
    }

    pub(crate) fn for_servers(greeting: &Greeting) -> Self {
        Self::new(greeting, OF_SERVERS)
    }

    fn new(greeting: &Greeting, space: &'static str) -> Self {
        let host = greeting.host.clone();
        Self { space, host, asked: None, is_open: false, begins: false }
    }

    fn opened(&mut self, tag: &Tag) -> Turn {
        if !tag.declares(STREAMS) || !tag.declares(self.space) {
            return Turn::end(end("invalid-namespace"), Fault::Malformed);
        }
        self.is_open = true;
        let asked = tag.attribute("to").filter(|to| !to.is_empty());
        self.asked = asked.map(|to| to.trim_end_matches('.').to_ascii_lowercase());
        let from = escaped(self.asked.as_deref().unwrap_or(&self.host));
        let space = self.space;
        Turn::say(format!(
            "<?xml version='1.0'?><stream:stream xmlns='{space}' xmlns:stream='{STREAMS}' id='before-tls' \
             from='{from}' version='1.0'><stream:features><starttls xmlns='{TLS}'><required/></starttls>\
             </stream:features>"
        ))
    }

    fn asked_for_tls(&mut self, kind: Kind) -> Turn {
        match (kind, self.begins) {
            (Kind::Open, false) => {
                self.begins = true;
                Turn::nothing()
            }
            (Kind::Alone, false) | (Kind::Close, true) => {
                Turn::begin(format!("<proceed xmlns='{TLS}'/>"))
            }
            _ => Turn::end(end("invalid-xml"), Fault::Malformed),
        }
    }
}

impl Dialogue for Server {
    fn cut(&self, octets: &[u8]) -> Result<Option<usize>, Fault> {
        Ok(xml::cut(octets))
    }

    fn hear(&mut self, frame: &[u8]) -> Turn {
        let tag = match Tag::read(frame) {
            Ok(Some(tag)) => tag,
            Ok(None) => return Turn::nothing(),
            Err(why) => return Turn::fail(why),
        };
        match (self.is_open, tag.name.as_str(), tag.kind) {
            (false, "stream", Kind::Open) => self.opened(&tag),
            (true, "stream", Kind::Close) => Turn::end("</stream:stream>", Fault::Left),
            (true, "starttls", kind) if kind == Kind::Close || tag.declares(TLS) => {
                self.asked_for_tls(kind)
            }
            (true, ..) => Turn::end(end("policy-violation"), Fault::InTheClear),
            (false, ..) => Turn::fail(Fault::Malformed),
        }
    }

    fn asked(&self) -> Option<&str> {
        self.asked.as_deref()
    }
}

/// Asks a server for TLS.
#[derive(Debug)]
pub(crate) struct Client {
    space: &'static str,
    to: String,
    awaits: Awaits,
}

/// What is awaited.
#[derive(Clone, Copy, Debug)]
enum Awaits {
    Stream,
    Features { offered: bool },
    GoAhead,
}

impl Client {
    pub(crate) fn to_clients_port(name: &str) -> Self {
        Self { space: OF_CLIENTS, to: name.to_owned(), awaits: Awaits::Stream }
    }

    pub(crate) fn to_servers_port(name: &str) -> Self {
        Self { space: OF_SERVERS, to: name.to_owned(), awaits: Awaits::Stream }
    }

    fn ask(&mut self) -> Turn {
        self.awaits = Awaits::GoAhead;
        Turn::say(format!("<starttls xmlns='{TLS}'/>"))
    }
}

impl Dialogue for Client {
    fn first(&mut self) -> Vec<u8> {
        let (space, to) = (self.space, escaped(&self.to));
        format!(
            "<?xml version='1.0'?><stream:stream xmlns='{space}' xmlns:stream='{STREAMS}' to='{to}' version='1.0'>"
        )
        .into()
    }

    fn cut(&self, octets: &[u8]) -> Result<Option<usize>, Fault> {
        Ok(xml::cut(octets))
    }

    fn hear(&mut self, frame: &[u8]) -> Turn {
        if frame.first() != Some(&b'<') && matches!(self.awaits, Awaits::Features { .. }) {
            return Turn::nothing();
        }
        let tag = match Tag::read(frame) {
            Ok(Some(tag)) => tag,
            Ok(None) => return Turn::nothing(),
            Err(why) => return Turn::fail(why),
        };
        match (self.awaits, tag.name.as_str(), tag.kind) {
            (Awaits::Stream, "stream", Kind::Open) if tag.declares(STREAMS) => {
                self.awaits = Awaits::Features { offered: false };
                Turn::nothing()
            }
            (_, "error", Kind::Open) => Turn::fail(Fault::Unready("a stream error".to_owned())),
            (Awaits::Features { .. }, "starttls", Kind::Open | Kind::Alone)
                if tag.declares(TLS) =>
            {
                self.awaits = Awaits::Features { offered: true };
                Turn::nothing()
            }
            (Awaits::Features { offered: true }, "features", Kind::Close) => self.ask(),
            (Awaits::Features { .. }, "features", Kind::Close | Kind::Alone) => {
                Turn::fail(Fault::NotOffered)
            }
            (Awaits::Features { .. }, "stream", _) => Turn::fail(Fault::Malformed),
            (Awaits::Features { .. }, ..) => Turn::nothing(),
            (Awaits::GoAhead, "proceed", Kind::Alone) if tag.declares(TLS) => Turn::begin(""),
            (Awaits::GoAhead, "proceed", Kind::Open) if tag.declares(TLS) => Turn::nothing(),
            (Awaits::GoAhead, "proceed", Kind::Close) => Turn::begin(""),
            (Awaits::GoAhead, "failure", _) => Turn::fail(Fault::Declined("failure".to_owned())),
            _ => Turn::fail(Fault::Malformed),
        }
    }
}

fn end(why: &str) -> String {
    format!(
        "<stream:error><{why} xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>"
    )
}

const STREAMS: &str = "http://etherx.jabber.org/streams";
const TLS: &str = "urn:ietf:params:xml:ns:xmpp-tls";
const OF_CLIENTS: &str = "jabber:client";
const OF_SERVERS: &str = "jabber:server";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Protocol, Step, Upgrade};

    fn server() -> Upgrade {
        Upgrade::server(Protocol::Xmpp, &Greeting::of("chat.test")).unwrap()
    }

    const OPENED: &str = "<?xml version='1.0'?><stream:stream to='Chat.Test' xmlns='jabber:client' \
                          xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>";

    #[test]
    fn a_stream_says_whom_it_is_for_and_only_then_asks_for_tls() {
        let mut server = server();
        let Step::More(said) = server.hear(OPENED.as_bytes()) else { panic!() };
        let said = String::from_utf8(said).unwrap();
        assert!(said.contains("from='chat.test'") && said.contains("<required/>"), "{said}");
        assert_eq!(server.asked(), Some("chat.test"));
        let pair = format!("<starttls xmlns='{TLS}'></starttls>");
        assert!(matches!(server.hear(pair.as_bytes()), Step::Begin(_)));
    }

    #[test]
    fn a_name_that_is_markup_is_said_back_as_a_name() {
        let odd = OPENED.replace("Chat.Test", "&apos;/>&lt;a&gt;");
        let Step::More(said) = server().hear(odd.as_bytes()) else { panic!() };
        assert!(!String::from_utf8(said).unwrap().contains("<a>"));
    }

    #[test]
    fn a_password_before_tls_ends_the_stream() {
        let mut server = server();
        server.hear(OPENED.as_bytes());
        let auth =
            b"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGEAYg==</auth>";
        assert!(matches!(server.hear(auth), Step::No(_, Fault::InTheClear)));
    }

    #[test]
    fn features_without_tls_are_a_downgrade() {
        let mut client = Upgrade::client(Protocol::Xmpp, "chat.test");
        client.first();
        let plain = format!(
            "{OPENED}<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>\
             <mechanism>PLAIN</mechanism></mechanisms></stream:features>"
        );
        assert_eq!(client.hear(plain.as_bytes()), Step::No(Vec::new(), Fault::NotOffered));
    }
}
