//! Puts one direction's control messages back into their order.
//!
//! What is kept is bounded by the window that receivers of this protocol have.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use crate::place::{Place, Seen, Side};

/// The largest window of any receiver.
const WINDOW: usize = 12;

/// One direction of one generation of keys.
#[derive(Default)]
pub(super) struct Order {
    next: u32,
    waiting: BTreeMap<u32, Owned>,
    /// What arrived and was not observed, and since when that is known.
    confirmed: BTreeMap<u32, Mark>,
    /// When the last message was read that is in its order.
    read: u64,
    /// Whether anything of this side was observed: of one that is not there at all, no message is missed.
    is_heard: bool,
    is_over: bool,
}

/// A place among the facts: before this one of them, which was observed at this time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Mark {
    pub(super) before: usize,
    pub(super) at: u64,
}

/// Messages that were not observed, and the place before which they were sent at the latest.
pub(super) struct Missed {
    pub(super) ids: RangeInclusive<u32>,
    pub(super) place: Mark,
}

/// A message that came before an earlier one.
pub(super) struct Owned {
    came: Mark,
    from: Side,
    bytes: Vec<u8>,
    places: Vec<Place>,
}

impl Owned {
    /// It is read when it came, or when what had to be read before it did.
    pub(super) fn seen(&self) -> Seen<'_> {
        Seen { at: self.came.at, from: self.from, bytes: &self.bytes, places: self.places.clone() }
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
    pub(super) fn is_next(&mut self, id: u32, at: u64) -> bool {
        let is_next = id == self.next;
        if is_next {
            self.read = self.read.max(at);
            self.step();
        }
        is_next
    }

    /// Holds a message that came before an earlier one.
    pub(super) fn wait(&mut self, id: u32, came: Mark, payload: &Seen<'_>) {
        if self.is_over || self.had(id) || self.waiting.len() >= WINDOW {
            return;
        }
        let (bytes, places) = (payload.bytes.to_vec(), payload.places.clone());
        self.waiting.insert(id, Owned { came, from: payload.from, bytes, places });
    }

    /// The message that waited for the one before it.
    pub(super) fn following(&mut self) -> Option<Owned> {
        let mut message = self.waiting.remove(&self.next)?;
        self.read = self.read.max(message.came.at);
        message.came.at = self.read;
        self.step();
        Some(message)
    }

    /// A packet of this side was observed, whatever it carries.
    pub(super) fn heard(&mut self) {
        self.is_heard = true;
    }

    /// The other side has received this message, as what stands at this mark shows.
    pub(super) fn confirm(&mut self, id: u32, shown: Mark) {
        if !self.is_over && !self.had(id) && self.confirmed.len() < WINDOW {
            self.confirmed.entry(id).or_insert(shown);
        }
    }

    /// Whether this side has sent more than its first message, observed or not.
    pub(super) fn goes_on(&self) -> bool {
        let behind = |id: &u32| *id > 0;
        self.next > 1 || self.waiting.keys().any(behind) || self.confirmed.keys().any(behind)
    }

    /// The first messages, in a row, that arrived and were not observed: they don't come any more.
    pub(super) fn missed(&mut self) -> Option<Missed> {
        let mut end = self.next;
        while self.is_heard && self.confirmed.contains_key(&end) {
            end = end.saturating_add(1);
        }
        self.skip_to(end)
    }

    /// The messages before the first one that waits, or all that were confirmed, where nothing comes any more.
    pub(super) fn missed_at_the_end(&mut self) -> Option<Missed> {
        let confirmed = self.confirmed.keys().next_back().filter(|_| self.is_heard);
        let end = match self.waiting.keys().next() {
            Some(waiting) => *waiting,
            None => confirmed?.saturating_add(1),
        };
        self.skip_to(end)
    }

    /// Those of the messages before `end` that were sent before the same place; a reset stands by itself.
    fn skip_to(&mut self, end: u32) -> Option<Missed> {
        let first = self.next;
        let last = end.checked_sub(1).filter(|last| *last >= first)?;
        let place = self.place(first)?;
        let mut known = self.confirmed.range(first..=last).map(|(id, _)| *id);
        let differs = |id: &u32| self.place(id.saturating_add(1)) != Some(place);
        let last = match first {
            0 => 0,
            _ => known.find(differs).unwrap_or(last),
        };
        self.confirmed = self.confirmed.split_off(&last.saturating_add(1));
        self.next = last.saturating_add(1);
        Some(Missed { ids: first..=last, place })
    }

    /// The first place that shows this message or a later one, before which it was sent.
    fn place(&self, id: u32) -> Option<Mark> {
        let confirmed = self.confirmed.range(id..).map(|(_, mark)| *mark);
        confirmed.chain(self.waiting.range(id..).map(|(_, owned)| owned.came)).min()
    }

    fn step(&mut self) {
        self.next = self.next.saturating_add(1);
    }
}
