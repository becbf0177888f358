//! Programs of the administrator's own that are started when something happens: `hooks.d/EVENT` in the data
//! folder gets the event as one JSON object on stdin.
//!
//! Nobody waits for them. Events of the log come from the log itself; sessions and refusals, which it does
//! not have, are left here by the door. Invariant: a bounded number waits and runs; what is too much is left
//! out and counted.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, OnceLock};

use serde::Serialize;
use store::{EventId, Store};
use tokio::task::AbortHandle;

use crate::told;

mod runner;

use runner::{Job, Runner};

/// Where to leave what happened. Clones are cheap.
#[derive(Clone, Debug)]
pub(crate) struct Hooks(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    folder: PathBuf,
    /// Of the thread that starts them, which is there once there is one to start.
    jobs: OnceLock<SyncSender<Job>>,
    /// How many were left out.
    lost: AtomicU64,
}

impl Hooks {
    /// Those in this folder.
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self(Arc::new(Shared { folder, jobs: OnceLock::new(), lost: AtomicU64::new(0) }))
    }

    /// This happened. Costs a look for the file where there is no hook for it.
    pub(crate) fn tell<T: Serialize>(&self, event: &str, about: impl FnOnce() -> T) {
        let program = self.0.folder.join(event);
        if !program.exists() {
            return;
        }
        let Ok(mut input) = serde_json::to_vec(&about()) else { return };
        input.push(b'\n');
        let jobs = self.0.jobs.get_or_init(|| start(&self.0.folder));
        match jobs.try_send(Job { program, input }) {
            Ok(()) => self.say_what_was_lost(),
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.0.lost.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    fn say_what_was_lost(&self) {
        let lost = self.0.lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            tracing::warn!(events = lost, "hooks were too slow; of so many events none was told");
        }
    }

    /// Tells of every event of the log after this one. Needs a tokio runtime.
    pub(crate) fn follow(&self, store: Store, after: EventId) -> Following {
        let hooks = self.clone();
        let following = async move { hooks.follow_for_ever(&store, after).await };
        Following(tokio::spawn(following).abort_handle())
    }

    async fn follow_for_ever(&self, store: &Store, mut seen: EventId) {
        let mut revisions = store.revisions();
        loop {
            while let Ok(page) = store.event_list(seen, PAGE).await
                && let Some(last) = page.last().map(|event| event.id)
            {
                for event in page {
                    self.tell(event.kind.as_str(), || told::event(event.clone()));
                }
                seen = last;
            }
            if revisions.changed().await.is_err() {
                return;
            }
        }
    }
}

/// The thread ends with the sender.
fn start(folder: &Path) -> SyncSender<Job> {
    let (jobs, waiting) = sync_channel(WAITING);
    let runner = Runner::new(folder.to_owned());
    let thread = std::thread::Builder::new().name("hooks".to_owned());
    if let Err(error) = thread.spawn(move || runner.run(&waiting)) {
        tracing::error!(%error, "no hook will be started");
    }
    jobs
}

/// The task that follows. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Following(AbortHandle);

impl Drop for Following {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// So many events wait for their hook at most.
const WAITING: usize = 256;
const PAGE: usize = 256;

#[cfg(test)]
mod tests;
