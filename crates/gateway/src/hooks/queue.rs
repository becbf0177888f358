//! A bounded queue to a thread, which is there once there is something to do.
//!
//! Invariant: who leaves something never waits; what is too much is left out, counted and said.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::sleep;

/// What the thread is handed.
#[derive(Debug)]
pub(super) enum Order<T> {
    /// This is to be done.
    Do(T),
    /// Nothing follows: this is told once all before it is done.
    Finish(oneshot::Sender<()>),
}

/// Where jobs are left.
#[derive(Debug)]
pub(super) struct Queue<T> {
    /// Of the thread, and of what is too slow in its log.
    name: &'static str,
    sender: OnceLock<SyncSender<Order<T>>>,
    lost: AtomicU64,
}

impl<T: Send + 'static> Queue<T> {
    /// An empty one, whose thread has this name.
    pub(super) fn new(name: &'static str) -> Self {
        Self { name, sender: OnceLock::new(), lost: AtomicU64::new(0) }
    }

    /// Leaves a job for the thread, which does what `work` does.
    pub(super) fn leave(
        &self,
        job: T,
        work: impl FnOnce() -> Box<dyn FnOnce(Receiver<Order<T>>) + Send>,
    ) {
        let sender = self.sender.get_or_init(|| self.start(work()));
        match sender.try_send(Order::Do(job)) {
            Ok(()) => self.say_what_was_lost(),
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.lost.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// The thread ends with the sender.
    fn start(&self, work: Box<dyn FnOnce(Receiver<Order<T>>) + Send>) -> SyncSender<Order<T>> {
        let (sender, waiting) = sync_channel(WAITING);
        let thread = std::thread::Builder::new().name(self.name.to_owned());
        if let Err(error) = thread.spawn(move || work(waiting)) {
            tracing::error!(%error, of = self.name, "nothing will be told");
        }
        sender
    }

    fn say_what_was_lost(&self) {
        let lost = self.lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let of = self.name;
            tracing::warn!(events = lost, of, "too slow; of so many events none was told");
        }
    }

    /// Waits until all that was left is done.
    pub(super) async fn finish(&self) {
        let Some(sender) = self.sender.get() else { return };
        let (done, is_done) = oneshot::channel();
        let mut order = Order::Finish(done);
        while let Err(TrySendError::Full(full)) = sender.try_send(order) {
            order = full;
            sleep(PAUSE).await;
        }
        // A thread that is gone has nothing left to do.
        let _ = is_done.await;
    }
}

/// So many wait at most.
const WAITING: usize = 256;
const PAUSE: Duration = Duration::from_millis(20);
