//! The way to where a virtual server's bytes go: in turns where there are several, and over TLS where the settings want it.
//!
//! What a backend hears before everything else, by the PROXY protocol, stands before TLS and before the words by which
//! TLS begins. Nothing of a client's was sent on where a backend is not reached, so that the next one is tried. Invariant:
//! no byte of a client's is sent before the backend has shown that it is the one that was meant.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use clock::Clock;
use rustls::pki_types::CertificateDer;
use starttls::{Fault, Protocol};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;
use uplink::{ReachError, Reached, Secured, Uplink};
use web::{Ailment, Balance, Change};

use crate::backend::{Address, Target};
use crate::listen;
use crate::refused::Refused;
use crate::service::Weighted;
use crate::trust::Trust;
use crate::upstreams::BackendState;

/// All ways of one server.
#[derive(Debug)]
pub(crate) struct Ways {
    all: Vec<Way>,
    turns: Mutex<Balance>,
}

/// One of them.
#[derive(Debug)]
pub(crate) struct Way {
    name: String,
    to: To,
}

#[derive(Debug)]
enum To {
    Plain(Address),
    Tls(Box<Uplink>),
    /// What its way lacks.
    Lacking(String),
}

/// A connection to a backend.
#[derive(Debug)]
pub(crate) enum Link {
    Plain(TcpStream),
    Tls(Box<Reached>),
    /// Beside one over TLS.
    Beside(Box<Secured>),
}

/// The way for connections beside a first one, to the same host.
#[derive(Debug)]
pub(crate) enum Beside {
    Plain(IpAddr),
    Tls(uplink::Beside),
}

/// One after the other, each once.
#[derive(Debug)]
pub(crate) struct Tries<'a> {
    ways: &'a Ways,
    tried: Vec<usize>,
    last: Unreached,
}

/// Which was tried last, and why it is not reached.
#[derive(Debug)]
pub(crate) struct Unreached {
    name: String,
    why: io::Error,
}

impl Ways {
    /// To these backends, where bytes go to them.
    pub(crate) fn new(
        backends: &[Weighted],
        trust: &Trust,
        cas: &[CertificateDer<'static>],
        clock: &Arc<dyn Clock>,
    ) -> Option<Self> {
        let way = |one: &Weighted| {
            let to = match &one.to {
                Target::Tcp(address) => To::Plain(address.clone()),
                Target::Tls(service) => match trust.uplink(service.clone(), cas, clock) {
                    Ok(uplink) => To::Tls(Box::new(uplink)),
                    Err(what) => {
                        tracing::error!(backend = %one.to, "a backend can't be reached: {what}");
                        To::Lacking(what)
                    }
                },
                Target::Http(_) | Target::Https(_) | Target::Files(_) | Target::Redirect(_) => {
                    return None;
                }
            };
            Some(Way { name: one.to.to_string(), to })
        };
        let all = backends.iter().map(way).collect::<Option<Vec<_>>>()?;
        let turns = Mutex::new(Balance::new(backends.iter().map(|one| one.weight)));
        (!all.is_empty()).then_some(Self { all, turns })
    }

    /// A connection to the next one that answers, which has heard `preamble` and nothing else.
    ///
    /// # Errors
    /// Where none does.
    pub(crate) async fn reach(&self, preamble: &[u8]) -> Result<Link, Unreached> {
        let mut tries = self.tries();
        while let Some((at, way)) = tries.another() {
            match way.reach(preamble).await {
                Ok(link) => return Ok(self.worked(at, way, link)),
                Err(why) => tries.failed(at, way, why),
            }
        }
        Err(tries.none())
    }

    /// All of them in their turns, for who begins with each.
    pub(crate) fn tries(&self) -> Tries<'_> {
        Tries { ways: self, tried: Vec::new(), last: Unreached::nowhere() }
    }

