//! Where there are rules: what comes from the network waits for the decision on its run, which goes on behind
//! its last packet; control packets don't wait.
//!
//! Invariant: nothing waits beyond a batch.

use clock::Now;

use super::core::Core;
use super::onward::{Accepted, Gate, Onward};
use crate::rules::{Decision, Direction, PeerRun};
use crate::{DatagramSink, DropCause, PacketSink, PeerRef};

/// The packets of a run, of one peer.
pub(super) struct Held<'b> {
    packets: [Option<Accepted<'b>>; HELD],
    len: usize,
}

impl Held<'_> {
    pub(super) fn new() -> Self {
        Self { packets: [const { None }; HELD], len: 0 }
    }

    fn run(&self) -> Option<PeerRun> {
        let held = || self.packets[..self.len].iter().flatten();
        Some(PeerRun {
            peer: held().next()?.peer,
            direction: Direction::FromPeer,
            packets: self.len as u64,
            bytes: held().map(|accepted| accepted.packet.len() as u64).sum(),
        })
    }

    fn continues(&self, peer: PeerRef) -> bool {
        let first = self.packets[0].as_ref().filter(|_| self.len > 0);
        self.len < HELD && first.is_none_or(|first| first.peer == peer)
    }
}

impl<'b> Gate<'b> for Held<'b> {
    fn accepted(
        &mut self,
        core: &mut Core,
        accepted: Accepted<'b>,
        onward: &mut Onward<'_, 'b, impl PacketSink<'b>, impl DatagramSink>,
        now: Now,
    ) -> Result<(), DropCause> {
        if !self.continues(accepted.peer) {
            self.settle(core, onward, now);
            core.current_peer = Some(accepted.peer);
        }
        self.packets[self.len] = Some(accepted);
        self.len += 1;
        Ok(())
    }

    /// Asks about what is held, and lets all of it go on or none.
    fn settle(
        &mut self,
        core: &mut Core,
        onward: &mut Onward<'_, 'b, impl PacketSink<'b>, impl DatagramSink>,
        now: Now,
    ) {
        let Some(run) = self.run() else { return };
        core.current_peer = Some(run.peer);
        let decision = onward.outbound.filter.decide(&run, &mut core.drops, now);
        let len = std::mem::take(&mut self.len);
        for accepted in self.packets[..len].iter_mut().filter_map(Option::take) {
            if decision == Decision::Drop {
                continue;
            }
            core.current_peer = Some(run.peer);
            if let Err(cause) = onward.deliver(core, accepted, now) {
                core.drops.count(cause);
            }
        }
    }
}

/// What the kernel joins of one sender at most; a longer run is filtered in parts.
const HELD: usize = 64;
