//! What a session's task and the control task tell each other.

use datapath::{Endpoint, Notice, PeerRef};
use tunnel::{Close, Grant, Hello, Refusal, RenegotiateReason};
use wire::cipher::Cipher;

use crate::Ending;

/// Tells connections of this process apart; never used twice.
pub(crate) type ConnectionId = u64;

/// What a session's task is told.
#[derive(Debug)]
pub(crate) enum ToSession {
    /// The answer to an admission: in, as this peer.
    Admitted(PeerRef, Box<Grant>),
    /// The answer to an admission: out.
    Refused(Refusal),
    /// Something the data worker said about its peer.
    Notice(Notice),
    /// Its peer is at another address.
    Moved(Endpoint),
    /// Renew the keys.
    Renegotiate(RenegotiateReason),
    /// End, in this way.
    Close(Close),
}

/// What a session's task tells the control task.
#[derive(Debug)]
pub(crate) enum FromSession {
    /// Somebody with a good certificate asks to be let in.
    Admission(Box<Hello>),
    /// Data flows.
    Established(Option<Cipher>),
    /// Keys were renewed.
    Renegotiated,
    /// It is over; the task lingers for the peer's last acknowledgements.
    Ended(Ending),
}
