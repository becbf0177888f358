//! What is kept in step with the records on this machine, and how far each has come.
//!
//! A projection is the CRL, the sessions of a door, and whatever comes to be made of the records later:
//!
//! 1. [`Projections::register`] once at start, for a [`Projection`];
//! 2. wait for [`CurrentView`](crate::current_view::CurrentView) to change; take its view;
//! 3. bring about what it says: sign what is missing, close what may not stay;
//! 4. when that is done, [`Projection::passed`] with the view's revision; where it can't be,
//!    [`Projection::failed`], and try again later.
//!
//! What only shows others what happened, as a CRL does, registers behind those that take rights back
//! ([`Projections::register_behind`]) and gives way to them ([`Projection::turn`]): a signature is milliseconds of
//! arithmetic, beside which the thread that closes sessions would wait for a core.
//!
//! A command that changes something takes a [`Mark`] before its commit and waits with
//! [`Projections::wait`] for all of them to pass its revision. Invariant: a projection passes a revision
//! only after all that the revision demands is in force. It may be more than that, as the view may be
//! ahead of it.

use std::collections::VecDeque;
use std::fmt::{self, Display, Formatter};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use engine::Revision;
use pki::CertificateId;
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};

/// All projections, and how far they have come.
#[derive(Clone, Debug, Default)]
pub struct Projections(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    registered: Mutex<Vec<Registered>>,
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

/// What a projection is called, and how its lack is said: "the VPN's sessions" "did not close".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name {
    /// Its word for programs: `vpn_sessions`.
    pub code: &'static str,
    /// What it is.
    pub of: &'static str,
    /// What did not happen where it lags.
    pub lack: &'static str,
    /// Whether it hands out the CRL, which is signed first.
    pub follows_the_crl: bool,
}

/// The reporting end of one projection. Dropping it ends its duty, unless a panic drops it: what it kept up
/// is lacking from then on, and whoever waits is told.
#[derive(Debug)]
pub struct Projection {
    progress: watch::Sender<Progress>,
    shared: Arc<Shared>,
}

/// What waiting found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Certificates of the sessions that were closed since the mark, one for each session.
    pub closed: Vec<CertificateId>,
    /// Projections that passed, and how long after the beginning of the wait that was at the latest.
    pub passed: Vec<(Name, Duration)>,
    /// Projections that did not pass in time.
    pub missing: Vec<Missing>,
    /// How long the wait was.
    pub took: Duration,
}

/// A projection that did not pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// Which.
    pub name: Name,
    /// Why, where it failed; else it was not done in time.
    pub fault: Option<String>,
    limit: Duration,
}

#[derive(Debug)]
struct Registered {
    name: Name,
    rank: Rank,
    progress: watch::Receiver<Progress>,
}

/// Whose effects come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rank {
    /// They take rights back.
    First,
    /// They show it.
    Behind,
}

#[derive(Clone, Debug, Default)]
struct Progress {
    through: Revision,
    /// When it came so far.
    at: Option<Instant>,
    broken: bool,
    failed: Option<(Revision, String)>,
}

impl Projections {
    /// A projection of this name that takes rights back.
    pub fn register(&self, name: Name) -> Projection {
        self.register_as(Rank::First, name)
    }

    /// One that shows others what happened, and waits for its [`Projection::turn`].
    pub fn register_behind(&self, name: Name) -> Projection {
        self.register_as(Rank::Behind, name)
    }

    fn register_as(&self, rank: Rank, name: Name) -> Projection {
        let (progress, receiver) = watch::channel(Progress::default());
        locked(&self.0.registered).push(Registered { name, rank, progress: receiver });
        Projection { progress, shared: Arc::clone(&self.0) }
    }

    /// The present moment, for [`Projections::wait`] to count from.
    pub fn mark(&self) -> Mark {
        let closed = locked(&self.0.closed);
        Mark(closed.forgotten + closed.kept.len() as u64)
    }

    /// Waits until every projection passed `revision` or failed at it, at most `limit` in all.
    pub async fn wait(&self, revision: Revision, since: Mark, limit: Duration) -> Outcome {
        let begin = Instant::now();
        let end = begin + limit;
        let mut missing = Vec::new();
        let mut passed = Vec::new();
        for (name, mut progress) in self.present() {
            let settled = |p: &Progress| p.through >= revision || p.fault_at(revision).is_some();
            // One that broke has said all that it will.
            let fault = match timeout_at(end, progress.wait_for(settled)).await {
                Ok(Ok(progress)) if progress.through >= revision => {
                    let at = progress.at.unwrap_or(begin);
                    passed.push((name, at.saturating_duration_since(begin)));
                    continue;
                }
                Ok(Ok(progress)) => progress.fault_at(revision).map(str::to_owned),
                // One that ended in good order took everything it kept up with it.
                Ok(Err(_)) => continue,
                Err(_) => None,
            };
            missing.push(Missing { name, fault, limit });
        }
        Outcome { closed: self.closed_since(since), passed, missing, took: begin.elapsed() }
    }

