//! The tunnel's packets: which side uses which key, and the packets themselves where they are wanted.

use wire::data::DataHeader;
use wire::{KeyId, data};

use super::super::packets::Openers;
use super::{Session, fact};
use crate::catalogue::Kind;
use crate::fact::KeyName;
use crate::field::Field;
use crate::place::Seen;
use crate::story::{Source, Use};

/// One side's use of the data key of one generation.
#[derive(Clone)]
pub(crate) struct DataUse {
    pub(crate) handshake: u32,
    pub(crate) used: Use,
}

impl Session {
    /// The first packet under a key is told; of the others time and number are kept.
    pub(super) fn data(&mut self, seen: &Seen<'_>, key_id: KeyId) {
        self.renewed_unseen(seen, key_id);
        let number = self.generations.iter().rposition(|have| have.key_id == key_id);
        let (Some(number), Ok(header)) = (number, data::parse_header(seen.bytes)) else { return };
        if self.opening.is_wanted() {
            self.open(seen, number, header);
        }
        let handshake = self.first + number as u32;
        let mine = |have: &&mut DataUse| have.handshake == handshake && have.used.by == seen.from;
        if let Some(have) = self.data.iter_mut().find(mine) {
            have.used.last = seen.at;
            have.used.count += 1;
            return;
        }
        let used = Use { by: seen.from, first: seen.at, last: seen.at, count: 1 };
        self.data.push(DataUse { handshake, used });
        let fields = vec![Field::number("key_id", key_id.get())];
        let mut fact = fact(seen, Kind::DataBegins, fields, Source::Seen, handshake);
        fact.key = Some(KeyName::Data { handshake });
        self.facts.push(fact);
    }

    /// What was agreed on in the first handshake holds for the keys of each.
    fn open(&mut self, seen: &Seen<'_>, number: usize, header: DataHeader) {
        let agreed = self.generations.iter().find_map(|generation| generation.inside.agreed);
        let Some(generation) = self.generations.get_mut(number) else { return };
        let tls = &generation.tls;
        let openers = generation.openers.get_or_insert_with(|| {
            agreed.and_then(|agreed| Openers::of(agreed, tls)).map(Box::new)
        });
        self.opening.packet(seen, header, openers.as_deref_mut());
    }
}