    /// A connection to this one, which was dialled and greeted so, as the settings want it; TLS there begins with the
    /// client's own request for it. One that was kept waiting for that and has hung up meanwhile did not fail.
    ///
    /// # Errors
    /// Where it does not come to that.
    pub(crate) async fn go_on(
        &self,
        at: usize,
        socket: TcpStream,
        (greeting, kept_waiting): (Vec<u8>, bool),
        request: &[u8],
    ) -> Result<Link, Unreached> {
        let Some(way) = self.all.get(at) else { return Err(Unreached::nowhere()) };
        match way.go_on(socket, greeting, request).await {
            Ok(link) => Ok(self.worked(at, way, link)),
            Err(why) if kept_waiting && has_ended(&why) => Err(way.unreached(why)),
            Err(why) => Err(self.failed(at, way, why)),
        }
    }

    fn worked(&self, at: usize, way: &Way, link: Link) -> Link {
        self.heard(at, way, |turns| turns.worked(at));
        link
    }

    fn failed(&self, at: usize, way: &Way, why: io::Error) -> Unreached {
        let said = io::Error::new(why.kind(), why.to_string());
        self.heard(at, way, |turns| turns.failed(at, said.into(), Instant::now()));
        way.unreached(why)
    }

    /// Takes a word on one, and says in the log what comes of it.
    fn heard(&self, at: usize, way: &Way, word: impl FnOnce(&mut Balance) -> Change) {
        let (change, ailment) = {
            let mut turns = self.turns();
            (word(&mut turns), turns.ailments().into_iter().nth(at).flatten())
        };
        let backend = &way.name;
        match (change, ailment) {
            (Change::LeftOut, Some(why)) => tracing::warn!(
                backend,
                "a backend is left out: {why}; start it, or mend the settings"
            ),
            (Change::Back, _) => tracing::info!(backend, "a backend is back"),
            (Change::Nothing | Change::LeftOut, _) => {}
        }
    }

    fn next(&self, tried: &[usize]) -> Option<(usize, &Way)> {
        let at = self.turns().pick(tried, Instant::now())?;
        Some((at, self.all.get(at)?))
    }

    /// All of them, in the order of the settings.
    pub(crate) fn states(&self) -> Vec<BackendState> {
        let ailments = self.turns().ailments();
        let state = |(way, ailment): (&Way, Option<Ailment>)| BackendState {
            to: way.name.clone(),
            ailment: match &way.to {
                To::Lacking(what) => Some(what.clone()),
                To::Plain(_) | To::Tls(_) => ailment.map(|ailment| ailment.to_string()),
            },
        };
        self.all.iter().zip(ailments).map(state).collect()
    }

    fn turns(&self) -> MutexGuard<'_, Balance> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<'a> Tries<'a> {
    /// The next one.
    pub(crate) fn another(&mut self) -> Option<(usize, &'a Way)> {
        let (at, way) = self.ways.next(&self.tried)?;
        self.tried.push(at);
        Some((at, way))
    }

    /// It was nothing with this one.
    pub(crate) fn failed(&mut self, at: usize, way: &Way, why: io::Error) {
        self.last = self.ways.failed(at, way, why);
    }

    /// Why it was nothing with all.
    pub(crate) fn none(self) -> Unreached {
        self.last
    }
}

impl Unreached {
    fn nowhere() -> Self {
        Self { name: String::new(), why: io::ErrorKind::NotFound.into() }
    }
}

impl Way {
    fn unreached(&self, why: io::Error) -> Unreached {
        Unreached { name: self.name.clone(), why }
    }

    /// A connection that has heard nothing.
    pub(crate) async fn dial(&self) -> io::Result<TcpStream> {
        match &self.to {
            To::Plain(address) => address.connect().await,
            To::Tls(uplink) => Box::pin(uplink.dial()).await.map_err(io::Error::other),
            To::Lacking(what) => Err(io::Error::other(what.clone())),
        }
    }

    async fn go_on(
        &self,
        socket: TcpStream,
        greeting: Vec<u8>,
        request: &[u8],
    ) -> io::Result<Link> {
        match &self.to {
            To::Plain(_) => Ok(Link::Plain(socket)),
            To::Tls(uplink) => {
                let reached = Box::pin(uplink.secure(socket, greeting, request)).await;
                Ok(Link::Tls(Box::new(reached.map_err(io::Error::other)?)))
            }
            To::Lacking(what) => Err(io::Error::other(what.clone())),
        }
    }

