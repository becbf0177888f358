//! A service behind the gateway: one or several backends that speak HTTP/1.1.
//!
//! A request goes to another backend, or there again, only where that can't make it happen twice: no connection
//! was had, nothing of it was written, or it changes nothing and has no body.

mod ailment;
mod backend;
mod balance;
mod begun;
mod pool;

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Request, Uri, header};
use hyper::body::Body as _;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use sources::Source;
use tokio::time::{Instant, sleep, timeout};

use crate::body::RequestBody;
use crate::limits::{BACKEND_BUFFER, endurable};
use crate::refusal::Refusal;
use crate::seats::{Seat, Seats};
pub use ailment::{Ailment, Onlooker};
pub use backend::{Backend, Connecting, Stream, Way};
pub use balance::{Balance, Change};
pub(crate) use begun::Begun;
use begun::Lease;
use pool::{Line, Pool};

/// A service and how it is reached.
pub struct Upstream {
    members: Vec<Member>,
    balance: Mutex<Balance>,
    limits: UpstreamLimits,
    host: Option<HeaderValue>,
    health: Option<Health>,
    onlooker: Option<Arc<dyn Onlooker>>,
}

/// How backends are looked at: by a GET for this path, which has to be answered 2xx or 3xx.
#[derive(Clone, Debug)]
pub struct Health {
    /// Which path.
    pub path: Uri,
    /// How often.
    pub every: Duration,
    /// How long an answer may take.
    pub within: Duration,
}

/// What a service may take.
#[derive(Clone, Copy, Debug)]
pub struct UpstreamLimits {
    /// Until a backend takes a connection.
    pub connect: Duration,
    /// Until it begins to answer, counted from the last that it was sent of the request.
    pub answer: Duration,
    /// Between two pieces of an answer; events that servers send may be far apart.
    pub silence: Duration,
    /// Requests at once, for each backend, and as many tunnels and streams of events; half of them from one client at
    /// most.
    pub requests: usize,
    /// Until one of those has ended, where all are taken.
    pub turn: Duration,
}

/// A service without a backend, or with a weight of zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoBackend;

struct Member {
    backend: Backend,
    pool: Arc<Pool>,
    seats: Seats,
    /// Of what lasts: tunnels, and events that a server sends. They would hold the places of requests for hours.
    lasting: Arc<Seats>,
}

/// An attempt without an answer.
struct Failure {
    refusal: Refusal,
    /// What is the matter with the backend, if it is the backend.
    why: Option<Ailment>,
    /// The request, if nothing of it was written.
    unsent: Option<Request<RequestBody>>,
}

impl Upstream {
    /// # Errors
    /// Where there is no backend.
    pub fn new(backends: Vec<Backend>, limits: UpstreamLimits) -> Result<Self, NoBackend> {
        if backends.is_empty() || backends.iter().any(|backend| backend.weight == 0) {
            return Err(NoBackend);
        }
        let limits = limits.kept();
        let balance = Balance::new(backends.iter().map(|backend| backend.weight));
        let members = backends.into_iter().map(|backend| Member::new(backend, &limits)).collect();
        let balance = Mutex::new(balance);
        Ok(Self { members, balance, limits, host: None, health: None, onlooker: None })
    }

    /// Has backends looked at, by whoever drives [`Upstream::watch`].
    #[must_use]
    pub fn with_health(self, health: Health) -> Self {
        Self { health: Some(health), ..self }
    }

    /// Tells this one of backends that are left out and of those that are back.
    #[must_use]
    pub fn with_onlooker(self, onlooker: Arc<dyn Onlooker>) -> Self {
        Self { onlooker: Some(onlooker), ..self }
    }

    /// What is the matter with each backend that is left out, in their order.
    pub fn ailments(&self) -> Vec<Option<Ailment>> {
        self.balance().ailments()
    }

    /// Looks at the backends again and again. It ends at once where that was not asked for.
    pub async fn watch(&self) {
        let Some(health) = &self.health else { return };
        loop {
            for (index, member) in self.members.iter().enumerate() {
                let looking = member.is_well(health, self.host.as_ref(), self.limits.connect);
                let seen = timeout(health.within, looking).await.unwrap_or(Err(Ailment::Silent));
                let change = self.balance().looked(index, seen);
                self.tell(index, change);
            }
            sleep(health.every).await;
        }
    }

