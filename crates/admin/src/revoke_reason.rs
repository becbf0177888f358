//! Why a certificate is revoked, in the words of the command line and the numbers of RFC 5280.

use serde::{Deserialize, Serialize};

/// Why a certificate is revoked: the reasons of RFC 5280 that an operator can give.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RevokeReason {
    /// No reason is given.
    #[default]
    Unspecified,
    /// The key is in other hands: lost, stolen, copied.
    KeyCompromise,
    /// The person or machine belongs elsewhere.
    AffiliationChanged,
    /// Another certificate took its place.
    Superseded,
    /// The device is retired.
    CessationOfOperation,
    /// The right to it was taken away.
    PrivilegeWithdrawn,
}

impl RevokeReason {
    /// All of them, for help texts.
    pub const ALL: [Self; 6] = [
        Self::Unspecified,
        Self::KeyCompromise,
        Self::AffiliationChanged,
        Self::Superseded,
        Self::CessationOfOperation,
        Self::PrivilegeWithdrawn,
    ];

    /// The word on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::KeyCompromise => "key-compromise",
            Self::AffiliationChanged => "affiliation-changed",
            Self::Superseded => "superseded",
            Self::CessationOfOperation => "cessation-of-operation",
            Self::PrivilegeWithdrawn => "privilege-withdrawn",
        }
    }

    /// CRLReason of RFC 5280 section 5.3.1.
    pub fn code(self) -> u8 {
        match self {
            Self::Unspecified => 0,
            Self::KeyCompromise => 1,
            Self::AffiliationChanged => 3,
            Self::Superseded => 4,
            Self::CessationOfOperation => 5,
            Self::PrivilegeWithdrawn => 9,
        }
    }
}
