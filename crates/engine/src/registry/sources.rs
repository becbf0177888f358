//! How many handshakes each source has under way, so that one of them can't take every place.
//!
//! A source is an IPv4 /24 or an IPv6 /56, as for the gate's answers. Whoever has the tls-auth key and an
//! address can fill what one source may have; a quarter of the places is always left for others.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Handshakes by source. Entries without any are gone.
#[derive(Debug)]
pub(crate) struct Sources {
    counts: HashMap<Source, usize>,
    under_way: usize,
    places: usize,
}

/// A network that counts as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Source(IpAddr);

impl Sources {
    /// For so many places in all.
    pub(crate) fn of(places: usize) -> Self {
        Self { counts: HashMap::new(), under_way: 0, places }
    }

    /// Whether another one may begin.
    pub(crate) fn has_room(&self, source: Source) -> bool {
        let most = self.places / 4 * 3;
        self.under_way < self.places && self.counts.get(&source).is_none_or(|count| *count < most)
    }

    /// How many there are.
    pub(crate) fn under_way(&self) -> usize {
        self.under_way
    }

    /// One begins.
    pub(crate) fn begin(&mut self, source: Source) {
        self.under_way += 1;
        *self.counts.entry(source).or_default() += 1;
    }

    /// One is over, or a session now.
    pub(crate) fn end(&mut self, source: Source) {
        if let Some(count) = self.counts.get_mut(&source) {
            self.under_way -= 1;
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&source);
            }
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
        let source = |text: &str| Source::of(text.parse().unwrap());
        (0..6).for_each(|n| sources.begin(source(&format!("10.0.0.{n}"))));
        assert!(!sources.has_room(source("10.0.0.99")));
        assert!(sources.has_room(source("10.0.1.1")));
        sources.end(source("10.0.0.1"));
        assert!(sources.has_room(source("::ffff:10.0.0.99")));
    }

    #[test]
    fn a_source_without_handshakes_takes_no_memory() {
        let mut sources = Sources::of(8);
        let six = |text: &str| Source::of(text.parse().unwrap());
        sources.begin(six("2001:db8:0:100::1"));
        sources.end(six("2001:db8:0:1ff::2"));
        sources.end(six("2001:db8:0:1ff::2"));
        assert!(sources.counts.is_empty());
    }
}
