//! How a host is reached.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio::time::timeout;

/// Reaches hosts.
pub trait Dial {
    /// A connection to a host by name or address.
    fn dial(
        &mut self,
        host: &str,
        port: u16,
    ) -> impl Future<Output = Result<TcpStream, DialError>> + Send;
}

/// Why a host is not reached.
#[derive(Debug)]
pub enum DialError {
    /// Its name is not found; with what was said of it.
    NoAddress(String),
    /// No connection to any of its addresses; this is the last one's fault.
    NotReached(io::Error),
}

/// As every program of this machine does: its resolver, its routes.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemDial;

impl Dial for SystemDial {
    async fn dial(&mut self, host: &str, port: u16) -> Result<TcpStream, DialError> {
        let addresses = match timeout(FOR_A_NAME, lookup_host((host, port))).await {
            Ok(Ok(found)) => found.collect::<Vec<_>>(),
            Ok(Err(error)) => return Err(DialError::NoAddress(error.to_string())),
            Err(_) => return Err(DialError::NoAddress("no name server answered".to_owned())),
        };
        connect(addresses.into_iter().map(|address| (address, None))).await
    }
}

/// A connection to the first of these addresses that takes one, each by the interface that is named with it.
///
/// # Errors
/// Where none does.
pub async fn connect(
    addresses: impl IntoIterator<Item = (SocketAddr, Option<String>)>,
) -> Result<TcpStream, DialError> {
    let mut last = DialError::NoAddress("it has no address".to_owned());
    for (address, device) in addresses.into_iter().take(MOST_ADDRESSES) {
        match timeout(FOR_A_CONNECTION, connect_to(address, device.as_deref())).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = DialError::NotReached(error),
            Err(_) => last = DialError::NotReached(io::ErrorKind::TimedOut.into()),
        }
    }
    Err(last)
}

async fn connect_to(address: SocketAddr, device: Option<&str>) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    if let Some(device) = device {
        socket.bind_device(Some(device.as_bytes()))?;
    }
    socket.connect(address).await
}

impl fmt::Display for DialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAddress(why) => write!(f, "its host was not found: {why}"),
            Self::NotReached(error) if error.kind() == io::ErrorKind::TimedOut => {
                f.write_str("its host did not answer")
            }
            Self::NotReached(error) => write!(f, "its host was not reached: {error}"),
        }
    }
}

impl Error for DialError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::NoAddress(_) => None,
            Self::NotReached(error) => Some(error),
        }
    }
}

const FOR_A_NAME: Duration = Duration::from_secs(3);
const FOR_A_CONNECTION: Duration = Duration::from_secs(2);
const MOST_ADDRESSES: usize = 4;
