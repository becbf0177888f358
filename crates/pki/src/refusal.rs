//! Why a certificate was refused: one closed type for logs, status, metrics and tests.
//!
//! A verifier hands its refusal to rustls, which carries it as an error; [`refusal_of`] takes it
//! back out. Where rustls has an error of its own that loses nothing, that one is used, because the
//! alert that the peer sees depends on it; so is that of a revocation, although it loses date and reason.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use rustls::{CertificateError, ExtendedKeyPurpose, OtherError};

use crate::moment::{from_unix_time, to_unix_time};
use crate::{Revocation, Timestamp};

/// Why a certificate does not open this door. Displays as one sentence: what is wrong, whose it is
/// to mend, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No CA that is trusted here issued it.
    UnknownCa,
    /// It names a CA that is trusted here, but that CA's key did not sign it; or its holder could
    /// not prove to have the private key.
    BadSignature,
    /// It cannot be read, or breaks a rule of X.509.
    Malformed,
    /// The peer presented no certificate.
    NoCertificate,
    /// Its time is over since `at`.
    Expired {
        /// The last moment it was valid.
        at: Timestamp,
    },
    /// Its time begins at `at`.
    NotYetValid {
        /// The first moment it will be valid.
        at: Timestamp,
    },
    /// The CA's own certificate expired.
    CaExpired {
        /// The last moment it was valid.
        at: Timestamp,
    },
    /// It was revoked.
    Revoked {
        /// When and why. A TLS connection that failed over it does not carry that, since the alert that
        /// tells the peer has no room for it.
        revocation: Option<Revocation>,
    },
    /// Our CA signed it, but the store does not know its serial.
    NotInStore,
    /// Our CA's key signed it, and its number is that of another certificate in the store.
    Forged,
    /// It was issued for something else, as a server's certificate presented by a client.
    WrongUsage {
        /// What it would have to be good for.
        needed: Purpose,
    },
    /// The server is not the one that was asked for.
    NameMismatch {
        /// The name or pattern that was asked for.
        expected: String,
        /// The name that the certificate has.
        found: String,
    },
    /// It has a name that its CA may not certify, as a CA on the way to it says.
    NameNotPermitted,
    /// Its key or signature is of a kind that is not accepted.
    UnsupportedKey,
    /// The revocation list at hand is out of date.
    CrlExpired {
        /// When the next list was due.
        at: Timestamp,
    },
    /// The device is disabled.
    DeviceDisabled,
    /// The user is disabled.
    UserDisabled,
}

/// What a certificate is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// To connect (extended key usage clientAuth).
    Client,
    /// To be connected to (extended key usage serverAuth).
    Server,
}

impl Refusal {
    /// Every code, in a fixed order; what a registry of counters starts from.
    pub const CODES: [&'static str; 17] = [
        "unknown_ca",
        "bad_signature",
        "malformed",
        "no_certificate",
        "expired",
        "not_yet_valid",
        "ca_expired",
        "revoked",
        "not_in_store",
        "forged",
        "wrong_usage",
        "name_mismatch",
        "name_not_permitted",
        "unsupported_key",
        "crl_expired",
        "device_disabled",
        "user_disabled",
    ];

