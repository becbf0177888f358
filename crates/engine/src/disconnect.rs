//! Why a connection is over, as the engine knows it: the session's own reason, or one from outside.

use std::fmt;

use pki::{Refusal, RefusedCertificate, Unmet};
use tunnel::EndReason;

use crate::{Denied, Identity, StreamEnd};

/// Why a connection ended.
#[derive(Clone, Debug)]
pub enum DisconnectReason {
    /// The session's own reason.
    Session(EndReason),
    /// The TLS verifier refused this certificate.
    RefusedInTls(Box<RefusedCertificate>),
    /// Admission was refused, at the first negotiation or at a later one.
    Refused(Denied),
    /// It was admitted once, and a change took that back.
    Withdrawn(Denied),
    /// The same device connected anew.
    Replaced,
    /// Its client began another session where it was, which stock clients do after a renewal that failed there, and when
    /// they are killed and started again at the same port; or it is that other one, which ends too.
    BegunInPlace,
    /// An administrator closed it.
    Kicked,
    /// It had shown no certificate, and its place was needed.
    MadeRoom,
    /// Its client closed the TCP connection once it had our certificate, and finished no handshake.
    ClosedAfterOurCertificate,
    /// Its TCP connection ended.
    Connection(StreamEnd),
    /// Nothing authentic came for the time of ping-restart.
    PingTimeout,
    /// The gateway stops.
    Shutdown,
    /// Our fault: the session's task panicked.
    Panicked,
}

impl DisconnectReason {
    /// Every code that a server counts, for counters that start from zero.
    pub fn codes() -> impl Iterator<Item = &'static str> {
        let refusals = pki::Refusal::CODES.into_iter();
        let streams = StreamEnd::ALL.into_iter().map(StreamEnd::code);
        refusals.chain(OWN_CODES).chain(EndReason::SERVER_CODES).chain(streams)
    }

    /// A stable snake_case name for counters and JSON.
    pub fn code(&self) -> &'static str {
        match self {
            // What the verifier or the admission said is the reason; that it said so inside TLS is not.
            DisconnectReason::Session(reason) => match refusal_in(reason) {
                Some(refusal) => refusal.code(),
                None => reason.code(),
            },
            DisconnectReason::RefusedInTls(refused) => refused.refusal.code(),
            DisconnectReason::Refused(denied) | DisconnectReason::Withdrawn(denied) => {
                denied.code()
            }
            DisconnectReason::Replaced => "replaced",
            DisconnectReason::BegunInPlace => "begun_in_place",
            DisconnectReason::Kicked => "kicked",
            DisconnectReason::MadeRoom => "made_room",
            DisconnectReason::ClosedAfterOurCertificate => "closed_after_our_certificate",
            DisconnectReason::Connection(end) => end.code(),
            DisconnectReason::PingTimeout => "ping_timeout",
            DisconnectReason::Shutdown => "shutdown",
            DisconnectReason::Panicked => "internal_error",
        }
    }

    /// The client said goodbye, which is no refusal however early it comes.
    pub fn is_goodbye(&self) -> bool {
        matches!(self, DisconnectReason::Session(EndReason::PeerExit))
    }

    /// The refusal behind it, if a certificate was the cause.
    pub fn refusal(&self) -> Option<Refusal> {
        match self {
            DisconnectReason::Session(reason) => refusal_in(reason),
            DisconnectReason::RefusedInTls(refused) => Some(refused.refusal.clone()),
            DisconnectReason::Refused(denied) | DisconnectReason::Withdrawn(denied) => {
                denied.refusal().cloned()
            }
            _ => None,
        }
    }

    /// What the peer lacks for TLS, if that was the cause.
    pub fn unmet(&self) -> Option<Unmet> {
        match self {
            DisconnectReason::Session(reason) => unmet_in(reason),
            _ => None,
        }
    }

    /// The certificate that was refused inside TLS, by which one may look up whose it is.
    pub fn refused_certificate(&self) -> Option<&RefusedCertificate> {
        match self {
            DisconnectReason::RefusedInTls(refused) => Some(refused),
            _ => None,
        }
    }

    /// Whose connection it was, where the admission knew.
    pub fn whom(&self) -> Option<&Identity> {
        match self {
            DisconnectReason::Refused(denied) | DisconnectReason::Withdrawn(denied) => {
                denied.whom()
            }
            _ => None,
        }
    }
}

impl fmt::Display for DisconnectReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(refusal) = self.refusal() {
            return refusal.fmt(f);
        }
        match self {
            DisconnectReason::Session(reason) => match unmet_in(reason) {
                Some(unmet) => write!(f, "TLS failed: {}", unmet.lack),
                None => reason.fmt(f),
            },
            DisconnectReason::RefusedInTls(refused) => refused.refusal.fmt(f),
            DisconnectReason::Refused(denied) | DisconnectReason::Withdrawn(denied) => {
                denied.fmt(f)
            }
            DisconnectReason::Replaced => f.write_str(
                "the same device connected anew: its newer session took the place of this one",
            ),
            DisconnectReason::BegunInPlace => f.write_str(
                "the client began a session at the port where it had another; both end, and it is told to restart",
            ),
            DisconnectReason::Kicked => {
                f.write_str("closed by an administrator; the client may come back")
            }
            DisconnectReason::MadeRoom => {
                f.write_str("it showed no certificate, and its place was needed")
            }
            DisconnectReason::ClosedAfterOurCertificate => f.write_str(
                "the peer closed the TCP connection after our certificate (it may not trust our CA, may refuse our \
                 name or usage, or its clock is wrong)",
            ),
            DisconnectReason::Connection(end) => end.fmt(f),
            DisconnectReason::PingTimeout => {
                f.write_str("nothing came from the peer for the time of ping-restart")
            }
            DisconnectReason::Shutdown => f.write_str("the gateway stopped"),
            DisconnectReason::Panicked => {
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

fn unmet_in(reason: &EndReason) -> Option<Unmet> {
    match reason {
        EndReason::TlsFailed(error) => pki::unmet(error),
        _ => None,
    }
}

/// Those that come from no certificate, no session and no TCP connection.
const OWN_CODES: [&str; 13] = [
    "client_dev_tap",
    "client_fragment",
    "client_compression",
    "made_room",
    "closed_after_our_certificate",
    "replaced",
    "begun_in_place",
    "kicked",
    "ping_timeout",
    "shutdown",
    "no_free_address_or_slot",
    "admission_undecided",
    "internal_error",
];
