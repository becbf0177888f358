//! What a responder says: written, signed and read. Whether to believe it, [`super::check`] tells.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use der::asn1::{Any, BitString, GeneralizedTime, Null, ObjectIdentifier, OctetString};
use der::{Decode, Encode};
use rustls_pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::FromDer as _;
use x509_parser::x509::X509Name;

use super::asn1::{self, AlgorithmIdentifier, CrlReason, ResponderId, ResponseStatus};
use super::cert_id::{CertId, responder_key_hash};
use super::nonce::Nonce;
use crate::{KeyFamily, Revocation, RevocationReason, Timestamp};

/// The longest response that is read, in octets: RSA signatures and a few certificates fit.
pub const LONGEST_RESPONSE: usize = 64 * 1024;

/// What a CA says of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OcspStatus {
    /// It was issued and holds.
    Good,
    /// It was revoked, or is held for the time being.
    Revoked(Revocation),
    /// It was never issued.
    Unknown,
}

/// The answer for one certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertAnswer {
    /// Which.
    pub id: CertId,
    /// What is said of it.
    pub status: OcspStatus,
    /// The moment this speaks of.
    pub this_update: Timestamp,
    /// When more will be known.
    pub next_update: Option<Timestamp>,
}

/// An answer that is not signed yet.
#[derive(Clone, Debug)]
pub(super) struct Unsigned<'a> {
    /// SHA-1 of the key that will sign.
    pub(super) responder_key_hash: &'a [u8],
    pub(super) produced_at: Timestamp,
    pub(super) answers: &'a [CertAnswer],
    pub(super) nonce: Option<&'a Nonce>,
}

impl Unsigned<'_> {
    /// The octets that are signed.
    pub(super) fn to_be_signed(&self) -> Vec<u8> {
        let data = asn1::ResponseData {
            version: asn1::V1,
            responder_id: ResponderId::ByKey(octet_string(self.responder_key_hash)),
            produced_at: general_time(self.produced_at),
            responses: self.answers.iter().map(single).collect(),
            extensions: self.nonce.map(|nonce| vec![nonce.to_extension()]),
        };
        data.to_der().expect("an answer of bounded parts can be written")
    }
}

fn single(answer: &CertAnswer) -> asn1::SingleResponse {
    asn1::SingleResponse {
        cert_id: answer.id.to_asn1(),
        status: match answer.status {
            OcspStatus::Good => asn1::CertStatus::Good(Null),
            OcspStatus::Revoked(revocation) => asn1::CertStatus::Revoked(asn1::RevokedInfo {
                revocation_time: general_time(revocation.at),
                reason: written_reason(revocation.reason),
            }),
            OcspStatus::Unknown => asn1::CertStatus::Unknown(Null),
        },
        this_update: general_time(answer.this_update),
        next_update: answer.next_update.map(general_time),
        extensions: None,
    }
}

/// Puts signature and signer's certificate to what was signed; nothing, where our keys don't sign so.
pub(super) fn signed(
    to_be_signed: &[u8],
    family: KeyFamily,
    signature: &[u8],
    certificate: &CertificateDer<'_>,
) -> Option<Vec<u8>> {
    let basic = asn1::BasicOcspResponse {
        tbs_response_data: Any::from_der(to_be_signed).expect("it was written here"),
        signature_algorithm: signature_algorithm(family)?,
        signature: BitString::from_bytes(signature).expect("a signature is short"),
        certs: Some(vec![Any::from_der(certificate).expect("an `OcspSigner` has DER")]),
    };
    let response = asn1::OcspResponse {
        status: ResponseStatus::Successful,
        bytes: Some(asn1::ResponseBytes {
            response_type: asn1::BASIC_RESPONSE,
            response: octet_string(&basic.to_der().expect("bounded parts can be written")),
        }),
    };
    Some(response.to_der().expect("bounded parts can be written"))
}

