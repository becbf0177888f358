//! How a backend is reached, and how often it has its turn.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::sync::Mutex;
use tokio::time::Instant;

/// One of a service's backends.
#[derive(Clone)]
pub struct Backend {
    pub(super) way: Arc<dyn Way>,
    pub(super) weight: u16,
}

/// How a backend is reached: over TCP, or as somebody else knows.
pub trait Way: Send + Sync + fmt::Debug {
    /// A connection that carries HTTP/1.1.
    fn connect(&self) -> Connecting<'_>;
}

/// A connection under way.
pub type Connecting<'a> = Pin<Box<dyn Future<Output = io::Result<Box<dyn Stream>>> + Send + 'a>>;

/// What a connection to a backend is.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

impl Backend {
    /// One that is reached over TCP, by name or address.
    pub fn tcp(host: impl Into<String>, port: u16) -> Self {
        Self::by(Arc::new(Tcp { host: host.into(), port, found: Mutex::default() }))
    }

    /// One that is reached in another way.
    pub fn by(way: Arc<dyn Way>) -> Self {
        Self { way, weight: 1 }
    }

    /// Gives it this many turns, where others have theirs.
    #[must_use]
    pub fn with_weight(self, weight: u16) -> Self {
        Self { weight, ..self }
    }
}

/// Whose name is looked up now and then, and not for each connection: the resolver may be slow, and holds a thread.
struct Tcp {
    host: String,
    port: u16,
    found: Mutex<Option<(Instant, Vec<SocketAddr>)>>,
}

impl Way for Tcp {
    fn connect(&self) -> Connecting<'_> {
        Box::pin(async {
            let addresses = self.addresses().await?;
            let stream = TcpStream::connect(&addresses[..]).await;
            if stream.is_err() {
                // It may have moved.
                *self.found.lock().await = None;
            }
            let stream = stream?;
            stream.set_nodelay(true)?;
            Ok(Box::new(stream) as Box<dyn Stream>)
        })
    }
}

impl Tcp {
    /// One looks at a time, and whoever waits has what it finds.
    async fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        let mut found = self.found.lock().await;
        match &*found {
            Some((at, addresses)) if at.elapsed() < KEPT => Ok(addresses.clone()),
            _ => {
                let looked = lookup_host((self.host.as_str(), self.port)).await?;
                let addresses: Vec<_> = looked.collect();
                *found = Some((Instant::now(), addresses.clone()));
                Ok(addresses)
            }
        }
    }
}

impl fmt::Debug for Tcp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl fmt::Debug for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} * {}", self.way, self.weight)
    }
}

/// What a look-up found; who changes an address waits no longer.
const KEPT: Duration = Duration::from_secs(30);
