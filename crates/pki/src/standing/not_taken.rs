//! Why something that was said of a certificate does not count.

use std::error::Error;
use std::fmt;

use crate::ocsp::OcspError;
use crate::{CrlError, Timestamp};

/// Why something that was said of a certificate does not count: it says nothing, good or bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotTaken {
    /// The certificate's CA is not at hand, or may not sign such a thing; whoever set it up has to mend it.
    NoIssuer,
    /// The OCSP response is not believed.
    Ocsp(OcspError),
    /// The responder does not know the certificate.
    Unknown,
    /// The CRL is not believed.
    Crl(CrlError),
    /// The CRL was due for renewal.
    CrlStale {
        /// When.
        at: Timestamp,
    },
    /// The CRL was signed in a time to come: a clock is wrong, ours or the CA's.
    CrlFromTheFuture {
        /// When.
        at: Timestamp,
    },
    /// The CA said before that the certificate was revoked, which it does not take back.
    RevokedForGood,
    /// Something newer is known; somebody may be sending former answers.
    Older {
        /// The moment that what is known speaks of.
        than: Timestamp,
    },
}

impl NotTaken {
    /// Whether it may count later: what a clock says is too early for it.
    pub fn is_too_early(&self) -> bool {
        matches!(
            self,
            Self::CrlFromTheFuture { .. }
                | Self::Ocsp(
                    OcspError::FromTheFuture { .. } | OcspError::DelegateNotYetValid { .. }
                )
        )
    }
}

impl fmt::Display for NotTaken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoIssuer => f.write_str(
                "the CA that issued the certificate is not known here, or may not sign CRLs",
            ),
            Self::Ocsp(error) => error.fmt(f),
            Self::Unknown => f.write_str("the responder does not know the certificate"),
            Self::Crl(error) => error.fmt(f),
            Self::CrlStale { at } => write!(f, "the revocation list was due for renewal on {at}"),
            Self::CrlFromTheFuture { at } => {
                write!(f, "the revocation list is from the future: it speaks of {at}")
            }
            Self::RevokedForGood => f.write_str("the CA said before that it was revoked for good"),
            Self::Older { than } => write!(f, "it is older than what the CA said on {than}"),
        }
    }
}

impl Error for NotTaken {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Ocsp(error) => Some(error),
            Self::Crl(error) => Some(error),
            _ => None,
        }
    }
}
