//! The other workers: what one read and another owns is handed over here.
//!
//! Steering brings nearly every packet to its owner's socket and queue, but it is an optimisation:
//! the kernel joins datagrams without looking at opcodes, a flow's first packets come out of any queue,
//! and a kernel without the program spreads by a hash. So every worker has a queue of bounded length
//! that the others put packets into, and what doesn't fit is dropped and counted.
//!
//! One sender's packets stay in their order. Emptied buffers go back for the next to fill, so that
//! handing over costs a copy and, once the queue has been full, no allocation.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_queue::ArrayQueue;
use datapath::offload::VirtioHeader;
use datapath::{Datagram, DatagramSink, Endpoint, Outbox, Packet};
use sysio::Waker;

/// What is handed over.
#[derive(Debug)]
pub(super) struct HandedOff {
    what: What,
    bytes: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
enum What {
    /// A sealed datagram and where it came from.
    Datagram(Endpoint),
    /// A packet from the TUN device or from another peer, not sealed yet.
    Packet(VirtioHeader),
}

impl HandedOff {
    /// The datagram, if it is one.
    pub(super) fn datagram(&mut self) -> Option<Datagram<'_>> {
        match self.what {
            What::Datagram(endpoint) => Some(Datagram::single(endpoint, &mut self.bytes)),
            What::Packet(_) => None,
        }
    }

    /// The packet that is to be sealed, if it is one.
    pub(super) fn packet(&mut self) -> Option<Packet<'_>> {
        match self.what {
            What::Datagram(_) => None,
            What::Packet(header) => Some(Packet { bytes: &mut self.bytes, header }),
        }
    }
}

/// The queues of all workers.
#[derive(Debug)]
pub(super) struct HandoffQueues {
    by_worker: Vec<HandoffQueue>,
    over: AtomicBool,
}

#[derive(Debug)]
struct HandoffQueue {
    handed_off: ArrayQueue<HandedOff>,
    emptied: ArrayQueue<Vec<u8>>,
    waker: Waker,
}

impl HandoffQueues {
    /// One queue for each worker, in their order.
    pub(super) fn new(wakers: impl IntoIterator<Item = Waker>) -> Arc<Self> {
        let queue = |waker| HandoffQueue {
            handed_off: ArrayQueue::new(QUEUE_LENGTH),
            emptied: ArrayQueue::new(QUEUE_LENGTH),
            waker,
        };
        let by_worker = wakers.into_iter().map(queue).collect();
        Arc::new(Self { by_worker, over: AtomicBool::new(false) })
    }

    /// A worker has ended, and with it all of them.
    fn end(&self) {
        self.over.store(true, Ordering::Release);
        self.by_worker.iter().for_each(|other| other.waker.wake());
    }
}

/// One worker's view of the others.
#[derive(Debug)]
pub(super) struct Handoff {
    queues: Arc<HandoffQueues>,
    own: usize,
    /// A bit for each of the first 64 that has to be woken; the others are woken at once.
    to_wake: Cell<u64>,
    /// Packets that others took.
    handed_over: Cell<u64>,
}

impl Handoff {
    pub(super) fn new(queues: Arc<HandoffQueues>, own: usize) -> Self {
        Self { queues, own, to_wake: Cell::new(0), handed_over: Cell::new(0) }
    }

    /// Leaves a datagram to its peer's owner; false if that has no room.
    pub(super) fn datagram(&self, owner: u16, endpoint: &Endpoint, bytes: &[u8]) -> bool {
        self.put(owner, What::Datagram(*endpoint), bytes)
    }

    /// Leaves a packet to its peer's owner; false if that has no room.
    pub(super) fn packet(&self, owner: u16, packet: &Packet<'_>) -> bool {
        self.put(owner, What::Packet(packet.header), packet.bytes)
    }

    /// Wakes those that were given something: once a batch is done, not for every packet.
    pub(super) fn wake(&self) {
        let mut waiting = self.to_wake.take();
        while waiting != 0 {
            self.queues.by_worker[waiting.trailing_zeros() as usize].waker.wake();
            waiting &= waiting - 1;
        }
    }

    /// The next packet for this worker.
    pub(super) fn take(&self) -> Option<HandedOff> {
        self.own_queue()?.handed_off.pop()
    }

