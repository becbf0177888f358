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
use starttls::Protocol;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;
use uplink::{Reached, Secured, Uplink};
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

#[derive(Debug)]
struct Way {
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
        let mut tried = Vec::new();
        let mut last = Unreached { name: String::new(), why: io::ErrorKind::NotFound.into() };
        while let Some((at, way)) = self.next(&tried) {
            match way.reach(preamble).await {
                Ok(link) => {
                    self.heard(at, way, |turns| turns.worked(at));
                    return Ok(link);
                }
                Err(why) => {
                    let said = io::Error::new(why.kind(), why.to_string());
                    self.heard(at, way, |turns| turns.failed(at, said.into(), Instant::now()));
                    tried.push(at);
                    last = Unreached { name: way.name.clone(), why };
                }
            }
        }
        Err(last)
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

impl Way {
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

impl From<Unreached> for Refused {
    fn from(Unreached { name, why }: Unreached) -> Self {
        Self::Backend { target: name, source: why }
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
