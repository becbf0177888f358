//! Bodies on their way through: bounded in length and in patience, never kept.

use std::error::Error;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep, sleep, sleep_until};

use crate::activity::Open;
use crate::refusal::Refusal;

/// An answer's body.
pub(crate) type Body = UnsyncBoxBody<Bytes, BodyError>;

/// Why a body ends before its end.
#[derive(Debug)]
pub(crate) enum BodyError {
    /// The connection it comes from broke, or what came is no HTTP.
    Http(hyper::Error),
    /// Nothing came for this long.
    Slow(Duration),
    /// It is longer than it may be.
    TooLong,
    /// The file it comes from can't be read.
    File(io::Error),
}

/// A body that is here as a whole.
pub(crate) fn full(octets: impl Into<Bytes>) -> Body {
    Full::new(octets.into()).map_err(|never| match never {}).boxed_unsync()
}

/// A client's body on its way to a backend. Trailers end here: they could carry fields that only a gateway may say.
#[derive(Debug)]
pub(crate) struct RequestBody {
    inner: Option<Incoming>,
    left: Option<u64>,
    patience: Patience,
    course: Arc<Course>,
}

/// How a request's body fares, for whoever waits for the answer to it.
#[derive(Debug)]
pub(crate) struct Course {
    moved: Mutex<Instant>,
    fault: OnceLock<Refusal>,
}

impl RequestBody {
    pub(crate) fn new(inner: Incoming, most: Option<u64>, patience: Duration) -> Self {
        let inner = (!inner.is_end_stream()).then_some(inner);
        Self { inner, left: most, patience: Patience::new(patience), course: Course::new() }
    }

    pub(crate) fn empty() -> Self {
        let patience = Patience::new(Duration::ZERO);
        Self { inner: None, left: None, patience, course: Course::new() }
    }

    pub(crate) fn course(&self) -> Arc<Course> {
        Arc::clone(&self.course)
    }

    fn fail(
        &mut self,
        refusal: Refusal,
        error: BodyError,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.inner = None;
        // The first one is the cause.
        let _ = self.course.fault.set(refusal);
        Poll::Ready(Some(Err(error)))
    }

    fn take(&mut self, data: Bytes) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.course.moves();
        self.patience.rest();
        if let Some(left) = self.left.as_mut() {
            match left.checked_sub(data.len() as u64) {
                Some(less) => *left = less,
                None => return self.fail(Refusal::BodyTooLong, BodyError::TooLong),
            }
        }
        Poll::Ready(Some(Ok(Frame::data(data))))
    }
}

impl HttpBody for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        loop {
            let Some(inner) = self.inner.as_mut() else { return Poll::Ready(None) };
            match Pin::new(inner).poll_frame(context) {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => return self.take(data),
                    Err(_trailers) => {}
                },
                Poll::Ready(Some(Err(error))) => {
                    return self.fail(Refusal::BodyBroken, BodyError::Http(error));
                }
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending if self.patience.ends(context) => {
                    let limit = self.patience.limit;
                    return self.fail(Refusal::BodySlow, BodyError::Slow(limit));
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or(SizeHint::with_exact(0), HttpBody::size_hint)
    }
}

impl Course {
    fn new() -> Arc<Self> {
        Arc::new(Self { moved: Mutex::new(Instant::now()), fault: OnceLock::new() })
    }

    fn moves(&self) {
        *self.moved.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// What was wrong with the body.
    pub(crate) fn fault(&self) -> Option<Refusal> {
        self.fault.get().copied()
    }

    /// What comes, unless `limit` passes in which neither it comes nor the body moves.
    pub(crate) async fn wait<T>(
        &self,
        coming: impl Future<Output = T>,
        limit: Duration,
    ) -> Option<T> {
        let mut coming = std::pin::pin!(coming);
        loop {
            let due = *self.moved.lock().unwrap_or_else(PoisonError::into_inner) + limit;
            if due <= Instant::now() {
                return None;
            }
            tokio::select! {
                biased;
                come = coming.as_mut() => return Some(come),
                () = sleep_until(due) => {}
            }
        }
    }
}

/// A backend's body on its way to a client. What is dropped at its end, and not before, is `at_end`'s argument.
pub(crate) struct AnswerBody<L> {
    inner: Incoming,
    patience: Patience,
    /// What the answer holds, and what becomes of it at the end.
    lease: Option<(L, fn(L))>,
}

impl<L: Send + Unpin + 'static> AnswerBody<L> {
    pub(crate) fn boxed(inner: Incoming, patience: Duration, lease: L, at_end: fn(L)) -> Body {
        let mut body =
            Self { inner, patience: Patience::new(patience), lease: Some((lease, at_end)) };
        body.settle();
        body.boxed_unsync()
    }

    fn settle(&mut self) {
        if self.inner.is_end_stream() {
            self.ended();
        }
    }

    fn ended(&mut self) {
        if let Some((lease, at_end)) = self.lease.take() {
            at_end(lease);
        }
    }
}

impl<L: Send + Unpin + 'static> HttpBody for AnswerBody<L> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match Pin::new(&mut self.inner).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => {
                self.patience.rest();
                self.settle();
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(BodyError::Http(error)))),
            Poll::Ready(None) => {
                self.ended();
                Poll::Ready(None)
            }
            Poll::Pending if self.patience.ends(context) => {
                Poll::Ready(Some(Err(BodyError::Slow(self.patience.limit))))
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// Any answer's body on its way out: says whether it is the client that is waited for.
pub(crate) struct Outgoing {
    inner: Body,
    open: Open,
}

impl Outgoing {
    pub(crate) fn new(inner: Body, open: Open) -> Self {
        Self { inner, open }
    }
}

impl HttpBody for Outgoing {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = Pin::new(&mut self.inner).poll_frame(context);
        match &frame {
            Poll::Ready(_) => self.open.offers(Instant::now()),
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

/// How long nothing may come.
#[derive(Debug)]
struct Patience {
    limit: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    waiting: bool,
}

impl Patience {
    fn new(limit: Duration) -> Self {
        Self { limit, timer: None, waiting: false }
    }

    /// Something came.
    fn rest(&mut self) {
        self.waiting = false;
    }

    /// Nothing is there: whether that has lasted too long. Wakes the task when it will have.
    fn ends(&mut self, context: &mut Context<'_>) -> bool {
        let limit = self.limit;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(limit)));
        if !self.waiting {
            timer.as_mut().reset(Instant::now() + limit);
            self.waiting = true;
        }
        timer.as_mut().poll(context).is_ready()
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(error) => error.fmt(f),
            Self::Slow(limit) => write!(f, "nothing came for {} s", limit.as_secs()),
            Self::TooLong => f.write_str("it is longer than it may be"),
            Self::File(error) => write!(f, "the file was not read: {error}"),
        }
    }
}

impl Error for BodyError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Http(error) => Some(error),
            Self::File(error) => Some(error),
            Self::Slow(_) | Self::TooLong => None,
        }
    }
}
