//! A worker's queues of the TUN device, which share out the wait before it.
//!
//! Packets that the worker hasn't read yet wait in the device. In one queue, a ping or a keystroke would
//! wait behind megabytes of a download. So a worker has several, and picks one for each flow
//! by a hash when it writes the flow's packets: the kernel remembers the queue that a flow was written
//! to, and its answers come out of the same one. They are read in turns.
//!
//! Invariant: the packets of one flow are written to one queue.

use std::sync::Arc;
use std::time::Duration;

use datapath::offload::flow_hash;
use sysio::Ready;

use super::packet_io::TunIo;
use super::{FIRST_SOCKET, FIRST_TUN};

/// The queues of one worker, at least one.
#[derive(Debug)]
pub(super) struct TunQueues<T> {
    first: Arc<T>,
    more: Vec<Arc<T>>,
}

impl<T: TunIo> TunQueues<T> {
    /// Of all queues, which `of` workers share, those that are this one's; `None` where they don't go
    /// round.
    pub(super) fn share(all: &[Arc<T>], worker: usize, of: usize) -> Option<Self> {
        let mut own =
            all.iter().skip(worker).step_by(of.max(1)).take(QUEUES_PER_WORKER).map(Arc::clone);
        Some(Self { first: own.next()?, more: own.collect() })
    }

    /// One queue alone.
    pub(super) fn one(queue: Arc<T>) -> Self {
        Self { first: queue, more: Vec::new() }
    }

    /// Each with its number.
    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, &Arc<T>)> {
        std::iter::once(&self.first).chain(&self.more).enumerate()
    }

    /// The queue with this number.
    pub(super) fn get(&self, number: usize) -> Option<&T> {
        match number.checked_sub(1) {
            None => Some(&self.first),
            Some(at) => self.more.get(at).map(|queue| &**queue),
        }
    }

    /// Where packets of the flow go that this one is of.
    pub(super) fn of_flow(&self, packet: &[u8]) -> &T {
        if self.more.is_empty() {
            return &self.first;
        }
        let number = flow_hash(packet) as usize % (1 + self.more.len());
        self.get(number).unwrap_or(&self.first)
    }
}

/// Which of a worker's queues have something to read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting(u8);

impl Waiting {
    /// Those that the poller found.
    pub(super) fn among(ready: &[Ready]) -> Self {
        Self(ready.iter().fold(0, |found, event| match *event {
            Ready::Fd { token: token @ FIRST_TUN..FIRST_SOCKET, .. } => {
                found | 1 << (token - FIRST_TUN)
            }
            _ => found,
        }))
    }

    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Each once.
    pub(super) fn round(self) -> impl Iterator<Item = usize> {
        (0..QUEUES_PER_WORKER).filter(move |number| self.0 & 1 << number != 0)
    }

    pub(super) fn remove(&mut self, number: usize) {
        self.0 &= !(1 << number);
    }
}

/// Queues that are left alone for a moment: what waits in one is likely for a peer that was sent as much
/// as it takes at once. The kernel keeps it, and makes its sender slow down.
#[derive(Debug, Default)]
pub(super) struct Paused {
    /// On the boot clock; zero where it isn't paused.
    until: [Duration; QUEUES_PER_WORKER],
}

impl Paused {
    pub(super) fn pause(&mut self, number: usize, until: Duration) {
        if let Some(present) = self.until.get_mut(number) {
            *present = until;
        }
    }

    /// Removes those that are paused.
    pub(super) fn skip(&self, waiting: &mut Waiting, now: Duration) {
        let paused = self.until.iter().enumerate().filter(|(_, until)| **until > now);
        paused.for_each(|(number, _)| waiting.remove(number));
    }

    /// How long until the next may be read; `None` if none is paused.
    pub(super) fn left(&self, now: Duration) -> Option<Duration> {
        self.until
            .iter()
            .filter_map(|until| until.checked_sub(now))
            .filter(|left| !left.is_zero())
            .min()
    }
}

/// Two flows share a queue one time in so many.
pub const QUEUES_PER_WORKER: usize = 8;
/// A bit for each.
const _: () = assert!(QUEUES_PER_WORKER <= u8::BITS as usize);
