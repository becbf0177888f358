//! What identifies a certificate among all CAs: who issued it, and its serial number there.
//!
//! A serial number alone does not: two CAs may both have issued number 01. RFC 5280 section 4.1.2.2
//! makes name of the issuer and serial number unique together, which is why a gateway never trusts
//! two CAs of one name. That a certificate *is* the one of that id is for its hash to say.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use rustls_pki_types::CertificateDer;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::verify::leaf::Leaf;
use crate::{Refusal, Serial, hex};

/// A CA, as the SHA-256 of its name: the octets of the subject in its own certificate, and of the
/// issuer in those that it issued.
///
/// Displays as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IssuerId([u8; 32]);

impl IssuerId {
    /// The CA of this name, in DER.
    pub fn of_name(name: &[u8]) -> Self {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, name).as_ref());
        Self(hash)
    }

    /// The id with these octets, as [`IssuerId::as_bytes`] gave them.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its octets.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for IssuerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex::write(&self.0, f)
    }
}

impl fmt::Debug for IssuerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IssuerId({:.8})", self.to_string())
    }
}

impl Serialize for IssuerId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for IssuerId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        hex::deserialize(deserializer).map(Self)
    }
}

/// A certificate of any CA.
///
/// Displays as its serial number, which is what people compare; two CAs' are told apart by
/// [`CertificateId::issuer`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CertificateId {
    /// Who issued it.
    pub issuer: IssuerId,
    /// Its number among those of that CA.
    pub serial: Serial,
}

impl CertificateId {
    /// The id of a certificate, whoever signed it.
    ///
    /// # Errors
    /// [`Refusal::Malformed`], where it cannot be read.
    pub fn of(certificate: &CertificateDer<'_>) -> Result<Self, Refusal> {
        Ok(Leaf::read(certificate)?.id())
    }
}

impl Leaf {
    pub(crate) fn id(&self) -> CertificateId {
        CertificateId { issuer: IssuerId::of_name(&self.issuer), serial: self.serial }
    }
}

impl fmt::Display for CertificateId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serial.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_cas_may_both_have_issued_number_one() {
        let serial = Serial::from_bytes(&[1]).unwrap();
        let of = |name: &[u8]| CertificateId { issuer: IssuerId::of_name(name), serial };
        assert_eq!(of(b"one"), of(b"one"));
        assert_ne!(of(b"one"), of(b"two"));
        assert_eq!(of(b"one").to_string(), of(b"two").to_string());
    }

    #[test]
    fn an_id_survives_being_written_down() {
        let serial = Serial::from_bytes(&[0xab, 0xcd]).unwrap();
        let id = CertificateId { issuer: IssuerId::of_name(b"a CA"), serial };
        let text = serde_json::to_string(&id).unwrap();
        assert_eq!(serde_json::from_str::<CertificateId>(&text).unwrap(), id);
        assert_eq!(IssuerId::from_bytes(*id.issuer.as_bytes()), id.issuer);
    }

    #[test]
    fn what_has_another_length_is_no_id_of_an_issuer() {
        for text in ["", "ab", &"a".repeat(63), &"a".repeat(65), &"g".repeat(64), &"a".repeat(128)]
        {
            let text = serde_json::to_string(text).unwrap();
            assert!(serde_json::from_str::<IssuerId>(&text).is_err(), "{text}");
        }
    }
}
