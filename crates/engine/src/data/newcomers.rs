//! TCP connections that came in elsewhere, on their way to the worker that is to have them.
//!
//! They have a queue beside the orders, which never wait for a stranger. Invariant: so many wait at most, and whoever
//! finds no room is closed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use super::streams::ForeignStream;

/// Where they come in.
#[derive(Clone, Debug)]
pub(super) struct Entrance {
    queue: SyncSender<ForeignStream>,
    turned_away: Arc<AtomicU64>,
}

/// Those that wait.
#[derive(Debug)]
pub(super) struct Newcomers {
    queue: Receiver<ForeignStream>,
    turned_away: Arc<AtomicU64>,
}

/// Nobody waits yet.
pub(super) fn newcomers() -> (Entrance, Newcomers) {
    let (sender, receiver) = sync_channel(MOST);
    let turned_away = Arc::<AtomicU64>::default();
    let entrance = Entrance { queue: sender, turned_away: Arc::clone(&turned_away) };
    (entrance, Newcomers { queue: receiver, turned_away })
}

impl Entrance {
    /// Says whether it waits from here on.
    pub(super) fn take(&self, stream: ForeignStream) -> bool {
        let outcome = self.queue.try_send(stream);
        if let Err(TrySendError::Full(_)) = outcome {
            self.turned_away.fetch_add(1, Ordering::Relaxed);
        }
        outcome.is_ok()
    }
}

impl Newcomers {
    pub(super) fn next(&self) -> Option<ForeignStream> {
        self.queue.try_recv().ok()
    }

    /// How many found no room.
    pub(super) fn turned_away(&self) -> u64 {
        self.turned_away.load(Ordering::Relaxed)
    }
}

/// As many as a worker may have strangers of one source; with what came over each, half a megabyte.
pub(super) const MOST: usize = 128;
