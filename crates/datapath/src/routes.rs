//! Which peer owns an inner address: the longest prefix that holds it.
//!
//! One sorted list for each prefix length in use, longest first. Deployments use few lengths (hosts,
//! a handful of networks, the default routes), so a look-up is a few searches by halves, over keys that
//! lie close together. A change moves what lies behind it: 100 kB on average among 10,000 peers, once for each
//! that comes or goes.

use std::net::IpAddr;

use crate::IpNet;
use crate::net::{mask, to_key};

/// Prefixes and their owners.
#[derive(Debug, Default)]
pub(crate) struct Routes {
    v4: Vec<Length>,
    v6: Vec<Length>,
}

impl Routes {
    /// Gives `net` to `slot`, whichever slot had it: the newest claim wins, since a peer that comes back
    /// does so before its former self is gone.
    pub(crate) fn insert(&mut self, net: IpNet, slot: u32) {
        let lengths = self.family_mut(net.address());
        let at = match lengths.binary_search_by(|l| net.bits().cmp(&l.bits)) {
            Ok(at) => at,
            Err(at) => {
                lengths.insert(at, Length::new(net.bits()));
                at
            }
        };
        lengths[at].insert(to_key(net.address()), slot);
    }

    /// Takes `net` from `slot`, unless another has claimed it since.
    pub(crate) fn remove(&mut self, net: IpNet, slot: u32) {
        let lengths = self.family_mut(net.address());
        let Ok(at) = lengths.binary_search_by(|l| net.bits().cmp(&l.bits)) else { return };
        lengths[at].remove(to_key(net.address()), slot);
        if lengths[at].keys.is_empty() {
            lengths.remove(at);
        }
    }

    /// The owner of the longest prefix that holds `address`.
    pub(crate) fn find(&self, address: IpAddr) -> Option<u32> {
        let lengths = if address.is_ipv4() { &self.v4 } else { &self.v6 };
        let key = to_key(address);
        lengths.iter().find_map(|length| length.find(mask(key, length.bits)))
    }

    fn family_mut(&mut self, address: IpAddr) -> &mut Vec<Length> {
        if address.is_ipv4() { &mut self.v4 } else { &mut self.v6 }
    }
}

/// All prefixes of one length; [`Routes`] keeps them longest first.
#[derive(Debug)]
struct Length {
    bits: u8,
    /// Ascending.
    keys: Vec<u128>,
    /// Whose the key in the same place is.
    owners: Vec<u32>,
}

impl Length {
    fn new(bits: u8) -> Self {
        Self { bits, keys: Vec::new(), owners: Vec::new() }
    }

    fn find(&self, key: u128) -> Option<u32> {
        self.owners.get(self.keys.binary_search(&key).ok()?).copied()
    }

    fn insert(&mut self, key: u128, slot: u32) {
        match self.keys.binary_search(&key) {
            Ok(at) => self.owners[at] = slot,
            Err(at) => {
                self.keys.insert(at, key);
                self.owners.insert(at, slot);
            }
        }
    }

    /// Nothing, if the key is another's.
    fn remove(&mut self, key: u128, slot: u32) {
        if let Ok(at) = self.keys.binary_search(&key)
            && self.owners[at] == slot
        {
            self.keys.remove(at);
            self.owners.remove(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::testing::Dice;

    #[test]
    fn the_longest_prefix_wins() {
        let mut routes = Routes::default();
        for (text, bits, slot) in
            [("0.0.0.0", 0, 1), ("10.0.0.0", 8, 2), ("10.8.0.0", 16, 3), ("10.8.0.2", 32, 4)]
        {
            routes.insert(net(text, bits), slot);
        }
        let owner = |text: &str| routes.find(text.parse().unwrap());
        assert_eq!(owner("10.8.0.2"), Some(4));
        assert_eq!(owner("10.8.0.3"), Some(3));
        assert_eq!(owner("10.9.0.2"), Some(2));
        assert_eq!(owner("192.0.2.1"), Some(1));
        assert_eq!(owner("::1"), None);
    }

    #[test]
    fn a_former_owner_can_not_take_a_prefix_from_its_successor() {
        let mut routes = Routes::default();
        routes.insert(net("10.8.0.2", 32), 1);
        routes.insert(net("10.8.0.2", 32), 2);
        routes.remove(net("10.8.0.2", 32), 1);
        assert_eq!(routes.find("10.8.0.2".parse().unwrap()), Some(2));
        routes.remove(net("10.8.0.2", 32), 2);
        assert_eq!(routes.find("10.8.0.2".parse().unwrap()), None);
        assert!(routes.v4.is_empty());
    }

    #[test]
    fn lookups_agree_with_a_list_that_is_searched_from_end_to_end() {
        for seed in 0..50 {
            println!("seed {seed}");
            let mut dice = Dice::new(seed);
            let mut routes = Routes::default();
            let mut list: BTreeMap<IpNet, u32> = BTreeMap::new();
            for _ in 0..300 {
                let (net, slot) = (dice.net(), dice.below(5));
                if dice.below(3) == 0 {
                    routes.remove(net, slot);
                    list.retain(|n, s| (*n, *s) != (net, slot));
                } else {
                    routes.insert(net, slot);
                    list.insert(net, slot);
                }
                let address = dice.net().address();
                let longest = list.iter().filter(|(n, _)| n.contains(address));
                let owner = longest.max_by_key(|(n, _)| n.bits()).map(|(_, slot)| *slot);
                assert_eq!(routes.find(address), owner);
            }
        }
    }

    impl Dice {
        /// Few different bits, so that prefixes nest.
        fn net(&mut self) -> IpNet {
            let bits = self.next() & 0x0101_0101_0101_0101;
            if self.below(2) == 0 {
                IpNet::new(IpAddr::from((bits as u32).to_be_bytes()), self.below(33) as u8).unwrap()
            } else {
                let wide = u128::from(bits) << 64 | u128::from(self.next() & 0x0101);
                IpNet::new(IpAddr::from(wide.to_be_bytes()), self.below(129) as u8).unwrap()
            }
        }
    }

    fn net(text: &str, bits: u8) -> IpNet {
        IpNet::new(text.parse().unwrap(), bits).unwrap()
    }
}
