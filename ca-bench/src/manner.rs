//! In which manners servers are asked.

use serde::Serialize;

/// How it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum Manner {
    /// Without a nonce, so that an answer may be one that was signed ahead; a connection each.
    Ahead,
    /// The same over connections that stay.
    AheadKept,
    /// With a nonce, so that each answer is signed for its question; a connection each.
    Nonce,
    /// The same over connections that stay.
    NonceKept,
}

impl Manner {
    pub(crate) const ALL: [Self; 4] = [Self::Ahead, Self::AheadKept, Self::Nonce, Self::NonceKept];

    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Ahead => "no nonce",
            Self::AheadKept => "no nonce, connections stay",
            Self::Nonce => "nonce",
            Self::NonceKept => "nonce, connections stay",
        }
    }

    pub(crate) fn stays(self) -> bool {
        matches!(self, Self::AheadKept | Self::NonceKept)
    }

    pub(crate) fn has_nonce(self) -> bool {
        matches!(self, Self::Nonce | Self::NonceKept)
    }
}
