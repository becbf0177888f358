//! Puts one direction's control messages back into their order.
//!
//! What is kept is bounded by the window that receivers of this protocol have.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use crate::place::{Place, Seen, Side};

/// The largest window of any receiver.
const WINDOW: usize = 12;

/// One direction of one generation of keys.
#[derive(Default)]
pub(super) struct Order {
    next: u32,
    waiting: BTreeMap<u32, Owned>,
    /// What the other side has confirmed and was not observed.
    confirmed: BTreeSet<u32>,
    /// Whether anything of this side was observed: of one that is not there at all, no message is missed.
    is_heard: bool,
    is_over: bool,
}

/// A message that came before an earlier one.
pub(super) struct Owned {
    from: Side,
    bytes: Vec<u8>,
    places: Vec<Place>,
}

impl Owned {
    /// It is read when the one before it came.
    pub(super) fn seen(&self, at: u64) -> Seen<'_> {
        Seen { at, from: self.from, bytes: &self.bytes, places: self.places.clone() }
    }
}

impl Order {
    /// A direction whose first message came before anything was kept.
    pub(super) fn after_the_first() -> Order {
        Order { next: 1, ..Order::default() }
    }

    /// Nothing is put in order any more.
    pub(super) fn rest(&mut self) {
        self.waiting.clear();
        self.confirmed.clear();
        self.is_over = true;
    }

    /// True if a message with this id came before.
    pub(super) fn had(&self, id: u32) -> bool {
        id < self.next || self.waiting.contains_key(&id)
    }

    /// True if it is this message's turn; what waited behind it is to follow.
    pub(super) fn is_next(&mut self, id: u32) -> bool {
        let is_next = id == self.next;
        if is_next {
            self.step();
        }
        is_next
    }

    /// Holds a message that came before an earlier one.
    pub(super) fn wait(&mut self, id: u32, payload: &Seen<'_>) {
        if self.is_over || self.had(id) || self.waiting.len() >= WINDOW {
            return;
        }
        let (bytes, places) = (payload.bytes.to_vec(), payload.places.clone());
        self.waiting.insert(id, Owned { from: payload.from, bytes, places });
    }

    /// The message that waited for the one before it.
    pub(super) fn following(&mut self) -> Option<Owned> {
        let message = self.waiting.remove(&self.next)?;
        self.step();
        Some(message)
    }

    /// A packet of this side was observed, whatever it carries.
    pub(super) fn heard(&mut self) {
        self.is_heard = true;
    }

    /// The other side has received this message.
    pub(super) fn confirm(&mut self, id: u32) {
        if !self.is_over && !self.had(id) && self.confirmed.len() < WINDOW {
            self.confirmed.insert(id);
        }
    }

    /// The first messages, in a row, that arrived and were not observed: they don't come any more.
    pub(super) fn missed(&mut self) -> Option<RangeInclusive<u32>> {
        let first = self.next;
        while self.is_heard && self.confirmed.remove(&self.next) {
            self.step();
        }
        (self.next > first).then(|| first..=self.next - 1)
    }

    /// The messages before the first one that waits, where nothing comes any more.
    pub(super) fn missed_at_the_end(&mut self) -> Option<RangeInclusive<u32>> {
        let first = self.next;
        self.next = *self.waiting.keys().next()?;
        (self.next > first).then(|| first..=self.next - 1)
    }

    fn step(&mut self) {
        self.next = self.next.saturating_add(1);
    }
}
