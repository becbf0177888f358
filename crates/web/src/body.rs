//! Bodies on their way through: bounded in length and in patience, never kept.

use std::error::Error;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep, sleep, sleep_until};

use crate::pace::Pace;
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
    pace: Pace,
    course: Arc<Course>,
}

/// How a request's body fares, for whoever waits for the answer to it.
#[derive(Debug)]
pub(crate) struct Course {
    moved: Mutex<Instant>,
    fault: OnceLock<Refusal>,
    ended: AtomicBool,
}

impl RequestBody {
    pub(crate) fn new(inner: Incoming, most: Option<u64>, patience: Duration) -> Self {
        let inner = (!inner.is_end_stream()).then_some(inner);
        let course = Course::new(inner.is_none());
        Self { inner, left: most, patience: Patience::new(patience), pace: Pace::default(), course }
    }

    pub(crate) fn empty() -> Self {
        let patience = Patience::new(Duration::ZERO);
        let (pace, course) = (Pace::default(), Course::new(true));
        Self { inner: None, left: None, patience, pace, course }
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
        self.pace.waited(self.patience.rest());
        if !self.pace.keeps(data.len()) {
            let limit = self.patience.limit;
            return self.fail(Refusal::BodySlow, BodyError::Slow(limit));
        }
        if self.inner.as_ref().is_none_or(HttpBody::is_end_stream) {
            self.course.ends();
        }
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
                Poll::Ready(None) => {
                    self.course.ends();
                    return Poll::Ready(None);
                }
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
    fn new(ended: bool) -> Arc<Self> {
        let (moved, ended) = (Mutex::new(Instant::now()), AtomicBool::new(ended));
        Arc::new(Self { moved, fault: OnceLock::new(), ended })
    }

    fn ends(&self) {
        self.ended.store(true, Ordering::Release);
    }

    /// Whether all of the body was handed over.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    /// Something came of it; the time for an answer begins anew.
    pub(crate) fn moves(&self) {
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

/// A backend's body on its way to a client. Once it has been read to its end `at_end` gets what it holds; if it is not,
/// that is dropped with it.
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
                let _ = self.patience.rest();
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

/// How long nothing may come.
#[derive(Debug)]
struct Patience {
    limit: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    waiting: Option<Instant>,
}

impl Patience {
    fn new(limit: Duration) -> Self {
        Self { limit, timer: None, waiting: None }
    }

    /// Something came, behind so long a wait.
    fn rest(&mut self) -> Duration {
        self.waiting.take().map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// Nothing is there: whether that has lasted too long. Wakes the task when it will have.
    fn ends(&mut self, context: &mut Context<'_>) -> bool {
        let limit = self.limit;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(limit)));
        if self.waiting.is_none() {
            let now = Instant::now();
            timer.as_mut().reset(now + limit);
            self.waiting = Some(now);
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

impl BodyError {
    /// What it is called where it ends an answer.
    pub(crate) fn refusal(&self) -> Refusal {
        match self {
            Self::Http(_) => Refusal::BackendBroken,
            Self::Slow(_) => Refusal::BackendSilent,
            Self::TooLong | Self::File(_) => Refusal::Internal,
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
