//! Why a session ended, typed, with one sentence each and a stable code for counters.

use std::error::Error;
use std::fmt;

use wire::key_method::KeyMethodError;
use wire::message::AuthFailure;
use wire::push::PushEncodeError;

use crate::closing::{Close, Refusal};

/// Why a session ended.
#[derive(Clone, Debug)]
pub enum EndReason {
    /// The first negotiation did not finish within the hand-window.
    HandshakeTimeout(Progress),
    /// A renegotiation did not finish within the hand-window.
    RenegotiationTimeout(Progress),
    /// TLS failed, here or by the peer's alert. A verifier's own refusal is inside.
    TlsFailed(rustls::Error),
    /// The peer broke the protocol inside TLS.
    PeerMisbehaved(Misbehaviour),
    /// No data cipher that both sides allow.
    NoCommonCipher,
    /// Server: the certificate of a renegotiation is not the one that was admitted.
    IdentityChanged,
    /// Server: the certificate that the peer was admitted with has run out.
    CertificateExpired,
    /// The key that seals has reached its hard end without a newer one.
    KeyTooOld,
    /// Server: admission was refused.
    Refused(Refusal),
    /// Client: the server refused us.
    AuthFailed(AuthFailure),
    /// Client: the server pushed something that cannot work.
    PushUnusable(PushFault),
    /// The peer said goodbye.
    PeerExit,
    /// Client: the server wants us to reconnect.
    PeerRestart {
        /// Keep credentials and token.
        keep_credentials: bool,
        /// Go on to the next server.
        next_server: bool,
        /// Its text, empty for none.
        text: String,
    },
    /// Client: the server wants us to stay away, with its text.
    PeerHalt(String),
    /// We closed it.
    Closed(Close),
    /// Server: saved before it was established; TLS cannot be carried over.
    RestoredMidHandshake,
    /// Saved after it had ended or while it said goodbye.
    RestoredAfterItsEnd,
    /// The exporter of the TLS session failed, or gave zeros.
    KeyDerivationFailed,
    /// Client: our own user name, password or peer info do not fit the key message.
    OwnKeyMessage(KeyMethodError),
    /// Server: our own options cannot be pushed.
    OwnPush(PushEncodeError),
    /// TLS did not take a message of ours whole.
    OwnMessageNotTaken,
}

/// How far a negotiation came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// No valid answer to our reset.
    ResetUnanswered,
    /// The reset was answered; no complete TLS hello came.
    BeforeHello,
    /// The peer fell silent after our certificate.
    SilentAfterOurCertificate,
    /// Client: our certificate left, and nothing came back that finishes TLS.
    TlsUnfinished,
    /// TLS is up; the peer's key message is missing.
    NoKeyMessage,
    /// Server: nobody here answered the admission.
    AwaitingAdmission,
    /// The data plane did not confirm the key.
    AwaitingInstall,
    /// The peer did not acknowledge our last messages.
    Unacknowledged,
    /// Server: the client never asked for its options.
    NoPushRequest,
    /// Client: the server never pushed.
    NoPushReply,
    /// What came on the TLS stream was not the peer's TLS.
    StreamBroken,
    /// Nothing is missing.
    Complete,
}

/// What the peer did inside TLS that it must not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misbehaviour {
    /// More than 2048 bytes in one message.
    MessageTooLong,
    /// The key message does not parse.
    BadKeyMessage,
    /// Pushed more than the limits allow.
    PushTooLong,
}

/// What was wrong with a push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PushFault {
    /// A cipher that we did not offer.
    CipherNotOffered,
    /// A protocol flag that we did not offer changes the packets.
    FlagNotOffered,
    /// Its data packets are framed for compression.
    Compression,
    /// Its data packets are fragments with headers of their own.
    Fragments,
    /// Its data packets hold frames of Ethernet.
    Ethernet,
}

impl EndReason {
    /// The codes that a server's sessions end with, for counters. A refusal has its own.
    pub const SERVER_CODES: [&'static str; 17] = [
        "certificate_expired",
        "key_too_old",
        "own_message_not_taken",
        "silent_after_our_certificate",
        "handshake_timeout",
        "renegotiation_timeout",
        "tls_failed",
        "peer_misbehaved",
        "no_common_cipher",
        "identity_changed",
        "peer_exit",
        "closed",
        "restored_mid_handshake",
        "restored_after_its_end",
        "key_derivation_failed",
        "own_key_message",
        "own_push",
    ];

    /// The codes that a client's sessions alone end with, and what each means.
    pub const CLIENT_CODES: [(&'static str, &'static str); 4] = [
        ("auth_failed", "the server does not let the client in"),
        ("push_unusable", "the server's settings can't be used by the client"),
        ("peer_restart", "the server asks the client to connect anew"),
        ("peer_halt", "the server sends the client away for good"),
    ];

