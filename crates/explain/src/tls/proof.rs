//! Calculates again what a side claimed: that it holds the private key of the certificate that it showed.
//!
//! It checks a signature and nothing else: whom the certificate names and who trusts it is not looked at.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA384_ASN1, ECDSA_P256_SHA512_ASN1, ECDSA_P384_SHA256_ASN1,
    ECDSA_P384_SHA384_ASN1, ECDSA_P384_SHA512_ASN1, ECDSA_P521_SHA256_ASN1, ECDSA_P521_SHA384_ASN1,
    ECDSA_P521_SHA512_ASN1, ED25519, RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
    RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, UnparsedPublicKey, VerificationAlgorithm,
};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

use super::opening::{Hash, Randoms};
use super::reader::Reader;
use crate::place::Side;

/// A signature, and by which scheme; before TLS 1.2 none is named.
pub(super) struct Signed<'a> {
    pub(super) scheme: Option<u16>,
    signature: &'a [u8],
}

impl<'a> Signed<'a> {
    fn read(reader: &mut Reader<'a>, names_scheme: bool) -> Option<Self> {
        let scheme = if names_scheme { Some(reader.u16()?) } else { None };
        Some(Signed { scheme, signature: reader.long()? })
    }
}

/// The content of a CertificateVerify.
pub(super) fn certificate_verify(body: &[u8], names_scheme: bool) -> Option<Signed<'_>> {
    Signed::read(&mut Reader::new(body), names_scheme)
}

/// How a secret is agreed on before TLS 1.3, where the server signs its half.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Agreed {
    Curve,
    Numbers,
}

impl Agreed {
    /// As a cipher suite's name says.
    pub(super) fn of(suite: &str) -> Option<Agreed> {
        let begins = |all: &[&str]| all.iter().any(|one| suite.starts_with(one));
        match () {
            () if begins(&["TLS_ECDHE_RSA_", "TLS_ECDHE_ECDSA_"]) => Some(Agreed::Curve),
            () if begins(&["TLS_DHE_RSA_", "TLS_DHE_DSS_"]) => Some(Agreed::Numbers),
            () => None,
        }
    }
}

/// On what the server's half stands.
pub(super) enum Half {
    /// A named group.
    Group(u16),
    /// A prime number of the server's own choice, of so many bytes.
    Prime(usize),
}

/// The server's half of a key exchange in TLS 1.2.
pub(super) struct KeyExchange<'a> {
    pub(super) half: Half,
    parameters: &'a [u8],
    pub(super) signed: Signed<'a>,
}

const NAMED_CURVE: u8 = 3;

/// The content of a ServerKeyExchange (RFC 8422, 5.4; RFC 5246, 7.4.3).
pub(super) fn key_exchange(
    body: &[u8],
    agreed: Agreed,
    names_scheme: bool,
) -> Option<KeyExchange<'_>> {
    let mut reader = Reader::new(body);
    let half = match agreed {
        Agreed::Curve => {
            let group = (reader.u8()? == NAMED_CURVE).then(|| reader.u16()).flatten()?;
            reader.short()?;
            Half::Group(group)
        }
        Agreed::Numbers => {
            let prime = reader.long()?.len();
            reader.long()?;
            reader.long()?;
            Half::Prime(prime)
        }
    };
    let parameters = body.get(..body.len().checked_sub(reader.left())?)?;
    Some(KeyExchange { half, parameters, signed: Signed::read(&mut reader, names_scheme)? })
}

impl Signed<'_> {
    /// Whether the holder of this certificate's key signed a conversation of TLS 1.3.
    pub(super) fn is_over(
        &self,
        certificate: &[u8],
        by: Side,
        hash: Hash,
        transcript: &[u8],
    ) -> Judged {
        let context: &[u8] = match by {
            Side::Server => b"TLS 1.3, server CertificateVerify",
            Side::Client => b"TLS 1.3, client CertificateVerify",
        };
        let message = [&[0x20; 64][..], context, &[0], &hash.digest(transcript)].concat();
        self.is_made(certificate, &message, true)
    }

    /// The same for TLS 1.2, whose signature is over the messages themselves.
    pub(super) fn is_by(&self, certificate: &[u8], message: &[u8]) -> Judged {
        self.is_made(certificate, message, false)
    }

    fn is_made(&self, certificate: &[u8], message: &[u8], new: bool) -> Judged {
        let scheme = self.scheme.ok_or(NO_SCHEME)?;
        let (_, certificate) = X509Certificate::from_der(certificate).map_err(|_| UNREADABLE)?;
        let info = certificate.public_key();
        let algorithm = algorithm(scheme, Key::of(info), new)?;
        let key = UnparsedPublicKey::new(algorithm, info.subject_public_key.data.as_ref());
        Ok(key.verify(message, self.signature).is_ok())
    }
}

