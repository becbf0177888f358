//! The nonce of a request, which a fresh answer repeats (RFC 9654).

use der::asn1::{OctetString, OctetStringRef};
use der::{Decode, Encode};

use super::asn1::{self, Extension};

/// Between one and 128 octets; RFC 9654 section 2.1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nonce(Vec<u8>);

/// The longest nonce that is taken.
const LONGEST: usize = 128;

impl Nonce {
    /// Of 32 random octets, as RFC 9654 advises.
    pub fn from_random(octets: [u8; 32]) -> Self {
        Self(octets.to_vec())
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The nonce in an extension's value. The shortest and longest are the server's to refuse.
    pub(super) fn read(value: &[u8]) -> Option<Self> {
        let octets = <&OctetStringRef>::from_der(value).ok()?.as_bytes();
        (1..=LONGEST).contains(&octets.len()).then(|| Self(octets.to_vec()))
    }

    pub(super) fn to_extension(&self) -> Extension {
        let octets = |octets| OctetString::new(octets).expect("at most 131 octets");
        let inner = octets(self.0.clone()).to_der().expect("an OCTET STRING can be written");
        Extension { id: asn1::NONCE, critical: false, value: octets(inner) }
    }
}
