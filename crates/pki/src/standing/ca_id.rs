//! Which CA said something, where anybody's CAs may be trusted.
//!
//! Their names do not tell: a CA that got another key may have kept its name, and strangers may have chosen the same
//! one. Name and key together do, whichever of the certificates for them is at hand.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{CaCertificate, IssuerId, KeyId, hex};

/// A CA, as the SHA-256 of the hashes of its name and of its key. Displays as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CaId([u8; 32]);

impl CaId {
    /// The CA of this certificate.
    pub fn of(ca: &CaCertificate) -> Self {
        Self::hashed(&[ca.issuer_id().as_bytes(), KeyId::of_spki(ca.spki()).as_bytes()])
    }

    /// One whose key is not known, which is none of those whose key is.
    pub(super) fn unknown(name: IssuerId) -> Self {
        Self::hashed(&[name.as_bytes()])
    }

    fn hashed(parts: &[&[u8; 32]]) -> Self {
        let mut hash = [0; 32];
        let octets: Vec<u8> = parts.iter().flat_map(|part| part.iter().copied()).collect();
        hash.copy_from_slice(digest(&SHA256, &octets).as_ref());
        Self(hash)
    }
}

impl fmt::Display for CaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex::write(&self.0, f)
    }
}

impl fmt::Debug for CaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CaId({:.8})", self.to_string())
    }
}

impl Serialize for CaId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for CaId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        hex::deserialize(deserializer).map(Self)
    }
}
