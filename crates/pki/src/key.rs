//! Keys: generating them, keeping the private half out of sight, judging the public half.
//!
//! Generating a key and signing draw on the randomness inside aws-lc-rs; nothing else here does.

use std::error::Error;
use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use rcgen::PublicKeyData;
use serde::{Deserialize, Deserializer, Serialize};
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey as ParsedKey;
use x509_parser::x509::SubjectPublicKeyInfo;
use zeroize::Zeroizing;

use crate::pem::{self, PemError};

/// The kinds of key that are generated here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyType {
    /// RSA of 2048 bits.
    Rsa2048,
    /// RSA of 3072 bits.
    Rsa3072,
    /// RSA of 4096 bits.
    Rsa4096,
    /// ECDSA on NIST P-256.
    P256,
}

impl KeyType {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Rsa2048, Self::Rsa3072, Self::Rsa4096, Self::P256];

    /// The name that a configuration gives it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rsa2048 => "rsa2048",
            Self::Rsa3072 => "rsa3072",
            Self::Rsa4096 => "rsa4096",
            Self::P256 => "p256",
        }
    }
}

impl fmt::Display for KeyType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for KeyType {
    type Err = UnknownKeyType;

    fn from_str(name: &str) -> Result<Self, UnknownKeyType> {
        Self::ALL.into_iter().find(|kind| kind.name() == name).ok_or(UnknownKeyType)
    }
}

/// A name that is no [`KeyType`]'s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownKeyType;

impl fmt::Display for UnknownKeyType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key type is rsa2048, rsa3072, rsa4096 or p256")
    }
}

impl Error for UnknownKeyType {}

/// A private key. The octets are wiped when it is dropped and never shown by `Debug`.
pub struct PrivateKey {
    pair: Pair,
    pkcs8: Zeroizing<Vec<u8>>,
    public: PublicKey,
}

enum Pair {
    Rsa(RsaKeyPair),
    P256(EcdsaKeyPair),
}

impl PrivateKey {
    /// A new key, from the randomness of aws-lc-rs.
    pub fn generate(kind: KeyType) -> Result<Self, KeyError> {
        let size = match kind {
            KeyType::Rsa2048 => KeySize::Rsa2048,
            KeyType::Rsa3072 => KeySize::Rsa3072,
            KeyType::Rsa4096 => KeySize::Rsa4096,
            KeyType::P256 => return Self::generate_p256(),
        };
        let pair = RsaKeyPair::generate(size).map_err(|_| KeyError::GenerationFailed)?;
        let der = pair.as_der().map_err(|_| KeyError::GenerationFailed)?;
        Self::assemble(Pair::Rsa(pair), der.as_ref())
    }

    fn generate_p256() -> Result<Self, KeyError> {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING)
            .map_err(|_| KeyError::GenerationFailed)?;
        let der = pair.to_pkcs8v1().map_err(|_| KeyError::GenerationFailed)?;
        Self::assemble(Pair::P256(pair), der.as_ref())
    }

    /// The key in this PKCS#8 structure.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, KeyError> {
        if let Ok(pair) = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, der) {
            return Self::assemble(Pair::P256(pair), der);
        }
        let pair = RsaKeyPair::from_pkcs8(der).map_err(|_| KeyError::Unreadable)?;
        Self::assemble(Pair::Rsa(pair), der)
    }

    /// The key in this PEM text, `BEGIN PRIVATE KEY`.
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        let der = pem::pkcs8_from_pem(text).map_err(KeyError::Pem)?;
        Self::from_pkcs8(&der)
    }

    fn assemble(pair: Pair, pkcs8: &[u8]) -> Result<Self, KeyError> {
        let spki = spki_of(&pair).map_err(|_| KeyError::Unreadable)?;
        let public = PublicKey::from_spki(&spki).map_err(KeyError::Refused)?;
        Ok(Self { pair, pkcs8: Zeroizing::new(pkcs8.to_vec()), public })
    }

    /// PEM text, `BEGIN PRIVATE KEY`.
    pub fn to_pem(&self) -> Zeroizing<String> {
        pem::encode("PRIVATE KEY", &self.pkcs8)
    }

    /// The PKCS#8 structure.
    pub fn pkcs8(&self) -> &[u8] {
        &self.pkcs8
    }

    /// The half that everyone may see.
    pub fn public_key(&self) -> &PublicKey {
        &self.public
    }

    /// SHA-256 with PKCS#1 1.5 or ECDSA, as certificates and CRLs are signed.
    #[expect(clippy::disallowed_methods, reason = "signing draws on aws-lc-rs' own randomness")]
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, aws_lc_rs::error::Unspecified> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)?;
                Ok(signature)
            }
            Pair::P256(pair) => Ok(pair.sign(&random, message)?.as_ref().to_vec()),
        }
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateKey").field("public", &self.public).finish_non_exhaustive()
    }
}