    /// A stable name for metrics and JSON.
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownCa => "unknown_ca",
            Self::BadSignature => "bad_signature",
            Self::Malformed => "malformed",
            Self::NoCertificate => "no_certificate",
            Self::Expired { .. } => "expired",
            Self::NotYetValid { .. } => "not_yet_valid",
            Self::CaExpired { .. } => "ca_expired",
            Self::Revoked { .. } => "revoked",
            Self::NotInStore => "not_in_store",
            Self::Forged => "forged",
            Self::WrongUsage { .. } => "wrong_usage",
            Self::NameMismatch { .. } => "name_mismatch",
            Self::NameNotPermitted => "name_not_permitted",
            Self::UnsupportedKey => "unsupported_key",
            Self::CrlExpired { .. } => "crl_expired",
            Self::DeviceDisabled => "device_disabled",
            Self::UserDisabled => "user_disabled",
        }
    }

    /// For the person at the peer, where [`Display`](fmt::Display) is for who runs this side: what is wrong
    /// in that person's words, and what to say to whom.
    pub fn for_peer(&self) -> String {
        match self {
            Self::UnknownCa => {
                "this VPN does not know your certificate; ask its administrator for a new profile"
                    .into()
            }
            Self::NoCertificate => {
                "your profile has no certificate; ask this VPN's administrator for a new profile"
                    .into()
            }
            Self::BadSignature
            | Self::Malformed
            | Self::NotInStore
            | Self::Forged
            | Self::WrongUsage { .. }
            | Self::NameMismatch { .. }
            | Self::NameNotPermitted
            | Self::UnsupportedKey => "your certificate can't be used with this VPN; ask its \
                                       administrator for a new profile"
                .into(),
            Self::Expired { at } => format!(
                "your certificate expired on {at}; ask this VPN's administrator for a new profile"
            ),
            Self::NotYetValid { at } => format!(
                "your certificate is not valid before {at}; tell this VPN's administrator that a \
                 clock is wrong"
            ),
            Self::Revoked { .. } => {
                "your certificate was revoked; ask this VPN's administrator for a new profile"
                    .into()
            }
            Self::CaExpired { .. } | Self::CrlExpired { .. } => {
                "a certificate of this VPN is out of date; tell its administrator".into()
            }
            Self::DeviceDisabled => {
                "this device is disabled; ask this VPN's administrator to let it in".into()
            }
            Self::UserDisabled => {
                "your access is disabled; ask this VPN's administrator to let you in".into()
            }
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownCa => f.write_str(
                "the peer's certificate comes from a CA that is not trusted here; \
                 give the peer a profile of this gateway",
            ),
            Self::BadSignature => f.write_str(
                "the peer's certificate or its proof of the private key has a wrong signature; \
                 give the peer a new profile, and suspect an impostor",
            ),
            Self::Malformed => f.write_str(
                "the peer's certificate breaks the rules of X.509; issue the peer a new one",
            ),
            Self::NoCertificate => f.write_str(
                "the peer presented no certificate: it has none, or one of another CA, which some \
                 programs then keep to themselves; give the peer a profile of this gateway",
            ),
            Self::Expired { at } => {
                write!(f, "the peer's certificate expired on {at}; renew it, or mend the clock here")
            }
            Self::NotYetValid { at } => write!(
                f,
                "the peer's certificate is not valid before {at}; mend the clock here or that \
                 of the CA that issued it"
            ),
            Self::CaExpired { at } => {
                write!(f, "the CA's own certificate expired on {at}; roll the CA over")
            }
            Self::Revoked { revocation } => {
                f.write_str("the peer's certificate was revoked")?;
                if let Some(revocation) = revocation {
                    write!(f, " {revocation}")?;
                }
                f.write_str("; if the peer may come back, issue it a new one")
            }
            Self::NotInStore => f.write_str(
                "the peer's certificate is signed by our CA but not in the store; \
                 restore the store or issue the peer a new one, and suspect a copied CA key",
            ),
            Self::Forged => f.write_str(
                "the peer's certificate is signed with our CA's key and has the number of another \
                 one in the store; somebody has a copy of that key: make a new CA",
            ),
            Self::WrongUsage { needed: Purpose::Client } => f.write_str(
                "the peer connects with a certificate that was not issued for clients; \
                 give the peer its own profile",
            ),
            Self::WrongUsage { needed: Purpose::Server } => f.write_str(
                "the server presented a certificate that was not issued for servers; \
                 suspect an impostor, else mend the server's certificate",
            ),
            Self::NameMismatch { expected, found } => write!(
                f,
                "the server's certificate names {found:?} where the profile asks for {expected:?}; \
                 suspect an impostor, else mend `verify-x509-name`"
            ),
            Self::NameNotPermitted => f.write_str(
                "the peer's certificate has a name that its CA may not certify; suspect a misused CA, else \
                 have one issued for names that the CA's name constraints permit",
            ),
            Self::UnsupportedKey => f.write_str(
                "the peer's certificate has a key or signature of a kind that is not accepted; \
                 issue one with RSA of 2048 bits or more, P-256, P-384 or Ed25519",
            ),
            Self::CrlExpired { at } => {
                write!(f, "the revocation list was due for renewal on {at}; fetch the present one")
            }
            Self::DeviceDisabled => f.write_str(
                "the peer's device is disabled or has no address in the tunnel's network; \
                 `handfast check` tells which",
            ),
            Self::UserDisabled => {
                f.write_str("the peer's user is disabled; enable the user to let it in")
            }
        }
    }
}