    fn closed_since(&self, mark: Mark) -> Vec<CertificateId> {
        let closed = locked(&self.0.closed);
        let skip = usize::try_from(mark.0.saturating_sub(closed.forgotten)).unwrap_or(usize::MAX);
        closed.kept.iter().skip(skip).copied().collect()
    }

    /// Copied out, so that no lock is held while waiting.
    fn present(&self) -> Vec<(Name, watch::Receiver<Progress>)> {
        let mut registered = locked(&self.0.registered);
        registered.retain(|one| one.progress.has_changed().is_ok() || one.progress.borrow().broken);
        registered.iter().map(|one| (one.name, one.progress.clone())).collect()
    }
}

impl Shared {
    /// How far those have come that take rights back. Copied out, so that no lock is held while waiting.
    fn first(&self) -> Vec<watch::Receiver<Progress>> {
        let registered = locked(&self.registered);
        let first = registered.iter().filter(|one| one.rank == Rank::First);
        first.map(|one| one.progress.clone()).collect()
    }
}

impl Projection {
    /// Everything that `revision` demands is in force; `closed` was closed for it.
    pub fn passed(&self, revision: Revision, closed: impl IntoIterator<Item = CertificateId>) {
        let mut log = locked(&self.shared.closed);
        log.kept.extend(closed);
        let excess = log.kept.len().saturating_sub(REMEMBERED);
        log.kept.drain(..excess);
        log.forgotten += excess as u64;
        drop(log);
        self.progress.send_if_modified(|progress| {
            let forward = revision > progress.through;
            if forward {
                (progress.through, progress.at) = (revision, Some(Instant::now()));
            }
            forward
        });
    }

    /// Waits until those that take rights back have come to `revision`, and for one that hangs no longer than
    /// a moment: whoever changed something is told of it.
    pub async fn turn(&self, revision: Revision) {
        let all = async {
            for mut progress in self.shared.first() {
                let settled =
                    |p: &Progress| p.through >= revision || p.fault_at(revision).is_some();
                // One that has ended keeps nobody waiting.
                let _ = progress.wait_for(settled).await;
            }
        };
        let _ = timeout(MOMENT, all).await;
    }

    /// What `revision` demands could not be brought about.
    pub fn failed(&self, revision: Revision, why: String) {
        self.progress.send_modify(|progress| progress.failed = Some((revision, why)));
    }
}

impl Drop for Projection {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.progress.send_modify(|progress| progress.broken = true);
        }
    }
}

impl Progress {
    /// Why `revision` was tried without success.
    fn fault_at(&self, revision: Revision) -> Option<&str> {
        if self.broken {
            return Some(BROKEN);
        }
        let (tried, why) = self.failed.as_ref()?;
        (*tried >= revision).then_some(why.as_str())
    }
}

