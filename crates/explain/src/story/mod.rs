//! A story: what happened in one handshake, step by step, as values.
//!
//! It is what `--format json` writes (docs/explain-json.md describes it) and what every renderer reads. No type
//! here can hold a secret. Invariant: a step rests on bytes, on a judgement of those who judge, or is a gap that
//! says why nothing can be told.

mod bytes;
mod certificate;
mod ending;
mod key;

use serde::{Deserialize, Serialize};

pub use crate::catalogue::Chapter;
pub use crate::field::Field;
pub use crate::place::{Place, Side};
pub(crate) use bytes::Wanted;
pub use certificate::{Certificate, Inquiry, Means};
pub use ending::{Broken, Ending};
pub use key::{KeyKind, KeyLine, Plan, Rule, Use};

/// The version of the format. It changes when a reader of the one before would misread it.
pub const VERSION: u32 = 1;

/// What a source told: one story for each conversation in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stories {
    /// [`VERSION`].
    pub version: u32,
    /// One for each conversation that began in what was observed, in the order of their first packets.
    pub stories: Vec<Story>,
    /// Conversations that were seen and are not told, with the reason.
    pub left_out: Vec<LeftOut>,
}

/// Conversations that are not told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// Why.
    pub reason: String,
    /// How many.
    pub count: u64,
}

/// One conversation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Story {
    /// What it is, in a line.
    pub title: String,
    /// What is spoken.
    pub protocol: Protocol,
    /// `udp` or `tcp`.
    pub transport: String,
    /// The address of whoever spoke first.
    pub client: String,
    /// The other's.
    pub server: String,
    /// Microseconds since 1970 at the first step. Every other time is counted from here.
    pub began: u64,
    /// What happened.
    pub steps: Vec<Step>,
    /// What would have followed, by the names of the catalogue, where the handshake broke.
    pub missing: Vec<String>,
    /// The keys and how long they lived.
    pub keys: Vec<KeyLine>,
    /// The certificates that were shown, and who was asked about them.
    pub certificates: Vec<Certificate>,
    /// Control packets of OpenVPN, one by one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub packets: Vec<Packet>,
    /// What those judged who took part, in their own words; a capture has none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub judgements: Vec<Judgement>,
    /// How it ended.
    pub ending: Ending,
}

impl Story {
    /// The step at which it broke, or ended, where it did.
    pub fn broken_step(&self) -> Option<&Step> {
        let broken = self.ending.reason()?;
        self.steps.iter().find(|step| Some(step.number) == broken.at_step)
    }

    /// Whether a gateway tells it of itself.
    pub fn is_of_a_gateway(&self) -> bool {
        let is_its_word = |step: &Step| {
            step.source == Source::Judged || matches!(step.entry.as_str(), "not_kept" | "not_heard")
        };
        self.steps.iter().any(is_its_word)
    }

    /// What whoever broke it off said, in its own words: a message of OpenVPN.
    pub fn said_at_the_end(&self) -> Option<&str> {
        let message = self.broken_step()?.fields.iter().find(|field| field.name == "message")?;
        Some(&message.value)
    }
}

/// The word of somebody who took part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judgement {
    /// Whose.
    pub by: String,
    /// In the words of its log.
    pub sentence: String,
}

/// What is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TLS by itself.
    Tls,
    /// TLS inside OpenVPN's control channel.
    OpenVpn,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// From 1.
    pub number: u32,
    /// Its name in the catalogue.
    pub entry: String,
    /// The part of the handshake that it belongs to.
    pub chapter: Chapter,
    /// Microseconds after the first step.
    pub at: u64,
    /// Nobody measured that: it says no more than where the step stands among the others.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unmeasured: bool,
    /// Who spoke.
    pub from: Side,
    /// To whom.
    pub to: Side,
    /// A gap that stands for what both sides said: neither of them spoke alone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub both_ways: bool,
    /// What it is called.
    pub title: String,
    /// What happened, in at most 25 words.
    pub sentence: String,
    /// Technical terms and their meaning.
    pub terms: Vec<Term>,
    /// What was read.
    pub fields: Vec<Field>,
    /// What is proved from here on.
    pub proves: String,
    /// What is not.
    pub leaves_open: String,
    /// Who can read it on the wire.
    pub readable_by: String,
    /// The key that it was under, by [`KeyLine::id`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Which handshake of the conversation it belongs to: 0, and one more for each renewal.
    pub handshake: u32,
    /// The bytes that it rests on.
    pub basis: Vec<Place>,
    /// The first of them as they were on the wire, in hexadecimal, where the source has them still: encrypted ones as they
    /// came, and never what came out of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<String>,
    /// How it is known.
    pub source: Source,
    /// Where it is specified.
    pub section: String,
}

/// A technical term.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Term {
    /// The word.
    pub word: String,
    /// What it means.
    pub meaning: String,
}

/// How something is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// It was read from the bytes.
    Seen,
    /// It was read, and what it claims was calculated again and found right or wrong.
    Computed,
    /// Something is there, and can't be read.
    Gap,
    /// It is the word of the gateway that tells the story, and rests on no bytes.
    Judged,
}

/// One control packet of OpenVPN.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Packet {
    /// Microseconds after the first step.
    pub at: u64,
    /// The frame it stands in.
    pub frame: u32,
    /// Who sent it.
    pub from: Side,
    /// Its opcode's number.
    pub opcode: u8,
    /// Its opcode's name.
    pub name: String,
    /// The generation of keys.
    pub key_id: u8,
    /// The sender's session id.
    pub session: String,
    /// Message ids that it acknowledges.
    pub acks: Vec<u32>,
    /// Its message id; an acknowledgement alone has none.
    pub message: Option<u32>,
    /// Bytes of TLS in it.
    pub payload: u32,
    /// Whether these bytes had come before.
    pub again: bool,
    /// The replay counter and time of the wrapping.
    pub stamp: Option<(u32, u32)>,
    /// What the wrapping is, and whether it is right.
    pub wrapping: Wrapping,
}

/// What protects a control packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wrapping {
    /// Nothing.
    None,
    /// An HMAC; the key to check it with was not given.
    Unchecked,
    /// An HMAC, which is right.
    Right,
    /// An HMAC, which the given key did not make.
    Wrong,
    /// It is encrypted, by a key that is not read here (tls-crypt, tls-crypt-v2, dynamic tls-crypt): acks and message can't
    /// be read.
    Encrypted,
}