impl Error for Refusal {}

impl From<Refusal> for rustls::Error {
    fn from(refusal: Refusal) -> Self {
        Self::InvalidCertificate(match refusal {
            Refusal::UnknownCa => CertificateError::UnknownIssuer,
            Refusal::BadSignature => CertificateError::BadSignature,
            Refusal::Malformed => CertificateError::BadEncoding,
            Refusal::NoCertificate => return Self::NoCertificatesPresented,
            Refusal::Expired { at } => CertificateError::ExpiredContext {
                time: to_unix_time(at),
                not_after: to_unix_time(at),
            },
            Refusal::NotYetValid { at } => CertificateError::NotValidYetContext {
                time: to_unix_time(at),
                not_before: to_unix_time(at),
            },
            Refusal::CrlExpired { at } => CertificateError::ExpiredRevocationListContext {
                time: to_unix_time(at),
                next_update: to_unix_time(at),
            },
            Refusal::WrongUsage { needed } => CertificateError::InvalidPurposeContext {
                required: needed.into(),
                presented: Vec::new(),
            },
            Refusal::Revoked { revocation } if !is_held(revocation) => CertificateError::Revoked,
            Refusal::CaExpired { .. }
            | Refusal::Revoked { .. }
            | Refusal::NotInStore
            | Refusal::Forged
            | Refusal::NameMismatch { .. }
            | Refusal::NameNotPermitted
            | Refusal::UnsupportedKey
            | Refusal::DeviceDisabled
            | Refusal::UserDisabled => CertificateError::Other(OtherError(Arc::new(refusal))),
        })
    }
}

/// Suspended, which may end: the peer is to come back, and not to give its profile up.
fn is_held(revocation: Option<Revocation>) -> bool {
    revocation.is_some_and(|why| !why.is_for_good())
}

impl From<Purpose> for ExtendedKeyPurpose {
    fn from(purpose: Purpose) -> Self {
        match purpose {
            Purpose::Client => Self::ClientAuth,
            Purpose::Server => Self::ServerAuth,
        }
    }
}

/// The refusal inside what rustls reported, if a certificate was the cause.
///
/// A TLS alert from the peer is not a refusal of ours and gives `None`.
pub fn refusal_of(error: &rustls::Error) -> Option<Refusal> {
    match error {
        rustls::Error::NoCertificatesPresented => Some(Refusal::NoCertificate),
        rustls::Error::InvalidCertificate(error) => Some(refusal_of_certificate(error)),
        _ => None,
    }
}

fn refusal_of_certificate(error: &CertificateError) -> Refusal {
    match error {
        CertificateError::Other(OtherError(inner)) => {
            inner.downcast_ref::<Refusal>().cloned().unwrap_or(Refusal::Malformed)
        }
        CertificateError::UnknownIssuer => Refusal::UnknownCa,
        CertificateError::Revoked => Refusal::Revoked { revocation: None },
        CertificateError::BadSignature => Refusal::BadSignature,
        CertificateError::ExpiredContext { not_after, .. } => {
            Refusal::Expired { at: from_unix_time(*not_after) }
        }
        CertificateError::NotValidYetContext { not_before, .. } => {
            Refusal::NotYetValid { at: from_unix_time(*not_before) }
        }
        CertificateError::ExpiredRevocationListContext { next_update, .. } => {
            Refusal::CrlExpired { at: from_unix_time(*next_update) }
        }
        CertificateError::InvalidPurposeContext { required, .. } => Refusal::WrongUsage {
            needed: match required {
                ExtendedKeyPurpose::ServerAuth => Purpose::Server,
                _ => Purpose::Client,
            },
        },
        CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            Refusal::UnsupportedKey
        }
        _ => Refusal::Malformed,
    }
}

