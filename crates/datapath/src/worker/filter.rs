//! Where rules are asked. What comes from the TUN device is one run as it is read. Not here: how what comes from the
//! network waits for the decision on its run (`held`).
//!
//! Invariant: what may not pass is counted here, once.

use clock::Now;

use crate::offload::{self, VirtioHeader};
use crate::rules::{Decision, Direction, PeerRun};
use crate::{DropCause, Drops, PeerRef, Rules};

/// A worker's rules, if it has any.
pub(super) struct Filter<'r>(pub(super) &'r mut Option<Box<dyn Rules>>);

impl Filter<'_> {
    pub(super) fn is_there(&self) -> bool {
        self.0.is_some()
    }

    /// Whether a packet for a peer, or the segments that it is to be cut into, may not pass.
    pub(super) fn stops(
        &mut self,
        peer: PeerRef,
        packet: &[u8],
        header: &VirtioHeader,
        drops: &mut Drops,
        now: Now,
    ) -> bool {
        self.is_there() && self.stops_packet(peer, packet, header, drops, now)
    }

    #[cold]
    fn stops_packet(
        &mut self,
        peer: PeerRef,
        packet: &[u8],
        header: &VirtioHeader,
        drops: &mut Drops,
        now: Now,
    ) -> bool {
        let (packets, bytes) = (offload::count(packet, header), packet.len() as u64);
        let run = PeerRun { peer, direction: Direction::ToPeer, packets, bytes };
        self.decide(&run, drops, now) == Decision::Drop
    }

    /// What becomes of a run.
    pub(super) fn decide(&mut self, run: &PeerRun, drops: &mut Drops, now: Now) -> Decision {
        let decision = self.0.as_mut().map_or(Decision::Pass, |rules| rules.decide(run, now));
        if decision == Decision::Drop {
            drops.count_all(DropCause::ByRule, run.packets);
        }
        decision
    }
}
