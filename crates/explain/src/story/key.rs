//! The keys of a conversation: when each was made, who used it from when to when, and what ended it.
//!
//! Three kinds of key are called session keys elsewhere. Here each has its own name, and what was not seen of
//! a key's life is absent, never guessed.

use serde::{Deserialize, Serialize};

use crate::place::Side;

/// One key. Times are microseconds after the first step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyLine {
    /// Its name, the same in every story.
    pub id: String,
    /// What it is for.
    pub kind: KeyKind,
    /// The cipher it is used with, if that was seen.
    pub cipher: Option<String>,
    /// When both sides could calculate it, if that was seen.
    pub born: Option<u64>,
    /// Who used it, and when.
    pub uses: Vec<Use>,
    /// Which rule brings the key that takes its place, or would.
    pub renewal: Rule,
    /// The key that took its place, or was made to take it: of a key in use ([`Plan::in_use`]) that is still to come.
    pub replaced_by: Option<String>,
    /// When its time is over, if that is known: of a data channel key its last packet is in `uses`, and for how long
    /// it still opens is each side's own setting.
    pub ends: Option<u64>,
    /// By which rule.
    pub ends_by: Rule,
    /// What is due for it, of a key of a gateway that tells it of itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<Plan>,
}

impl KeyLine {
    /// What brings the key that takes its place, as a sentence.
    pub fn renewed_by(&self) -> &'static str {
        let is_over = self.ends.is_some() && self.replaced_by.is_none();
        match (self.renewal, self.kind) {
            (Rule::Never, _) if self.ends_by == Rule::Refusal => Rule::Refusal.sentence(),
            (Rule::Renegotiation, _) if is_over => "nothing any more: it ended with its session",
            (Rule::Renegotiation, KeyKind::Data) => {
                "a renegotiation, a new TLS handshake under the next key id; packets under the old key can be read for a while yet"
            }
            (Rule::Renegotiation, _) => {
                "a renegotiation, a new TLS handshake under the next key id, which has keys of its own from the start"
            }
            (rule, _) => rule.sentence(),
        }
    }

    /// Whether it is what a handshake rests on that takes up an earlier session, which this story has not seen.
    pub fn is_of_an_earlier_session(&self) -> bool {
        self.kind == KeyKind::Resumption && self.born.is_none()
    }

    /// Whose key it is, of a key that one side alone encrypts with.
    pub(crate) fn side(&self) -> Option<Side> {
        [Side::Client, Side::Server].into_iter().find(|side| self.id.ends_with(side.word()))
    }
}

/// What a gateway has planned for a key of its own. Times are microseconds after the first step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Whether the gateway encrypts with it at this moment.
    pub in_use: bool,
    /// When the handshake that made it was over at the gateway, from which `renews` and `seals_from` count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub complete: Option<u64>,
    /// When the gateway begins its renewal, unless the client does so before.
    pub renews: Option<u64>,
    /// Whether that is another try of a renewal that failed, and not by the key's age.
    #[serde(default, skip_serializing_if = "is_false")]
    pub renews_again: bool,
    /// When the gateway begins to encrypt with it, unless the client uses it before.
    pub seals_from: Option<u64>,
    /// When the gateway encrypts with it no longer, whatever became of the renewal.
    pub seals_until: Option<u64>,
    /// When the gateway decrypts with it no longer, at the latest; of a ticket, when it can open that no longer, however it is used.
    pub opens_until: Option<u64>,
    /// How long the gateway decrypts with it yet once both sides encrypt with the key after the next one, which may be
    /// sooner: a length of time. Absent where nothing comes sooner.
    #[serde(default)]
    pub in_flight: Option<u64>,
    /// When the connection is closed whatever it carries, and this key with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closes: Option<u64>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands it so")]
fn is_false(value: &bool) -> bool {
    !value
}

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyKind {
    /// Protects the handshake's own messages.
    TlsHandshake,
    /// Protects what is said inside TLS.
    TlsTraffic,
    /// Protects the packets of a tunnel.
    Data,
    /// Lets a later connection begin without certificates.
    Resumption,
}

impl KeyKind {
    /// As people write it.
    pub fn word(self) -> &'static str {
        match self {
            KeyKind::TlsHandshake => "TLS handshake key",
            KeyKind::TlsTraffic => "TLS traffic key",
            KeyKind::Data => "data channel key",
            KeyKind::Resumption => "resumption secret",
        }
    }
}

/// One side's use of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Use {
    /// Whose.
    pub by: Side,
    /// The first packet or message under it.
    pub first: u64,
    /// The last one that was seen. Of an open session that its gateway tells: until when this side used it, which for a
    /// key in use is the moment of the question.
    pub last: u64,
    /// How many; 0 where they are not counted.
    pub count: u64,
}

/// Why a key is renewed or ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// When the handshake is finished, traffic keys take over.
    HandshakeFinished,
    /// Whoever sends may move on by a KeyUpdate; nothing else renews it.
    KeyUpdate,
    /// Only a new connection has another key.
    NewConnection,
    /// A renegotiation: a whole new TLS handshake under the next key id. Either side's timer may begin it.
    Renegotiation,
    /// The lifetime that the server wrote into its ticket.
    TicketLifetime,
    /// One side broke the handshake off or refused the other: both forget its keys.
    Refusal,
    /// For as long as its server's own setting says.
    ServersSetting,
    /// Nothing renews it.
    Never,
}

impl Rule {
    fn sentence(self) -> &'static str {
        match self {
            Rule::HandshakeFinished => "traffic keys take over when the handshake is finished",
            Rule::KeyUpdate => {
                "a KeyUpdate, by which its sender changes the key; the connection's end is its end"
            }
            Rule::NewConnection => {
                "it lives as long as the connection; only a new connection has another"
            }
            Rule::Renegotiation => "a renegotiation, a new TLS handshake under the next key id",
            Rule::TicketLifetime => "the lifetime that the server wrote into its ticket",
            Rule::Refusal => {
                "nothing: one side refused the other, and both forget the key with that"
            }
            Rule::ServersSetting => "the server's own setting",
            Rule::Never => "nothing renews it",
        }
    }
}
