//! Admissions that were asked for and are not answered, and when each counts as refused.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::messages::{About, ConnectionId};

/// One question for each connection at most.
#[derive(Debug, Default)]
pub(super) struct Questions {
    open: BTreeMap<ConnectionId, Question>,
    deadlines: BTreeSet<(Duration, ConnectionId)>,
}

#[derive(Debug)]
struct Question {
    /// Which of the connection's.
    attempt: u64,
    /// What the peer says about itself.
    about: About,
    /// When it counts as refused.
    deadline: Duration,
}

impl Questions {
    /// A connection asks; a former question of it is given up.
    pub(super) fn ask(&mut self, id: ConnectionId, attempt: u64, about: About, deadline: Duration) {
        self.take(id);
        self.deadlines.insert((deadline, id));
        self.open.insert(id, Question { attempt, about, deadline });
    }

    /// Whether this one waits for its answer, and was not given up for another.
    pub(super) fn waits(&self, id: ConnectionId, attempt: u64) -> bool {
        self.open.get(&id).is_some_and(|question| question.attempt == attempt)
    }

    /// The answer may take until then.
    pub(super) fn postpone(&mut self, id: ConnectionId, deadline: Duration) {
        let Some(question) = self.open.get_mut(&id) else { return };
        let former = std::mem::replace(&mut question.deadline, deadline);
        self.deadlines.remove(&(former, id));
        self.deadlines.insert((deadline, id));
    }

    /// Nothing is waited for any more; what the peer said about itself when it asked.
    pub(super) fn take(&mut self, id: ConnectionId) -> Option<About> {
        let question = self.open.remove(&id)?;
        self.deadlines.remove(&(question.deadline, id));
        Some(question.about)
    }

    /// One that was not answered in time, which is given up.
    pub(super) fn take_overdue(&mut self, boot: Duration) -> Option<ConnectionId> {
        let (_, id) = self.deadlines.first().copied().filter(|(at, _)| *at <= boot)?;
        self.take(id);
        Some(id)
    }

    pub(super) fn next_deadline(&self) -> Option<Duration> {
        self.deadlines.first().map(|(at, _)| *at)
    }
}
