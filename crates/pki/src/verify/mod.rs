//! Does this certificate open this door? Path, purpose, time and status, each with its reason.
//!
//! Not a revocation store: who is known and who is revoked is asked of a [`StatusSource`].

mod gateway;
pub(crate) mod leaf;
mod passed;
mod path;
mod refused;
mod server;

use std::fmt::Debug;

pub use gateway::GatewayVerifier;
pub use leaf::{leaf_not_after, leaf_not_before, names_itself_as_issuer};
pub use path::AnchorError;
pub use refused::{RefusedCertificate, refused_within};
pub use server::{NameRule, ServerNameVerifier};

use crate::{CertificateId, Fingerprint, Refusal, Revocation, RevocationReason, Timestamp};

/// What is known of issued certificates at this moment.
///
/// Called on the path of every handshake, so it answers from memory.
pub trait StatusSource: Send + Sync + Debug {
    /// The status of the certificate of this id, which has this fingerprint.
    fn certificate_status(
        &self,
        id: &CertificateId,
        fingerprint: &Fingerprint,
    ) -> CertificateStatus;
}

/// What a certificate is worth to whoever issued it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateStatus {
    /// It was issued and holds.
    Good,
    /// It was revoked.
    Revoked {
        /// When.
        at: Timestamp,
        /// Why.
        reason: RevocationReason,
    },
    /// It holds, but its device is disabled.
    DeviceDisabled,
    /// It holds, but its user is disabled.
    UserDisabled,
    /// Nothing is known of it.
    Unknown,
    /// Another certificate is known by its id.
    Forged,
}

impl CertificateStatus {
    /// Whether it may be used.
    ///
    /// # Errors
    /// Why not.
    pub fn allowed(self) -> Result<(), Refusal> {
        match self {
            Self::Good => Ok(()),
            Self::Revoked { at, reason } => {
                Err(Refusal::Revoked { revocation: Some(Revocation { at, reason }) })
            }
            Self::DeviceDisabled => Err(Refusal::DeviceDisabled),
            Self::UserDisabled => Err(Refusal::UserDisabled),
            Self::Unknown => Err(Refusal::NotInStore),
            Self::Forged => Err(Refusal::Forged),
        }
    }
}
