//! Any answer's body on its way out.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::Instant;

use crate::activity::Open;
use crate::body::{Body, BodyError};
use crate::context::Context as Connection;
use crate::pace::{GRACE, Pace};

/// Says whether it is the client that is waited for, and tells of an answer that breaks off.
pub(crate) struct Outgoing {
    inner: Body,
    open: Open,
    offered: Option<Instant>,
    pace: Pace,
    connection: Arc<Connection>,
}

impl Outgoing {
    pub(crate) fn new(inner: Body, open: Open, connection: Arc<Connection>) -> Self {
        Self { inner, open, offered: None, pace: Pace::default(), connection }
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        if self.inner.is_end_stream() {
            self.open.ends();
        }
    }
}

impl HttpBody for Outgoing {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let now = Instant::now();
        if let Some(since) = self.offered.take() {
            self.pace.waited(now - since);
        }
        let frame = Pin::new(&mut self.inner).poll_frame(context);
        match &frame {
            Poll::Ready(Some(Ok(piece))) => {
                self.offered = Some(now);
                self.open.offers(now);
                if !self.pace.keeps(piece.data_ref().map_or(0, Bytes::len)) {
                    return Poll::Ready(Some(Err(BodyError::Slow(GRACE))));
                }
            }
            Poll::Ready(Some(Err(error))) => {
                self.open.offers(now);
                self.connection.steward.broke(error.refusal());
            }
            Poll::Ready(None) => {
                self.open.offers(now);
                self.open.ends();
            }
            Poll::Pending => self.open.owes(),
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
