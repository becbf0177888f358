//! A bounded queue to a thread, which is there once there is something to do: some events of each kind, which
//! take turns.
//!
//! Strangers can cause as many refusals as they like. Invariant: who leaves something never waits; what is left
//! out, counted and said, is of a kind that has its full share here already, so that a rare event is never lost
//! behind a frequent one.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, Once, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

/// How many of a kind may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Share {
    /// Strangers may cause any number of them.
    OfAnybody,
    /// Of the log, which is asked again for what had no room: so many that who tells seldom waits for it.
    OfTheLog,
}

impl Share {
    /// There are some sixty kinds.
    const fn most(self) -> usize {
        match self {
            Self::OfAnybody => 64,
            Self::OfTheLog => 1024,
        }
    }
}

/// What the thread is handed.
#[derive(Debug)]
pub(super) enum Order<T> {
    /// This is to be done.
    Do(T),
    /// Nothing follows: this is told once all before it is done.
    Finish(oneshot::Sender<()>),
    /// Nothing came within the time.
    Wait,
    /// Nobody is left who could leave anything.
    Over,
}

/// Where jobs are left.
#[derive(Debug)]
pub(super) struct Queue<T> {
    /// Of the thread.
    name: &'static str,
    started: Once,
    jobs: Jobs<T>,
}

/// Where the thread finds them. Clones are the same.
#[derive(Debug)]
pub(super) struct Jobs<T>(Arc<Shared<T>>);

#[derive(Debug)]
struct Shared<T> {
    /// Of what is too slow in the log.
    name: &'static str,
    waiting: Mutex<Waiting<T>>,
    changed: Condvar,
}

#[derive(Debug)]
struct Waiting<T> {
    /// By kind, in the order of their turns. None is empty.
    kinds: VecDeque<(String, VecDeque<T>)>,
    finish: Option<oneshot::Sender<()>>,
    is_over: bool,
    /// The thread has ended.
    is_gone: bool,
    /// How many of which kind were left out, and when that was said last.
    lost: BTreeMap<String, u64>,
    said_at: Option<Instant>,
}

impl<T: Send + 'static> Queue<T> {
    /// An empty one, whose thread has this name.
    pub(super) fn new(name: &'static str) -> Self {
        let waiting = Waiting {
            kinds: VecDeque::new(),
            finish: None,
            is_over: false,
            is_gone: false,
            lost: BTreeMap::new(),
            said_at: None,
        };
        let shared = Shared { name, waiting: Mutex::new(waiting), changed: Condvar::new() };
        Self { name, started: Once::new(), jobs: Jobs(Arc::new(shared)) }
    }

    /// Leaves a job of this kind for the thread, which does what `work` does.
    pub(super) fn leave(
        &self,
        kind: &str,
        share: Share,
        job: T,
        work: impl FnOnce() -> Box<dyn FnOnce(Jobs<T>) + Send>,
    ) {
        self.jobs.offer(kind, share, job);
        self.started.call_once(|| self.start(work()));
    }

    /// Whether one more event of the log may wait, of this kind.
    pub(super) fn has_room(&self, kind: &str) -> bool {
        let waiting = self.jobs.lock();
        let jobs = waiting.kinds.iter().find(|(present, _)| present == kind);
        jobs.is_none_or(|(_, jobs)| jobs.len() < Share::OfTheLog.most())
    }

    /// The thread ends with the queue.
    fn start(&self, work: Box<dyn FnOnce(Jobs<T>) + Send>) {
        let jobs = Jobs(Arc::clone(&self.jobs.0));
        let end = End(Jobs(Arc::clone(&self.jobs.0)));
        let thread = std::thread::Builder::new().name(self.name.to_owned());
        let work = move || {
            let _end = end;
            work(jobs);
        };
        if let Err(error) = thread.spawn(work) {
            tracing::error!(%error, of = self.name, "nothing will be told");
        }
    }

    /// Waits until all that was left is done.
    pub(super) async fn finish(&self) {
        if !self.started.is_completed() {
            return;
        }
        let (done, is_done) = oneshot::channel();
        // A thread that is gone has nothing left to do.
        self.jobs.change(|waiting| waiting.finish = Some(done).filter(|_| !waiting.is_gone));
        let _ = is_done.await;
    }
}

/// Of the thread, however it comes.
struct End<T>(Jobs<T>);

impl<T> Drop for End<T> {
    fn drop(&mut self) {
        self.0.change(|waiting| {
            waiting.is_gone = true;
            waiting.finish = None;
        });
    }
}

