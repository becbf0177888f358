//! What is going on on one connection: which answers are under way, and who keeps whom waiting.
//!
//! An answer that was made ready and is not taken is the client's doing; one that is not ready is not. Only the
//! former costs a client its connection.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::task;
use tokio::time::Instant;

/// The answers under way on one connection.
#[derive(Debug)]
pub(crate) struct Activity {
    state: Mutex<State>,
    alarm: Notify,
}

#[derive(Debug)]
struct State {
    next: u64,
    /// How many of them were requests: a tunnel goes on with what one began.
    asked: u64,
    open: BTreeMap<u64, Answer>,
    quiet_since: Instant,
    given_up: u64,
}

/// An answer under way.
#[derive(Debug)]
struct Answer {
    /// Since when the client has not taken what is ready.
    offered: Option<Instant>,
    /// What works on it: over HTTP/2 a task of its own.
    task: Option<task::Id>,
}

/// One of them; it is under way until this is dropped.
#[derive(Debug)]
pub(crate) struct Open {
    activity: Arc<Activity>,
    id: u64,
    ended: bool,
}

impl Activity {
    pub(crate) fn new(now: Instant) -> Arc<Self> {
        let state =
            State { next: 0, asked: 0, open: BTreeMap::new(), quiet_since: now, given_up: 0 };
        Arc::new(Self { state: Mutex::new(state), alarm: Notify::new() })
    }

    /// A request came.
    pub(crate) fn begin(self: &Arc<Self>) -> Open {
        self.add(1)
    }

    /// The connection carries something else for the last request.
    pub(crate) fn go_on(self: &Arc<Self>) -> Open {
        self.add(0)
    }

    fn add(self: &Arc<Self>, requests: u64) -> Open {
        let mut state = self.state();
        let id = state.next;
        state.next += 1;
        state.asked += requests;
        state.open.insert(id, Answer { offered: None, task: task::try_id() });
        drop(state);
        Open { activity: Arc::clone(self), id, ended: false }
    }

    /// Requests so far.
    pub(crate) fn asked(&self) -> u64 {
        self.state().asked
    }

    /// How many there were, where none is under way.
    pub(crate) fn at_rest(&self) -> Option<u64> {
        let state = self.state();
        state.open.is_empty().then_some(state.next)
    }

    /// Since when nothing has been under way.
    pub(crate) fn quiet_since(&self) -> Option<Instant> {
        let state = self.state();
        state.open.is_empty().then_some(state.quiet_since)
    }

    /// What works on answers that were ready at `before` and are not taken.
    pub(crate) fn stalled(&self, before: Instant) -> Vec<Option<task::Id>> {
        let state = self.state();
        let late = |answer: &&Answer| answer.offered.is_some_and(|since| since <= before);
        state.open.values().filter(late).map(|answer| answer.task).collect()
    }

    /// Resolves when the client gives up most of what it asks for: each costs a backend as much as an answer that is
    /// taken, and the client next to nothing (CVE-2023-44487).
    pub(crate) async fn gives_up_most(&self) {
        self.alarm.notified().await;
    }

    /// It is whole after each change, whoever panicked.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// The client has all of it, as far as is known here.
    pub(crate) fn ends(&mut self) {
        self.ended = true;
    }

    fn set(&self, since: Option<Instant>) {
        if let Some(answer) = self.activity.state().open.get_mut(&self.id) {
            answer.offered = since;
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut state = self.activity.state();
        state.open.remove(&self.id);
        state.given_up += u64::from(!self.ended);
        if state.given_up > MOST_GIVEN_UP && state.given_up * 2 > state.next {
            self.activity.alarm.notify_one();
        }
        if state.open.is_empty() {
            state.quiet_since = Instant::now();
        }
    }
}

/// Browsers give up a page's worth when somebody moves on.
const MOST_GIVEN_UP: u64 = 100;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn only_an_answer_that_is_ready_lets_a_client_be_slow() {
        let activity = Activity::new(Instant::now());
        let (first, second) = (activity.begin(), activity.begin());
        let now = Instant::now();
        assert_eq!((activity.quiet_since(), activity.stalled(now).len()), (None, 0));
        first.offers(now);
        second.offers(now + Duration::from_secs(1));
        assert_eq!(activity.stalled(now).len(), 1);
        first.owes();
        assert_eq!(activity.stalled(now).len(), 0);
        assert_eq!(activity.stalled(now + Duration::from_secs(1)).len(), 1);
        tokio::time::advance(Duration::from_secs(5)).await;
        drop((first, second));
        assert_eq!(activity.quiet_since(), Some(now + Duration::from_secs(5)));
        assert_eq!((activity.stalled(Instant::now()).len(), activity.asked()), (0, 2));
    }

    #[tokio::test]
    async fn who_gives_up_most_of_what_it_asks_for_is_told_from_who_gives_up_some() {
        use tokio::time::timeout;

        let activity = Activity::new(Instant::now());
        let told = async || timeout(Duration::from_millis(20), activity.gives_up_most()).await;
        for _ in 0..150 {
            activity.begin().ends();
        }
        (0..140).for_each(|_| drop(activity.begin()));
        assert!(told().await.is_err(), "it takes most");
        (0..140).for_each(|_| drop(activity.begin()));
        assert!(told().await.is_ok());
    }
}
