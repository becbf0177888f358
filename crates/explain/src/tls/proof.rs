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
        let algorithm = algorithm(self.scheme?)?;
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
