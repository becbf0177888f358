//! Nonces that a CA does not take, though it gave them: the question is asked again with another (RFC 8555 section 6.5).
//!
//! The library asks three times with the nonce that each refusal brings. A CA whose machines don't know each other's
//! nonces refuses more than that, so what was asked is begun again here; an order goes on where it stood.
//! Invariant: a CA that takes none is asked [`ROUNDS`] times so, and no more.

use crate::error::AcmeError;

/// How often it may be begun again still.
pub(crate) struct Rounds(u32);

impl Rounds {
    pub(crate) fn all() -> Self {
        Self(ROUNDS)
    }

    /// What came of a round, unless there is to be another.
    pub(crate) fn over<T>(&mut self, came: Result<T, AcmeError>) -> Option<Result<T, AcmeError>> {
        self.0 -= 1;
        match came {
            Err(AcmeError::NonceRefused { .. }) if self.0 > 0 => None,
            came => Some(came),
        }
    }
}

const ROUNDS: u32 = 10;
