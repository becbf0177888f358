//! Where rules are asked: what comes from the network waits for the decision on its run, what comes from
//! the TUN device is one run as it is read. Not here: what becomes of packets without rules.

use clock::Now;

use super::Worker;
use super::delivery::{Accepted, Delivery};
use super::joining::Joiner;
use crate::offload::{self, VirtioHeader};
use crate::rules::{Decision, Direction, PeerRun};
use crate::{DatagramSink, DropCause, PacketSink, PeerRef};

/// Packets of a run go on behind its last one; control packets don't wait.
pub(super) struct Filtered<'s, 'b, I, U> {
    joiner: Joiner<'s, 'b, I>,
    to_udp: &'s mut U,
    held: [Option<Accepted<'b>>; HELD],
    len: usize,
}

impl<'s, 'b, I: PacketSink<'b>, U: DatagramSink> Filtered<'s, 'b, I, U> {
    pub(super) fn new(joiner: Joiner<'s, 'b, I>, to_udp: &'s mut U) -> Self {
        Self { joiner, to_udp, held: [const { None }; HELD], len: 0 }
    }

    /// Asks about what is held, and lets all of it go on or none. Nothing waits beyond a batch.
    fn settle(&mut self, worker: &mut Worker, now: Now) {
        let Some(run) = self.run() else { return };
        worker.current_peer = Some(run.peer);
        let decision = worker.decide(&run, now);
        let len = std::mem::take(&mut self.len);
        for accepted in self.held[..len].iter_mut().filter_map(Option::take) {
            if decision == Decision::Drop {
                continue;
            }
            worker.current_peer = Some(run.peer);
            if let Err(cause) = worker.deliver(accepted, now, &mut self.joiner, self.to_udp) {
                worker.drops.count(cause);
            }
        }
    }

    fn run(&self) -> Option<PeerRun> {
        let held = || self.held[..self.len].iter().flatten();
        Some(PeerRun {
            peer: held().next()?.peer,
            direction: Direction::FromPeer,
            packets: self.len as u64,
            bytes: held().map(|accepted| accepted.packet.len() as u64).sum(),
        })
    }

    fn continues(&self, peer: PeerRef) -> bool {
        let first = self.held[0].as_ref().filter(|_| self.len > 0);
        self.len < HELD && first.is_none_or(|first| first.peer == peer)
    }
}

impl<'b, I: PacketSink<'b>, U: DatagramSink> Delivery<'b> for Filtered<'_, 'b, I, U> {
    fn inward(&mut self) -> &mut impl PacketSink<'b> {
        self.joiner.sink()
    }

    fn accepted(
        &mut self,
        worker: &mut Worker,
        accepted: Accepted<'b>,
        now: Now,
    ) -> Result<(), DropCause> {
        if !self.continues(accepted.peer) {
            self.settle(worker, now);
            worker.current_peer = Some(accepted.peer);
        }
        self.held[self.len] = Some(accepted);
        self.len += 1;
        Ok(())
    }

    fn finish(mut self, worker: &mut Worker, now: Now) {
        self.settle(worker, now);
        self.joiner.flush(worker);
    }
}

impl Worker {
    /// Asks about a packet for a peer, or the segments that it is to be cut into. What may not pass is
    /// counted.
    #[cold]
    pub(super) fn may_pass(
        &mut self,
        peer: PeerRef,
        packet: &[u8],
        header: &VirtioHeader,
        now: Now,
    ) -> bool {
        let (packets, bytes) = (offload::count(packet, header), packet.len() as u64);
        let run = PeerRun { peer, direction: Direction::ToPeer, packets, bytes };
        self.decide(&run, now) == Decision::Pass
    }

    fn decide(&mut self, run: &PeerRun, now: Now) -> Decision {
        let decision = self.rules.as_mut().map_or(Decision::Pass, |rules| rules.decide(run, now));
        if decision == Decision::Drop {
            self.drops.count_all(DropCause::ByRule, run.packets);
        }
        decision
    }
}

/// What the kernel joins of one sender at most; a longer run is filtered in parts.
const HELD: usize = 64;
