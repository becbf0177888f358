//! Why the client gave up: kind, cause and what to do.

use std::error::Error;
use std::fmt;

use engine::StartError;
use pki::Refusal;
use rustls::AlertDescription;
use sysio::Holder;
use tunnel::{EndReason, PushFault};

use crate::{PlanError, ProfileError, SystemError};

/// Why the client gave up.
#[derive(Debug)]
pub enum ClientError {
    /// The profile can't be used.
    Profile(ProfileError),
    /// This machine can't be set up for a tunnel.
    System(SystemError),
    /// Another client of this machine runs with the same certificate.
    InUse(Option<Holder>),
    /// A connection could not even begin.
    Start(StartError),
    /// The server refused us, with its text (empty for none).
    Refused(String),
    /// The server allows none of our data ciphers, with its text.
    NoSharedCipher(String),
    /// The server asks for an answer that only a person could give.
    Challenged(String),
    /// The server sent us away, with its text (empty for none).
    SentAway(String),
    /// The server refused our certificate, and said why by a TLS alert.
    CertificateRefused(AlertDescription),
    /// Every server showed a certificate that must not be trusted; this is the last one's fault.
    ServerNotTrusted(Refusal),
    /// We and the server can't work together.
    Incompatible(EndReason),
    /// The server's options make no tunnel.
    PushUnusable(PlanError),
    /// No server could be connected to in as many rounds as the profile allows.
    GaveUp {
        /// How many.
        rounds: u32,
        /// What went wrong last.
        why: String,
    },
}

/// What a caller may want to tell apart, for its exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The profile has to be mended.
    Profile,
    /// A permission is missing.
    Permission,
    /// This machine is at fault.
    System,
    /// Nobody could be reached.
    Unreachable,
    /// The server does not want us.
    Refused,
    /// The server is not who it should be.
    NotTrusted,
    /// The two sides do not fit.
    Incompatible,
}

impl ClientError {
    /// Its kind.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Profile(_) => ErrorKind::Profile,
            Self::System(error) if error.is_denied() => ErrorKind::Permission,
            Self::System(_) | Self::Start(_) | Self::InUse(_) => ErrorKind::System,
            Self::Refused(_)
            | Self::Challenged(_)
            | Self::SentAway(_)
            | Self::CertificateRefused(_) => ErrorKind::Refused,
            Self::ServerNotTrusted(_) => ErrorKind::NotTrusted,
            Self::NoSharedCipher(_) | Self::Incompatible(_) | Self::PushUnusable(_) => {
                ErrorKind::Incompatible
            }
            Self::GaveUp { .. } => ErrorKind::Unreachable,
        }
    }

    /// What to do, beyond what the message says.
    pub fn hints(&self) -> &'static [&'static str] {
        match self {
            Self::CertificateRefused(alert) => hints_of_an_alert(*alert),
            Self::Refused(_) => &[
                "the certificate may be revoked, expired, or its user disabled",
                "whoever runs the gateway sees the reason with `handfast status`",
            ],
            Self::InUse(_) => {
                &["a gateway lets a device in once; for a second tunnel, ask for a second device"]
            }
            Self::SentAway(_) => &["whoever runs the server closed this connection"],
            Self::Challenged(_) => {
                &["a password or a code is asked for, which is not supported yet"]
            }
            Self::ServerNotTrusted(_) => &[
                "fetch the profile again, in case the gateway's CA was renewed",
                "otherwise do not go on: somebody may be posing as the gateway",
            ],
            Self::NoSharedCipher(_)
            | Self::Incompatible(
                EndReason::NoCommonCipher | EndReason::PushUnusable(PushFault::CipherNotOffered),
            ) => &[
                "whoever runs the server has to name AES-256-GCM, AES-128-GCM or CHACHA20-POLY1305 \
                 in data-ciphers",
                "ciphers with CBC are not spoken here",
            ],
            Self::Incompatible(_) | Self::PushUnusable(_) => {
                &["whoever runs the server has to change its settings"]
            }
            Self::GaveUp { .. } => &[
                "check that the gateway runs and that UDP reaches its port",
                "a wrong tls-auth key looks the same from here; the gateway's log tells",
            ],
            Self::System(error) if error.is_denied() => {
                &["run it as root: sudo handfast connect FILE.ovpn"]
            }
            Self::Profile(_) | Self::System(_) | Self::Start(_) => &[],
        }
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said = |f: &mut fmt::Formatter<'_>, what: &str, text: &str| match text {
            "" => f.write_str(what),
            text => write!(f, "{what}: {text}"),
        };
        match self {
            Self::Profile(error) => error.fmt(f),
            Self::System(error) => error.fmt(f),
            Self::InUse(holder) => {
                f.write_str("this profile's certificate is in use on this machine already")?;
                holder.as_ref().map_or(Ok(()), |holder| write!(f, ", by {holder}"))
            }
            Self::Start(error) => error.fmt(f),
            Self::Refused(text) => said(f, "the server refused us", text),
            Self::NoSharedCipher(text) => {
                said(f, "the server allows none of our data ciphers", text)
            }
            Self::Challenged(text) => said(f, "the server asks a question", text),
            Self::SentAway(text) => said(f, "the server sent us away", text),
            Self::CertificateRefused(alert) => {
                write!(f, "the server refused our certificate: {}", alert_words(*alert))
            }
            Self::ServerNotTrusted(refusal) => write!(f, "the server is not trusted: {refusal}"),
            Self::Incompatible(reason) => reason.fmt(f),
            Self::PushUnusable(error) => error.fmt(f),
            Self::GaveUp { rounds, why } => {
                write!(
                    f,
                    "no server could be connected to in {rounds} rounds; the last said: {why}"
                )
            }
        }
    }
}

