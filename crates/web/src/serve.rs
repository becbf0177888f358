//! One connection, from its first octet of HTTP to its last.
//!
//! Whoever drops the future ends all that the connection had going: streams, tunnels, requests at backends.

use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::Id;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::completed::Completed;
use crate::connection::{Connection, Http};
use crate::context::Context;
use crate::exchange::exchange;
use crate::identity::NotAHeader;
use crate::limits::{CONNECTION_WINDOW, Limits, SEND_BUFFER, WINDOW};
use crate::steward::Steward;
use crate::tasks::{Owner, Tasks};

/// A connection that ended as it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Served {
    /// Requests that were answered on it.
    pub requests: u64,
}

/// Why a connection was cut off.
#[derive(Debug)]
pub enum ServeError {
    /// What came is no HTTP, or a kind of it that nobody honest sends; it was answered where there was a way.
    Malformed(hyper::Error),
    /// It broke.
    Broken(hyper::Error),
    /// No whole head came in time.
    SlowHead,
    /// The client did not take what it had asked for.
    Stalled,
    /// The client gave up most of what it asked for.
    GaveUp,
    /// An answer broke off behind its beginning: its backend's fault, or ours.
    AnswerBroke(hyper::Error),
    /// Its requests had not ended when it had to.
    CutOff,
    /// The client's name can't be told to a backend.
    Identity(NotAHeader),
}

/// Serves a connection until it ends. When `shutdown` resolves it takes no further requests and ends with those
/// that it has.
///
/// # Errors
/// Where it was cut off.
pub async fn serve<S>(
    stream: S,
    connection: Connection,
    steward: impl Steward,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<Served, ServeError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (tasks, owner) = Tasks::new();
    let http = connection.http;
    let context =
        Context::new(connection, Box::new(steward), tasks).map_err(ServeError::Identity)?;
    let outcome = match http {
        Http::One => drive(one(stream, &context), &context, &owner, shutdown).await,
        Http::Two => drive(two(stream, &context), &context, &owner, shutdown).await,
    };
    outcome.map(|()| Served { requests: context.activity.asked() })
}

/// A connection that can be told to end.
trait Driven: Future<Output = hyper::Result<()>> + Send {
    fn wind_down(self: Pin<&mut Self>);
}

