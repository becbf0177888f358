//! When and why a certificate was revoked.

use std::fmt;

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

/// `on 2026-11-22 02:30:00 UTC (keyCompromise)`; a reason that is none is not written.
impl fmt::Display for Revocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "on {}", self.at)?;
        match self.reason {
            RevocationReason::Unspecified => Ok(()),
            reason => write!(f, " ({reason})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_that_is_none_is_not_written() {
        let at = Timestamp::from_unix_secs(0);
        let said = |reason| Revocation { at, reason }.to_string();
        assert_eq!(said(RevocationReason::Unspecified), "on 1970-01-01 00:00:00 UTC");
        let told = "on 1970-01-01 00:00:00 UTC (keyCompromise)";
        assert_eq!(said(RevocationReason::KeyCompromise), told);
    }
}
