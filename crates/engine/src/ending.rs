//! Why a connection is over, as the engine knows it: the session's own reason, or one from outside.

use std::fmt;

use pki::Refusal;
use tunnel::EndReason;

use crate::StreamEnd;

/// Why a connection ended.
#[derive(Clone, Debug)]
pub enum Ending {
    /// The session's own reason.
    Session(EndReason),
    /// Admission was refused, at the first negotiation or at a later one.
    Refused(Refusal),
    /// It was admitted once, and a change took that back.
    Withdrawn(Refusal),
    /// The same device connected anew.
    Replaced,
    /// An administrator closed it.
    Kicked,
    /// Its TCP connection ended.
    Connection(StreamEnd),
    /// Nothing authentic came for the time of ping-restart.
    PingTimeout,
    /// The gateway stops.
    Shutdown,
    /// No room for another session.
    Full,
    /// The admission was not decided in time, or was given up.
    Undecided,
    /// Our fault: the session's task panicked.
    Panicked,
}

impl Ending {
    /// A stable snake_case name for counters and JSON.
    pub fn code(&self) -> &'static str {
        match self {
            // What the verifier or the admission said is the reason; that it said so inside TLS is not.
            Ending::Session(reason) => match refusal_in(reason) {
                Some(refusal) => refusal.code(),
                None => reason.code(),
            },
            Ending::Refused(refusal) | Ending::Withdrawn(refusal) => refusal.code(),
            Ending::Replaced => "replaced",
            Ending::Kicked => "kicked",
            Ending::Connection(end) => end.code(),
            Ending::PingTimeout => "ping_timeout",
            Ending::Shutdown => "shutdown",
            Ending::Full => "no_free_address_or_slot",
            Ending::Undecided => "admission_undecided",
            Ending::Panicked => "internal_error",
        }
    }

    /// The refusal behind it, if a certificate's standing was the cause.
    pub fn refusal(&self) -> Option<Refusal> {
        match self {
            Ending::Session(reason) => refusal_in(reason),
            Ending::Refused(refusal) | Ending::Withdrawn(refusal) => Some(refusal.clone()),
            _ => None,
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(refusal) = self.refusal() {
            return refusal.fmt(f);
        }
        match self {
            Ending::Session(reason) => reason.fmt(f),
            Ending::Refused(_) | Ending::Withdrawn(_) => Ok(()),
            Ending::Replaced => f.write_str("the same device connected anew"),
            Ending::Kicked => f.write_str("closed by an administrator; the client may come back"),
            Ending::Connection(end) => end.fmt(f),
            Ending::PingTimeout => {
                f.write_str("nothing came from the peer for the time of ping-restart")
            }
            Ending::Shutdown => f.write_str("the gateway stopped"),
            Ending::Full => f.write_str(
                "there is no room for another session; raise the limit of sessions, or close some",
            ),
            Ending::Undecided => f.write_str("whether to let the peer in was not decided in time"),
            Ending::Panicked => {
                f.write_str("an internal error ended this session; please report the log")
            }
        }
    }
}

fn refusal_in(reason: &EndReason) -> Option<Refusal> {
    match reason {
        EndReason::TlsFailed(error) => pki::refusal_of(error),
        _ => None,
    }
}
