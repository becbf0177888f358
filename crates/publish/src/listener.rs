//! A thin listener for the [`Service`]: HTTP/1.1 in the clear, bounded in every direction.
//!
//! Whoever is slow harms nobody: a connection has seconds for its request and a minute in all, and where there are too
//! many one makes room.

use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use pki::ocsp::LONGEST_REQUEST;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::connections::Connections;
use crate::elsewhere;
use crate::parting::Parting;
use crate::service::{Asked, Service, is_public};

/// A socket that answers. Dropping it ends it and its connections.
#[derive(Debug)]
pub struct Listener {
    address: SocketAddr,
    task: JoinHandle<()>,
}

/// Why an address can't be listened on.
#[derive(Debug)]
pub struct BindError {
    /// Which.
    pub address: SocketAddr,
    source: io::Error,
}

impl Listener {
    /// Listens at `address`. Needs a tokio runtime.
    pub fn bind(address: SocketAddr, service: Arc<Service>) -> Result<Self, BindError> {
        let socket = listen(address).map_err(|source| BindError { address, source })?;
        Self::serve(socket, address, service)
    }

    /// Answers at a socket that listens already. Needs a tokio runtime.
    pub fn at(
        socket: std::net::TcpListener,
        address: SocketAddr,
        service: Arc<Service>,
    ) -> Result<Self, BindError> {
        let nonblocking = socket.set_nonblocking(true).and_then(|()| TcpListener::from_std(socket));
        let socket = nonblocking.map_err(|source| BindError { address, source })?;
        Self::serve(socket, address, service)
    }

    fn serve(
        socket: TcpListener,
        address: SocketAddr,
        service: Arc<Service>,
    ) -> Result<Self, BindError> {
        let address = socket.local_addr().map_err(|source| BindError { address, source })?;
        Ok(Self { address, task: tokio::spawn(serve(socket, service)) })
    }

    /// Where it listens, with the port that was chosen where none was named.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// `[::]` takes IPv4 as well, and is IPv4 alone where the machine has no IPv6.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let any = address.is_ipv6() && address.ip().is_unspecified();
    match listen_at(address) {
        Err(error) if any && error.raw_os_error() == Some(NO_IPV6) => {
            listen_at((Ipv4Addr::UNSPECIFIED, address.port()).into())
        }
        outcome => outcome,
    }
}

fn listen_at(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

async fn serve(socket: TcpListener, service: Arc<Service>) {
    let mut open = Connections::default();
    loop {
        match socket.accept().await {
            Ok((stream, source)) => {
                let task = tokio::spawn(connection(stream, Arc::clone(&service), None));
                open.add(source.ip(), task.abort_handle());
            }
            // Most likely no descriptors are left; they may be, a moment later.
            Err(error) => {
                tracing::warn!(%error, "a connection to what the CA publishes was not taken");
                sleep(PAUSE).await;
            }
        }
    }
}

/// Answers requests. What is not published is sent to HTTPS where that is spoken on this `https` port, or by the
/// service's own settings.
pub(crate) async fn connection(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    service: Arc<Service>,
    https: Option<u16>,
) {
    let answer = service_fn(|request| {
        let service = Arc::clone(&service);
        async move { Ok::<_, Infallible>(answer(&service, request, https).await) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(FOR_A_HEAD)
        .max_buf_size(LONGEST_HEAD)
        .max_headers(MOST_HEADERS)
        .serve_connection(TokioIo::new(Parting::new(stream)), answer);
    if let Ok(Err(error)) = timeout(LONGEST, served).await {
        tracing::trace!(%error, "a connection to what the CA publishes broke");
    }
}

async fn answer(
    service: &Service,
    request: Request<Incoming>,
    https: Option<u16>,
) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let https = https.or(service.https_port()).filter(|_| !is_public(head.uri.path()));
    if let Some(port) = https {
        return elsewhere::to_https(&head, port)
            .unwrap_or_else(|| service.refuse(StatusCode::BAD_REQUEST, "it names no host\n"));
    }
    let body = match head.method {
        Method::POST => match timeout(FOR_A_BODY, Limited::new(body, LONGEST_REQUEST).collect())
            .await
        {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(_)) => {
                return service.refuse(StatusCode::PAYLOAD_TOO_LARGE, "the request is too long\n");
            }
            Err(_) => {
                return service.refuse(StatusCode::REQUEST_TIMEOUT, "the request did not come\n");
            }
        },
        _ => Bytes::new(),
    };
    let (method, path) = (&head.method, head.uri.path());
    service.respond(&Asked { method, path, headers: &head.headers, body: &body })
}

impl BindError {
    /// What to do.
    pub fn mend(&self) -> &'static str {
        match self.source.kind() {
            io::ErrorKind::AddrInUse => "end what has it, or set publish.listen",
            io::ErrorKind::PermissionDenied => {
                "run as root or with CAP_NET_BIND_SERVICE, or set publish.listen"
            }
            _ => "set publish.listen to an address of this machine",
        }
    }
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = self.address;
        match self.source.kind() {
            io::ErrorKind::AddrInUse => {
                write!(f, "TCP {address} is taken, so CRL and OCSP are not published there")
            }
            io::ErrorKind::PermissionDenied => write!(
                f,
                "this user may not listen on TCP {address}, so CRL and OCSP are not published there"
            ),
            _ => write!(f, "CRL and OCSP are not published on TCP {address}: {}", self.source),
        }
    }
}

impl Error for BindError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.source)
    }
}

/// EAFNOSUPPORT.
const NO_IPV6: i32 = 97;
const BACKLOG: i32 = 1024;
const LONGEST: Duration = Duration::from_secs(60);
const FOR_A_HEAD: Duration = Duration::from_secs(5);
const FOR_A_BODY: Duration = Duration::from_secs(5);
/// A request by GET stands in its first line.
const LONGEST_HEAD: usize = 32 * 1024;
const MOST_HEADERS: usize = 64;
const PAUSE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests;
