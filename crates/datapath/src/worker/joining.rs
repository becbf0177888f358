//! The last step inward: what one batch brought of a peer is joined where it continues a flow, and
//! written by the sink as it comes out.
//!
//! Invariant: nothing waits beyond the call that brought it.

use super::core::Core;
use crate::fault::{self, Place};
use crate::offload::{Coalescer, Joined, Joining};
use crate::{PacketSink, PeerRef};

/// Takes the packets of one batch, in order.
pub(super) struct Joiner<'s, 'b, I> {
    sink: &'s mut I,
    /// None where nothing is joined.
    coalescer: Option<Coalescer<'b>>,
    /// The peer of the packets in the coalescer.
    owner: Option<PeerRef>,
}

impl<'s, 'b, I: PacketSink<'b>> Joiner<'s, 'b, I> {
    pub(super) fn new(sink: &'s mut I, joining: Joining) -> Self {
        let coalescer = (joining != Joining::Nothing).then(|| Coalescer::new(joining));
        Self { sink, coalescer, owner: None }
    }

    /// Takes what isn't an inner packet.
    pub(super) fn sink(&mut self) -> &mut I {
        self.sink
    }

    /// Packets of different peers are never of one flow, so nothing is lost by not trying.
    pub(super) fn packet(&mut self, core: &mut Core, peer: PeerRef, packet: &'b [u8]) {
        if self.coalescer.is_some() && self.owner != Some(peer) {
            self.flush(core);
            self.owner = Some(peer);
        }
        match &mut self.coalescer {
            Some(coalescer) => coalescer.push(packet, self.sink),
            None => {
                fault::pass(Place::Coalesce, peer);
                self.sink.write(&Joined::single(&packet));
            }
        }
    }

    /// Lets the sink write what waits. Should that panic, it is its owner's end, whichever peer's packet
    /// came next.
    pub(super) fn flush(&mut self, core: &mut Core) {
        let (Some(owner), Some(coalescer)) = (self.owner.take(), &mut self.coalescer) else {
            return;
        };
        let current = core.current_peer.replace(owner);
        fault::pass(Place::Coalesce, owner);
        coalescer.flush(self.sink);
        core.current_peer = current;
    }
}
