//! Certificates, and names other than devices that have some.
//!
//! Invariant: a serial number is hex as openssl prints it, upper case.

use clock::Timestamp;
use names::{CertificateName, RevocationReason};
use serde::{Deserialize, Serialize};

use crate::request::CertificateUsage;

/// A certificate of the CA.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// Serial number, hex as openssl prints it.
    pub serial: String,
    /// Subject, as text.
    pub subject: String,
    /// What the key is: `rsa2048`, `p256` and so on.
    pub key_type: String,
    /// Valid from.
    pub not_before: Timestamp,
    /// Valid until.
    pub not_after: Timestamp,
    /// Where it stands.
    pub state: CertificateState,
    /// SHA-256 of the DER, lower-case hex.
    pub fingerprint: String,
    /// The certificate.
    pub pem: String,
}

/// Where a certificate stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum CertificateState {
    /// Good.
    Valid,
    /// Replaced by a newer one: revoked when that one connects, or at the latest then.
    Superseding {
        /// When it is revoked at the latest.
        until: Timestamp,
    },
    /// Run out.
    Expired,
    /// Of a CA that is trusted no longer, and so good for nothing.
    FormerCa,
    /// Suspended with its device or user; good again once both are enabled.
    OnHold {
        /// Since when.
        at: Timestamp,
    },
    /// Revoked.
    Revoked {
        /// When.
        at: Timestamp,
        /// Why.
        reason: RevocationReason,
    },
}

/// A server, or whatever else is no device and has certificates, in a listing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// Its name.
    pub name: CertificateName,
    /// What its certificate is good for.
    pub usage: CertificateUsage,
    /// Host names and addresses in it.
    pub hosts: Vec<String>,
    /// Serial of the certificate in use.
    pub serial: String,
    /// Where that one stands.
    pub state: CertificateState,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// The same with all its certificates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedDetail {
    /// What a listing has.
    #[serde(flatten)]
    pub named: Named,
    /// All its certificates, the newest first.
    pub certificates: Vec<Certificate>,
}