    async fn reach(&self, preamble: &[u8]) -> io::Result<Link> {
        match &self.to {
            To::Plain(address) => {
                let mut stream = address.connect().await?;
                stream.write_all(preamble).await?;
                Ok(Link::Plain(stream))
            }
            To::Tls(uplink) => {
                let reached = Box::pin(uplink.reach_behind(preamble)).await;
                Ok(Link::Tls(Box::new(reached.map_err(io::Error::other)?)))
            }
            To::Lacking(what) => Err(io::Error::other(what.clone())),
        }
    }
}

impl Link {
    /// By which protocol's words TLS began there, where it did: its greeting was heard then.
    pub(crate) fn begun_by(&self) -> Option<Protocol> {
        match self {
            Self::Plain(_) | Self::Beside(_) => None,
            Self::Tls(reached) => reached.begun_by,
        }
    }

    /// Its greeting, where passwords depend on it.
    pub(crate) fn greeting(&self) -> &[u8] {
        match self {
            Self::Plain(_) | Self::Beside(_) => &[],
            Self::Tls(reached) => &reached.greeting,
        }
    }

    /// The way for connections beside this one.
    pub(crate) fn beside(&self) -> io::Result<Beside> {
        match self {
            Self::Plain(socket) => Ok(Beside::Plain(socket.peer_addr()?.ip())),
            Self::Tls(reached) => Ok(Beside::Tls(reached.beside.clone())),
            Self::Beside(_) => Err(io::ErrorKind::InvalidInput.into()),
        }
    }

    /// What waits in the kernel is not sent when it is dropped.
    pub(crate) fn cut(&self) {
        // One that can't be cut is closed.
        let _ = self.socket().set_zero_linger();
    }

    fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(reached) => reached.stream.socket(),
            Self::Beside(stream) => stream.socket(),
        }
    }
}

impl Beside {
    /// A connection to this port of that host.
    pub(crate) async fn connect(&self, port: u16) -> io::Result<Link> {
        match self {
            Self::Plain(host) => {
                let socket = TcpStream::connect(SocketAddr::new(*host, port)).await?;
                listen::prepare(&socket);
                Ok(Link::Plain(socket))
            }
            Self::Tls(beside) => {
                let stream = Box::pin(beside.connect(port)).await.map_err(io::Error::other)?;
                Ok(Link::Beside(Box::new(stream)))
            }
        }
    }
}

/// Whether a backend has hung up, or has said in the clear that it does.
fn has_ended(why: &io::Error) -> bool {
    let reach = why.get_ref().and_then(|inner| inner.downcast_ref::<ReachError>());
    matches!(reach, Some(ReachError::HungUp(_) | ReachError::Tls(_)))
}

impl From<Unreached> for Refused {
    fn from(Unreached { name, why }: Unreached) -> Self {
        // One that is there may say that it takes nobody.
        let fault = why.get_ref().and_then(|inner| inner.downcast_ref::<Fault>()).cloned();
        fault.map_or_else(|| Self::Backend { target: name, source: why }, Self::Upgrade)
    }
}

impl AsyncRead for Link {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_read(cx, buf),
            Self::Tls(reached) => Pin::new(&mut reached.stream).poll_read(cx, buf),
            Self::Beside(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Link {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if bytes.is_empty() {
            return Poll::Ready(carry::stands(self.socket()));
        }
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_write(cx, bytes),
            Self::Tls(reached) => Pin::new(&mut reached.stream).poll_write(cx, bytes),
            Self::Beside(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_flush(cx),
            Self::Tls(reached) => Pin::new(&mut reached.stream).poll_flush(cx),
            Self::Beside(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_shutdown(cx),
            Self::Tls(reached) => Pin::new(&mut reached.stream).poll_shutdown(cx),
            Self::Beside(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