#[cfg(test)]
mod tests {
    use rustls::AlertDescription;

    use super::*;
    use crate::RevocationReason;

    #[test]
    fn every_refusal_survives_its_way_through_rustls() {
        for refusal in one_of_each() {
            let error = rustls::Error::from(refusal.clone());
            assert_eq!(refusal_of(&error), Some(refusal));
        }
        let error = rustls::Error::from(revoked(RevocationReason::KeyCompromise));
        assert_eq!(refusal_of(&error), Some(Refusal::Revoked { revocation: None }));
    }

    #[test]
    fn every_refusal_has_a_code_of_its_own() {
        let codes: Vec<_> = one_of_each().iter().map(Refusal::code).collect();
        assert_eq!(codes, Refusal::CODES);
    }

    #[test]
    fn every_sentence_says_what_to_do() {
        for refusal in one_of_each() {
            let sentence = refusal.to_string();
            assert!(sentence.contains("; "), "{sentence}");
        }
    }

    #[test]
    fn the_person_at_the_peer_is_told_whom_to_ask_and_no_command() {
        for refusal in one_of_each() {
            let text = refusal.for_peer();
            assert!(text.contains("administrator") && text.contains("VPN"), "{text}");
            assert!(!text.contains('`') && text.len() < 150, "{text}");
        }
    }

    #[test]
    fn the_peer_sees_the_alert_that_fits() {
        let alert = |refusal: Refusal| match refusal.into() {
            rustls::Error::InvalidCertificate(error) => AlertDescription::from(error),
            other => panic!("{other:?}"),
        };
        assert_eq!(alert(Refusal::UnknownCa), AlertDescription::UnknownCA);
        let at = Timestamp::default();
        assert_eq!(alert(Refusal::Expired { at }), AlertDescription::CertificateExpired);
        assert_eq!(
            alert(Refusal::WrongUsage { needed: Purpose::Client }),
            AlertDescription::UnsupportedCertificate
        );
        for reason in [RevocationReason::KeyCompromise, RevocationReason::Superseded] {
            assert_eq!(alert(revoked(reason)), AlertDescription::CertificateRevoked);
        }
        // What may be lifted again is no reason for a peer to give its certificate up.
        let held = revoked(RevocationReason::CertificateHold);
        for refusal in [held, Refusal::DeviceDisabled, Refusal::UserDisabled] {
            assert_eq!(alert(refusal), AlertDescription::CertificateUnknown);
        }
    }

    #[test]
    fn an_alert_from_the_peer_is_no_refusal_of_ours() {
        let error = rustls::Error::AlertReceived(AlertDescription::UnknownCA);
        assert_eq!(refusal_of(&error), None);
    }

    fn revoked(reason: RevocationReason) -> Refusal {
        let at = Timestamp::from_unix_secs(1_700_000_000);
        Refusal::Revoked { revocation: Some(Revocation { at, reason }) }
    }

    fn one_of_each() -> Vec<Refusal> {
        let at = Timestamp::from_unix_secs(1_700_000_000);
        vec![
            Refusal::UnknownCa,
            Refusal::BadSignature,
            Refusal::Malformed,
            Refusal::NoCertificate,
            Refusal::Expired { at },
            Refusal::NotYetValid { at },
            Refusal::CaExpired { at },
            revoked(RevocationReason::CertificateHold),
            Refusal::NotInStore,
            Refusal::Forged,
            Refusal::WrongUsage { needed: Purpose::Server },
            Refusal::NameMismatch { expected: "a".into(), found: "b".into() },
            Refusal::NameNotPermitted,
            Refusal::UnsupportedKey,
            Refusal::CrlExpired { at },
            Refusal::DeviceDisabled,
            Refusal::UserDisabled,
        ]
    }
}
