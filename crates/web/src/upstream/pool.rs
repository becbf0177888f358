//! Connections to a backend that wait for the next request: bounded in number, and none is used that has waited long.
//! Those that grew too old are let go when the next one comes or goes.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hyper::client::conn::http1::SendRequest;
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout};

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

/// Those that are idle, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Pool(Mutex<VecDeque<(Instant, Line)>>);

impl Pool {
    /// One that still stands, as far as is known here.
    pub(super) async fn take(&self) -> Option<Line> {
        loop {
            let (since, mut line) = self.with(VecDeque::pop_back)?;
            if since.elapsed() > KEPT || line.sender.is_closed() {
                continue;
            }
            // The end of the answer before has been read, and its task is about to see it.
            if let Ok(Ok(())) = timeout(FOR_ITS_END, line.sender.ready()).await {
                return Some(line);
            }
        }
    }

    pub(super) fn put(&self, line: Line) {
        let now = Instant::now();
        self.with(|idle| {
            while idle.len() >= MOST_IDLE
                || idle.front().is_some_and(|(since, _)| now - *since > KEPT)
            {
                idle.pop_front();
            }
            idle.push_back((now, line));
        });
    }

    fn with<T>(&self, change: impl FnOnce(&mut VecDeque<(Instant, Line)>) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Shorter than backends keep connections by default (five seconds are usual), or requests would meet their end.
const KEPT: Duration = Duration::from_secs(4);
const MOST_IDLE: usize = 64;
const FOR_ITS_END: Duration = Duration::from_millis(100);