/// With SHA-256, as our keys sign.
fn signature_algorithm(family: KeyFamily) -> Option<AlgorithmIdentifier> {
    let (oid, parameters) = match family {
        KeyFamily::Rsa(_) => ("1.2.840.113549.1.1.11", Some(Any::from(Null))),
        KeyFamily::P256 => ("1.2.840.10045.4.3.2", None),
        KeyFamily::P384 | KeyFamily::Ed25519 => return None,
    };
    Some(AlgorithmIdentifier { algorithm: ObjectIdentifier::new_unwrap(oid), parameters })
}

/// Why a responder does not answer. It is not signed, so nothing follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsuccessful {
    /// It does not understand the request.
    MalformedRequest,
    /// It has a fault of its own.
    InternalError,
    /// It can't answer now.
    TryLater,
    /// It wants a signed request.
    SigRequired,
    /// It does not know the CA, or may not speak for it.
    Unauthorized,
}

impl Unsuccessful {
    /// The response in DER.
    pub fn to_der(self) -> Vec<u8> {
        let status = match self {
            Self::MalformedRequest => ResponseStatus::MalformedRequest,
            Self::InternalError => ResponseStatus::InternalError,
            Self::TryLater => ResponseStatus::TryLater,
            Self::SigRequired => ResponseStatus::SigRequired,
            Self::Unauthorized => ResponseStatus::Unauthorized,
        };
        let response = asn1::OcspResponse { status, bytes: None };
        response.to_der().expect("five octets can be written")
    }
}

impl fmt::Display for Unsuccessful {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MalformedRequest => "it did not understand the request",
            Self::InternalError => "it has an internal error",
            Self::TryLater => "it asks to be asked later",
            Self::SigRequired => "it answers signed requests only",
            Self::Unauthorized => "it does not speak for the CA of this certificate",
        })
    }
}

/// A response, read.
#[derive(Clone, Debug)]
pub struct OcspResponse {
    pub(super) to_be_signed: Vec<u8>,
    pub(super) responder: ResponderId,
    pub(super) signature_algorithm: ObjectIdentifier,
    pub(super) signature: Vec<u8>,
    pub(super) certificates: Vec<CertificateDer<'static>>,
    pub(super) nonce: Option<Nonce>,
    produced_at: Timestamp,
    answers: Vec<CertAnswer>,
}

impl OcspResponse {
    /// Reads a response in DER.
    pub fn from_der(der: &[u8]) -> Result<Self, ResponseError> {
        if der.len() > LONGEST_RESPONSE {
            return Err(ResponseError::TooLong);
        }
        let response = asn1::OcspResponse::from_der(der).map_err(|_| ResponseError::Malformed)?;
        if let Some(why) = unsuccessful(response.status) {
            return Err(ResponseError::Unsuccessful(why));
        }
        let bytes = response.bytes.ok_or(ResponseError::Malformed)?;
        if bytes.response_type != asn1::BASIC_RESPONSE {
            return Err(ResponseError::UnsupportedType);
        }
        Self::from_basic(bytes.response.as_bytes())
    }

    fn from_basic(der: &[u8]) -> Result<Self, ResponseError> {
        let malformed = |_| ResponseError::Malformed;
        let basic = asn1::BasicOcspResponse::from_der(der).map_err(malformed)?;
        let to_be_signed = basic.tbs_response_data.to_der().map_err(malformed)?;
        let data = asn1::ResponseData::from_der(&to_be_signed).map_err(malformed)?;
        if data.version != asn1::V1 {
            return Err(ResponseError::UnsupportedVersion);
        }
        let extensions = data.extensions.unwrap_or_default();
        let of_one = data.responses.iter().flat_map(|one| one.extensions.iter().flatten());
        refuse_critical(of_one.chain(&extensions))?;
        let certificates = basic.certs.unwrap_or_default();
        Ok(Self {
            nonce: read_nonce(&extensions)?,
            to_be_signed,
            responder: data.responder_id,
            signature_algorithm: basic.signature_algorithm.algorithm,
            signature: basic.signature.as_bytes().ok_or(ResponseError::Malformed)?.to_vec(),
            certificates: certificates.iter().map(read_certificate).collect::<Result<_, _>>()?,
            produced_at: timestamp(data.produced_at),
            answers: data.responses.into_iter().map(read_single).collect::<Result<_, _>>()?,
        })
    }

