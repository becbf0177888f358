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
}

/// A message that came before an earlier one.
pub(super) struct Owned {
    at: u64,
    from: Side,
    bytes: Vec<u8>,
    places: Vec<Place>,
}

impl Owned {
    pub(super) fn seen(&self) -> Seen<'_> {
        Seen { at: self.at, from: self.from, bytes: &self.bytes, places: self.places.clone() }
    }
}

impl Order {
    /// A direction whose first message came before anything was kept.
    pub(super) fn after_the_first() -> Order {
        Order { next: 1, waiting: BTreeMap::new() }
    }

    /// True if a message with this id came before.
    pub(super) fn had(&self, id: u32) -> bool {
        id < self.next || self.waiting.contains_key(&id)
    }

    /// Takes a message; gives back all that are in order.
    pub(super) fn push(&mut self, id: u32, payload: &Seen<'_>) -> Vec<Owned> {
        if self.had(id) || id.saturating_sub(self.next) >= WINDOW {
            return Vec::new();
        }
        let (at, from) = (payload.at, payload.from);
        let owned =
            Owned { at, from, bytes: payload.bytes.to_vec(), places: payload.places.clone() };
        self.waiting.insert(id, owned);
        let mut ready = Vec::new();
        while let Some(message) = self.waiting.remove(&self.next) {
            // A message that waited is read when the one before it came.
            ready.push(Owned { at, ..message });
            self.next = self.next.saturating_add(1);
        }
        ready
    }
}
