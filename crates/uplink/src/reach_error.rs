//! Why a service is not reached: one closed type.

use std::error::Error;
use std::fmt;
use std::io;

use ask::DialError;
use rustls::{AlertDescription, CertificateError, Error as TlsError};
use starttls::Fault;

use crate::standing::Unsettled;

/// Why a service is not reached.
#[derive(Debug)]
pub enum ReachError {
    /// Its host is not.
    Dial(DialError),
    /// It did not finish a handshake in time.
    Slow,
    /// It hung up within the handshake, or the connection broke.
    HungUp(io::Error),
    /// It does not come to TLS by its protocol's STARTTLS.
    NoTls(Fault),
    /// It speaks no TLS that we speak.
    Tls(TlsError),
    /// It is not the one that was meant: its certificate is another's, or of no CA that is trusted.
    NotTrusted(TlsError),
    /// Its key is not the pinned one.
    Pin,
    /// It does not take our certificate, or wants one and there is none.
    Refused(AlertDescription),
    /// Its certificate was revoked, or may have been.
    Unsettled(Unsettled),
}

impl ReachError {
    /// What a handshake, or a read after it, ended with. With TLS 1.3 a service that refuses us says so only then.
    pub(crate) fn of(error: io::Error) -> Self {
        let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<TlsError>()).cloned();
        match tls {
            Some(TlsError::InvalidCertificate(
                CertificateError::ApplicationVerificationFailure,
            )) => Self::Pin,
            Some(error @ TlsError::InvalidCertificate(_)) => Self::NotTrusted(error),
            Some(TlsError::AlertReceived(alert)) if is_about_us(alert) => Self::Refused(alert),
            Some(error) => Self::Tls(error),
            None => Self::HungUp(error),
        }
    }

    /// Every code of its own, beside those of [`Fault`].
    pub const CODES: [&'static str; 9] = [
        "service_not_there",
        "service_slow",
        "service_hung_up",
        "service_without_tls",
        "service_not_trusted",
        "service_with_another_key",
        "service_refuses_us",
        "service_revoked",
        "service_not_looked_up",
    ];

    /// A stable name for metrics and JSON.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Dial(_) => "service_not_there",
            Self::Slow => "service_slow",
            Self::HungUp(_) => "service_hung_up",
            Self::NoTls(fault) => fault.code(),
            Self::Tls(_) => "service_without_tls",
            Self::NotTrusted(_) => "service_not_trusted",
            Self::Pin => "service_with_another_key",
            Self::Refused(_) => "service_refuses_us",
            Self::Unsettled(Unsettled::Revoked(_)) => "service_revoked",
            Self::Unsettled(Unsettled::NotKnown(_)) => "service_not_looked_up",
        }
    }

    /// What to do.
    pub fn mend(&self) -> &'static str {
        match self {
            Self::Dial(_) | Self::Slow | Self::HungUp(_) => {
                "see that the service runs and that nothing between blocks it"
            }
            Self::NoTls(fault) => fault.mend(),
            Self::Tls(_) => "see that the port is one where TLS begins at once",
            Self::NotTrusted(_) => {
                "name its CA with --ca, and the name in its certificate with --name"
            }
            Self::Pin => {
                "if its key was changed on purpose, take the new pin; else somebody is between"
            }
            Self::Refused(_) => {
                "give a certificate that it takes, with --profile or --cert and --key"
            }
            Self::Unsettled(Unsettled::Revoked(_)) => "have a new certificate issued for it",
            Self::Unsettled(Unsettled::NotKnown(_)) => {
                "see that its CA can be asked, or take --revocation=prefer"
            }
        }
    }
}

/// RFC 8446 section 6.2: what a service says of a client's certificate.
fn is_about_us(alert: AlertDescription) -> bool {
    use AlertDescription as Alert;
    matches!(
        alert,
        Alert::CertificateRequired
            | Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::AccessDenied
    )
}

impl fmt::Display for ReachError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dial(error) => error.fmt(f),
            Self::Slow => f.write_str("it did not finish a handshake in time"),
            Self::HungUp(error) => write!(f, "it hung up: {error}"),
            Self::NoTls(fault) => f.write_str(&fault.what()),
            Self::Tls(error) => write!(f, "it speaks no TLS that can be spoken with it: {error}"),
            Self::NotTrusted(error) => write!(f, "it is not trusted: {error}"),
            Self::Pin => f.write_str("its key is not the pinned one"),
            Self::Refused(alert) => {
                write!(
                    f,
                    "it does not take the certificate that it was shown, or wants one: {alert:?}"
                )
            }
            Self::Unsettled(why) => why.fmt(f),
        }
    }
}

impl Error for ReachError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Dial(error) => Some(error),
            Self::HungUp(error) => Some(error),
            Self::Tls(error) | Self::NotTrusted(error) => Some(error),
            Self::Unsettled(error) => Some(error),
            Self::NoTls(fault) => Some(fault),
            Self::Slow | Self::Pin | Self::Refused(_) => None,
        }
    }
}
