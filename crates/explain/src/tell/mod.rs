//! Tells a story from facts: words from the catalogue, keys, certificates and the ending from what was seen.
//!
//! Pure: the same facts give the same story.

mod again;
mod alert;
mod channel;
mod clear;
pub(crate) mod clocks;
mod ending;
mod judged;
mod keys;
mod renewal;
mod streamed;
mod title;
mod words;

use crate::catalogue::{Chapter, Kind};
use crate::fact::{Detail, Fact, Facts, KeyName};
use crate::openvpn::{DATAGRAMS, Session};
use crate::place::Side;
use crate::story::{
    Broken, Certificate, Ending, Inquiry, Means, Packet, Protocol, Step, Story, Term, Use,
};
use crate::tls;
use crate::verdict::{Outcome, Verdict};

/// One conversation as it was observed.
pub(crate) struct Conversation<'a> {
    pub(crate) transport: &'static str,
    pub(crate) client: String,
    pub(crate) server: String,
    pub(crate) facts: &'a Facts,
    pub(crate) session: Option<&'a Session>,
    /// Who ended the TCP connection, and whether by a reset.
    pub(crate) closed: Option<(Side, bool)>,
    /// The side that tells it of itself, where one does.
    pub(crate) own: Option<Side>,
    /// Who used which key of TLS, so far as records were opened.
    pub(crate) uses: Vec<(KeyName, Use)>,
}

/// The story of a conversation; none if nothing happened in it.
pub(crate) fn tell(conversation: &Conversation<'_>) -> Option<Story> {
    tell_as(conversation, None)
}

/// The same where one of the two says how it ended.
pub(crate) fn tell_as(conversation: &Conversation<'_>, outcome: Option<&Outcome>) -> Option<Story> {
    let mut facts: Vec<&Fact> = conversation.facts.all().iter().collect();
    facts.sort_by_key(|fact| fact.at);
    let began = facts.first()?.at;
    let protocol = if conversation.session.is_some() { Protocol::OpenVpn } else { Protocol::Tls };
    let chapters = chapters(&facts, protocol);
    let mut steps: Vec<Step> = facts
        .iter()
        .zip(1..)
        .zip(chapters)
        .map(|((fact, number), chapter)| {
            let step = step(fact, &facts, number, (began, conversation));
            Step { chapter, ..step }
        })
        .collect();
    let ending = match outcome {
        None => ending::of(conversation, &facts, &steps),
        Some(Outcome::Open) => Ending::Done,
        Some(Outcome::Over(verdict)) => {
            let seen = ending::wrapped_otherwise(&facts, &steps);
            Ending::Broken(seen.unwrap_or_else(|| verdict.broken(&steps)))
        }
        Some(Outcome::Ended { why, .. }) => Ending::Ended(why.ended(&steps)),
        Some(Outcome::Dropped { why, .. }) => Ending::Dropped(why.broken(&steps)),
        Some(Outcome::Declined(verdict)) => {
            declined(verdict, ending::of(conversation, &facts, &steps), &steps)
        }
        Some(Outcome::Distrusted(verdict)) => {
            let why = verdict.broken(&steps);
            ending::goes_on_all_the_same(&mut steps, &why);
            match ending::of(conversation, &facts, &steps) {
                Ending::Done => Ending::Distrusted(why),
                seen => seen,
            }
        }
    };
    // How far it came is not known where a gap has no place of its own.
    let has_a_place =
        |fact: &Fact| matches!(fact.detail, Detail::Unkept { stands_in: Some(_), .. });
    let is_open = |fact: &&Fact| fact.kind == Kind::NotKept && !has_a_place(fact);
    let missing = match &ending {
        Ending::Broken(_) if facts.iter().any(is_open) => Vec::new(),
        Ending::Broken(_) => ending::missing(protocol, &steps),
        Ending::Done
        | Ending::Unrenewed(_)
        | Ending::Ended(_)
        | Ending::Distrusted(_)
        | Ending::Dropped(_)
        | Ending::Cut => Vec::new(),
    };
    Some(Story {
        title: title::of(protocol, &steps, &ending, outcome),
        protocol,
        transport: conversation.transport.to_owned(),
        client: conversation.client.clone(),
        server: conversation.server.clone(),
        began,
        missing,
        keys: keys::of(&facts, conversation, &ending, began),
        certificates: certificates(&facts, &ending),
        packets: conversation.session.map(|session| packets(session, began)).unwrap_or_default(),
        judgements: Vec::new(),
        ending,
        steps,
    })
}

