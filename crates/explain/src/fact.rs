//! What decoders find: values that a story is told from.
//!
//! A fact names a kind of step and holds what was read; words are added later, from the catalogue alone.

use crate::before_tls::Said;
use crate::catalogue::{Chapter, Kind};
use crate::field::{Field, shorten};
use crate::place::{Place, Side};
use crate::story::Source;

/// How much is kept of one conversation, counted in values and in bytes; what comes later is not told.
const ROOM: usize = 10_000;
const MOST_BYTES: usize = 512 * 1024;
/// The most values, beside the first of each name, and places of one fact.
const MOST_FIELDS: usize = 400;
const MOST_PLACES: usize = 256;
/// Bytes that count as one value.
const VALUE: usize = 32;

/// The facts of one conversation, as many as there is room for.
pub(crate) struct Facts {
    all: Vec<Fact>,
    room: usize,
    bytes: usize,
}

impl Default for Facts {
    fn default() -> Self {
        Self { all: Vec::new(), room: ROOM, bytes: MOST_BYTES }
    }
}

impl Facts {
    /// Adds one, cut to what any honest one has.
    pub(crate) fn push(&mut self, mut fact: Fact) {
        if fact.fields.len() > MOST_FIELDS {
            shorten(&mut fact.fields, MOST_FIELDS);
        }
        cut(&mut fact.basis, MOST_PLACES);
        let cost = 10 + fact.fields.len() + fact.basis.len() + fact.detail.bytes() / VALUE;
        let room = self.room.checked_sub(cost).zip(self.bytes.checked_sub(fact.size()));
        if let Some((room, bytes)) = room {
            (self.room, self.bytes) = (room, bytes);
            self.all.push(fact);
        }
    }

    /// Adds one before others.
    pub(crate) fn insert(&mut self, before: usize, fact: Fact) {
        let last = self.all.len();
        self.push(fact);
        if before < last && self.all.len() > last {
            self.all[before..].rotate_right(1);
        }
    }

    /// Takes one out that has turned out not to be what it was told as.
    pub(crate) fn remove(&mut self, index: usize) {
        if index < self.all.len() {
            self.all.remove(index);
        }
    }

    pub(crate) fn get_mut(&mut self, index: usize) -> Option<&mut Fact> {
        self.all.get_mut(index)
    }

    /// Adds what came later to the last data of a side.
    pub(crate) fn add_to_data(&mut self, from: Side, fields: Vec<Field>) {
        let data = |fact: &&mut Fact| fact.from == from && fact.kind == Kind::ApplicationData;
        if let (Some(room), Some(fact)) =
            (self.room.checked_sub(fields.len()), self.all.iter_mut().rfind(data))
        {
            self.room = room;
            fact.fields.extend(fields);
        }
    }

    /// Adds a value to each from this one on.
    pub(crate) fn add_to_each(&mut self, from: usize, field: &Field) {
        for fact in self.all.iter_mut().skip(from) {
            if let Some(room) = self.room.checked_sub(1) {
                self.room = room;
                fact.fields.push(field.clone());
            }
        }
    }

    pub(crate) fn all(&self) -> &[Fact] {
        &self.all
    }

    pub(crate) fn into_all(self) -> Vec<Fact> {
        self.all
    }
}

/// The first of them, and no room for the others.
fn cut<T>(all: &mut Vec<T>, most: usize) {
    if all.len() > most {
        all.truncate(most);
        all.shrink_to_fit();
    }
}

/// One thing that happened.
#[derive(Clone, Debug)]
pub(crate) struct Fact {
    pub(crate) at: u64,
    pub(crate) from: Side,
    pub(crate) kind: Kind,
    pub(crate) fields: Vec<Field>,
    pub(crate) basis: Vec<Place>,
    pub(crate) key: Option<KeyName>,
    pub(crate) handshake: u32,
    pub(crate) source: Source,
    pub(crate) detail: Detail,
}

