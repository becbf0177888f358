//! What the administrator has told when something happens: programs of `hooks.d/EVENT` in the data folder get
//! the event as one JSON object on stdin, and an address of the settings gets it posted.
//!
//! Nobody waits for them. Events of the log come from the log itself; sessions and refusals, which it does
//! not have, are left here by the door. Invariant: a bounded number of each kind waits, a bounded number runs; what
//! is too much is left out and counted.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use serde::Serialize;
use store::{EventId, Store};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

use crate::told;

mod complaints;
mod post;
mod queue;
mod runner;

pub(crate) use post::Target;
use queue::{Queue, Share};
use runner::{Job, Runner};

/// Where to leave what happened. Clones are cheap.
#[derive(Clone, Debug)]
pub(crate) struct Hooks(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    folder: PathBuf,
    programs: Queue<Job>,
    posts: Queue<Vec<u8>>,
    target: Arc<ArcSwapOption<Target>>,
    /// The last event of the log that was told.
    seen: watch::Sender<EventId>,
    /// Set at the end, when programs have had their time.
    enough: Arc<AtomicBool>,
}

impl Hooks {
    /// Those in this folder, and no address.
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self(Arc::new(Shared {
            folder,
            programs: Queue::new("hooks"),
            posts: Queue::new("webhook"),
            target: Arc::default(),
            seen: watch::Sender::new(EventId::NONE),
            enough: Arc::default(),
        }))
    }

    /// Events are posted there from here on, or nowhere.
    pub(crate) fn post_to(&self, target: Option<Target>) {
        self.0.target.store(target.map(Arc::new));
    }

    /// This happened, and is no event of the log. Costs a look for the file where there is no hook for it.
    pub(crate) fn tell<T: Serialize>(&self, event: &str, about: impl FnOnce() -> T) {
        self.leave(event, Share::OfAnybody, about);
    }

    fn leave<T: Serialize>(&self, event: &str, share: Share, about: impl FnOnce() -> T) {
        let program = self.0.folder.join(event);
        let (starts, posts) = (program.exists(), self.0.target.load().is_some());
        if !starts && !posts {
            return;
        }
        let Ok(mut input) = serde_json::to_vec(&about()) else { return };
        input.push(b'\n');
        if posts {
            self.0.posts.leave(event, share, input.clone(), || {
                let target = Arc::clone(&self.0.target);
                Box::new(move |jobs| post::run(&target, &jobs))
            });
        }
        if starts {
            self.0.programs.leave(event, share, Job { program, input }, || {
                let runner = Runner::new(self.0.folder.clone(), Arc::clone(&self.0.enough));
                Box::new(move |jobs| runner.run(&jobs))
            });
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
                    let kind = event.kind.clone();
                    self.leave(kind.as_str(), Share::OfTheLog, || told::event(event));
                }
                seen = last;
                self.0.seen.send_replace(seen);
            }
            if revisions.changed().await.is_err() {
                return;
            }
        }
    }

    /// Waits until all up to this event is told, programs have ended and posts are answered: but no longer than a
    /// stop may take. Nothing is told after that.
    pub(crate) async fn finish(&self, through: EventId) {
        let told = async {
            // The sender is here.
            let _ = self.0.seen.subscribe().wait_for(|seen| *seen >= through).await;
            tokio::join!(self.0.programs.finish(), self.0.posts.finish());
        };
        if timeout(AT_THE_END, told).await.is_err() {
            let seconds = AT_THE_END.as_secs();
            tracing::warn!(seconds, "hooks were not done in time and are ended");
            self.0.enough.store(true, Ordering::Relaxed);
            sleep(2 * runner::LOOK).await;
        }
    }
}

/// The task that follows. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Following(AbortHandle);

impl Drop for Following {
    fn drop(&mut self) {
        self.0.abort();
    }
}

const PAGE: usize = 256;
/// So long a stop waits for hooks.
const AT_THE_END: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests;