impl Error for ClientError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Profile(source) => source.source(),
            Self::System(source) => source.source(),
            Self::Start(source) => source.source(),
            _ => None,
        }
    }
}

fn alert_words(alert: AlertDescription) -> &'static str {
    match alert {
        AlertDescription::CertificateRevoked => "it is revoked",
        AlertDescription::CertificateExpired => "it is expired, or not yet valid",
        AlertDescription::UnknownCA => "it is of another CA",
        AlertDescription::AccessDenied => "its owner may not in",
        AlertDescription::CertificateRequired => "it wants one, and none was sent",
        AlertDescription::UnsupportedCertificate => "it is of a kind that may not in",
        _ => "it said no more",
    }
}

/// For whoever sits here, then for whoever is asked: a TLS alert says no more than one of a few words.
fn hints_of_an_alert(alert: AlertDescription) -> &'static [&'static str] {
    match alert {
        AlertDescription::CertificateRevoked => &[
            "this device was taken out of the VPN, or has a newer profile: ask your administrator",
            REASON,
        ],
        AlertDescription::CertificateExpired => &[
            "the server judges by its own clock, and this machine's has no part in that: ask your administrator for a new profile",
            REASON,
        ],
        AlertDescription::CertificateUnknown | AlertDescription::AccessDenied => {
            &["this device or its user may be disabled for now: ask your administrator", REASON]
        }
        AlertDescription::UnknownCA => &[
            "this profile is of another gateway, or from before its CA changed: ask for a new one",
            REASON,
        ],
        _ => &["ask your administrator, and name this message", REASON],
    }
}

const REASON: &str = "whoever runs the gateway sees the reason with `handfast status`";

impl From<ProfileError> for ClientError {
    fn from(error: ProfileError) -> Self {
        Self::Profile(error)
    }
}

impl From<SystemError> for ClientError {
    fn from(error: SystemError) -> Self {
        Self::System(error)
    }
}

impl From<StartError> for ClientError {
    fn from(error: StartError) -> Self {
        Self::Start(error)
    }
}
