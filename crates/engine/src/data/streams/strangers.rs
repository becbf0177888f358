//! Connections without a session: how many, of which sources, and which of them has to make room.
//!
//! Serial numbers grow, so the smallest is the oldest.

use std::collections::BTreeSet;
use std::net::IpAddr;

use sources::Source;

/// Connections without a session.
#[derive(Debug)]
pub(super) struct Strangers {
    most: usize,
    most_of_a_source: usize,
    by_age: BTreeSet<u64>,
    by_source: BTreeSet<(Source, u64)>,
}

impl Strangers {
    /// None yet, at one of so many workers: they share what is allowed, as the kernel shares the
    /// connections.
    pub(super) fn new(workers: u16) -> Self {
        let share = |most: usize| (most / usize::from(workers.max(1))).max(LEAST);
        Self {
            most: share(MOST),
            most_of_a_source: share(MOST_OF_A_SOURCE),
            by_age: BTreeSet::new(),
            by_source: BTreeSet::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.by_age.len()
    }

    pub(super) fn oldest(&self) -> Option<u64> {
        self.by_age.first().copied()
    }

    /// Those that have to go before another one of `source` comes: the oldest of that source if it has its
    /// share, the oldest of all if there are too many.
    pub(super) fn make_room(&self, source: IpAddr) -> Vec<u64> {
        let source = Source::host(source);
        let own =
            || self.by_source.range((source, 0)..=(source, u64::MAX)).map(|(_, serial)| *serial);
        if own().count() >= self.most_of_a_source {
            return own().take(1).collect();
        }
        if self.len() >= self.most { self.oldest().into_iter().collect() } else { Vec::new() }
    }

    pub(super) fn insert(&mut self, source: IpAddr, serial: u64) {
        self.by_age.insert(serial);
        self.by_source.insert((Source::host(source), serial));
    }

    pub(super) fn remove(&mut self, source: IpAddr, serial: u64) {
        if self.by_age.remove(&serial) {
            self.by_source.remove(&(Source::host(source), serial));
        }
    }
}

/// Together.
const MOST: usize = 512;
/// Of one source: many subscribers may be behind one address and come back at once.
const MOST_OF_A_SOURCE: usize = 128;
/// At each worker, however many there are: the kernel does not share evenly.
const LEAST: usize = 32;

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use super::*;

    #[test]
    fn the_oldest_of_a_source_makes_room_for_its_next_and_the_oldest_of_all_for_anybody() {
        let mut strangers = Strangers::new(1);
        let ip =
            |n: u64| IpAddr::V6(Ipv6Addr::from_bits((0x2001_0db8 << 96) | u128::from(n) << 64));
        for serial in 0..128 {
            assert!(strangers.make_room(ip(1)).is_empty());
            strangers.insert(ip(1), serial);
        }
        let neighbour: IpAddr = "2001:db8:0:1:2:3:4:5".parse().unwrap();
        assert_eq!(strangers.make_room(neighbour), [0]);
        strangers.remove(neighbour, 0);
        assert!(strangers.make_room(neighbour).is_empty());
        for serial in 128..513 {
            strangers.insert(ip(serial), serial);
        }
        assert_eq!((strangers.len(), strangers.make_room(ip(9_999))), (512, vec![1]));
        assert_eq!(Strangers::new(2).most_of_a_source, 64);
        assert_eq!(Strangers::new(64).most, 32);
        strangers.remove(ip(1), 77_777);
        assert_eq!(strangers.len(), 512);
    }
}