fn one<S>(stream: S, context: &Arc<Context>) -> Pin<Box<dyn Driven>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let limits = &context.limits;
    let stream = Completed::new(stream, &context.manners, Arc::clone(&context.activity));
    let context = Arc::clone(context);
    let answer = service_fn(move |request| {
        let context = Arc::clone(&context);
        async move { Ok::<_, Infallible>(exchange(context, request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_time)
        .max_buf_size(limits.head)
        // Its buffer may get longer than that.
        .max_header_size(limits.head)
        .max_headers(limits.fields)
        .serve_connection(TokioIo::new(stream), answer)
        .with_upgrades();
    Box::pin(connection)
}

fn two<S>(stream: S, context: &Arc<Context>) -> Pin<Box<dyn Driven>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let limits = &context.limits;
    let tasks = context.tasks.clone();
    let shared = Arc::clone(context);
    let answer = service_fn(move |request| {
        let context = Arc::clone(&shared);
        async move { Ok::<_, Infallible>(exchange(context, request).await) }
    });
    let connection = http2::Builder::new(tasks)
        .timer(TokioTimer::new())
        // Beyond this h2 answers, and says nothing of ours; up to there we refuse.
        .max_header_list_size(u32::try_from(limits.head.saturating_mul(2)).unwrap_or(u32::MAX))
        .max_concurrent_streams(limits.streams)
        // Streams that are reset before they are taken up, and errors that a client provokes; `Activity` counts those
        // that are given up later.
        .max_pending_accept_reset_streams(RESETS)
        .max_local_error_reset_streams(PROVOKED)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .keep_alive_interval(PING)
        .keep_alive_timeout(FOR_A_PING)
        .enable_connect_protocol()
        .serve_connection(TokioIo::new(stream), answer);
    Box::pin(connection)
}

impl<I, S, B> Driven for http1::UpgradeableConnection<I, S>
where
    Self: Future<Output = hyper::Result<()>> + Send,
    S: hyper::service::HttpService<hyper::body::Incoming, ResBody = B>,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    I: hyper::rt::Read + hyper::rt::Write + Unpin + Send,
    B: hyper::body::Body + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    fn wind_down(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl<I, S, B> Driven for http2::Connection<I, S, Tasks>
where
    Self: Future<Output = hyper::Result<()>> + Send,
    S: hyper::service::HttpService<hyper::body::Incoming, ResBody = B>,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
    B: hyper::body::Body + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
    Tasks: hyper::rt::bounds::Http2ServerConnExec<S::Future, B>,
{
    fn wind_down(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

/// HTTP until it ends, then the tunnels that it left.
async fn drive(
    connection: Pin<Box<dyn Driven>>,
    context: &Context,
    owner: &Owner,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), ServeError> {
    let limits = &context.limits;
    let mut shutdown = std::pin::pin!(shutdown);
    let mut ending = None;
    let mut connection = Some(connection);
    let mut look = interval(step(limits));
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            outcome = ended(&mut connection), if connection.is_some() => {
                // Gone with it are the streams of an HTTP/2 connection that ended early.
                connection = None;
                outcome.or_else(|error| judge(error, context))?;
            }
            () = owner.all_done(), if connection.is_none() => return Ok(()),
            () = context.activity.gives_up_most() => return Err(ServeError::GaveUp),
            () = shutdown.as_mut(), if ending.is_none() => {
                ending = Some(Instant::now());
                wind_down(&mut connection);
            }
            now = look.tick() => match verdict(context, ending, now) {
                Verdict::GoesOn => {}
                Verdict::Idle if connection.is_none() => {}
                Verdict::Idle => {
                    ending = Some(now);
                    wind_down(&mut connection);
                }
                Verdict::Cut(error) => return Err(error),
            }
        }
    }
}

async fn ended(connection: &mut Option<Pin<Box<dyn Driven>>>) -> hyper::Result<()> {
    match connection {
        Some(connection) => connection.as_mut().await,
        None => std::future::pending().await,
    }
}

fn wind_down(connection: &mut Option<Pin<Box<dyn Driven>>>) {
    if let Some(connection) = connection {
        connection.as_mut().wind_down();
    }
}

enum Verdict {
    GoesOn,
    Idle,
    Cut(ServeError),
}

fn verdict(context: &Context, ending: Option<Instant>, now: Instant) -> Verdict {
    let limits = &context.limits;
    let passed = |since: Option<Instant>, limit: Duration| {
        since.is_some_and(|since| now.saturating_duration_since(since) >= limit)
    };
    let stalled = now.checked_sub(limits.stall).map(|then| context.activity.stalled(then));
    // Over HTTP/2 that ends one stream, and the others go on.
    let alone = |task: Option<Id>| task.is_some_and(|task| context.tasks.end(task));
    if !stalled.into_iter().flatten().all(alone) {
        Verdict::Cut(ServeError::Stalled)
    } else if context.activity.asked() == 0
        && passed(context.activity.quiet_since(), limits.head_time)
    {
        Verdict::Cut(ServeError::SlowHead)
    } else if passed(ending, limits.drain) {
        Verdict::Cut(ServeError::CutOff)
    } else if ending.is_none() && passed(context.activity.quiet_since(), limits.idle) {
        Verdict::Idle
    } else {
        Verdict::GoesOn
    }
}

/// Often enough for the shortest of them.
fn step(limits: &Limits) -> Duration {
    let shortest = limits.stall.min(limits.idle).min(limits.drain).min(limits.head_time);
    (shortest / 4).max(Duration::from_millis(10))
}

/// A client that says nothing more between two requests does nothing wrong.
fn judge(error: hyper::Error, context: &Context) -> Result<(), ServeError> {
    let used = context.activity.asked() > 0;
    if error.is_timeout() {
        return if used { Ok(()) } else { Err(ServeError::SlowHead) };
    }
    if error.is_parse() {
        return Err(ServeError::Malformed(error));
    }
    // What hyper calls its user is us: a body of ours had an error.
    if error.is_user() {
        return Err(ServeError::AnswerBroke(error));
    }
    Err(ServeError::Broken(error))
}

impl fmt::Display for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(error) => write!(f, "what came is no HTTP: {error}"),
            Self::Broken(error) => write!(f, "the connection broke: {error}"),
            Self::SlowHead => f.write_str("no whole request came in time"),
            Self::Stalled => f.write_str("the client did not take what it had asked for"),
            Self::GaveUp => f.write_str("the client gave up most of what it asked for"),
            Self::AnswerBroke(error) => write!(f, "an answer broke off: {error}"),
            Self::CutOff => f.write_str("its requests had not ended when it had to"),
            Self::Identity(error) => error.fmt(f),
        }
    }
}

impl Error for ServeError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Malformed(error) | Self::Broken(error) | Self::AnswerBroke(error) => Some(error),
            Self::Identity(error) => Some(error),
            Self::SlowHead | Self::Stalled | Self::GaveUp | Self::CutOff => None,
        }
    }
}

const RESETS: usize = 20;
const PROVOKED: usize = 256;
const PING: Duration = Duration::from_secs(30);
const FOR_A_PING: Duration = Duration::from_secs(15);