    /// Tells backends this host; else they hear the one that the client asked for.
    #[must_use]
    pub fn with_host(self, host: HeaderValue) -> Self {
        Self { host: Some(host), ..self }
    }

    pub(crate) fn host(&self) -> Option<&HeaderValue> {
        self.host.as_ref()
    }

    /// Hands a request on, and says how its answer begins.
    pub(crate) async fn send(
        &self,
        request: Request<RequestBody>,
        client: Source,
    ) -> Result<Begun, Refusal> {
        let spare = spare(&request);
        let mut next = Some(request);
        let mut tried = Vec::new();
        let mut last = Refusal::BackendDown;
        for _ in 0..MOST_ATTEMPTS {
            let Some(request) = next.take().or_else(|| spare.as_ref().and_then(self::spare)) else {
                break;
            };
            let Some(index) = self.next(&tried, client) else { break };
            match self.attempt(index, request, client).await {
                Ok(begun) => {
                    let change = self.balance().worked(index);
                    self.tell(index, change);
                    return Ok(begun);
                }
                Err(Failure { refusal, why, unsent }) => {
                    last = refusal;
                    next = unsent;
                    if let Some(why) = why {
                        let change = self.balance().failed(index, why, Instant::now());
                        self.tell(index, change);
                    }
                    match refusal {
                        Refusal::BackendDown | Refusal::BackendBroken | Refusal::BackendBusy => {}
                        // It may be at work on it, or it is the client's fault.
                        _ => break,
                    }
                    if refusal != Refusal::BackendBroken {
                        tried.push(index);
                    }
                }
            }
        }
        Err(last)
    }

    /// One that is fit and has a place for this client, else one that it may have to wait for.
    fn next(&self, tried: &[usize], client: Source) -> Option<usize> {
        let members = self.members.iter().enumerate();
        let full = members.filter(|(_, member)| member.seats.is_full_for(client));
        let passed: Vec<_> = full.map(|(index, _)| index).chain(tried.iter().copied()).collect();
        let (mut balance, now) = (self.balance(), Instant::now());
        balance.pick_fit(&passed, now).or_else(|| balance.pick(tried, now))
    }

    async fn attempt(
        &self,
        index: usize,
        mut request: Request<RequestBody>,
        client: Source,
    ) -> Result<Begun, Failure> {
        let member = &self.members[index];
        let mut seat = match member.seats.take(client, self.limits.turn).await {
            Some(seat) => seat,
            None => {
                let (refusal, unsent) = (Refusal::BackendBusy, Some(request));
                return Err(Failure { refusal, why: None, unsent });
            }
        };
        while let Some(line) = member.pool.take().await {
            match self.over(member, line, seat, request, client).await {
                Ok(begun) => return Ok(begun),
                Err((Failure { unsent: Some(unsent), .. }, free)) => {
                    (request, seat) = (unsent, free)
                }
                Err((failure, _)) => return Err(failure),
            }
        }
        match member.connect(self.limits.connect).await {
            Ok(line) => {
                let sent = self.over(member, line, seat, request, client).await;
                sent.map_err(|(failure, _)| failure)
            }
            Err(why) => {
                let (refusal, unsent) = (Refusal::BackendDown, Some(request));
                Err(Failure { refusal, why: Some(why), unsent })
            }
        }
    }

    async fn over(
        &self,
        member: &Member,
        mut line: Line,
        seat: Seat,
        request: Request<RequestBody>,
        client: Source,
    ) -> Result<Begun, (Failure, Seat)> {
        let course = request.body().course();
        // Time for a place and a connection is the backend's, and no silence of it.
        course.moves();
        let private = is_private(request.headers(), &header::AUTHORIZATION);
        let sending = line.sender.try_send_request(request);
        match course.wait(sending, self.limits.answer).await {
            Some(Ok(response)) => {
                let private = private || is_private(response.headers(), &header::WWW_AUTHENTICATE);
                let pool = Arc::clone(&member.pool);
                let lasting = Arc::clone(&member.lasting);
                let lease = Lease { line, pool, course, private, client, lasting, _seat: seat };
                Ok(Begun { response, lease, silence: self.limits.silence })
            }
            Some(Err(mut error)) => {
                let (fault, unsent) = (course.fault(), error.take_message());
                let why = fault.is_none().then(|| error.into_error().into());
                let refusal = fault.unwrap_or(Refusal::BackendBroken);
                Err((Failure { refusal, why, unsent }, seat))
            }
            None => {
                let (refusal, why) = (Refusal::BackendSilent, Some(Ailment::Silent));
                Err((Failure { refusal, why, unsent: None }, seat))
            }
        }
    }

