//! How many handshakes each source has under way, so that no source takes the places of all.
//!
//! A source is an IPv4 /24 or an IPv6 /56, as for the gate's answers. Whoever has the tls-auth key and an
//! address can fill what one source may have, three quarters of the places; and with a few networks all of
//! them. So a full house makes room: the source with the most handshakes that have shown no certificate
//! gives up its oldest, as long as it has more than twice as many as the newcomer's source. One with few
//! under way is let in whatever others do, and loses none.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::messages::ConnectionId;

/// Handshakes by source. Entries without any are gone.
#[derive(Debug)]
pub(crate) struct Sources {
    by_source: BTreeMap<Source, UnderWay>,
    /// How many each source has that may make room.
    by_size: BTreeSet<(usize, Source)>,
    under_way: usize,
    places: usize,
}

/// The handshakes of one source.
#[derive(Debug, Default)]
struct UnderWay {
    count: usize,
    /// Those that have shown no certificate, the oldest first.
    unproven: BTreeSet<ConnectionId>,
}

/// A network that counts as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Source(IpAddr);

impl Sources {
    /// For so many places in all.
    pub(crate) fn of(places: usize) -> Self {
        Self { by_source: BTreeMap::new(), by_size: BTreeSet::new(), under_way: 0, places }
    }

    /// Whether another one may begin, if need be in the place of [`Sources::makes_room`].
    pub(crate) fn has_room(&self, source: Source) -> bool {
        let is_full = self.under_way >= self.places;
        self.count(source) < self.places / 4 * 3 && (!is_full || self.makes_room(source).is_some())
    }

    /// The handshake that has to go before one of `source` begins; `None` where a place is free, or where
    /// nobody has so many more.
    pub(crate) fn makes_room(&self, source: Source) -> Option<ConnectionId> {
        if self.under_way < self.places {
            return None;
        }
        let (most, fullest) = self.by_size.last()?;
        if *most <= 2 * (self.count(source) + 1) {
            return None;
        }
        self.by_source.get(fullest)?.unproven.first().copied()
    }

    /// One begins.
    pub(crate) fn begin(&mut self, source: Source, id: ConnectionId) {
        self.under_way += 1;
        self.change(source, |one| {
            one.count += 1;
            one.unproven.insert(id);
        });
    }

    /// It has shown a certificate, or has ended: it makes room for nobody.
    pub(crate) fn settle(&mut self, source: Source, id: ConnectionId) {
        self.change(source, |one| {
            one.unproven.remove(&id);
        });
    }

    /// Its place is free: it is a session now, or gone, or made room.
    pub(crate) fn end(&mut self, source: Source, id: ConnectionId) {
        self.under_way = self.under_way.saturating_sub(1);
        self.change(source, |one| {
            one.count = one.count.saturating_sub(1);
            one.unproven.remove(&id);
        });
    }

    fn count(&self, source: Source) -> usize {
        self.by_source.get(&source).map_or(0, |one| one.count)
    }

    fn change(&mut self, source: Source, change: impl FnOnce(&mut UnderWay)) {
        let one = self.by_source.entry(source).or_default();
        self.by_size.remove(&(one.unproven.len(), source));
        change(one);
        if !one.unproven.is_empty() {
            self.by_size.insert((one.unproven.len(), source));
        }
        if one.count == 0 {
            self.by_source.remove(&source);
        }
    }
}

impl Source {
    pub(crate) fn of(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V4(v4) => Ipv4Addr::from_bits(v4.to_bits() & !0xff).into(),
            IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 72 << 72).into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_source_leaves_a_quarter_of_the_places_to_others() {
        let mut sources = Sources::of(8);
        (0..6).for_each(|n| sources.begin(source(&format!("10.0.0.{n}")), n));
        assert!(!sources.has_room(source("10.0.0.99")));
        assert!(sources.has_room(source("10.0.1.1")));
        sources.end(source("10.0.0.1"), 1);
        assert!(sources.has_room(source("::ffff:10.0.0.99")));
    }

    #[test]
    fn a_full_house_makes_room_for_a_source_with_few_and_takes_it_from_the_one_with_most() {
        let mut sources = Sources::of(8);
        (0..3).for_each(|id| sources.begin(source("10.0.0.1"), id));
        (3..8).for_each(|id| sources.begin(source("10.0.1.1"), id));
        sources.settle(source("10.0.1.1"), 3);
        assert_eq!(
            sources.makes_room(source("10.0.2.1")),
            Some(4),
            "the oldest without a certificate"
        );
        assert!(sources.has_room(source("10.0.2.1")));
        sources.end(source("10.0.1.1"), 4);
        sources.begin(source("10.0.2.1"), 8);
        assert!(!sources.has_room(source("10.0.0.1")), "nobody has so many more");
    }

    #[test]
    fn a_source_without_handshakes_takes_no_memory() {
        let mut sources = Sources::of(8);
        sources.begin(source("2001:db8:0:100::1"), 1);
        sources.settle(source("2001:db8:0:1ff::1"), 1);
        sources.end(source("2001:db8:0:1ff::2"), 1);
        assert!(sources.by_source.is_empty() && sources.by_size.is_empty());
    }

    fn source(text: &str) -> Source {
        Source::of(text.parse().unwrap())
    }
}
