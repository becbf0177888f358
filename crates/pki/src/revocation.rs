//! When and why a certificate was revoked.

use serde::{Deserialize, Serialize};

use crate::{RevocationReason, Timestamp};

/// That a certificate was revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revocation {
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: RevocationReason,
}

impl Revocation {
    /// Whether it is no hold, which alone a CA lifts again (RFC 5280 section 5.3.1).
    pub fn is_for_good(&self) -> bool {
        self.reason != RevocationReason::CertificateHold
    }
}