impl<T> Drop for Queue<T> {
    fn drop(&mut self) {
        self.jobs.change(|waiting| waiting.is_over = true);
    }
}

impl<T> Jobs<T> {
    /// The oldest of the kind whose turn it is; waits for one so long at most.
    pub(super) fn next(&self, at_most: Duration) -> Order<T> {
        let is_idle = |waiting: &mut Waiting<T>| {
            waiting.kinds.is_empty() && waiting.finish.is_none() && !waiting.is_over
        };
        let woken = self.0.changed.wait_timeout_while(self.lock(), at_most, is_idle);
        let (mut waiting, _) = woken.unwrap_or_else(PoisonError::into_inner);
        waiting.say_what_was_lost(self.0.name);
        if let Some(job) = waiting.take() {
            return Order::Do(job);
        }
        match waiting.finish.take() {
            Some(done) => Order::Finish(done),
            None if waiting.is_over => Order::Over,
            None => Order::Wait,
        }
    }

    /// Takes it, or counts it where its kind has its share.
    fn offer(&self, kind: &str, share: Share, job: T) {
        self.change(|waiting| {
            match waiting.kinds.iter_mut().find(|(present, _)| present == kind) {
                Some((_, jobs)) if jobs.len() >= share.most() => {
                    *waiting.lost.entry(kind.to_owned()).or_default() += 1;
                }
                Some((_, jobs)) => jobs.push_back(job),
                None => waiting.kinds.push_back((kind.to_owned(), [job].into())),
            }
            waiting.say_what_was_lost(self.0.name);
        });
    }

    fn change(&self, change: impl FnOnce(&mut Waiting<T>)) {
        change(&mut self.lock());
        self.0.changed.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Waiting<T>> {
        // What is in it is whole after every step.
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Waiting<T> {
    fn take(&mut self) -> Option<T> {
        let (kind, mut jobs) = self.kinds.pop_front()?;
        let job = jobs.pop_front();
        if !jobs.is_empty() {
            self.kinds.push_back((kind, jobs));
        }
        job
    }

    /// Once a minute, since strangers decide how often there is something to say.
    fn say_what_was_lost(&mut self, of: &'static str) {
        if self.lost.is_empty() || self.said_at.is_some_and(|at| at.elapsed() < SAID_AGAIN) {
            return;
        }
        self.said_at = Some(Instant::now());
        for (event, events) in std::mem::take(&mut self.lost) {
            tracing::warn!(events, event, of, "too slow; of so many events none was told");
        }
    }
}

const SAID_AGAIN: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rare_event_waits_for_one_of_each_kind_at_most_and_is_never_left_out() {
        let queue: Queue<u32> = Queue::new("test");
        for number in 0..10_000 {
            queue.jobs.offer("connection_refused", Share::OfAnybody, number);
        }
        queue.jobs.offer("certificate_revoked", Share::OfTheLog, 77_777);
        assert_eq!([next(&queue), next(&queue)], [Some(0), Some(77_777)]);
        let rest: Vec<_> = std::iter::from_fn(|| next(&queue)).collect();
        assert_eq!(rest, (1..64).collect::<Vec<_>>(), "in their order");
        // The first was said at once.
        let lost: u64 = queue.jobs.lock().lost.values().sum();
        assert_eq!(lost, 10_000 - 64 - 1);
    }

    #[test]
    fn what_one_change_or_one_script_writes_to_the_log_is_told_whole() {
        let queue: Queue<u32> = Queue::new("test");
        for number in 0..1_000 {
            queue.jobs.offer("certificate_revoked", Share::OfTheLog, number);
        }
        let told: Vec<_> = std::iter::from_fn(|| next(&queue)).collect();
        assert_eq!(told, (0..1_000).collect::<Vec<_>>());
    }

    #[test]
    fn the_end_is_heard_by_who_waits_and_comes_behind_all_that_was_left() {
        let queue: Queue<u32> = Queue::new("test");
        queue.jobs.offer("one", Share::OfAnybody, 1);
        let jobs = Jobs(Arc::clone(&queue.jobs.0));
        let thread = std::thread::spawn(move || {
            let long = Duration::from_secs(20);
            (matches!(jobs.next(long), Order::Do(1)), matches!(jobs.next(long), Order::Over))
        });
        drop(queue);
        assert_eq!(thread.join().expect("it ends"), (true, true));
    }

    fn next(queue: &Queue<u32>) -> Option<u32> {
        match queue.jobs.next(Duration::ZERO) {
            Order::Do(number) => Some(number),
            _ => None,
        }
    }
}