    /// When it was signed.
    pub fn produced_at(&self) -> Timestamp {
        self.produced_at
    }

    /// What is said of each certificate, by whoever signed.
    pub fn answers(&self) -> &[CertAnswer] {
        &self.answers
    }

    /// Who signed it, as he says himself: a name; or the one that a certificate in it or among the `known` ones gives the
    /// key that he names, and else that key's hash.
    pub fn signer(&self, known: &[&[u8]]) -> String {
        let hash = match &self.responder {
            ResponderId::ByName(name) => {
                let der = name.to_der().unwrap_or_default();
                let name = X509Name::from_der(&der).map(|(_, name)| name.to_string());
                return name.unwrap_or_else(|_| "a name that can't be read".to_owned());
            }
            ResponderId::ByKey(hash) => hash.as_bytes(),
        };
        let own = self.certificates.iter().map(AsRef::as_ref);
        let mut all = own.chain(known.iter().copied());
        all.find_map(|certificate| name_of_key(certificate, hash)).unwrap_or_else(|| {
            let digits: String = hash.iter().map(|octet| format!("{octet:02x}")).collect();
            format!("whoever has the key {digits}")
        })
    }
}

/// Whose key that is, by a certificate for it or by one that it signed.
fn name_of_key(certificate: &[u8], hash: &[u8]) -> Option<String> {
    let (_, read) = X509Certificate::from_der(certificate).ok()?;
    if responder_key_hash(read.public_key().raw) == hash {
        return Some(read.subject().to_string());
    }
    let names_issuer = |extension: &ParsedExtension<'_>| match extension {
        ParsedExtension::AuthorityKeyIdentifier(id) => {
            id.key_identifier.as_ref().is_some_and(|id| id.0 == hash)
        }
        _ => false,
    };
    let mut extensions = read.extensions().iter();
    extensions
        .any(|extension| names_issuer(extension.parsed_extension()))
        .then(|| read.issuer().to_string())
}

fn unsuccessful(status: ResponseStatus) -> Option<Unsuccessful> {
    match status {
        ResponseStatus::Successful => None,
        ResponseStatus::MalformedRequest => Some(Unsuccessful::MalformedRequest),
        ResponseStatus::InternalError => Some(Unsuccessful::InternalError),
        ResponseStatus::TryLater => Some(Unsuccessful::TryLater),
        ResponseStatus::SigRequired => Some(Unsuccessful::SigRequired),
        ResponseStatus::Unauthorized => Some(Unsuccessful::Unauthorized),
    }
}

fn refuse_critical<'a>(
    mut extensions: impl Iterator<Item = &'a asn1::Extension>,
) -> Result<(), ResponseError> {
    if extensions.any(|extension| extension.critical && extension.id != asn1::NONCE) {
        return Err(ResponseError::UnsupportedExtension);
    }
    Ok(())
}

fn read_nonce(extensions: &[asn1::Extension]) -> Result<Option<Nonce>, ResponseError> {
    let nonce = extensions.iter().find(|extension| extension.id == asn1::NONCE);
    let read = |one: &asn1::Extension| Nonce::read(one.value.as_bytes());
    nonce.map(|one| read(one).ok_or(ResponseError::Malformed)).transpose()
}

fn read_certificate(certificate: &Any) -> Result<CertificateDer<'static>, ResponseError> {
    certificate.to_der().map(CertificateDer::from).map_err(|_| ResponseError::Malformed)
}

