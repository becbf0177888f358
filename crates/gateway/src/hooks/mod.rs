//! What the administrator has told when something happens: programs of `hooks.d/EVENT` in the data folder get
//! the event as one JSON object on stdin, and an address of the settings gets it posted.
//!
//! Nobody waits for them. Events of the log come from the log itself; sessions and refusals, which it does
//! not have, are left here by the door. Invariant: a bounded number of each kind waits, a bounded number runs; what
//! is too much is read again from the log, or left out and counted where that does not have it.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use serde::Serialize;
use store::{Event, EventId, Store};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

use crate::doors::Unheard;
use crate::told;

mod behind;
mod complaints;
mod post;
mod queue;
mod runner;

use behind::{Behind, Told};
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

    /// Why the address did not take the last event, where it did not.
    pub(crate) fn fault(&self) -> Option<Unheard> {
        self.0.target.load().as_ref()?.fault()
    }

    /// This happened, and is no event of the log. Costs a look for the file where there is no hook for it.
    pub(crate) fn tell<T: Serialize>(&self, event: &str, about: impl FnOnce() -> T) {
        self.leave(event, Share::OfAnybody, about);
    }

    fn leave<T: Serialize>(&self, event: &str, share: Share, about: impl FnOnce() -> T) {
        let (starts, posts) = self.wanted(event);
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
            let program = self.0.folder.join(event);
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
        let mut behind = Behind::default();
        loop {
            while let Ok(page) = store.event_list(seen, PAGE).await
                && !page.is_empty()
            {
                for event in page {
                    let (id, room) = (event.id, self.has_room(event.kind.as_str()));
                    if behind.first(&event, seen, room) == Told::Now {
                        self.leave_event(event);
                    }
                    seen = id;
                }
            }
            self.catch_up(store, &mut behind, seen).await;
            self.0.seen.send_replace(behind.told_through(seen));
            let changed = match behind.is_empty() {
                true => revisions.changed().await,
                false => timeout(AGAIN, revisions.changed()).await.unwrap_or(Ok(())),
            };
            if changed.is_err() {
                return;
            }
        }
    }

    /// Tells of what had no room when it came, as far as there is some by now.
    async fn catch_up(&self, store: &Store, behind: &mut Behind, seen: EventId) {
        while let Some((kind, after)) = behind.next(|kind| self.has_room(kind)) {
            let Ok(page) = store.event_list(after, PAGE).await else { return };
            let mut reached = if page.is_empty() { seen } else { after };
            for event in page.into_iter().take_while(|event| event.id <= seen) {
                let id = event.id;
                if event.kind.as_str() == kind {
                    if !self.has_room(&kind) {
                        break;
                    }
                    self.leave_event(event);
                }
                reached = id;
            }
            behind.reached(&kind, reached, seen);
        }
    }

    fn leave_event(&self, event: Event) {
        let kind = event.kind.clone();
        self.leave(kind.as_str(), Share::OfTheLog, || told::event(event));
    }

    /// Whether one more of this kind may wait with whoever is told of it.
    fn has_room(&self, kind: &str) -> bool {
        let (starts, posts) = self.wanted(kind);
        (!starts || self.0.programs.has_room(kind)) && (!posts || self.0.posts.has_room(kind))
    }

    /// Whether a program is started for such events, and whether they are posted.
    fn wanted(&self, kind: &str) -> (bool, bool) {
        (self.0.folder.join(kind).exists(), self.0.target.load().is_some())
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
/// Until it is looked again whether there is room.
const AGAIN: Duration = Duration::from_millis(200);
/// So long a stop waits for hooks.
const AT_THE_END: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests;
