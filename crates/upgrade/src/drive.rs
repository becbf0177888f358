//! A stream's way to TLS.

use std::error::Error;
use std::fmt::{self, Display, Formatter};
use std::io;

use starttls::{Fault, Step, Upgrade};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Why a stream does not come to TLS.
#[derive(Debug)]
pub enum Failed {
    /// It broke.
    Broken(io::Error),
    /// The other side does not go along.
    Fault(Fault),
}

/// Talks until TLS begins with the next octet, and gives those of it that were read, where a peer began with it at
/// once.
///
/// # Errors
/// Where it does not. What the peer is told then is sent; a peer that does not take that goes without.
pub async fn to_tls(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    upgrade: &mut Upgrade,
) -> Result<Vec<u8>, Failed> {
    to_tls_after(stream, upgrade, Vec::new()).await
}

/// The same where these octets were read already, to find out which protocol it is.
///
/// # Errors
/// As [`to_tls`].
pub async fn to_tls_after(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    upgrade: &mut Upgrade,
    read: Vec<u8>,
) -> Result<Vec<u8>, Failed> {
    send(stream, &upgrade.first()).await?;
    let mut piece = read;
    loop {
        if piece.is_empty() {
            piece.reserve(PIECE);
            let mut room = (&mut *stream).take(PIECE as u64);
            room.read_buf(&mut piece).await.map_err(Failed::Broken)?;
        }
        let step = upgrade.hear(&piece);
        piece.clear();
        match step {
            Step::More(said) => send(stream, &said).await?,
            Step::Begin(said) => {
                send(stream, &said).await?;
                return Ok(Vec::new());
            }
            Step::Direct(octets) => return Ok(octets),
            Step::No(said, why) => {
                let _ = send(stream, &said).await;
                let _ = stream.shutdown().await;
                return Err(Failed::Fault(why));
            }
        }
    }
}

async fn send(stream: &mut (impl AsyncWrite + Unpin), octets: &[u8]) -> Result<(), Failed> {
    if octets.is_empty() {
        return Ok(());
    }
    stream.write_all(octets).await.map_err(Failed::Broken)?;
    stream.flush().await.map_err(Failed::Broken)
}

impl Display for Failed {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broken(error) => write!(f, "the connection broke before TLS: {error}"),
            Self::Fault(fault) => fault.fmt(f),
        }
    }
}

impl Error for Failed {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Broken(error) => Some(error),
            Self::Fault(fault) => Some(fault),
        }
    }
}

/// What is read at a time.
const PIECE: usize = 4096;