impl KeyExchange<'_> {
    pub(super) fn is_by(&self, certificate: &[u8], randoms: Randoms<'_>) -> Judged {
        let message = [&randoms.client[..], randoms.server, self.parameters].concat();
        self.signed.is_by(certificate, &message)
    }
}

/// What the certificate's key is, so far as schemes differ by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    /// Of so many bits.
    Rsa(usize),
    P256,
    P384,
    P521,
    Other,
}

impl Key {
    fn of(info: &SubjectPublicKeyInfo<'_>) -> Key {
        if let Ok(PublicKey::RSA(key)) = info.parsed() {
            return Key::Rsa(key.key_size());
        }
        let named = info.algorithm.parameters.as_ref();
        let curve = named.and_then(|name| name.as_oid().ok()).map(|name| name.to_id_string());
        match curve.as_deref() {
            Some("1.2.840.10045.3.1.7") => Key::P256,
            Some("1.3.132.0.34") => Key::P384,
            Some("1.3.132.0.35") => Key::P521,
            _ => Key::Other,
        }
    }

    fn is_short(self) -> bool {
        matches!(self, Key::Rsa(bits) if bits < 2_048)
    }

    fn is_long(self) -> bool {
        matches!(self, Key::Rsa(bits) if bits > 8_192)
    }
}

/// The calculation for a scheme and a key. Up to TLS 1.2 the schemes of ECDSA name a hash, and any curve goes with it
/// (RFC 5246, 7.4.1.4.1); TLS 1.3 ties each to one (RFC 8446, 4.2.3).
fn algorithm(
    scheme: u16,
    key: Key,
    new: bool,
) -> Result<&'static dyn VerificationAlgorithm, &'static str> {
    Ok(match (scheme, key) {
        (0x0403, Key::P256) => &ECDSA_P256_SHA256_ASN1,
        (0x0503, Key::P384) => &ECDSA_P384_SHA384_ASN1,
        (0x0603, Key::P521) => &ECDSA_P521_SHA512_ASN1,
        (0x0403 | 0x0503 | 0x0603, Key::P256 | Key::P384 | Key::P521) if new => {
            return Err(OTHER_CURVE);
        }
        (0x0503, Key::P256) => &ECDSA_P256_SHA384_ASN1,
        (0x0603, Key::P256) => &ECDSA_P256_SHA512_ASN1,
        (0x0403, Key::P384) => &ECDSA_P384_SHA256_ASN1,
        (0x0603, Key::P384) => &ECDSA_P384_SHA512_ASN1,
        (0x0403, Key::P521) => &ECDSA_P521_SHA256_ASN1,
        (0x0503, Key::P521) => &ECDSA_P521_SHA384_ASN1,
        (0x0401, Key::Rsa(1_024..2_048)) => &RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
        (0x0601, Key::Rsa(1_024..2_048)) => &RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY,
        (_, key) if key.is_short() => return Err(SHORT_KEY),
        (_, key) if key.is_long() => return Err(LONG_KEY),
        (0x0401, Key::Rsa(_)) => &RSA_PKCS1_2048_8192_SHA256,
        (0x0501, Key::Rsa(_)) => &RSA_PKCS1_2048_8192_SHA384,
        (0x0601, Key::Rsa(_)) => &RSA_PKCS1_2048_8192_SHA512,
        (0x0804, Key::Rsa(_)) => &RSA_PSS_2048_8192_SHA256,
        (0x0805, Key::Rsa(_)) => &RSA_PSS_2048_8192_SHA384,
        (0x0806, Key::Rsa(_)) => &RSA_PSS_2048_8192_SHA512,
        (0x0807, Key::Other) => &ED25519,
        _ => return Err(NOT_CALCULATED),
    })
}

/// Whether a signature is right, or why that can't be said here.
pub(super) type Judged = Result<bool, &'static str>;

const NO_SCHEME: &str = "before TLS 1.2 a signature does not name its scheme";
const UNREADABLE: &str = "the certificate with its key can't be read";
const OTHER_CURVE: &str = "the key is on another curve than its scheme has in TLS 1.3";
const SHORT_KEY: &str =
    "an RSA key of less than 2048 bits, with which this scheme is not calculated here";
const LONG_KEY: &str = "an RSA key of more than 8192 bits";
const NOT_CALCULATED: &str = "this scheme is not calculated here with a key of this kind";
pub(super) const NOT_SHOWN: &str = "the certificate with its key was not seen";
pub(super) const TOO_LONG: &str = "what it is over is too long, or not known";
pub(super) const TORN: &str = "a part of what it is over is not in this capture";
pub(super) const TOO_MANY: &str = "more signatures than an honest handshake has";
