//! How far the effects of committed events have come on this machine.
//!
//! Whoever keeps something open because of what the store says (the VPN's sessions, later the TLS
//! door's) is a sweeper:
//!
//! 1. [`Effects::register`] once at start, for a [`Sweeper`];
//! 2. wait for [`Live`](crate::live::Live) to change; take its view;
//! 3. re-check everything that is open against that view and close what may not stay;
//! 4. when closing is confirmed, [`Sweeper::swept`] with the view's revision and what was closed.
//!
//! A command that revokes takes a [`Mark`] before its commit and waits with [`Effects::wait`] for
//! all sweepers to pass its revision. Invariant: a sweeper reports a revision only after everything
//! forbidden by it is closed. It may close more than that, as the view may be ahead of it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use engine::Revision;
use pki::CertificateId;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

/// All sweepers and how far they have come.
#[derive(Clone, Debug, Default)]
pub struct Effects(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    watched: Mutex<Vec<Watched>>,
    closed: Mutex<Closed>,
}

/// Certificates of closed sessions, in the order of closing; the oldest ones are forgotten.
#[derive(Debug, Default)]
struct Closed {
    forgotten: u64,
    kept: VecDeque<CertificateId>,
}

/// A moment among the closings.
#[derive(Clone, Copy, Debug)]
pub struct Mark(u64);

/// The reporting end of one sweeper. Dropping it ends its duty.
#[derive(Debug)]
pub struct Sweeper {
    progress: watch::Sender<Revision>,
    shared: Arc<Shared>,
}

/// What waiting found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Certificates of the sessions that were closed since the mark, one for each session.
    pub closed: Vec<CertificateId>,
    /// Sweepers that did not report in time.
    pub missing: Vec<&'static str>,
}

#[derive(Debug)]
struct Watched {
    name: &'static str,
    progress: watch::Receiver<Revision>,
}

impl Effects {
    /// A sweeper called `name` in messages ("the VPN's sessions").
    pub fn register(&self, name: &'static str) -> Sweeper {
        let (progress, receiver) = watch::channel(Revision::NONE);
        locked(&self.0.watched).push(Watched { name, progress: receiver });
        Sweeper { progress, shared: Arc::clone(&self.0) }
    }

    /// The present moment, for [`Effects::wait`] to count from.
    pub fn mark(&self) -> Mark {
        let closed = locked(&self.0.closed);
        Mark(closed.forgotten + closed.kept.len() as u64)
    }

    /// Waits until every sweeper passed `revision`, at most `limit` in all.
    pub async fn wait(&self, revision: Revision, since: Mark, limit: Duration) -> Swept {
        let end = Instant::now() + limit;
        let mut missing = Vec::new();
        for (name, mut progress) in self.present() {
            // A sweeper that ended took everything it kept open with it, hence no look at the inner
            // result.
            if timeout_at(end, progress.wait_for(|at| *at >= revision)).await.is_err() {
                missing.push(name);
            }
        }
        Swept { closed: self.closed_since(since), missing }
    }

    fn closed_since(&self, mark: Mark) -> Vec<CertificateId> {
        let closed = locked(&self.0.closed);
        let skip = usize::try_from(mark.0.saturating_sub(closed.forgotten)).unwrap_or(usize::MAX);
        closed.kept.iter().skip(skip).copied().collect()
    }

    /// Copied out, so that no lock is held while waiting.
    fn present(&self) -> Vec<(&'static str, watch::Receiver<Revision>)> {
        let mut watched = locked(&self.0.watched);
        watched.retain(|w| w.progress.has_changed().is_ok());
        watched.iter().map(|w| (w.name, w.progress.clone())).collect()
    }
}

impl Sweeper {
    /// Everything forbidden up to `revision` is closed; `closed` was closed by this sweep.
    pub fn swept(&self, revision: Revision, closed: impl IntoIterator<Item = CertificateId>) {
        let mut log = locked(&self.shared.closed);
        log.kept.extend(closed);
        let excess = log.kept.len().saturating_sub(REMEMBERED);
        log.kept.drain(..excess);
        log.forgotten += excess as u64;
        drop(log);
        self.progress.send_if_modified(|at| {
            let forward = revision > *at;
            *at = (*at).max(revision);
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

    fn certificate(byte: u8) -> CertificateId {
        let serial = pki::Serial::from_bytes(&[byte]).expect("a serial");
        CertificateId { issuer: pki::IssuerId::of_name(b"a CA"), serial }
    }

    #[tokio::test]
    async fn waiting_ends_when_the_sweeper_passed_the_event() {
        let effects = Effects::default();
        let sweeper = effects.register("sessions");
        sweeper.swept(Revision::new(5), [certificate(1)]);
        let mark = effects.mark();
        let waiting = tokio::spawn({
            let effects = effects.clone();
            async move { effects.wait(Revision::new(7), mark, Duration::from_secs(5)).await }
        });
        sweeper.swept(Revision::new(6), [certificate(2)]);
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        sweeper.swept(Revision::new(8), [certificate(3)]);
        let swept = waiting.await.expect("no panic");
        assert_eq!(swept, Swept { closed: vec![certificate(2), certificate(3)], missing: vec![] });
    }

    #[tokio::test(start_paused = true)]
    async fn a_sweeper_that_lags_is_named() {
        let effects = Effects::default();
        let _sweeper = effects.register("sessions");
        let swept = effects.wait(Revision::new(1), effects.mark(), Duration::from_secs(2)).await;
        assert_eq!(swept.missing, ["sessions"]);
    }

    #[tokio::test]
    async fn a_sweeper_that_ended_is_not_waited_for() {
        let effects = Effects::default();
        drop(effects.register("sessions"));
        let swept = effects.wait(Revision::new(1), effects.mark(), Duration::from_secs(60)).await;
        assert_eq!(swept, Swept::default());
    }
}
