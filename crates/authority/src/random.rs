//! Randomness from the system, for serial numbers and keys that no library makes.

use crate::error::AuthorityError;

/// As many random bytes as the caller wants.
pub fn bytes<const N: usize>() -> Result<[u8; N], AuthorityError> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| AuthorityError::Random)?;
    Ok(bytes)
}