impl Display for Missing {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Name { of, lack, .. } = self.name;
        match &self.fault {
            Some(fault) => write!(f, "{of} {lack}: {fault}"),
            None => write!(f, "{of} {lack} within {} s", self.limit.as_secs()),
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const BROKEN: &str = "internal error: what does it has ended; restart the gateway";
/// How long what is shown gives way: a sweep of all sessions takes a few milliseconds.
const MOMENT: Duration = Duration::from_millis(250);
/// Closed sessions remembered for commands that ask how many there were.
const REMEMBERED: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    const SESSIONS: Name =
        Name { code: "sessions", of: "sessions", lack: "did not close", follows_the_crl: false };

    fn certificate(byte: u8) -> CertificateId {
        let serial = pki::Serial::from_bytes(&[byte]).expect("a serial");
        CertificateId { issuer: pki::IssuerId::of_name(b"a CA"), serial }
    }

    #[tokio::test]
    async fn waiting_ends_when_the_projection_passed_the_event() {
        let projections = Projections::default();
        let projection = projections.register(SESSIONS);
        projection.passed(Revision::new(5), [certificate(1)]);
        let mark = projections.mark();
        let waiting = tokio::spawn({
            let projections = projections.clone();
            async move { projections.wait(Revision::new(7), mark, Duration::from_secs(5)).await }
        });
        projection.passed(Revision::new(6), [certificate(2)]);
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        projection.passed(Revision::new(8), [certificate(3)]);
        let outcome = waiting.await.expect("no panic");
        assert_eq!(outcome.closed, [certificate(2), certificate(3)]);
        assert_eq!(outcome.missing, []);
        assert_eq!(outcome.passed[0].0, SESSIONS);
    }

    #[tokio::test(start_paused = true)]
    async fn how_long_each_took_is_measured_from_the_beginning_of_the_wait() {
        let projections = Projections::default();
        let projection = projections.register(SESSIONS);
        let wait = projections.wait(Revision::new(7), projections.mark(), MINUTE);
        let pass = async {
            tokio::time::sleep(Duration::from_millis(250)).await;
            projection.passed(Revision::new(7), []);
        };
        let (outcome, ()) = tokio::join!(wait, pass);
        assert_eq!(outcome.passed, [(SESSIONS, Duration::from_millis(250))]);
        // What was in force before anybody waited took no time.
        let outcome = projections.wait(Revision::new(6), projections.mark(), MINUTE).await;
        assert_eq!(outcome.passed, [(SESSIONS, Duration::ZERO)]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_projection_that_lags_is_named() {
        let projections = Projections::default();
        let _projection = projections.register(SESSIONS);
        let outcome =
            projections.wait(Revision::new(1), projections.mark(), Duration::from_secs(2)).await;
        let said: Vec<_> = outcome.missing.iter().map(ToString::to_string).collect();
        assert_eq!(said, ["sessions did not close within 2 s"]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_shows_a_change_waits_until_rights_are_taken_back_and_not_for_ever() {
        let projections = Projections::default();
        let sessions = projections.register(SESSIONS);
        let [shown, _other] = [(); 2].map(|()| projections.register_behind(SESSIONS));
        let turn = tokio::spawn(async move {
            shown.turn(Revision::new(4)).await;
            (Instant::now(), shown)
        });
        tokio::time::sleep(MOMENT / 2).await;
        assert!(!turn.is_finished(), "sessions may be open");
        let closed_at = Instant::now();
        sessions.passed(Revision::new(4), []);
        let (turn, shown) = turn.await.expect("no panic");
        assert_eq!(turn, closed_at, "it waits for nobody of its own rank");
        shown.turn(Revision::new(5)).await;
        assert_eq!(Instant::now(), closed_at + MOMENT, "though the sessions hang");
    }

    #[tokio::test]
    async fn a_projection_that_ended_is_not_waited_for() {
        let projections = Projections::default();
        drop(projections.register(SESSIONS));
        let outcome =
            projections.wait(Revision::new(1), projections.mark(), Duration::from_secs(60)).await;
        assert_eq!(outcome.missing, []);
    }

    #[tokio::test]
    async fn a_projection_whose_task_panicked_is_named_at_once_and_for_good() {
        let projections = Projections::default();
        let projection = projections.register(SESSIONS);
        projection.passed(Revision::new(3), []);
        let task = tokio::spawn(async move {
            let projection = projection;
            tokio::task::yield_now().await;
            projection.passed(Revision::new(4), []);
            std::panic::resume_unwind(Box::new("a mistake"));
        });
        assert!(task.await.is_err());
        for _ in 0..2 {
            let wait = |to| projections.wait(Revision::new(to), projections.mark(), MINUTE);
            assert_eq!(wait(4).await.missing, [], "what it had done is done");
            let missing = wait(5).await.missing;
            assert_eq!(missing[0].fault.as_deref(), Some(BROKEN));
        }
    }

    const MINUTE: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn one_that_failed_is_named_with_the_reason_until_it_passes() {
        let projections = Projections::default();
        let name = Name { of: "the CRL", lack: "could not be signed", ..SESSIONS };
        let crl = projections.register(name);
        crl.failed(Revision::new(3), "the disk is full".to_owned());
        let wait = |revision| {
            projections.wait(Revision::new(revision), projections.mark(), Duration::from_secs(2))
        };
        let outcome = wait(3).await;
        assert_eq!(outcome.missing[0].to_string(), "the CRL could not be signed: the disk is full");
        // It was not tried for a later one: that may still pass.
        assert_eq!(wait(4).await.missing[0].fault, None);
        crl.passed(Revision::new(4), []);
        assert_eq!(wait(4).await.missing, []);
    }
}
