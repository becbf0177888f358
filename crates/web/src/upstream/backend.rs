//! How a backend is reached, and how often it has its turn.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

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
        Self::by(Arc::new(Tcp { host: host.into(), port }))
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

#[derive(Debug)]
struct Tcp {
    host: String,
    port: u16,
}

impl Way for Tcp {
    fn connect(&self) -> Connecting<'_> {
        Box::pin(async {
            let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
            stream.set_nodelay(true)?;
            Ok(Box::new(stream) as Box<dyn Stream>)
        })
    }
}

impl fmt::Debug for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} * {}", self.way, self.weight)
    }
}