/// What a client says of itself, and what was seen where it says nothing of the mend.
fn declined(verdict: &Verdict, seen: Ending, steps: &[Step]) -> Ending {
    let broken = verdict.broken(steps);
    Ending::Broken(match seen {
        Ending::Broken(seen) if broken.mends.is_empty() => Broken { mends: seen.mends, ..broken },
        _ => broken,
    })
}

fn step(
    fact: &Fact,
    all: &[&Fact],
    number: u32,
    (began, conversation): (u64, &Conversation<'_>),
) -> Step {
    let entry = words::of(fact, all, conversation);
    let terms =
        entry.terms.iter().filter(|(word, _)| words::explains(word, fact)).map(
            |(word, meaning)| Term { word: (*word).to_owned(), meaning: (*meaning).to_owned() },
        );
    let offloaded = fact.fields.iter().any(|field| field.name == DATAGRAMS).then(|| Term {
        word: "segmentation offload".to_owned(),
        meaning: "a kernel leaves it to the network card to cut what is sent, or joins what came: a capture may have several datagrams in one frame".to_owned(),
    });
    Step {
        number,
        entry: entry.name.to_owned(),
        chapter: entry.chapter,
        at: fact.at.saturating_sub(began),
        unmeasured: is_unmeasured(fact),
        from: fact.from,
        to: fact.from.peer(),
        both_ways: fact.is_both_ways(),
        title: entry.title.to_owned(),
        sentence: entry.sentence.to_owned(),
        terms: terms.chain(offloaded).collect(),
        fields: fact.fields.clone(),
        proves: entry.proves.to_owned(),
        leaves_open: entry.leaves_open.to_owned(),
        readable_by: entry.readable.sentence(fact.key.is_some()).to_owned(),
        key: fact.key.map(KeyName::id),
        handshake: fact.handshake,
        basis: fact.basis.clone(),
        bytes: None,
        source: fact.source,
        section: words::section(fact, all, entry.section),
    }
}

/// Of what was not kept nobody knows the time, nor of what a gateway has only counted.
fn is_unmeasured(fact: &Fact) -> bool {
    let is_not_kept = matches!(fact.detail, Detail::Unkept { .. });
    is_not_kept && fact.kind != Kind::CutShort || fact.kind.entry().chapter == Chapter::Dropped
}

/// The part that each belongs to. What is encrypted and can't be read, what was not kept, and what means nothing belong to
/// whatever stands around them.
fn chapters(facts: &[&Fact], protocol: Protocol) -> Vec<Chapter> {
    let mut all: Vec<Chapter> = Vec::new();
    for (index, fact) in facts.iter().enumerate() {
        let before = all.last().copied();
        let chapter = match (fact.kind, &fact.detail) {
            (_, Detail::Unkept { stands_in: Some(chapter), .. }) => *chapter,
            (Kind::Disguise, _) if fact.from == Side::Client => {
                let next = facts.get(index + 1).filter(|next| next.from == fact.from);
                next.map(|next| usual_chapter(next)).or(before).unwrap_or(Chapter::Hello)
            }
            (Kind::EncryptedExtensions, _) if is_resumed(fact, facts) => Chapter::Hello,
            (Kind::Sealed, _) if words::is_behind_a_hole(fact, facts) => {
                before.unwrap_or_else(|| usual_chapter(fact))
            }
            // In TLS 1.2 what is encrypted first is the word that confirms the rest.
            (Kind::Sealed, _) if words::is_old(fact, facts) => Chapter::Finished,
            (Kind::NotCaptured, _) => before.unwrap_or(Chapter::Knock),
            (Kind::NotKept | Kind::Missing | Kind::CutShort, _) => {
                before.unwrap_or(match protocol {
                    Protocol::OpenVpn => Chapter::Knock,
                    Protocol::Tls => Chapter::Hello,
                })
            }
            _ => usual_chapter(fact),
        };
        all.push(chapter);
    }
    all
}

/// Whether nobody shows a certificate in its handshake, as both had a key before.
fn is_resumed(fact: &Fact, all: &[&Fact]) -> bool {
    let resumed = |kind| matches!(kind, Kind::ServerHelloResumed | Kind::ServerHelloOldResumed);
    all.iter().any(|one| one.handshake == fact.handshake && resumed(one.kind))
}

fn usual_chapter(fact: &Fact) -> Chapter {
    match (fact.kind, fact.from) {
        (Kind::Sealed | Kind::NotRead, Side::Client) => Chapter::ClientShown,
        (Kind::NotRead, Side::Server) => Chapter::ServerShown,
        (Kind::Disguise, Side::Server) => Chapter::Hello,
        (kind, _) => kind.entry().chapter,
    }
}

fn certificates(facts: &[&Fact], ending: &Ending) -> Vec<Certificate> {
    let mut all: Vec<Certificate> = Vec::new();
    let mut chain: &[Vec<u8>] = &[];
    for (fact, step) in facts.iter().zip(1..) {
        match &fact.detail {
            Detail::Certificates(shown) => {
                if fact.from == Side::Server {
                    chain = &shown.chain;
                }
                let read = tls::certificates(shown, fact.from);
                all.extend(read.map(|certificate| Certificate { step, ..certificate }));
            }
            Detail::Staple(staple) => {
                let servers =
                    |have: &&mut Certificate| have.shown_by == Side::Server && have.depth == 0;
                if let Some(certificate) = all.iter_mut().rfind(servers) {
                    certificate.answered(tls::staple(staple, chain));
                }
            }
            _ => {}
        }
    }
    let asked = facts.iter().flat_map(|fact| &fact.fields).any(|one| one.name == "asks_for_staple");
    for certificate in &mut all {
        standing(certificate, asked, ending);
    }
    all
}

/// Why no staple came, and whether an alert says that it is revoked.
fn standing(certificate: &mut Certificate, asked: bool, ending: &Ending) {
    let (shown_by, own) = (certificate.shown_by, certificate.depth == 0);
    let revoked = match ending {
        Ending::Broken(broken) if broken.code == "alert_certificate_revoked" => {
            own && broken.by == Some(shown_by.peer())
        }
        _ => false,
    };
    let answered = |one: &Inquiry| one.means == Means::Staple && one.answer != "not_asked";
    let stapled = certificate.inquiries.iter().any(answered);
    let root = !own && certificate.subject == certificate.issuer;
    let inquiries = certificate.inquiries.iter_mut().filter(|one| one.answer == "not_asked");
    for inquiry in inquiries {
        let sentence = match (inquiry.means, shown_by) {
            (Means::Ocsp, _) if stapled => {
                "The staple was asked for beforehand, as a rule by the server. If the client asks too, it does so on another connection, which is not seen here."
            }
            (Means::Staple, _) if root => {
                "It issued itself, as a root does: a root is trusted because it is installed, and nobody is asked about it."
            }
            (Means::Crl, Side::Client) if revoked => {
                "The alert of the server says that it is revoked; by which list or answer can't be seen on the wire."
            }
            (Means::Crl, Side::Server) if revoked => {
                "The alert of the client says that it is revoked; by which list or answer can't be seen on the wire."
            }
            (Means::Staple, Side::Client) => {
                "A client brings none as a rule: the server asks the CA, or looks into its list."
            }
            (Means::Staple, Side::Server) if !own => "None came for this one of the chain.",
            (Means::Staple, Side::Server) if asked => {
                "The client asked for the CA's word, and the server brought none along."
            }
            _ => continue,
        };
        sentence.clone_into(&mut inquiry.sentence);
    }
}

fn packets(session: &Session, began: u64) -> Vec<Packet> {
    session.packets.iter().map(|packet| packet.told(began)).collect()
}

impl Use {
    pub(crate) fn relative(self, began: u64) -> Use {
        Use {
            first: self.first.saturating_sub(began),
            last: self.last.saturating_sub(began),
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    /// They can't be listed as those of the catalogue can: each is chosen by another handshake.
    #[test]
    fn no_sentence_that_is_written_beside_the_catalogue_has_more_than_25_words() {
        let sources = [
            include_str!("again.rs"),
            include_str!("clear.rs"),
            include_str!("judged.rs"),
            include_str!("streamed.rs"),
            include_str!("words.rs"),
        ];
        let texts = sources.iter().flat_map(|source| source.split('"').skip(1).step_by(2));
        let sentences: Vec<&str> = texts.flat_map(|text| text.split(". ")).collect();
        assert!(sentences.iter().filter(|one| one.split(' ').count() > 12).count() > 30);
        for sentence in sentences {
            assert!(sentence.split_whitespace().count() <= 25, "{sentence}");
        }
    }
}
