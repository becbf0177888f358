//! What a session waits for, by reason.
//!
//! Acknowledgements and first transmissions have no timer: they wait in `poll_transmit`.

use std::time::Duration;

use crate::event::{Deadline, TimeoutReason};

/// The deadlines of one moment, at most one for each reason.
#[derive(Default)]
pub(crate) struct Agenda {
    at: [Option<Duration>; TimeoutReason::ALL.len()],
}

impl Agenda {
    /// Adds a deadline; of two with one reason the earlier counts.
    pub(crate) fn with(mut self, why: TimeoutReason, at: Option<Duration>) -> Self {
        let entries = TimeoutReason::ALL.iter().zip(&mut self.at);
        for (_, entry) in entries.filter(|(reason, _)| **reason == why) {
            *entry = match (*entry, at) {
                (Some(one), Some(other)) => Some(one.min(other)),
                (one, other) => one.or(other),
            };
        }
        self
    }

    pub(crate) fn earliest(&self) -> Option<Deadline> {
        self.deadlines().min()
    }

    pub(crate) fn is_due(&self, why: TimeoutReason, now: Duration) -> bool {
        self.deadlines().any(|deadline| deadline.why == why && deadline.at <= now)
    }

    fn deadlines(&self) -> impl Iterator<Item = Deadline> {
        let entries = TimeoutReason::ALL.into_iter().zip(self.at);
        entries.filter_map(|(why, at)| at.map(|at| Deadline { at, why }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_comes_first_and_each_is_due_by_its_own_time() {
        let seconds = |n| Some(Duration::from_secs(n));
        let agenda = Agenda::default()
            .with(TimeoutReason::KeyExpiry, seconds(9))
            .with(TimeoutReason::KeyExpiry, seconds(5))
            .with(TimeoutReason::KeyExpiry, None)
            .with(TimeoutReason::Renegotiate, seconds(7));
        let five = Duration::from_secs(5);
        let earliest = Deadline { at: five, why: TimeoutReason::KeyExpiry };
        assert_eq!(agenda.earliest(), Some(earliest));
        assert!(agenda.is_due(TimeoutReason::KeyExpiry, five));
        assert!(!agenda.is_due(TimeoutReason::Renegotiate, five));
        assert!(!agenda.is_due(TimeoutReason::Drain, five));
        assert_eq!(Agenda::default().earliest(), None);
    }
}