fn read_single(single: asn1::SingleResponse) -> Result<CertAnswer, ResponseError> {
    let status = match single.status {
        asn1::CertStatus::Good(Null) => OcspStatus::Good,
        asn1::CertStatus::Unknown(Null) => OcspStatus::Unknown,
        asn1::CertStatus::Revoked(info) => OcspStatus::Revoked(Revocation {
            at: timestamp(info.revocation_time),
            reason: read_reason(info.reason)?,
        }),
    };
    Ok(CertAnswer {
        id: CertId::from_asn1(single.cert_id),
        status,
        this_update: timestamp(single.this_update),
        next_update: single.next_update.map(timestamp),
    })
}

/// `unspecified` is said by saying nothing; RFC 5280 section 5.3.1.
fn written_reason(reason: RevocationReason) -> Option<CrlReason> {
    Some(match reason {
        RevocationReason::Unspecified => return None,
        RevocationReason::KeyCompromise => CrlReason::KeyCompromise,
        RevocationReason::CaCompromise => CrlReason::CaCompromise,
        RevocationReason::AffiliationChanged => CrlReason::AffiliationChanged,
        RevocationReason::Superseded => CrlReason::Superseded,
        RevocationReason::CessationOfOperation => CrlReason::CessationOfOperation,
        RevocationReason::CertificateHold => CrlReason::CertificateHold,
        RevocationReason::PrivilegeWithdrawn => CrlReason::PrivilegeWithdrawn,
        RevocationReason::AaCompromise => CrlReason::AaCompromise,
    })
}

fn read_reason(reason: Option<CrlReason>) -> Result<RevocationReason, ResponseError> {
    Ok(match reason {
        None | Some(CrlReason::Unspecified) => RevocationReason::Unspecified,
        Some(CrlReason::KeyCompromise) => RevocationReason::KeyCompromise,
        Some(CrlReason::CaCompromise) => RevocationReason::CaCompromise,
        Some(CrlReason::AffiliationChanged) => RevocationReason::AffiliationChanged,
        Some(CrlReason::Superseded) => RevocationReason::Superseded,
        Some(CrlReason::CessationOfOperation) => RevocationReason::CessationOfOperation,
        Some(CrlReason::CertificateHold) => RevocationReason::CertificateHold,
        Some(CrlReason::PrivilegeWithdrawn) => RevocationReason::PrivilegeWithdrawn,
        Some(CrlReason::AaCompromise) => RevocationReason::AaCompromise,
        // It belongs to delta CRLs alone.
        Some(CrlReason::RemoveFromCrl) => return Err(ResponseError::Malformed),
    })
}

fn octet_string(octets: &[u8]) -> OctetString {
    OctetString::new(octets).expect("far below 256 MiB")
}

fn general_time(at: Timestamp) -> GeneralizedTime {
    let since = Duration::from_secs(at.unix_secs());
    GeneralizedTime::from_unix_duration(since).expect("a moment ends with the year 9999")
}

fn timestamp(time: GeneralizedTime) -> Timestamp {
    Timestamp::from_unix_secs(time.to_unix_duration().as_secs())
}

/// Why there is nothing to believe or not to believe. All but [`Self::Unsuccessful`] are the responder's
/// fault, or that of whoever stands between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseError {
    /// It is longer than [`LONGEST_RESPONSE`].
    TooLong,
    /// It is no OCSP response in DER.
    Malformed,
    /// It is of a later version.
    UnsupportedVersion,
    /// It is of another type than `basic`.
    UnsupportedType,
    /// It has an extension that is critical and not known.
    UnsupportedExtension,
    /// It says that there is no answer.
    Unsuccessful(Unsuccessful),
}

impl fmt::Display for ResponseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => {
                write!(f, "the OCSP response is longer than {LONGEST_RESPONSE} octets")
            }
            Self::Malformed => f.write_str("what the responder sent is no OCSP response"),
            Self::UnsupportedVersion => f.write_str("the OCSP response is of a version after 1"),
            Self::UnsupportedType => f.write_str("the OCSP response is of an unknown type"),
            Self::UnsupportedExtension => {
                f.write_str("the OCSP response has a critical extension that is not known")
            }
            Self::Unsuccessful(why) => write!(f, "the responder did not answer: {why}"),
        }
    }
}

impl Error for ResponseError {}
