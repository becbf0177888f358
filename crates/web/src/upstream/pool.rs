//! Connections to a backend that wait for the next request: bounded in number, and none is used that has waited long.
//! Those that grew too old are let go, also where no request comes any more.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use hyper::client::conn::http1::SendRequest;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, timeout};

use crate::body::RequestBody;

/// A connection to a backend. It ends when this is dropped, whatever is still on its way.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) sender: SendRequest<RequestBody>,
    task: AbortHandle,
}

impl Line {
    pub(super) fn new(sender: SendRequest<RequestBody>, task: AbortHandle) -> Self {
        Self { sender, task }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Those that are idle.
#[derive(Debug, Default)]
pub(super) struct Pool(Mutex<Idle>);

#[derive(Debug, Default)]
struct Idle {
    /// The oldest first, each with the time since when it waits.
    lines: VecDeque<(Instant, Line)>,
    /// A task lets those go that grow too old.
    is_watched: bool,
}

impl Pool {
    /// One that still stands, as far as is known here.
    pub(super) async fn take(&self) -> Option<Line> {
        loop {
            let (since, mut line) = self.with(|idle| idle.lines.pop_back())?;
            if since.elapsed() > KEPT || line.sender.is_closed() {
                continue;
            }
            // The end of the answer before has been read, and its task is about to see it.
            if let Ok(Ok(())) = timeout(FOR_ITS_END, line.sender.ready()).await {
                return Some(line);
            }
        }
    }

    /// Keeps it for a time. Within a tokio runtime.
    pub(super) fn put(self: &Arc<Self>, line: Line) {
        let was_watched = self.with(|idle| {
            idle.let_go(Instant::now());
            if idle.lines.len() >= MOST_IDLE {
                idle.lines.pop_front();
            }
            idle.lines.push_back((Instant::now(), line));
            std::mem::replace(&mut idle.is_watched, true)
        });
        if !was_watched {
            tokio::spawn(watch(Arc::downgrade(self)));
        }
    }

    fn with<T>(&self, change: impl FnOnce(&mut Idle) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Idle {
    fn let_go(&mut self, now: Instant) {
        while self.lines.front().is_some_and(|(since, _)| now - *since > KEPT) {
            self.lines.pop_front();
        }
    }
}

/// Lets go of what waits too long, until nothing waits.
async fn watch(pool: Weak<Pool>) {
    loop {
        sleep(KEPT).await;
        let Some(pool) = pool.upgrade() else { return };
        let waits = pool.with(|idle| {
            idle.let_go(Instant::now());
            idle.is_watched = !idle.lines.is_empty();
            idle.is_watched
        });
        if !waits {
            return;
        }
    }
}

/// Shorter than backends keep connections by default (five seconds are usual), or requests would meet their end.
const KEPT: Duration = Duration::from_secs(4);
const MOST_IDLE: usize = 64;
const FOR_ITS_END: Duration = Duration::from_millis(100);