/// For the encoders of rcgen.
impl PublicKeyData for PrivateKey {
    fn der_bytes(&self) -> &[u8] {
        match &self.pair {
            Pair::Rsa(pair) => pair.public_key().as_ref(),
            Pair::P256(pair) => pair.public_key().as_ref(),
        }
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        match &self.pair {
            Pair::Rsa(_) => &rcgen::PKCS_RSA_SHA256,
            Pair::P256(_) => &rcgen::PKCS_ECDSA_P256_SHA256,
        }
    }
}

impl rcgen::SigningKey for PrivateKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        Self::sign(self, message).map_err(|_| rcgen::Error::RemoteKeyError)
    }
}

/// A public key that is good enough to be certified: RSA from 2048 to 8192 bits, P-256, P-384 or
/// Ed25519.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    spki: Vec<u8>,
    key_id: [u8; KEY_ID_OCTETS],
    family: KeyFamily,
}

/// What kind of key a [`PublicKey`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyFamily {
    /// RSA, with the length of its modulus in bits.
    Rsa(usize),
    /// ECDSA on NIST P-256.
    P256,
    /// ECDSA on NIST P-384.
    P384,
    /// Ed25519.
    Ed25519,
}

impl PublicKey {
    /// The key in this SubjectPublicKeyInfo.
    pub fn from_spki(der: &[u8]) -> Result<Self, KeyRefused> {
        let (rest, spki) =
            SubjectPublicKeyInfo::from_der(der).map_err(|_| KeyRefused::Malformed)?;
        if !rest.is_empty() {
            return Err(KeyRefused::Malformed);
        }
        let family = family_of(&spki)?;
        // What is certified is re-encoded from the parsed key, and has to come out the same.
        let encoded =
            rcgen::SubjectPublicKeyInfo::from_der(der).map_err(|_| KeyRefused::Unsupported)?;
        if encoded.subject_public_key_info() != der {
            return Err(KeyRefused::Malformed);
        }
        let hash = digest(&SHA256, &spki.subject_public_key.data);
        let mut key_id = [0; KEY_ID_OCTETS];
        key_id.copy_from_slice(&hash.as_ref()[..KEY_ID_OCTETS]);
        Ok(Self { spki: der.to_vec(), key_id, family })
    }

    /// The SubjectPublicKeyInfo, in DER.
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// The key identifier: the first 160 bits of the SHA-256 of the key's bits (RFC 7093 method 1).
    pub fn key_id(&self) -> &[u8] {
        &self.key_id
    }

    /// What kind of key it is.
    pub fn family(&self) -> KeyFamily {
        self.family
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PublicKey").field(&self.family).finish()
    }
}

impl Serialize for PublicKey {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.spki.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spki = Vec::<u8>::deserialize(deserializer)?;
        Self::from_spki(&spki).map_err(serde::de::Error::custom)
    }
}

/// Why a public key is not certified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyRefused {
    /// It cannot be read.
    Malformed,
    /// It is RSA with a modulus of this many bits.
    Weak(usize),
    /// It is RSA with more bits than peers can check.
    TooLong(usize),
    /// It is a point written in its short form: the same key would have two hashes.
    Compressed,
    /// It is of another kind.
    Unsupported,
}

impl fmt::Display for KeyRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => f.write_str("the public key cannot be read; make the key anew"),
            Self::Weak(bits) => write!(
                f,
                "the key is RSA of {bits} bits, which is too weak; use {MIN_RSA_BITS} or more"
            ),
            Self::TooLong(bits) => write!(
                f,
                "the key is RSA of {bits} bits, which peers do not check; \
                 use {MAX_RSA_BITS} or fewer"
            ),
            Self::Compressed => f.write_str(
                "the key is a compressed point, which few peers read; write it uncompressed: \
                 `openssl ec -conv_form uncompressed`",
            ),
            Self::Unsupported => f.write_str(
                "the key is of a kind that is not certified; use RSA, P-256, P-384 or Ed25519",
            ),
        }
    }
}

impl Error for KeyRefused {}

/// Why there is no private key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyError {
    /// aws-lc-rs did not make one.
    GenerationFailed,
    /// It is not PKCS#8 with an RSA or P-256 key.
    Unreadable,
    /// The text around it cannot be read.
    Pem(PemError),
    /// Its public half is not good enough.
    Refused(KeyRefused),
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::GenerationFailed => f.write_str("the machine did not generate a key"),
            Self::Unreadable => f.write_str("the private key is not PKCS#8 with RSA or P-256"),
            Self::Pem(error) => write!(f, "the private key: {error}"),
            Self::Refused(error) => error.fmt(f),
        }
    }
}

