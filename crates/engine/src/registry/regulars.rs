//! Hosts that had a session lately, for whom some of the places are kept.
//!
//! Invariant: it holds a bounded number of hosts; who comes to a full table takes the place of the one that
//! was there longest ago. No address is believed before its cookie came back.

use std::collections::BTreeMap;
use std::net::IpAddr;

use sources::Source;

/// The hosts, and in which order they were seen last.
#[derive(Debug)]
pub(super) struct Regulars {
    most: usize,
    turns: u64,
    by_host: BTreeMap<Source, u64>,
    by_turn: BTreeMap<u64, Source>,
}

impl Regulars {
    /// Remembers so many at most.
    pub(super) fn of(most: usize) -> Self {
        Self { most, turns: 0, by_host: BTreeMap::new(), by_turn: BTreeMap::new() }
    }

    pub(super) fn has(&self, address: IpAddr) -> bool {
        self.by_host.contains_key(&Source::host(address))
    }

    /// A session is up there.
    pub(super) fn remember(&mut self, address: IpAddr) {
        let host = Source::host(address);
        self.turns += 1;
        if let Some(former) = self.by_host.insert(host, self.turns) {
            self.by_turn.remove(&former);
        }
        self.by_turn.insert(self.turns, host);
        if self.by_host.len() > self.most
            && let Some((_, oldest)) = self.by_turn.pop_first()
        {
            self.by_host.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_that_was_there_longest_ago_is_forgotten() {
        let mut regulars = Regulars::of(2);
        let ip = |n: u8| IpAddr::from([192, 0, 2, n]);
        regulars.remember(ip(1));
        regulars.remember(ip(2));
        regulars.remember(ip(1));
        regulars.remember(ip(3));
        assert_eq!([1, 2, 3].map(|n| regulars.has(ip(n))), [true, false, true]);
        assert_eq!((regulars.by_host.len(), regulars.by_turn.len()), (2, 2));
    }
}
