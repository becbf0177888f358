//! What is going on on one connection: which answers are under way, and who keeps whom waiting.
//!
//! An answer that was made ready and is not taken is the client's doing; one that is not ready is not. Only the
//! former costs a client its connection.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

/// The answers under way on one connection.
#[derive(Debug)]
pub(crate) struct Activity(Mutex<State>);

#[derive(Debug)]
struct State {
    next: u64,
    /// Since when the client has not taken what is ready.
    open: BTreeMap<u64, Option<Instant>>,
    quiet_since: Instant,
}

/// One of them; it is under way until this is dropped.
#[derive(Debug)]
pub(crate) struct Open {
    activity: Arc<Activity>,
    id: u64,
}

impl Activity {
    pub(crate) fn new(now: Instant) -> Arc<Self> {
        Arc::new(Self(Mutex::new(State { next: 0, open: BTreeMap::new(), quiet_since: now })))
    }

    pub(crate) fn begin(self: &Arc<Self>) -> Open {
        let mut state = self.state();
        let id = state.next;
        state.next += 1;
        state.open.insert(id, None);
        drop(state);
        Open { activity: Arc::clone(self), id }
    }

    /// Requests so far.
    pub(crate) fn begun(&self) -> u64 {
        self.state().next
    }

    /// Since when nothing has been under way.
    pub(crate) fn quiet_since(&self) -> Option<Instant> {
        let state = self.state();
        state.open.is_empty().then_some(state.quiet_since)
    }

    /// Since when the client has let an answer wait the longest.
    pub(crate) fn stalled_since(&self) -> Option<Instant> {
        self.state().open.values().flatten().min().copied()
    }

    /// It is whole after each change, whoever panicked.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    /// Something is ready for the client.
    pub(crate) fn offers(&self, now: Instant) {
        self.set(Some(now));
    }

    /// The client waits for us.
    pub(crate) fn owes(&self) {
        self.set(None);
    }

    fn set(&self, since: Option<Instant>) {
        self.activity.state().open.insert(self.id, since);
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut state = self.activity.state();
        state.open.remove(&self.id);
        if state.open.is_empty() {
            state.quiet_since = Instant::now();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn only_an_answer_that_is_ready_lets_a_client_be_slow() {
        let activity = Activity::new(Instant::now());
        let (first, second) = (activity.begin(), activity.begin());
        assert_eq!((activity.quiet_since(), activity.stalled_since()), (None, None));
        let now = Instant::now();
        first.offers(now);
        second.offers(now + Duration::from_secs(1));
        assert_eq!(activity.stalled_since(), Some(now));
        first.owes();
        assert_eq!(activity.stalled_since(), Some(now + Duration::from_secs(1)));
        tokio::time::advance(Duration::from_secs(5)).await;
        drop((first, second));
        assert_eq!(activity.quiet_since(), Some(now + Duration::from_secs(5)));
        assert_eq!((activity.stalled_since(), activity.begun()), (None, 2));
    }
}
