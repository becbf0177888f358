//! Which peer owns an inner address: the longest prefix that holds it.
//!
//! One sorted map for each prefix length in use, longest first. Deployments use few lengths (hosts,
//! a handful of networks, the default routes), so a look-up is a few searches and an idle peer costs
//! a map entry.

use std::collections::BTreeMap;
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
    /// Gives `net` to `slot`, whoever had it: the newest claim wins, since a peer that comes back
    /// does so before its former self is gone.
    pub(crate) fn insert(&mut self, net: IpNet, slot: u32) {
        let lengths = self.family_mut(net.address());
        let at = match lengths.binary_search_by(|l| net.bits().cmp(&l.bits)) {
            Ok(at) => at,
            Err(at) => {
                lengths.insert(at, Length { bits: net.bits(), owners: BTreeMap::new() });
                at
            }
        };
        lengths[at].owners.insert(to_key(net.address()), slot);
    }

    /// Takes `net` from `slot`, unless another has claimed it since.
    pub(crate) fn remove(&mut self, net: IpNet, slot: u32) {
        let lengths = self.family_mut(net.address());
        let Ok(at) = lengths.binary_search_by(|l| net.bits().cmp(&l.bits)) else { return };
        let owners = &mut lengths[at].owners;
        let key = to_key(net.address());
        if owners.get(&key) == Some(&slot) {
            owners.remove(&key);
        }
        if owners.is_empty() {
            lengths.remove(at);
        }
    }

    /// The owner of the longest prefix that holds `address`.
    pub(crate) fn find(&self, address: IpAddr) -> Option<u32> {
        let lengths = if address.is_ipv4() { &self.v4 } else { &self.v6 };
        let key = to_key(address);
        lengths.iter().find_map(|l| l.owners.get(&mask(key, l.bits)).copied())
    }

    fn family_mut(&mut self, address: IpAddr) -> &mut Vec<Length> {
        if address.is_ipv4() { &mut self.v4 } else { &mut self.v6 }
    }
}

/// All prefixes of one length; [`Routes`] keeps them longest first.
#[derive(Debug)]
struct Length {
    bits: u8,
    owners: BTreeMap<u128, u32>,
}
