//! What is known of a connection before its first request.

use std::fmt;
use std::net::SocketAddr;

use bytes::Bytes;

/// A connection whose TLS, if any, is done.
#[derive(Clone, Debug)]
pub struct Connection {
    /// The client's true address: as a listed proxy said, else as the socket says.
    pub peer: SocketAddr,
    /// Where the client meant to go.
    pub local: SocketAddr,
    /// What was negotiated.
    pub http: Http,
    /// `None` for plain HTTP.
    pub tls: Option<Tls>,
}

/// Which HTTP is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Http {
    /// HTTP/1.1 and 1.0: ALPN `http/1.1`, no ALPN, and whatever comes in the clear.
    One,
    /// HTTP/2: ALPN `h2`.
    Two,
}

/// A TLS connection, as far as HTTP cares.
#[derive(Clone, Debug)]
pub struct Tls {
    /// SNI.
    pub server_name: Option<String>,
    /// Who the client is, if its certificate was asked for and holds.
    pub identity: Option<Identity>,
}

/// A client whose certificate was verified.
#[derive(Clone)]
pub struct Identity {
    /// Whose device it is, or whom the certificate names.
    pub user: String,
    /// Which of the user's devices.
    pub device: Option<String>,
    /// Its certificate, DER.
    pub leaf: Bytes,
    /// What it sent to lead from there to a CA, DER, without the leaf.
    pub chain: Vec<Bytes>,
}

/// Certificates are long and say nothing in a log.
impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("user", &self.user)
            .field("device", &self.device)
            .finish_non_exhaustive()
    }
}
