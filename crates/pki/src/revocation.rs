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
