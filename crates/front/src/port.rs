//! An address that connections come to: what holds for them, and the strangers among them.
//!
//! Who has not proved anything yet is a stranger, and strangers are bounded. Invariant: no stranger holds a place that
//! somebody who was let in could have.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};

use tokio::sync::Semaphore;
use tokio::task::AbortHandle;

use crate::settings::Listen;

/// What holds for its connections.
#[derive(Debug)]
pub(crate) struct Port {
    pub(crate) listen: Listen,
    pub(crate) room: Arc<Semaphore>,
}

/// Proves that a connection is a stranger's, for as long as it is kept.
pub(crate) struct Stranger {
    _alive: Arc<()>,
}

impl Stranger {
    /// One, and what tells whether it is one still.
    pub(crate) fn new() -> (Self, Weak<()>) {
        let alive = Arc::new(());
        let kept = Arc::downgrade(&alive);
        (Self { _alive: alive }, kept)
    }
}

impl Port {
    pub(crate) fn of(listen: &Listen) -> Self {
        let room = Arc::new(Semaphore::new(listen.max_connections as usize));
        Self { listen: listen.clone(), room }
    }
}

/// Those of one address, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct Strangers(VecDeque<(AbortHandle, Weak<()>)>);

impl Strangers {
    /// One more; where there are too many, the oldest one makes room.
    pub(crate) fn add(&mut self, task: AbortHandle, stranger: Weak<()>) {
        if self.0.len() >= MOST_STRANGERS {
            self.0.retain(|(_, stranger)| stranger.strong_count() > 0);
        }
        if self.0.len() >= MOST_STRANGERS
            && let Some((oldest, _)) = self.0.pop_front()
        {
            oldest.abort();
        }
        self.0.push_back((task, stranger));
    }
}

/// With the bytes that each may have sent they are some 130 MB at worst.
const MOST_STRANGERS: usize = 4096;
