//! What was seen lately, in a fixed amount of memory: two Bloom filters that take turns.
//!
//! A full filter becomes the former one, and the one before that is forgotten. So the last
//! [`CAPACITY`] entries at least are remembered; a stranger can make it forget early, never grow.

use aws_lc_rs::hmac;

use crate::entropy::Seed;

/// Entries after which the filters turn. One in about 1400 strangers to a full filter is taken for
/// known.
const CAPACITY: usize = 1 << 16;
const BITS: usize = 1 << 20;
const PROBES: usize = 7;

/// A set that forgets its oldest half.
pub(crate) struct Seen {
    key: hmac::Key,
    current: Box<[u64]>,
    former: Box<[u64]>,
    entries: usize,
}

impl Seen {
    pub(crate) fn new(secret: &Seed) -> Self {
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, secret),
            current: empty(),
            former: empty(),
            entries: 0,
        }
    }

    pub(crate) fn contains(&self, item: &[u8]) -> bool {
        let probes = self.probes(item);
        [&self.current, &self.former]
            .into_iter()
            .any(|filter| probes.iter().all(|bit| has(filter, *bit)))
    }

    pub(crate) fn insert(&mut self, item: &[u8]) {
        if self.entries >= CAPACITY {
            self.turn();
        }
        for bit in self.probes(item) {
            if let Some(word) = self.current.get_mut(bit / 64) {
                *word |= 1 << (bit % 64);
            }
        }
        self.entries += 1;
    }

    /// Forgets the former half.
    pub(crate) fn turn(&mut self) {
        std::mem::swap(&mut self.current, &mut self.former);
        self.current.fill(0);
        self.entries = 0;
    }

    fn probes(&self, item: &[u8]) -> [usize; PROBES] {
        let tag = hmac::sign(&self.key, item);
        let (words, _) = tag.as_ref().as_chunks::<4>();
        let mut probes = [0; PROBES];
        for (probe, word) in probes.iter_mut().zip(words) {
            *probe = u32::from_be_bytes(*word) as usize % BITS;
        }
        probes
    }
}

fn empty() -> Box<[u64]> {
    vec![0; BITS / 64].into_boxed_slice()
}

fn has(filter: &[u64], bit: usize) -> bool {
    filter.get(bit / 64).is_some_and(|word| word & 1 << (bit % 64) != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_inserted_is_known_through_one_turn() {
        let mut seen = Seen::new(&[3; 32]);
        seen.insert(b"a");
        assert!(seen.contains(b"a") && !seen.contains(b"b"));
        seen.turn();
        assert!(seen.contains(b"a"));
        seen.turn();
        assert!(!seen.contains(b"a"));
    }

    #[test]
    fn a_full_filter_rarely_takes_a_stranger_for_known() {
        let mut seen = Seen::new(&[3; 32]);
        (0..CAPACITY as u32).for_each(|n| seen.insert(&n.to_be_bytes()));
        let wrong =
            (1 << 24..(1 << 24) + 20_000_u32).filter(|n| seen.contains(&n.to_be_bytes())).count();
        assert!(wrong < 60, "{wrong} of 20000");
    }
}
