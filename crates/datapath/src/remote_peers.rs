//! What a worker knows of the peers of other workers: enough to hand their packets on.

use std::collections::BTreeMap;

use crate::endpoint::RemoteKey;
use crate::{Endpoint, IpNet};

/// Peers that other workers own, by slot. Generations don't matter here: the messages about one
/// slot come in order, and the owner checks whatever it is handed.
#[derive(Debug, Default)]
pub(crate) struct RemotePeers {
    peers: BTreeMap<u32, Route>,
    by_remote: BTreeMap<RemoteKey, u32>,
}

#[derive(Debug)]
struct Route {
    networks: Vec<IpNet>,
    sender: Option<RemoteKey>,
}

impl RemotePeers {
    /// Puts a peer in its slot; returns the networks that the slot had before.
    pub(crate) fn insert(
        &mut self,
        slot: u32,
        networks: Vec<IpNet>,
        sender: Option<Endpoint>,
    ) -> Vec<IpNet> {
        let before = self.remove(slot);
        let sender = sender.map(|endpoint| endpoint.key());
        self.by_remote.extend(sender.map(|key| (key, slot)));
        self.peers.insert(slot, Route { networks, sender });
        before
    }

    /// Empties a slot; returns its networks.
    pub(crate) fn remove(&mut self, slot: u32) -> Vec<IpNet> {
        let Some(gone) = self.peers.remove(&slot) else { return Vec::new() };
        if let Some(key) = gone.sender
            && self.by_remote.get(&key) == Some(&slot)
        {
            self.by_remote.remove(&key);
        }
        gone.networks
    }

    /// The peer that sends without naming its slot from there.
    pub(crate) fn slot_at(&self, endpoint: &Endpoint) -> Option<u32> {
        self.by_remote.get(&endpoint.key()).copied()
    }
}