    /// A stable snake_case name for counters. One that a server may give stands in
    /// [`EndReason::SERVER_CODES`] too, and one that a client alone meets in [`EndReason::CLIENT_CODES`].
    pub fn code(&self) -> &'static str {
        match self {
            EndReason::HandshakeTimeout(Progress::SilentAfterOurCertificate) => {
                "silent_after_our_certificate"
            }
            EndReason::HandshakeTimeout(_) => "handshake_timeout",
            EndReason::RenegotiationTimeout(_) => "renegotiation_timeout",
            EndReason::TlsFailed(_) => "tls_failed",
            EndReason::PeerMisbehaved(_) => "peer_misbehaved",
            EndReason::NoCommonCipher => "no_common_cipher",
            EndReason::IdentityChanged => "identity_changed",
            EndReason::CertificateExpired => "certificate_expired",
            EndReason::KeyTooOld => "key_too_old",
            EndReason::Refused(refusal) => refusal.code,
            EndReason::AuthFailed(_) => "auth_failed",
            EndReason::PushUnusable(_) => "push_unusable",
            EndReason::PeerExit => "peer_exit",
            EndReason::PeerRestart { .. } => "peer_restart",
            EndReason::PeerHalt(_) => "peer_halt",
            EndReason::Closed(Close::Replaced) => "replaced",
            EndReason::Closed(_) => "closed",
            EndReason::RestoredMidHandshake => "restored_mid_handshake",
            EndReason::RestoredAfterItsEnd => "restored_after_its_end",
            EndReason::KeyDerivationFailed => "key_derivation_failed",
            EndReason::OwnKeyMessage(_) => "own_key_message",
            EndReason::OwnPush(_) => "own_push",
            EndReason::OwnMessageNotTaken => "own_message_not_taken",
        }
    }
}

impl fmt::Display for EndReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EndReason::HandshakeTimeout(progress) => write!(f, "the handshake took too long: {progress}"),
            EndReason::RenegotiationTimeout(progress) => {
                write!(f, "the renegotiation took too long: {progress}")
            }
            EndReason::TlsFailed(error) => write!(f, "TLS failed: {error}"),
            EndReason::PeerMisbehaved(what) => write!(f, "the peer broke the protocol: {what}"),
            EndReason::NoCommonCipher => f.write_str(
                "no data cipher that both sides allow; the peer's data-ciphers must name one of ours",
            ),
            EndReason::IdentityChanged => {
                f.write_str("the peer came back with another certificate in a renegotiation")
            }
            EndReason::CertificateExpired => {
                f.write_str("the certificate that the peer was admitted with has run out; issue a new one")
            }
            EndReason::KeyTooOld => {
                f.write_str("the data key reached its greatest age and no newer one came into use")
            }
            EndReason::Refused(refusal) => write!(f, "refused: {}", refusal.code),
            EndReason::AuthFailed(failure) => write!(f, "the server refused us: {failure}"),
            EndReason::PushUnusable(fault) => write!(f, "the server's push cannot work: {fault}"),
            EndReason::PeerExit => f.write_str("the peer left"),
            EndReason::PeerRestart { text, .. } => told(f, "the server asks for a reconnect", text),
            EndReason::PeerHalt(text) => told(f, "the server sent us away", text),
            EndReason::Closed(Close::Replaced) => f.write_str("replaced by a newer session"),
            EndReason::Closed(_) => f.write_str("closed from this side"),
            EndReason::RestoredMidHandshake => {
                f.write_str("saved in the middle of its handshake, which cannot be carried over")
            }
            EndReason::RestoredAfterItsEnd => f.write_str("saved after its end"),
            EndReason::KeyDerivationFailed => f.write_str("the TLS exporter gave no usable key"),
            EndReason::OwnKeyMessage(error) => write!(f, "our own key message: {error}"),
            EndReason::OwnPush(error) => write!(f, "our own push: {error}"),
            EndReason::OwnMessageNotTaken => {
                f.write_str("internal error: TLS did not take a message of ours whole")
            }
        }
    }
}

fn told(f: &mut fmt::Formatter<'_>, what: &str, text: &str) -> fmt::Result {
    if text.is_empty() { f.write_str(what) } else { write!(f, "{what}: {text}") }
}

impl Error for EndReason {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            EndReason::TlsFailed(error) => Some(error),
            EndReason::OwnKeyMessage(error) => Some(error),
            EndReason::OwnPush(error) => Some(error),
            _ => None,
        }
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Progress::ResetUnanswered => "nobody answered our first packet",
            Progress::BeforeHello => "the peer never finished its TLS hello",
            Progress::SilentAfterOurCertificate => {
                "the peer fell silent after our certificate (it may not trust our CA, may refuse our \
                 name or usage, or its clock is wrong)"
            }
            Progress::TlsUnfinished => "TLS was not finished by the peer",
            Progress::NoKeyMessage => "the peer's key message is missing",
            Progress::AwaitingAdmission => "nobody here answered the admission",
            Progress::AwaitingInstall => "the data plane did not confirm the key",
            Progress::Unacknowledged => "the peer did not acknowledge our last messages",
            Progress::NoPushRequest => "the client never asked for its options",
            Progress::NoPushReply => "the server never pushed our options",
            Progress::StreamBroken => "what came was not the peer's TLS",
            Progress::Complete => "nothing is missing",
        })
    }
}

