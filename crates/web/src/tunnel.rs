//! Octets both ways, once a connection or a stream carries another protocol.
//!
//! Each direction has one small buffer; a half that ends is ended on the other side. It ends when neither side
//! has said anything for long.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, sleep_until, timeout};

use crate::limits::TUNNEL_BUFFER;

/// Carries octets until both have ended, one breaks, or both are silent for `idle`.
pub(crate) async fn carry(client: OnUpgrade, backend: OnUpgrade, idle: Duration) {
    // Each has agreed to it, so this takes as long as the last octets of the answer.
    let Ok((Ok(client), Ok(backend))) =
        timeout(FOR_THE_CHANGE, async { (client.await, backend.await) }).await
    else {
        return;
    };
    let moved = Arc::new(Mutex::new(Instant::now()));
    let (mut client, mut backend) = (Moving::new(client, &moved), Moving::new(backend, &moved));
    let mut copying = std::pin::pin!(carry::both_ways(&mut client, &mut backend, TUNNEL_BUFFER));
    loop {
        let due = *moved.lock().unwrap_or_else(PoisonError::into_inner) + idle;
        if due <= Instant::now() {
            return;
        }
        tokio::select! {
            biased;
            _ = copying.as_mut() => return,
            () = sleep_until(due) => {}
        }
    }
}

/// A side whose octets are noticed.
struct Moving {
    inner: TokioIo<Upgraded>,
    moved: Arc<Mutex<Instant>>,
}

impl Moving {
    fn new(inner: Upgraded, moved: &Arc<Mutex<Instant>>) -> Self {
        Self { inner: TokioIo::new(inner), moved: Arc::clone(moved) }
    }

    fn notice<T>(&self, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if matches!(outcome, Poll::Ready(Ok(_))) {
            *self.moved.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        }
        outcome
    }
}

impl AsyncRead for Moving {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.inner).poll_read(context, buffer);
        self.notice(outcome)
    }
}

impl AsyncWrite for Moving {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.inner).poll_write(context, octets);
        // A write of nothing is a question, and nothing moves.
        if octets.is_empty() { outcome } else { self.notice(outcome) }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

const FOR_THE_CHANGE: Duration = Duration::from_secs(10);
