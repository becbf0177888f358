//! Which key it is: the hash of a public key.
//!
//! Not the key identifier of certificates, which is shorter and of the key's bits alone.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use rustls_pki_types::CertificateDer;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::{PublicKey, Refusal, hex};

/// SHA-256 of a SubjectPublicKeyInfo in DER. Displays as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId([u8; 32]);

impl KeyId {
    /// The id of the key in this SubjectPublicKeyInfo.
    pub fn of_spki(spki: &[u8]) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, spki).as_ref());
        Self(bytes)
    }

    /// The id of the key that a certificate is for.
    ///
    /// # Errors
    /// [`Refusal::Malformed`], where it cannot be read.
    pub fn of_certificate(certificate: &CertificateDer<'_>) -> Result<Self, Refusal> {
        match X509Certificate::from_der(certificate) {
            Ok(([], read)) => Ok(Self::of_spki(read.public_key().raw)),
            _ => Err(Refusal::Malformed),
        }
    }

    /// The id with these octets, as [`KeyId::as_bytes`] gave them.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its octets.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl PublicKey {
    /// Which key it is.
    pub fn id(&self) -> KeyId {
        KeyId::of_spki(self.spki())
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex::write(&self.0, f)
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({:.8})", self.to_string())
    }
}

impl Serialize for KeyId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for KeyId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        hex::deserialize(deserializer).map(Self)
    }
}
