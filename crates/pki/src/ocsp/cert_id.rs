//! How OCSP names a certificate: hashes of its issuer's name and key, and the serial number.

use aws_lc_rs::digest;
use der::asn1::{Any, Int, Null, ObjectIdentifier, OctetString};
use x509_parser::prelude::FromDer;
use x509_parser::x509::SubjectPublicKeyInfo;

use super::asn1::{self, AlgorithmIdentifier};
use crate::{CaCertificate, Serial};

/// The hashes in use. Neither name nor key are secrets, and nobody gains by two CAs whose hashes are
/// alike: SHA-1 is what most clients ask by (RFC 5019), SHA-256 what the others do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CertIdHash {
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
}

impl CertIdHash {
    fn oid(self) -> ObjectIdentifier {
        match self {
            Self::Sha1 => ObjectIdentifier::new_unwrap("1.3.14.3.2.26"),
            Self::Sha256 => ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1"),
        }
    }

    fn of_oid(oid: ObjectIdentifier) -> Option<Self> {
        [Self::Sha1, Self::Sha256].into_iter().find(|hash| hash.oid() == oid)
    }

    fn digest(self, octets: &[u8]) -> Vec<u8> {
        let algorithm = match self {
            Self::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => &digest::SHA256,
        };
        digest::digest(algorithm, octets).as_ref().to_vec()
    }
}

/// A certificate, as a request names it and its answer repeats it.
///
/// The octets of the request are kept, since a client compares the answer's with its own: the hash's
/// parameters may be NULL or absent, and the serial number may be one that no CA may give.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertId(asn1::CertId);

impl CertId {
    /// The certificate of this number of this CA.
    pub fn new(hash: CertIdHash, issuer: &CaCertificate, serial: Serial) -> Self {
        let serial = Int::new(&serial_octets(serial)).expect("an INTEGER of at most 21 octets");
        let octets = |octets| OctetString::new(octets).expect("at most 32 octets");
        Self(asn1::CertId {
            hash_algorithm: AlgorithmIdentifier {
                algorithm: hash.oid(),
                parameters: Some(Any::from(Null)),
            },
            issuer_name_hash: octets(hash.digest(issuer.subject())),
            issuer_key_hash: octets(hash.digest(&key_bits(issuer.spki()))),
            serial_number: serial,
        })
    }

    /// Whether this CA is meant. A hash that is not known means none.
    pub fn is_of(&self, issuer: &CaCertificate) -> bool {
        CertIdHash::of_oid(self.0.hash_algorithm.algorithm).is_some_and(|hash| {
            self.0.issuer_name_hash.as_bytes() == hash.digest(issuer.subject())
                && self.0.issuer_key_hash.as_bytes() == hash.digest(&key_bits(issuer.spki()))
        })
    }

    /// The serial number, if it is one that a CA may give.
    pub fn serial(&self) -> Option<Serial> {
        let octets = self.0.serial_number.as_bytes();
        let negative = octets.first().is_some_and(|first| first & 0x80 != 0);
        if negative { None } else { Serial::from_bytes(octets).ok() }
    }

    /// The hashes of the issuer's name and key.
    pub(crate) fn issuer_hashes(&self) -> (&[u8], &[u8]) {
        (self.0.issuer_name_hash.as_bytes(), self.0.issuer_key_hash.as_bytes())
    }

    /// The serial number as it is written, whatever it is.
    pub(super) fn serial_octets(&self) -> &[u8] {
        self.0.serial_number.as_bytes()
    }

    pub(super) fn from_asn1(id: asn1::CertId) -> Self {
        Self(id)
    }

    pub(super) fn to_asn1(&self) -> asn1::CertId {
        self.0.clone()
    }
}

/// SHA-1 of a key: what a responder that is named by its key is named by.
pub(super) fn responder_key_hash(spki: &[u8]) -> Vec<u8> {
    CertIdHash::Sha1.digest(&key_bits(spki))
}

/// The bits of a key, without what says of which kind it is.
fn key_bits(spki: &[u8]) -> Vec<u8> {
    SubjectPublicKeyInfo::from_der(spki)
        .map(|(_, spki)| spki.subject_public_key.data.to_vec())
        .unwrap_or_default()
}

/// As an INTEGER's contents: a first bit that is set would be a sign.
fn serial_octets(serial: Serial) -> Vec<u8> {
    let octets = serial.as_bytes();
    let sign = octets.first().is_some_and(|first| first & 0x80 != 0);
    sign.then_some(0).into_iter().chain(octets.iter().copied()).collect()
}
