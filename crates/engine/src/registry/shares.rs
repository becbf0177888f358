//! How the places for handshakes are shared among the networks that they come from.
//!
//! Whoever has the tls-auth key can begin handshakes from every address that is theirs, which may be one,
//! or a provider's. So what a network may have depends on what is free: a host three times as many
//! places as are free, three quarters where it is alone, since many may come back from behind one address at
//! once; a wider network somewhat more. However many take all that they may, some places stay
//! free, and a network that has few is let in at once, unless the wider one around it has its share in
//! parts that have as few each; what goes beyond is turned away before it costs
//! anything. Where a network has its share, or all places are taken, a newcomer takes the place of the
//! oldest handshake without a certificate in that network's fullest part, as long as that part has more
//! than twice as many as the newcomer's own.
//!
//! Invariant: what is under way in a network is the sum of what is under way in its parts.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use sources::Source;

use crate::messages::ConnectionId;

/// Handshakes by network. Networks without any are gone.
#[derive(Debug, Default)]
pub(super) struct Shares {
    all: Network,
    networks: BTreeMap<Source, Network>,
}

/// The handshakes of one network.
#[derive(Debug, Default)]
struct Network {
    under_way: usize,
    /// How many of them have shown no certificate.
    unproven: usize,
    /// How many such each of its parts has, where there are any.
    parts: BTreeSet<(usize, Source)>,
    /// Of a host, which has no parts: them, the oldest first.
    oldest: BTreeSet<ConnectionId>,
}

/// Where a handshake may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    /// In a free place.
    Free,
    /// In the place of this one.
    InPlaceOf(ConnectionId),
    /// Nowhere.
    None,
}

impl Shares {
    /// Where one from there may begin, if there are so many places.
    pub(super) fn room(&self, from: IpAddr, places: usize) -> Room {
        let free = places.saturating_sub(self.all.under_way);
        let path = path(from);
        let has_its_share = |at: &usize| self.under_way(path[*at]) >= share(*at, free, places);
        match (0..path.len()).rev().find(has_its_share) {
            Some(at) => self.in_place_of(&path, at + 1),
            None if free == 0 => self.in_place_of(&path, 0),
            None => Room::Free,
        }
    }

    /// One begins.
    pub(super) fn begin(&mut self, from: IpAddr, id: ConnectionId) {
        self.change(from, 1, |oldest| isize::from(oldest.insert(id)));
    }

    /// It has shown a certificate, or has ended: it makes room for nobody.
    pub(super) fn settle(&mut self, from: IpAddr, id: ConnectionId) {
        self.change(from, 0, |oldest| -isize::from(oldest.remove(&id)));
    }

    /// Its place is free: it is a session now, or gone, or made room.
    pub(super) fn end(&mut self, from: IpAddr, id: ConnectionId) {
        self.change(from, -1, |oldest| -isize::from(oldest.remove(&id)));
    }

    /// Which one has to go, of what is under way in the network `depth` steps down the newcomer's path.
    fn in_place_of(&self, path: &[Source; 4], depth: usize) -> Room {
        let Some(own) = path.get(depth) else { return Room::None };
        let network =
            depth.checked_sub(1).map_or(Some(&self.all), |at| self.networks.get(&path[at]));
        let Some((most, fullest)) = network.and_then(|network| network.parts.last()) else {
            return Room::None;
        };
        if fullest == own {
            self.in_place_of(path, depth + 1)
        } else if *most > 2 * (self.under_way(*own) + 1) {
            self.oldest_in(*fullest)
        } else {
            Room::None
        }
    }

    /// The oldest of its fullest part's fullest part.
    fn oldest_in(&self, network: Source) -> Room {
        let Some(network) = self.networks.get(&network) else { return Room::None };
        match network.parts.last() {
            Some((_, fullest)) => self.oldest_in(*fullest),
            None => network.oldest.first().map_or(Room::None, |id| Room::InPlaceOf(*id)),
        }
    }

    fn under_way(&self, network: Source) -> usize {
        self.networks.get(&network).map_or(0, |network| network.under_way)
    }

    /// Changes a host, and the sums of every network that it is in.
    fn change(
        &mut self,
        from: IpAddr,
        under_way: isize,
        change: impl FnOnce(&mut BTreeSet<ConnectionId>) -> isize,
    ) {
        let path = path(from);
        let host = self.networks.entry(path[path.len() - 1]).or_default();
        let unproven = change(&mut host.oldest);
        for at in (0..path.len()).rev() {
            let part = path[at];
            let network = self.networks.entry(part).or_default();
            let before = network.add(under_way, unproven);
            let after = network.unproven;
            if network.under_way == 0 {
                self.networks.remove(&part);
            }
            let above = match at.checked_sub(1) {
                Some(above) => self.networks.entry(path[above]).or_default(),
                None => &mut self.all,
            };
            above.parts.remove(&(before, part));
            if after > 0 {
                above.parts.insert((after, part));
            }
        }
        self.all.add(under_way, unproven);
    }
}

