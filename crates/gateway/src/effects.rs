//! How far the effects of committed events have come on this machine.
//!
//! Whoever keeps something open because of what the store says (the VPN's sessions, later the TLS
//! door's) is a sweeper:
//!
//! 1. [`Effects::register`] once at start, for a [`Sweeper`];
//! 2. wait for [`Live`](crate::live::Live) to change; take its view;
//! 3. re-check everything that is open against that view and close what may not stay;
//! 4. when closing is confirmed, [`Sweeper::swept`] with the view's event and what was closed.
//!
//! A command that revokes waits with [`Effects::wait`] for all sweepers to pass its event.
//! Invariant: a sweeper reports an event only after everything forbidden by it is closed.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use store::{EventId, Serial};

use tokio::sync::watch;
use tokio::time::timeout;

/// All sweepers and how far they have come.
#[derive(Clone, Debug, Default)]
pub struct Effects(Arc<Mutex<Vec<Watched>>>);

/// The reporting end of one sweeper. Dropping it ends its duty.
#[derive(Debug)]
pub struct Sweeper {
    progress: watch::Sender<EventId>,
    closed: Arc<Mutex<VecDeque<(EventId, Serial)>>>,
}

/// What waiting found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Serials of the sessions that were closed at the event or later, one for each session.
    pub closed: Vec<Serial>,
    /// Sweepers that did not report in time.
    pub missing: Vec<&'static str>,
}

#[derive(Debug)]
struct Watched {
    name: &'static str,
    progress: watch::Receiver<EventId>,
    closed: Arc<Mutex<VecDeque<(EventId, Serial)>>>,
}

impl Effects {
    /// A sweeper called `name` in messages ("the VPN's sessions").
    pub fn register(&self, name: &'static str) -> Sweeper {
        let (sender, receiver) = watch::channel(EventId::NONE);
        let closed = Arc::new(Mutex::new(VecDeque::new()));
        locked(&self.0).push(Watched { name, progress: receiver, closed: Arc::clone(&closed) });
        Sweeper { progress: sender, closed }
    }

    /// Waits until every sweeper passed `event`, at most `limit` in all.
    pub async fn wait(&self, event: EventId, limit: Duration) -> Swept {
        let end = tokio::time::Instant::now() + limit;
        let mut swept = Swept::default();
        for (name, mut progress, closed) in self.present() {
            let left = end.saturating_duration_since(tokio::time::Instant::now());
            match timeout(left, progress.wait_for(|at| *at >= event)).await {
                // A sweeper that ended took everything it kept open with it.
                Ok(_) => {}
                Err(_) => swept.missing.push(name),
            }
            let since = |(at, serial): &(EventId, Serial)| (*at >= event).then_some(*serial);
            swept.closed.extend(locked(&closed).iter().filter_map(since));
        }
        swept
    }

    #[expect(clippy::type_complexity, reason = "copied out so that no lock is held while waiting")]
    fn present(
        &self,
    ) -> Vec<(&'static str, watch::Receiver<EventId>, Arc<Mutex<VecDeque<(EventId, Serial)>>>)>
    {
        let mut watched = locked(&self.0);
        watched.retain(|w| w.progress.has_changed().is_ok());
        watched.iter().map(|w| (w.name, w.progress.clone(), Arc::clone(&w.closed))).collect()
    }
}

impl Sweeper {
    /// Everything forbidden up to `event` is closed; `closed` was closed by this sweep.
    pub fn swept(&self, event: EventId, closed: impl IntoIterator<Item = Serial>) {
        let mut log = locked(&self.closed);
        log.extend(closed.into_iter().map(|serial| (event, serial)));
        let excess = log.len().saturating_sub(REMEMBERED);
        log.drain(..excess);
        drop(log);
        self.progress.send_if_modified(|at| {
            let forward = event > *at;
            *at = (*at).max(event);
            forward
        });
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Closed sessions remembered for commands that ask how many there were.
const REMEMBERED: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    fn serial(byte: u8) -> Serial {
        Serial::from_bytes(&[byte]).expect("a serial")
    }

    #[tokio::test]
    async fn waiting_ends_when_the_sweeper_passed_the_event() {
        let effects = Effects::default();
        let sweeper = effects.register("sessions");
        let waiting = tokio::spawn({
            let effects = effects.clone();
            async move { effects.wait(EventId::new(7), Duration::from_secs(5)).await }
        });
        sweeper.swept(EventId::new(6), [serial(1)]);
        sweeper.swept(EventId::new(8), [serial(2)]);
        let swept = waiting.await.expect("no panic");
        assert_eq!(swept, Swept { closed: vec![serial(2)], missing: vec![] });
    }

    #[tokio::test(start_paused = true)]
    async fn a_sweeper_that_lags_is_named() {
        let effects = Effects::default();
        let _sweeper = effects.register("sessions");
        let swept = effects.wait(EventId::new(1), Duration::from_secs(2)).await;
        assert_eq!(swept.missing, ["sessions"]);
    }

    #[tokio::test]
    async fn a_sweeper_that_ended_is_not_waited_for() {
        let effects = Effects::default();
        drop(effects.register("sessions"));
        let swept = effects.wait(EventId::new(1), Duration::from_secs(60)).await;
        assert_eq!(swept, Swept::default());
    }
}