impl Error for KeyError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Pem(error) => Some(error),
            Self::Refused(error) => Some(error),
            Self::GenerationFailed | Self::Unreadable => None,
        }
    }
}

fn spki_of(pair: &Pair) -> Result<Vec<u8>, aws_lc_rs::error::Unspecified> {
    Ok(match pair {
        Pair::Rsa(pair) => pair.public_key().as_der()?.as_ref().to_vec(),
        Pair::P256(pair) => pair.public_key().as_der()?.as_ref().to_vec(),
    })
}

fn family_of(spki: &SubjectPublicKeyInfo<'_>) -> Result<KeyFamily, KeyRefused> {
    if spki.algorithm.algorithm.to_id_string() == ED25519 {
        return Ok(KeyFamily::Ed25519);
    }
    match spki.parsed().map_err(|_| KeyRefused::Malformed)? {
        ParsedKey::RSA(key) => match significant_bits(key.modulus) {
            bits if bits < MIN_RSA_BITS => Err(KeyRefused::Weak(bits)),
            bits if bits > MAX_RSA_BITS => Err(KeyRefused::TooLong(bits)),
            bits => Ok(KeyFamily::Rsa(bits)),
        },
        ParsedKey::EC(_) => curve_of(spki),
        _ => Err(KeyRefused::Unsupported),
    }
}

fn curve_of(spki: &SubjectPublicKeyInfo<'_>) -> Result<KeyFamily, KeyRefused> {
    if spki.subject_public_key.data.first() != Some(&UNCOMPRESSED) {
        return Err(KeyRefused::Compressed);
    }
    let parameters = spki.algorithm.parameters.as_ref().ok_or(KeyRefused::Malformed)?;
    let curve = parameters.as_oid().map_err(|_| KeyRefused::Unsupported)?;
    match curve.to_id_string().as_str() {
        P256 => Ok(KeyFamily::P256),
        P384 => Ok(KeyFamily::P384),
        _ => Err(KeyRefused::Unsupported),
    }
}

fn significant_bits(modulus: &[u8]) -> usize {
    let zeros = modulus.iter().take_while(|octet| **octet == 0).count();
    let Some(first) = modulus.get(zeros) else { return 0 };
    (modulus.len() - zeros) * 8 - first.leading_zeros() as usize
}

/// The first octet of a point with both coordinates (SEC 1, section 2.3.3).
const UNCOMPRESSED: u8 = 4;
const KEY_ID_OCTETS: usize = 20;
const MIN_RSA_BITS: usize = 2048;
const MAX_RSA_BITS: usize = 8192;
const ED25519: &str = "1.3.101.112";
const P256: &str = "1.2.840.10045.3.1.7";
const P384: &str = "1.3.132.0.34";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_survives_its_pem_text() {
        for kind in [KeyType::P256, KeyType::Rsa2048] {
            let key = PrivateKey::generate(kind).unwrap();
            let text = key.to_pem();
            assert!(text.starts_with("-----BEGIN PRIVATE KEY-----\n"));
            let again = PrivateKey::from_pem(&text).unwrap();
            assert_eq!(again.public_key(), key.public_key());
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let key = PrivateKey::generate(KeyType::P256).unwrap();
        assert_eq!(format!("{key:?}"), "PrivateKey { public: PublicKey(P256), .. }");
    }

    #[test]
    fn what_is_no_key_is_refused() {
        assert!(matches!(PrivateKey::from_pkcs8(b"no"), Err(KeyError::Unreadable)));
        assert_eq!(PublicKey::from_spki(b"no"), Err(KeyRefused::Malformed));
    }

    #[test]
    fn a_key_in_another_spelling_is_refused() {
        let key = PrivateKey::generate(KeyType::P256).unwrap();
        let spki = key.public_key().spki();
        let (algorithm, point) = (&spki[2..23], &spki[26..]);
        let sign = 2 | (point[64] & 1);
        let short = [&[0x30, 0x39], algorithm, &[0x03, 0x22, 0x00, sign], &point[1..33]].concat();
        assert_eq!(PublicKey::from_spki(&short), Err(KeyRefused::Compressed));
    }

    #[test]
    fn bits_are_counted_from_the_first_one() {
        assert_eq!(significant_bits(&[]), 0);
        assert_eq!(significant_bits(&[0, 0x80, 0]), 16);
        assert_eq!(significant_bits(&[0x7f, 0xff]), 15);
    }
}
