//! Tells a story from facts: words from the catalogue, keys, certificates and the ending from what was seen.
//!
//! Pure: the same facts give the same story.

mod ending;
mod keys;

use crate::catalogue::{Chapter, Kind};
use crate::fact::{Detail, Fact, Facts, KeyName};
use crate::openvpn::Session;
use crate::place::Side;
use crate::story::{Certificate, Ending, Means, Packet, Protocol, Step, Story, Term, Use};

/// One conversation as it was observed.
pub(crate) struct Conversation<'a> {
    pub(crate) transport: &'static str,
    pub(crate) client: String,
    pub(crate) server: String,
    pub(crate) facts: &'a Facts,
    pub(crate) session: Option<&'a Session>,
    /// Who ended the TCP connection, and whether by a reset.
    pub(crate) closed: Option<(Side, bool)>,
    /// Who used which key of TLS, so far as records were opened.
    pub(crate) uses: Vec<(KeyName, Use)>,
}

/// The story of a conversation; none if nothing happened in it.
pub(crate) fn tell(conversation: &Conversation<'_>) -> Option<Story> {
    let mut facts: Vec<&Fact> = conversation.facts.all().iter().collect();
    facts.sort_by_key(|fact| fact.at);
    let began = facts.first()?.at;
    let steps: Vec<Step> =
        facts.iter().zip(1..).map(|(fact, number)| step(fact, number, began)).collect();
    let ending = ending::of(conversation, &facts, &steps);
    let protocol = if conversation.session.is_some() { Protocol::OpenVpn } else { Protocol::Tls };
    let missing = match &ending {
        Ending::Broken(_) => ending::missing(protocol, &steps),
        Ending::Done | Ending::Cut => Vec::new(),
    };
    Some(Story {
        title: title(protocol, &steps),
        protocol,
        transport: conversation.transport.to_owned(),
        client: conversation.client.clone(),
        server: conversation.server.clone(),
        began,
        missing,
        keys: keys::of(&facts, conversation, began),
        certificates: certificates(&facts),
        packets: conversation.session.map(|session| packets(session, began)).unwrap_or_default(),
        judgements: Vec::new(),
        ending,
        steps,
    })
}

fn step(fact: &Fact, number: u32, began: u64) -> Step {
    let entry = fact.kind.entry();
    let terms = entry
        .terms
        .iter()
        .map(|(word, meaning)| Term { word: (*word).to_owned(), meaning: (*meaning).to_owned() });
    Step {
        number,
        entry: entry.name.to_owned(),
        chapter: chapter(fact),
        at: fact.at.saturating_sub(began),
        from: fact.from,
        to: fact.from.peer(),
        title: entry.title.to_owned(),
        sentence: entry.sentence.to_owned(),
        terms: terms.collect(),
        fields: fact.fields.clone(),
        proves: proves(fact).to_owned(),
        leaves_open: entry.leaves_open.to_owned(),
        readable_by: entry.readable.sentence(fact.key.is_some()).to_owned(),
        key: fact.key.map(KeyName::id),
        handshake: fact.handshake,
        basis: fact.basis.clone(),
        source: fact.source,
        section: entry.section.to_owned(),
    }
}

/// What is encrypted and can't be read, or means nothing, belongs to whatever stands around it.
fn chapter(fact: &Fact) -> Chapter {
    match (fact.kind, fact.from) {
        (Kind::Sealed | Kind::Disguise, Side::Client) => Chapter::ClientShown,
        (Kind::Disguise, Side::Server) => Chapter::Hello,
        (kind, _) => kind.entry().chapter,
    }
}

fn proves(fact: &Fact) -> &'static str {
    let knocks = matches!(fact.kind, Kind::ClientReset | Kind::ServerReset);
    match (&fact.detail, wrapping(fact)) {
        (Detail::Proof(false), _) => "Nothing: it was calculated again, and it is wrong.",
        (_, Some("none")) if knocks => {
            "Nothing: packets of this session carry no code, so anybody could have sent it."
        }
        (_, Some(code)) if knocks && code.contains("not checked") => {
            "Nothing to whoever has not got the key. With it, that the sender holds the key which all profiles share."
        }
        _ => fact.kind.entry().proves,
    }
}

fn wrapping(fact: &Fact) -> Option<&str> {
    fact.fields.iter().find(|field| field.name == "wrapping").map(|field| field.value.as_str())
}

fn title(protocol: Protocol, steps: &[Step]) -> String {
    let has = |names: &[&str]| steps.iter().any(|step| names.contains(&step.entry.as_str()));
    let tls = match () {
        () if has(&["server_hello", "server_hello_resumed"]) => "TLS 1.3",
        () if has(&["server_hello_old", "server_hello_old_resumed"]) => "TLS 1.2",
        () => "TLS",
    };
    let renewals = steps.iter().map(|step| step.handshake).max().unwrap_or(0);
    match (protocol, renewals) {
        (Protocol::Tls, _) if has(&["server_hello_resumed", "server_hello_old_resumed"]) => {
            format!("A {tls} session taken up again")
        }
        (Protocol::Tls, _) => format!("A {tls} handshake"),
        (Protocol::OpenVpn, 0) => format!("An OpenVPN session with {tls} inside"),
        (Protocol::OpenVpn, 1) => format!("An OpenVPN session with {tls} inside, renewed once"),
        (Protocol::OpenVpn, times) => {
            format!("An OpenVPN session with {tls} inside, renewed {times} times")
        }
    }
}

fn certificates(facts: &[&Fact]) -> Vec<Certificate> {
    let mut all: Vec<Certificate> = Vec::new();
    for (fact, step) in facts.iter().zip(1..) {
        match &fact.detail {
            Detail::Certificates(shown) => {
                all.extend(
                    shown.iter().map(|certificate| Certificate { step, ..certificate.clone() }),
                );
            }
            Detail::Staple(inquiry) => {
                let servers =
                    |have: &&mut Certificate| have.shown_by == Side::Server && have.depth == 0;
                if let Some(certificate) = all.iter_mut().rfind(servers) {
                    certificate.inquiries.retain(|have| have.means != Means::Staple);
                    certificate.inquiries.insert(0, inquiry.clone());
                }
            }
            _ => {}
        }
    }
    all
}

fn packets(session: &Session, began: u64) -> Vec<Packet> {
    let relative =
        |packet: &Packet| Packet { at: packet.at.saturating_sub(began), ..packet.clone() };
    session.packets.iter().map(relative).collect()
}

impl Use {
    fn relative(self, began: u64) -> Use {
        Use {
            first: self.first.saturating_sub(began),
            last: self.last.saturating_sub(began),
            ..self
        }
    }
}
