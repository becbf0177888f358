//! Connections to a backend that wait for the next request: bounded in number and age.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hyper::client::conn::http1::SendRequest;
use tokio::time::{Instant, timeout};

use crate::body::RequestBody;

/// A connection to a backend.
pub(super) type Sender = SendRequest<RequestBody>;

/// Those that are idle, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Pool(Mutex<VecDeque<(Instant, Sender)>>);

impl Pool {
    /// One that still stands, as far as is known here.
    pub(super) async fn take(&self) -> Option<Sender> {
        loop {
            let (since, mut sender) = self.with(VecDeque::pop_back)?;
            if since.elapsed() > KEPT || sender.is_closed() {
                continue;
            }
            // The end of the answer before has been read, and its task is about to see it.
            if let Ok(Ok(())) = timeout(FOR_ITS_END, sender.ready()).await {
                return Some(sender);
            }
        }
    }

    pub(super) fn put(&self, sender: Sender) {
        let now = Instant::now();
        self.with(|idle| {
            while idle.len() >= MOST_IDLE
                || idle.front().is_some_and(|(since, _)| now - *since > KEPT)
            {
                idle.pop_front();
            }
            idle.push_back((now, sender));
        });
    }

    fn with<T>(&self, change: impl FnOnce(&mut VecDeque<(Instant, Sender)>) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Shorter than backends keep connections by default (five seconds are usual), or requests would meet their end.
const KEPT: Duration = Duration::from_secs(4);
const MOST_IDLE: usize = 64;
const FOR_ITS_END: Duration = Duration::from_millis(100);
