//! A stranger whose cookie came back: the proof that makes a server's session.

use std::net::SocketAddr;
use std::sync::Arc;

use wire::SessionId;
use wire::control::ControlPacket;
use wire::tls_auth::ReplayStamp;
use wire::wrap::ControlWrap;

/// A stranger whose cookie came back. Only the gate makes one.
#[derive(Debug)]
pub struct Accepted {
    pub(crate) remote: SocketAddr,
    pub(crate) session_id: SessionId,
    pub(crate) wrap: Arc<ControlWrap>,
    pub(crate) stamp: Option<ReplayStamp>,
    pub(crate) packet: ControlPacket,
}

impl Accepted {
    /// Where it comes from.
    pub fn remote(&self) -> SocketAddr {
        self.remote
    }

    /// The server's session id, which is the cookie.
    pub fn session_id(&self) -> SessionId {
        self.session_id
    }

    /// The client's session id. With the remote address it names the session from here on.
    pub fn client_session_id(&self) -> SessionId {
        self.packet.session_id
    }
}