impl fmt::Display for Misbehaviour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Misbehaviour::MessageTooLong => "a message above 2048 bytes",
            Misbehaviour::BadKeyMessage => "a key message that does not parse",
            Misbehaviour::PushTooLong => "a push above all limits",
        })
    }
}

impl fmt::Display for PushFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PushFault::CipherNotOffered => "a cipher that we do not allow",
            PushFault::FlagNotOffered => "a protocol flag that we did not offer",
            PushFault::Compression => {
                "its packets are framed for compression, which is not spoken here; it has to leave \
                 out `comp-lzo` and `compress`, or to push `compress stub-v2`"
            }
            PushFault::Fragments => {
                "it cuts packets by `fragment`, which is not spoken here; it has to leave that out"
            }
            PushFault::Ethernet => {
                "it is a bridge (`dev tap`), which is not spoken here; it has to have `dev tun`"
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::iter;

    use super::*;

    #[test]
    fn the_codes_of_a_servers_ends_are_those_that_its_reasons_have() {
        let mut listed = EndReason::SERVER_CODES.to_vec();
        let mut given: Vec<&str> =
            every_reason().filter(ends_a_server).map(|end| end.code()).collect();
        listed.sort_unstable();
        given.sort_unstable();
        given.dedup();
        assert_eq!(listed, given);
    }

    /// A refusal has its own code, and that another session took the place is counted by whoever closed.
    fn ends_a_server(reason: &EndReason) -> bool {
        !matches!(
            reason,
            EndReason::Refused(_)
                | EndReason::Closed(Close::Replaced)
                | EndReason::AuthFailed(_)
                | EndReason::PushUnusable(_)
                | EndReason::PeerRestart { .. }
                | EndReason::PeerHalt(_)
        )
    }

    fn every_reason() -> impl Iterator<Item = EndReason> {
        let silent = EndReason::HandshakeTimeout(Progress::SilentAfterOurCertificate);
        let replaced = EndReason::Closed(Close::Replaced);
        iter::successors(Some(EndReason::HandshakeTimeout(Progress::BeforeHello)), following)
            .chain([silent, replaced])
    }

    /// A chain through all variants: a new one does not compile before it has its place here.
    fn following(reason: &EndReason) -> Option<EndReason> {
        let refusal = Refusal { code: "device_disabled", close: Close::AuthFailed(String::new()) };
        Some(match reason {
            EndReason::HandshakeTimeout(_) => {
                EndReason::RenegotiationTimeout(Progress::BeforeHello)
            }
            EndReason::RenegotiationTimeout(_) => {
                EndReason::TlsFailed(rustls::Error::HandshakeNotComplete)
            }
            EndReason::TlsFailed(_) => EndReason::PeerMisbehaved(Misbehaviour::BadKeyMessage),
            EndReason::PeerMisbehaved(_) => EndReason::NoCommonCipher,
            EndReason::NoCommonCipher => EndReason::IdentityChanged,
            EndReason::IdentityChanged => EndReason::CertificateExpired,
            EndReason::CertificateExpired => EndReason::KeyTooOld,
            EndReason::KeyTooOld => EndReason::Refused(refusal),
            EndReason::Refused(_) => EndReason::AuthFailed(AuthFailure::Denied(String::new())),
            EndReason::AuthFailed(_) => EndReason::PushUnusable(PushFault::Fragments),
            EndReason::PushUnusable(_) => EndReason::PeerExit,
            EndReason::PeerExit => EndReason::PeerRestart {
                keep_credentials: false,
                next_server: false,
                text: String::new(),
            },
            EndReason::PeerRestart { .. } => EndReason::PeerHalt(String::new()),
            EndReason::PeerHalt(_) => EndReason::Closed(Close::Exit),
            EndReason::Closed(_) => EndReason::RestoredMidHandshake,
            EndReason::RestoredMidHandshake => EndReason::RestoredAfterItsEnd,
            EndReason::RestoredAfterItsEnd => EndReason::KeyDerivationFailed,
            EndReason::KeyDerivationFailed => EndReason::OwnKeyMessage(KeyMethodError::BadStart),
            EndReason::OwnKeyMessage(_) => EndReason::OwnPush(PushEncodeError::Empty),
            EndReason::OwnPush(_) => EndReason::OwnMessageNotTaken,
            EndReason::OwnMessageNotTaken => return None,
        })
    }
}
