//! The CA, its CRL, and how far it has been replaced.
//!
//! Not here: what a rollover does (`gateway`).

use clock::Timestamp;
use names::RevocationReason;
use serde::{Deserialize, Serialize};

use super::certificate::Certificate;
use crate::names::DeviceName;

/// The CRL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CrlDetail {
    /// CRLNumber.
    pub number: u64,
    /// Issuer, as text.
    pub issuer: String,
    /// When it was signed.
    pub this_update: Timestamp,
    /// When it must be replaced.
    pub next_update: Timestamp,
    /// What it lists, and behind that what the other CAs' lists do.
    pub entries: Vec<CrlEntry>,
    /// The CRL itself, and behind it those of the other CAs.
    pub pem: String,
    /// Those of the other CAs.
    #[serde(default)]
    pub others: Vec<CrlSummary>,
}

/// The CRL of another CA than the one that signs devices' certificates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CrlSummary {
    /// CRLNumber.
    pub number: u64,
    /// Issuer, as text.
    pub issuer: String,
    /// When it was signed.
    pub this_update: Timestamp,
    /// When it must be replaced.
    pub next_update: Timestamp,
}

/// A line of the CRL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CrlEntry {
    /// Serial number, hex as openssl prints it.
    pub serial: String,
    /// Whose list it is on.
    #[serde(default)]
    pub issuer: String,
    /// Whose it was, where the store knows.
    pub device: Option<DeviceName>,
    /// The name that it was issued under, where it is no device's.
    #[serde(default)]
    pub name: Option<String>,
    /// When it was revoked.
    pub revoked_at: Timestamp,
    /// Why.
    pub reason: RevocationReason,
}

/// The CA.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaDetail {
    /// Its own certificate.
    pub certificate: Certificate,
    /// How many certificates it has issued.
    pub issued: u64,
    /// How many of them are revoked.
    pub revoked: u64,
    /// The URL its certificates point to, where one is set.
    pub public_url: Option<String>,
    /// The other CAs that are known here, the newest first.
    #[serde(default)]
    pub others: Vec<OtherCa>,
}

/// A CA beside the one that signs devices' certificates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OtherCa {
    /// Its own certificate.
    pub certificate: Certificate,
    /// Whether who shows a certificate of it is let in.
    pub trusted: bool,
    /// How many certificates it has issued.
    pub issued: u64,
    /// How many of them are revoked.
    pub revoked: u64,
}

impl Rollover {
    /// Everybody who has something to do.
    pub fn rows(&self) -> Vec<&Behind> {
        self.behind.iter().chain(&self.kept_out).collect()
    }
}

impl CaDetail {
    /// The certificates of all CAs that are trusted, PEM, the one that signs first.
    pub fn trusted_pem(&self) -> String {
        let others = self.others.iter().filter(|other| other.trusted);
        let certificates = others.map(|other| &other.certificate);
        std::iter::once(&self.certificate).chain(certificates).map(|one| one.pem.as_str()).collect()
    }

    /// The certificates of all CAs, PEM, the one that signs first.
    pub fn all_pem(&self) -> String {
        let others = self.others.iter().map(|other| &other.certificate);
        std::iter::once(&self.certificate).chain(others).map(|one| one.pem.as_str()).collect()
    }
}

/// How far a rollover of the CA has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rollover {
    /// The CA that signs.
    pub present: CaSummary,
    /// The one whose place it has taken, while that is trusted still; nothing where none is.
    pub former: Option<CaSummary>,
    /// Those that are trusted no longer, and go on telling of what they issued.
    pub retired: Vec<CaSummary>,
    /// Who has certificates of the present CA alone.
    pub moved: u32,
    /// Who has one of the former that holds still.
    pub behind: Vec<Behind>,
    /// Who has nothing but a certificate of a CA that is trusted no longer.
    #[serde(default)]
    pub kept_out: Vec<Behind>,
}

/// A CA, in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaSummary {
    /// Its subject, as text.
    pub subject: String,
    /// What its addresses have in their path.
    pub tag: String,
    /// When its certificate ends.
    pub expires_at: Timestamp,
}

/// Who has not moved to the present CA yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Behind {
    /// A device, or a name that has certificates.
    pub name: String,
    /// The certificate of the former CA.
    pub serial: String,
    /// When that ends.
    pub expires_at: Timestamp,
}
