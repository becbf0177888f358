//! What every part of a worker works on: the peers, the ways to them, their timers, what is to be told of
//! them and what was counted.
//!
//! Not here: what becomes of commands, of packets and of time. Each of these has a type that borrows this one
//! for as long as its call takes, beside the sinks, the rules and whatever else it needs alone.
//!
//! Invariant: `current_peer` names a peer before anything of it is touched, and outlives a panic.

use clock::Now;

use super::timers::Timers;
use crate::notices::Notices;
use crate::remote_peers::RemotePeers;
use crate::routes::Routes;
use crate::table::Table;
use crate::{DatagramSink, DropCause, Drops, Packet, PeerRef, WorkerSettings, mss};

/// See the module's text.
#[derive(Debug)]
pub(super) struct Core {
    pub(super) settings: WorkerSettings,
    pub(super) table: Table,
    pub(super) remote_peers: RemotePeers,
    pub(super) routes: Routes,
    pub(super) timers: Timers,
    pub(super) notices: Notices,
    pub(super) drops: Drops,
    pub(super) returns: u64,
    pub(super) current_peer: Option<PeerRef>,
}

impl Core {
    pub(super) fn new(settings: WorkerSettings) -> Self {
        Self {
            settings,
            table: Table::new(settings.slots),
            remote_peers: RemotePeers::default(),
            routes: Routes::default(),
            timers: Timers::default(),
            notices: Notices::default(),
            drops: Drops::default(),
            returns: 0,
            current_peer: None,
        }
    }

    /// Arms a peer's timer by its clock marks, settings and keys.
    pub(super) fn rearm(&mut self, slot: u32) {
        if let Some(peer) = self.table.at(slot) {
            self.timers.rearm(slot, peer);
        }
    }

    /// Seals a packet for a peer, with the segment size that its path bears.
    pub(super) fn seal_for(
        &mut self,
        slot: u32,
        packet: &mut [u8],
        now: Now,
        to_udp: &mut impl DatagramSink,
    ) -> Result<(), DropCause> {
        let peer = self.table.at(slot).ok_or(DropCause::NoRoute)?;
        self.current_peer = Some(peer.reference);
        mss::clamp(packet, peer.mss);
        peer.seal(packet, now.boot, to_udp, &mut self.notices)
    }

    /// Leaves a packet to the worker that owns its peer.
    pub(super) fn hand_off(
        &self,
        slot: u32,
        packet: &Packet<'_>,
        to_udp: &mut impl DatagramSink,
    ) -> Result<(), DropCause> {
        let owner = self.settings.shard.owner(slot);
        if to_udp.hand_off(owner, packet) { Ok(()) } else { Err(DropCause::HandOver) }
    }
}