impl Fact {
    /// Whether it stands for what both sides said.
    pub(crate) fn is_both_ways(&self) -> bool {
        matches!(self.detail, Detail::Unkept { both_ways: true, .. })
    }

    /// Whether it stands for what this side said, alone or not.
    pub(crate) fn is_of(&self, side: Side) -> bool {
        self.from == side || self.is_both_ways()
    }

    /// About how many bytes it takes.
    pub(crate) fn size(&self) -> usize {
        let field = |field: &Field| {
            let texts = field.name.len() + field.value.len();
            size_of::<Field>() + texts + field.meaning.as_ref().map_or(0, |text| text.len())
        };
        let fields: usize = self.fields.iter().map(field).sum();
        let basis = self.basis.len() * size_of::<Place>();
        size_of::<Fact>() + fields + basis + self.detail.bytes()
    }
}

/// What the life of keys, the boxes of certificates and the ending are told from.
#[derive(Clone, Debug, Default)]
pub(crate) enum Detail {
    #[default]
    None,
    /// A hello that chose this cipher suite.
    Suite(u16),
    /// A ticket, and how many seconds it lives.
    Ticket(u32),
    /// An alert, by its description.
    Alert(u8),
    /// What was shown, as it stood there: it is read where it is told.
    Certificates(Shown),
    /// What the server brought along for its certificate.
    Staple(Vec<u8>),
    /// What a calculation gave: whether a proof is right.
    Proof(bool),
    /// The cipher of the tunnel's packets.
    DataCipher(String),
    /// What words before TLS are for.
    Clear(Said),
    /// A gap where nothing was kept, or captured.
    Unkept {
        /// The part that it stands in, where that does not follow from what stands around it.
        stands_in: Option<Chapter>,
        /// It stands for what both sides said.
        both_ways: bool,
        /// The server's number came back in it.
        returns_number: bool,
    },
}

impl Detail {
    /// Of a gap that stands there, where that does not follow from what stands around it.
    pub(crate) fn unkept(stands_in: Option<Chapter>, both_ways: bool) -> Detail {
        Detail::Unkept { stands_in, both_ways, returns_number: false }
    }

    /// About how many it takes beside itself.
    fn bytes(&self) -> usize {
        match self {
            Detail::Certificates(shown) => {
                let staple = shown.staple.as_ref().map_or(0, Vec::len);
                let one = |der: &Vec<u8>| size_of::<Vec<u8>>() + der.len();
                staple + shown.chain.iter().map(one).sum::<usize>()
            }
            Detail::Staple(staple) => staple.len(),
            Detail::DataCipher(name) => name.len(),
            Detail::None
            | Detail::Suite(_)
            | Detail::Ticket(_)
            | Detail::Alert(_)
            | Detail::Clear(_)
            | Detail::Unkept { .. }
            | Detail::Proof(_) => 0,
        }
    }
}

/// Certificates in DER, and the staple of the first.
#[derive(Clone, Debug, Default)]
pub struct Shown {
    /// The side's own first.
    pub chain: Vec<Vec<u8>>,
    /// An OCSP answer.
    pub staple: Option<Vec<u8>>,
}

/// Which key something was under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum KeyName {
    /// Of the rest of a handshake in TLS 1.3.
    Handshake { handshake: u32, of: Side },
    /// Of what is said inside TLS; in TLS 1.2 of the end of the handshake too.
    Traffic { handshake: u32, of: Side, update: u32 },
    /// Of the tunnel's packets.
    Data { handshake: u32 },
}

impl KeyName {
    /// The same in every story.
    pub(crate) fn id(self) -> String {
        match self {
            KeyName::Handshake { handshake, of } => {
                format!("tls{handshake}-handshake-{}", of.word())
            }
            KeyName::Traffic { handshake, of, update } => {
                format!("tls{handshake}-traffic{update}-{}", of.word())
            }
            KeyName::Data { handshake } => format!("data{handshake}"),
        }
    }
}
