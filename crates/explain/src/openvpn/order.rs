//! Puts one direction's control messages back into their order.
//!
//! What is kept is bounded by the window that receivers of this protocol have.

use std::collections::BTreeMap;

use crate::place::{Place, Seen, Side};

/// The largest window of any receiver.
const WINDOW: u32 = 12;

/// One direction of one generation of keys.
#[derive(Default)]
pub(super) struct Order {
    next: u32,
    waiting: BTreeMap<u32, Owned>,
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
        if self.is_over || self.had(id) || id - self.next >= WINDOW {
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

    fn step(&mut self) {
        self.next = self.next.saturating_add(1);
    }
}
