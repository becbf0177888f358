//! The other workers: what one read and another owns is handed over here.
//!
//! Steering brings nearly every packet to its owner's socket and queue, but it is an optimisation:
//! the kernel joins datagrams without looking at opcodes, a flow's first packets come out of any queue,
//! and a kernel without the program spreads by a hash. So every worker has a mailbox of bounded length
//! that the others put packets into, and what doesn't fit is dropped and counted.
//!
//! One sender's packets stay in their order. Emptied buffers go back for the next to fill, so that
//! handing over costs a copy and, once the mailbox has been full, no allocation.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_queue::ArrayQueue;
use datapath::offload::VirtioHeader;
use datapath::{Datagram, Endpoint, Packet};
use sysio::Waker;

/// What is handed over.
#[derive(Debug)]
pub(super) struct Parcel {
    what: What,
    bytes: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
enum What {
    /// A sealed datagram and who sent it.
    Datagram(Endpoint),
    /// A packet from the TUN device or from another peer, not sealed yet.
    Packet(VirtioHeader),
}

/// What a parcel holds, for the worker.
pub(super) enum Contents<'b> {
    Datagram(Datagram<'b>),
    Packet(Packet<'b>),
}

impl Parcel {
    pub(super) fn contents(&mut self) -> Contents<'_> {
        let bytes = &mut self.bytes[..];
        match self.what {
            What::Datagram(endpoint) => Contents::Datagram(Datagram::single(endpoint, bytes)),
            What::Packet(header) => Contents::Packet(Packet { bytes, header }),
        }
    }
}

/// The mailboxes of all workers.
#[derive(Debug)]
pub(super) struct Mailboxes {
    boxes: Vec<Mailbox>,
    over: AtomicBool,
}

#[derive(Debug)]
struct Mailbox {
    parcels: ArrayQueue<Parcel>,
    emptied: ArrayQueue<Vec<u8>>,
    waker: Waker,
}

impl Mailboxes {
    /// One mailbox for each worker, in their order.
    pub(super) fn new(wakers: impl IntoIterator<Item = Waker>) -> Arc<Self> {
        let mailbox = |waker| Mailbox {
            parcels: ArrayQueue::new(PARCELS),
            emptied: ArrayQueue::new(PARCELS),
            waker,
        };
        let boxes = wakers.into_iter().map(mailbox).collect();
        Arc::new(Self { boxes, over: AtomicBool::new(false) })
    }

    /// A worker has ended, and with it all of them.
    fn end(&self) {
        self.over.store(true, Ordering::Release);
        self.boxes.iter().for_each(|other| other.waker.wake());
    }
}

/// One worker's view of the others.
#[derive(Debug)]
pub(super) struct Neighbours {
    mailboxes: Arc<Mailboxes>,
    own: usize,
    /// Which of the first 64 have to be woken; the rest are woken at once.
    to_wake: Cell<u64>,
    /// Parcels that others took, and how many they did not.
    handed_over: Cell<u64>,
}

impl Neighbours {
    pub(super) fn new(mailboxes: Arc<Mailboxes>, own: usize) -> Self {
        Self { mailboxes, own, to_wake: Cell::new(0), handed_over: Cell::new(0) }
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
            self.mailboxes.boxes[waiting.trailing_zeros() as usize].waker.wake();
            waiting &= waiting - 1;
        }
    }

    /// The next parcel for this worker.
    pub(super) fn take(&self) -> Option<Parcel> {
        self.own_box()?.parcels.pop()
    }

    /// Gives a parcel's buffer back to be filled again.
    pub(super) fn give_back(&self, parcel: Parcel) {
        if let Some(own) = self.own_box() {
            // A buffer too many is freed.
            let _ = own.emptied.push(parcel.bytes);
        }
    }

    /// Packets handed to others since the start.
    pub(super) fn handed_over(&self) -> u64 {
        self.handed_over.get()
    }

    /// Whether a worker has ended, so that this one has to as well.
    pub(super) fn are_over(&self) -> bool {
        self.mailboxes.over.load(Ordering::Acquire)
    }

    fn put(&self, owner: u16, what: What, content: &[u8]) -> bool {
        let owner = usize::from(owner);
        let Some(mailbox) = self.mailboxes.boxes.get(owner) else { return false };
        if mailbox.parcels.is_full() {
            return false;
        }
        let mut bytes = mailbox.emptied.pop().unwrap_or_default();
        bytes.clear();
        bytes.extend_from_slice(content);
        let taken = mailbox.parcels.push(Parcel { what, bytes }).is_ok();
        if taken {
            self.handed_over.set(self.handed_over.get() + 1);
            match 1u64.checked_shl(owner as u32) {
                Some(bit) => self.to_wake.set(self.to_wake.get() | bit),
                None => mailbox.waker.wake(),
            }
        }
        taken
    }

    fn own_box(&self) -> Option<&Mailbox> {
        self.mailboxes.boxes.get(self.own)
    }
}

/// A worker that stops or panics takes the others along: what it owned would be lost silently.
impl Drop for Neighbours {
    fn drop(&mut self) {
        self.mailboxes.end();
    }
}

/// Packets of up to 64 KiB waiting for one worker: some milliseconds' worth.
const PARCELS: usize = 256;

#[cfg(test)]
mod tests {
    use sysio::Poller;

    use super::*;

    #[test]
    fn parcels_come_out_in_the_order_they_went_in_and_their_buffers_are_used_again() {
        let (one, two) = pair();
        for round in 0..3 * PARCELS {
            let bytes = (round as u32).to_be_bytes();
            assert!(one.datagram(1, &endpoint(), &bytes));
            let mut parcel = two.take().unwrap();
            let Contents::Datagram(datagram) = parcel.contents() else { panic!("a datagram") };
            assert_eq!((datagram.endpoint, &*datagram.bytes), (endpoint(), &bytes[..]));
            two.give_back(parcel);
            assert_eq!(two.mailboxes.boxes[1].emptied.len(), 1);
        }
        assert_eq!(one.handed_over(), 3 * PARCELS as u64);
    }

    #[test]
    fn a_full_mailbox_and_an_unknown_owner_take_nothing() {
        let (one, two) = pair();
        let mut bytes = [1];
        let packet = Packet::plain(&mut bytes);
        let taken = (0..2 * PARCELS).filter(|_| one.packet(1, &packet)).count();
        assert_eq!(taken, PARCELS);
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

    fn pair() -> (Neighbours, Neighbours) {
        let wakers = [Poller::new().unwrap().waker(), Poller::new().unwrap().waker()];
        let mailboxes = Mailboxes::new(wakers);
        (Neighbours::new(Arc::clone(&mailboxes), 0), Neighbours::new(mailboxes, 1))
    }

    fn endpoint() -> Endpoint {
        Endpoint::new(0, ([127, 0, 0, 1], 1).into())
    }
}