impl Network {
    /// How many without a certificate there were before.
    fn add(&mut self, under_way: isize, unproven: isize) -> usize {
        let before = self.unproven;
        self.under_way = self.under_way.saturating_add_signed(under_way);
        self.unproven = before.saturating_add_signed(unproven);
        before
    }
}

/// The networks of an address, the widest first.
fn path(from: IpAddr) -> [Source; 4] {
    [Source::provider(from), Source::holding(from), Source::network(from), Source::host(from)]
}

/// What the network at this depth of a path may have.
fn share(at: usize, free: usize, places: usize) -> usize {
    let times = [6, 5, 4, 3];
    (times[at] * free).max(places / SMALLEST).max(1)
}

/// A network has this part of all places whatever others do, by making room.
const SMALLEST: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    const PLACES: usize = 4096;

    #[test]
    fn one_host_leaves_a_quarter_of_the_places_and_a_provider_a_seventh() {
        let mut shares = Shares::default();
        assert_eq!(fill(&mut shares, |_| "10.0.0.1".parse().unwrap()), PLACES * 3 / 4);
        assert_eq!(shares.room(ip("10.0.0.1"), PLACES), Room::None);
        assert_eq!(shares.room(ip("10.0.0.2"), PLACES), Room::Free, "its neighbour");
        let mut shares = Shares::default();
        let provider = |n: usize| IpAddr::from([10, (n >> 8) as u8, n as u8, 1]);
        assert_eq!(fill(&mut shares, provider), PLACES * 6 / 7 + 1);
        assert_eq!(shares.room(ip("11.0.0.1"), PLACES), Room::Free);
    }

    #[test]
    fn whatever_ten_hosts_take_a_newcomer_finds_a_free_place() {
        let mut shares = Shares::default();
        let taken = fill(&mut shares, |n| IpAddr::from([10 + (n % 10) as u8, 0, 0, 1]));
        assert!(taken < PLACES * 30 / 31 + 20, "{taken}");
        assert_eq!(shares.room(ip("192.0.2.1"), PLACES), Room::Free);
    }

    #[test]
    fn who_has_a_32_of_ipv6_shuts_out_its_own_neighbours_and_no_other_provider() {
        let mut shares = Shares::default();
        let any = |n: usize| {
            let n = u128::from((n as u32).wrapping_mul(0x9e37_79b9));
            IpAddr::from(std::net::Ipv6Addr::from_bits(0x2001_0db8 << 96 | n << 64 | 1))
        };
        assert_eq!(fill(&mut shares, any), PLACES * 6 / 7 + 1);
        assert_eq!(shares.room(ip("2001:db9::1"), PLACES), Room::Free);
        assert_eq!(shares.room(ip("2001:db8:1234:5678::1"), PLACES), Room::None, "a neighbour");
    }

    #[test]
    fn a_full_network_takes_the_place_from_its_fullest_part_and_of_that_from_the_oldest() {
        let mut shares = Shares::default();
        (0..PLACES / 2).for_each(|id| shares.begin(ip("10.0.0.1"), id as u64));
        (0..PLACES / 2).for_each(|id| shares.begin(ip("11.0.0.1"), (PLACES + id) as u64));
        shares.settle(ip("10.0.0.1"), 0);
        shares.settle(ip("11.0.0.1"), PLACES as u64);
        assert_eq!(shares.room(ip("11.0.0.1"), PLACES), Room::None, "it has its share");
        let oldest = Room::InPlaceOf(PLACES as u64 + 1);
        assert_eq!(shares.room(ip("192.0.2.1"), PLACES), oldest, "without a certificate");
        shares.settle(ip("11.0.0.1"), PLACES as u64 + 1);
        assert_eq!(shares.room(ip("192.0.2.1"), PLACES), Room::InPlaceOf(1), "the fullest");
    }

    #[test]
    fn nobody_gives_way_to_one_who_has_about_as_many() {
        let mut shares = Shares::default();
        (0..8).for_each(|id| shares.begin(IpAddr::from([10 + id as u8 % 4, 0, 0, 1]), id));
        assert_eq!(shares.room(ip("10.0.0.1"), 8), Room::None);
        assert_eq!(shares.room(ip("192.0.2.1"), 8), Room::None, "two are not more than two");
        shares.begin(ip("10.0.0.1"), 8);
        assert_eq!(shares.room(ip("192.0.2.1"), 8), Room::InPlaceOf(0));
    }

    #[test]
    fn networks_without_handshakes_take_no_memory() {
        let mut shares = Shares::default();
        shares.begin(ip("2001:db8:0:100::1"), 1);
        shares.settle(ip("2001:db8:0:100::1"), 1);
        shares.end(ip("2001:db8:0:100::1"), 1);
        assert!(shares.networks.is_empty() && shares.all.parts.is_empty());
    }

    /// Begins as many as find a free place, each from where it is said; how many.
    fn fill(shares: &mut Shares, from: impl Fn(usize) -> IpAddr) -> usize {
        let tries = 0..20 * PLACES;
        let begun = tries.filter(|n| {
            let is_free = shares.room(from(*n), PLACES) == Room::Free;
            if is_free {
                shares.begin(from(*n), *n as u64);
            }
            is_free
        });
        begun.count()
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }
}