    fn tell(&self, index: usize, change: Change) {
        let Some(onlooker) = &self.onlooker else { return };
        match change {
            Change::Nothing => {}
            Change::Back => onlooker.is_back(index),
            Change::LeftOut => {
                let why = self.ailments().into_iter().nth(index).flatten();
                onlooker.left_out(index, &why.unwrap_or(Ailment::Silent));
            }
        }
    }

    fn balance(&self) -> MutexGuard<'_, Balance> {
        self.balance.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Member {
    fn new(backend: Backend, limits: &UpstreamLimits) -> Self {
        let (seats, lasting) = (Seats::new(limits.requests), Seats::new(limits.requests));
        Self { backend, pool: Arc::default(), seats, lasting: Arc::new(lasting) }
    }

    async fn is_well(
        &self,
        health: &Health,
        host: Option<&HeaderValue>,
        limit: Duration,
    ) -> Result<(), Ailment> {
        let mut line = self.connect(limit).await?;
        let mut request = Request::new(RequestBody::empty());
        *request.uri_mut() = health.path.clone();
        let host = host.cloned().unwrap_or(HeaderValue::from_static("health.invalid"));
        request.headers_mut().insert(header::HOST, host);
        request.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        let status = line.sender.send_request(request).await?.status();
        match status.is_success() || status.is_redirection() {
            true => Ok(()),
            false => Err(Ailment::Unwell(status)),
        }
    }

    async fn connect(&self, limit: Duration) -> Result<Line, Ailment> {
        let late = || io::Error::from(io::ErrorKind::TimedOut);
        let stream = timeout(limit, self.backend.way.connect()).await.map_err(|_| late())??;
        let handshake = http1::Builder::new()
            .max_buf_size(BACKEND_BUFFER)
            .handshake::<_, RequestBody>(TokioIo::new(stream));
        let (sender, connection) = handshake.await?;
        let task = tokio::spawn(connection.with_upgrades());
        Ok(Line::new(sender, task.abort_handle()))
    }
}

impl UpstreamLimits {
    /// The nearest that can be kept to.
    fn kept(self) -> Self {
        Self {
            connect: endurable(self.connect),
            answer: endurable(self.answer),
            silence: endurable(self.silence),
            requests: self.requests,
            turn: endurable(self.turn),
        }
    }
}

impl Default for UpstreamLimits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            answer: Duration::from_secs(60),
            silence: Duration::from_secs(600),
            requests: 1024,
            turn: Duration::from_secs(5),
        }
    }
}

/// NTLM and Negotiate sign in a connection and not a request: the next client's would be answered as this one's.
fn is_private(headers: &HeaderMap, name: &HeaderName) -> bool {
    let schemes = headers.get_all(name).iter().map(|value| value.as_bytes().to_ascii_lowercase());
    schemes.into_iter().any(|said| said.starts_with(b"ntlm") || said.starts_with(b"negotiate"))
}

/// The request once more, where it may be sent twice.
fn spare(request: &Request<RequestBody>) -> Option<Request<RequestBody>> {
    if !request.method().is_safe() || !request.body().is_end_stream() {
        return None;
    }
    let mut copy = Request::new(RequestBody::empty());
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.headers_mut() = request.headers().clone();
    Some(copy)
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.members.iter().map(|member| &member.backend)).finish()
    }
}

impl fmt::Display for NoBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a service needs a backend, and each backend a weight of one or more")
    }
}

impl Error for NoBackend {}

const MOST_ATTEMPTS: usize = 3;
