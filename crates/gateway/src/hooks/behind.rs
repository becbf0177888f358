//! Which kinds of events of the log are told later, as too many of them wait already: they are read again from the
//! log, so that none is left out.
//!
//! Invariant: of each kind events are told in their order, each once.

use std::collections::BTreeMap;

use store::{Event, EventId};

/// By kind, the last event of the log that needs no second look for it.
#[derive(Debug, Default)]
pub(super) struct Behind(BTreeMap<String, EventId>);

/// What is to be done with an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// It is told.
    Now,
    /// There is no room, and it is told later.
    Later,
}

impl Behind {
    /// For an event that comes from the log for the first time.
    pub(super) fn first(&mut self, event: &Event, before: EventId, has_room: bool) -> Told {
        let kind = event.kind.as_str();
        if self.0.contains_key(kind) {
            return Told::Later;
        }
        if has_room {
            return Told::Now;
        }
        self.0.insert(kind.to_owned(), before);
        Told::Later
    }

    /// A kind that is to be looked for, and from where on.
    pub(super) fn next(&self, has_room: impl Fn(&str) -> bool) -> Option<(String, EventId)> {
        let found = self.0.iter().find(|(kind, _)| has_room(kind));
        found.map(|(kind, after)| (kind.clone(), *after))
    }

    /// Up to there everything of this kind was told.
    pub(super) fn reached(&mut self, kind: &str, event: EventId, seen: EventId) {
        match self.0.get_mut(kind) {
            Some(_) if event >= seen => drop(self.0.remove(kind)),
            Some(after) => *after = event,
            None => {}
        }
    }

    /// Whether everything was told.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Up to which event everything was told, of those up to `seen`.
    pub(super) fn told_through(&self, seen: EventId) -> EventId {
        self.0.values().copied().min().unwrap_or(seen)
    }
}