    /// Gives a packet's buffer back to be filled again.
    pub(super) fn give_back(&self, packet: HandedOff) {
        if let Some(own) = self.own_queue() {
            // A buffer too many is freed.
            let _ = own.emptied.push(packet.bytes);
        }
    }

    /// Packets handed to others since the start.
    pub(super) fn handed_over(&self) -> u64 {
        self.handed_over.get()
    }

    /// Whether a worker has ended, so that this one has to as well.
    pub(super) fn are_over(&self) -> bool {
        self.queues.over.load(Ordering::Acquire)
    }

    fn put(&self, owner: u16, what: What, content: &[u8]) -> bool {
        let owner = usize::from(owner);
        let Some(queue) = self.queues.by_worker.get(owner) else { return false };
        if queue.handed_off.is_full() {
            return false;
        }
        let mut bytes = queue.emptied.pop().unwrap_or_default();
        bytes.clear();
        bytes.extend_from_slice(content);
        let taken = queue.handed_off.push(HandedOff { what, bytes }).is_ok();
        if taken {
            self.handed_over.set(self.handed_over.get() + 1);
            match 1u64.checked_shl(owner as u32) {
                Some(bit) => self.to_wake.set(self.to_wake.get() | bit),
                None => queue.waker.wake(),
            }
        }
        taken
    }

    fn own_queue(&self) -> Option<&HandoffQueue> {
        self.queues.by_worker.get(self.own)
    }
}

/// Where what one batch sends goes: sealed datagrams into the outbox, packets of another worker's peers
/// to that worker.
pub(super) struct Egress<'t> {
    pub(super) outbox: &'t mut Outbox,
    pub(super) handoff: &'t Handoff,
}

impl DatagramSink for Egress<'_> {
    fn room(&mut self, endpoint: &Endpoint, len: usize) -> Option<&mut [u8]> {
        self.outbox.room(endpoint, len)
    }

    fn commit(&mut self) {
        self.outbox.commit();
    }

    fn hand_off(&mut self, owner: u16, packet: &Packet<'_>) -> bool {
        self.handoff.packet(owner, packet)
    }
}

/// A worker that stops or panics takes the others along: what it owned would be lost silently.
impl Drop for Handoff {
    fn drop(&mut self) {
        self.queues.end();
    }
}

/// Packets of up to 64 KiB waiting for one worker: some milliseconds' worth.
const QUEUE_LENGTH: usize = 256;

#[cfg(test)]
mod tests {
    use sysio::Poller;

    use super::*;

    #[test]
    fn packets_come_out_in_the_order_they_went_in_and_their_buffers_are_used_again() {
        let (one, two) = pair();
        for round in 0..3 * QUEUE_LENGTH {
            let bytes = (round as u32).to_be_bytes();
            assert!(one.datagram(1, &endpoint(), &bytes));
            let mut packet = two.take().unwrap();
            let datagram = packet.datagram().expect("a datagram");
            assert_eq!((datagram.endpoint, &*datagram.bytes), (endpoint(), &bytes[..]));
            two.give_back(packet);
            assert_eq!(two.queues.by_worker[1].emptied.len(), 1);
        }
        assert_eq!(one.handed_over(), 3 * QUEUE_LENGTH as u64);
    }

    #[test]
    fn a_full_queue_and_an_unknown_owner_take_nothing() {
        let (one, two) = pair();
        let mut bytes = [1];
        let packet = Packet::plain(&mut bytes);
        let taken = (0..2 * QUEUE_LENGTH).filter(|_| one.packet(1, &packet)).count();
        assert_eq!(taken, QUEUE_LENGTH);
        assert!(!one.packet(7, &packet));
        assert!(two.take().is_some());
        assert!(one.packet(1, &packet));
    }

    #[test]
    fn one_that_ends_ends_all() {
        let (one, two) = pair();
        assert!(!two.are_over());
        drop(one);
        assert!(two.are_over());
    }

    fn pair() -> (Handoff, Handoff) {
        let wakers = [Poller::new().unwrap().waker(), Poller::new().unwrap().waker()];
        let queues = HandoffQueues::new(wakers);
        (Handoff::new(Arc::clone(&queues), 0), Handoff::new(queues, 1))
    }

    fn endpoint() -> Endpoint {
        Endpoint::new(0, ([127, 0, 0, 1], 1).into())
    }
}
