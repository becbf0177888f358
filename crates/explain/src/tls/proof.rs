//! Calculates again what a side claimed: that it holds the private key of the certificate that it showed.
//!
//! It checks a signature and nothing else: whom the certificate names and who trusts it is not looked at.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ECDSA_P521_SHA512_ASN1, ED25519,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
    RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512,
    UnparsedPublicKey, VerificationAlgorithm,
};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

use super::opening::{Hash, Randoms};
use super::reader::Reader;
use crate::place::Side;

/// A signature, and by which scheme.
pub(super) struct Signed<'a> {
    pub(super) scheme: u16,
    signature: &'a [u8],
}

/// The content of a CertificateVerify.
pub(super) fn certificate_verify(body: &[u8]) -> Option<Signed<'_>> {
    let mut reader = Reader::new(body);
    Some(Signed { scheme: reader.u16()?, signature: reader.long()? })
}

/// The server's half of a key exchange in TLS 1.2.
pub(super) struct KeyExchange<'a> {
    pub(super) group: u16,
    parameters: &'a [u8],
    pub(super) signed: Signed<'a>,
}

/// The content of a ServerKeyExchange with an elliptic curve.
pub(super) fn key_exchange(body: &[u8]) -> Option<KeyExchange<'_>> {
    let mut reader = Reader::new(body);
    if reader.u8()? != 3 {
        return None;
    }
    let group = reader.u16()?;
    let point = reader.short()?.len();
    let signed = Signed { scheme: reader.u16()?, signature: reader.long()? };
    Some(KeyExchange { group, parameters: body.get(..4 + point)?, signed })
}

impl Signed<'_> {
    /// Whether the holder of this certificate's key signed a conversation of TLS 1.3. Nothing is said where the
    /// scheme is not known.
    pub(super) fn is_over(
        &self,
        certificate: &[u8],
        by: Side,
        hash: Hash,
        transcript: &[u8],
    ) -> Option<bool> {
        let context: &[u8] = match by {
            Side::Server => b"TLS 1.3, server CertificateVerify",
            Side::Client => b"TLS 1.3, client CertificateVerify",
        };
        let message = [&[0x20; 64][..], context, &[0], &hash.digest(transcript)].concat();
        self.is_by(certificate, &message)
    }

    /// The same for TLS 1.2, whose signature is over the messages themselves.
    pub(super) fn is_by(&self, certificate: &[u8], message: &[u8]) -> Option<bool> {
        let algorithm = algorithm(self.scheme)?;
        let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
        let key = &certificate.public_key().subject_public_key.data;
        Some(
            UnparsedPublicKey::new(algorithm, key.as_ref()).verify(message, self.signature).is_ok(),
        )
    }
}

impl KeyExchange<'_> {
    pub(super) fn is_by(&self, certificate: &[u8], randoms: Randoms<'_>) -> Option<bool> {
        let message = [&randoms.client[..], randoms.server, self.parameters].concat();
        self.signed.is_by(certificate, &message)
    }
}

fn algorithm(scheme: u16) -> Option<&'static dyn VerificationAlgorithm> {
    Some(match scheme {
        0x0401 => &RSA_PKCS1_2048_8192_SHA256,
        0x0501 => &RSA_PKCS1_2048_8192_SHA384,
        0x0601 => &RSA_PKCS1_2048_8192_SHA512,
        0x0403 => &ECDSA_P256_SHA256_ASN1,
        0x0503 => &ECDSA_P384_SHA384_ASN1,
        0x0603 => &ECDSA_P521_SHA512_ASN1,
        0x0804 | 0x0809 => &RSA_PSS_2048_8192_SHA256,
        0x0805 | 0x080a => &RSA_PSS_2048_8192_SHA384,
        0x0806 | 0x080b => &RSA_PSS_2048_8192_SHA512,
        0x0807 => &ED25519,
        _ => return None,
    })
}
