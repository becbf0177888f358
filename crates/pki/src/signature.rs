//! Checks of signatures on what is not a certificate: requests, revocation lists, OCSP responses.

use rustls_pki_types::{SignatureVerificationAlgorithm, SubjectPublicKeyInfoDer};
use webpki::{RawPublicKeyEntity, aws_lc_rs as alg};
use x509_parser::asn1_rs::BitString;
use x509_parser::x509::AlgorithmIdentifier;

/// What is wrong with a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SignatureFault {
    /// The algorithm is unknown, too weak, or not the key's.
    Unsupported,
    /// The key did not make it.
    Wrong,
}

pub(crate) fn verify(
    algorithm: &AlgorithmIdentifier<'_>,
    spki: &[u8],
    message: &[u8],
    signature: &BitString<'_>,
) -> Result<(), SignatureFault> {
    if signature.unused_bits != 0 {
        return Err(SignatureFault::Wrong);
    }
    verify_octets(&algorithm.algorithm.to_id_string(), spki, message, &signature.data)
}

/// The same for an algorithm by its object identifier, in figures and dots.
pub(crate) fn verify_octets(
    algorithm: &str,
    spki: &[u8],
    message: &[u8],
    signature: &[u8],
) -> Result<(), SignatureFault> {
    let spki = SubjectPublicKeyInfoDer::from(spki);
    let key = RawPublicKeyEntity::try_from(&spki).map_err(|_| SignatureFault::Unsupported)?;
    for candidate in candidates(algorithm) {
        match key.verify_signature(candidate, message, signature) {
            Ok(()) => return Ok(()),
            Err(webpki::Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_)) => {}
            Err(_) => return Err(SignatureFault::Wrong),
        }
    }
    Err(SignatureFault::Unsupported)
}

/// One per kind of key that the algorithm goes with.
fn candidates(oid: &str) -> Vec<&'static dyn SignatureVerificationAlgorithm> {
    match oid {
        "1.2.840.113549.1.1.11" => vec![alg::RSA_PKCS1_2048_8192_SHA256],
        "1.2.840.113549.1.1.12" => vec![alg::RSA_PKCS1_2048_8192_SHA384],
        "1.2.840.113549.1.1.13" => vec![alg::RSA_PKCS1_2048_8192_SHA512],
        "1.2.840.10045.4.3.2" => vec![alg::ECDSA_P256_SHA256, alg::ECDSA_P384_SHA256],
        "1.2.840.10045.4.3.3" => vec![alg::ECDSA_P256_SHA384, alg::ECDSA_P384_SHA384],
        "1.2.840.10045.4.3.4" => vec![alg::ECDSA_P256_SHA512, alg::ECDSA_P384_SHA512],
        "1.3.101.112" => vec![alg::ED25519],
        _ => vec![],
    }
}
