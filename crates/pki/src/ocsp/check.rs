//! Whether to believe an answer: who signed, by what right, of which certificate it speaks, and when.
//!
//! Nothing of a response is used before its signature was checked against the CA itself or against a
//! certificate in which that CA appoints the signer (RFC 6960 sections 3.2 and 4.2.2.2).

use std::error::Error;
use std::fmt;
use std::time::Duration;

use rustls::crypto::aws_lc_rs;
use rustls_pki_types::CertificateDer;
use webpki::{EndEntityCert, KeyUsage};
use x509_parser::certificate::X509Certificate;
use x509_parser::der_parser::{Oid, oid};
use x509_parser::prelude::FromDer;

use super::asn1::ResponderId;
use super::cert_id;
use super::nonce::Nonce;
use super::response::{CertAnswer, OcspResponse, OcspStatus, ResponseError};
use crate::signature::{self, SignatureFault};
use crate::{CaCertificate, Serial, Timestamp, moment};

/// How far another machine's clock may be off.
pub const CLOCK_TOLERANCE: Duration = Duration::from_secs(300);

/// What an answer has to be about.
#[derive(Clone, Copy, Debug)]
pub struct OcspExpected<'a> {
    /// Who issued the certificate.
    pub issuer: &'a CaCertificate,
    /// Its number.
    pub serial: Serial,
    /// The nonce of the request, if it had one. A response that was made ahead has none.
    pub nonce: Option<&'a Nonce>,
    /// The present moment.
    pub now: Timestamp,
}

/// An answer that holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OcspVerdict {
    /// What the CA says.
    pub status: OcspStatus,
    /// The moment this speaks of.
    pub this_update: Timestamp,
    /// Until when it may be kept.
    pub next_update: Timestamp,
}

/// Judges a response, stapled or fetched.
///
/// # Errors
/// An [`OcspError`]: then the response says nothing about the certificate, good or bad.
pub fn check(der: &[u8], expected: &OcspExpected<'_>) -> Result<OcspVerdict, OcspError> {
    let response = OcspResponse::from_der(der).map_err(OcspError::Response)?;
    check_signature(&response, expected)?;
    check_nonce(response.nonce.as_ref(), expected.nonce)?;
    if response.produced_at() > expected.now.after(CLOCK_TOLERANCE) {
        return Err(OcspError::FromTheFuture { at: response.produced_at() });
    }
    let answer = the_answer(&response, expected)?;
    let next_update = check_times(answer, expected.now)?;
    Ok(OcspVerdict { status: answer.status, this_update: answer.this_update, next_update })
}

/// By the CA itself, or by one of the certificates that came with it.
fn check_signature(response: &OcspResponse, expected: &OcspExpected<'_>) -> Result<(), OcspError> {
    let issuer = expected.issuer;
    if names(&response.responder, issuer.subject(), issuer.spki()) {
        return check_signed_by(response, issuer.spki());
    }
    for certificate in &response.certificates {
        let (_, parsed) =
            X509Certificate::from_der(certificate).map_err(|_| OcspError::BadDelegate)?;
        let spki = parsed.public_key().raw;
        if names(&response.responder, parsed.subject().as_raw(), spki) {
            check_delegate(certificate, &parsed, issuer, expected.now)?;
            return check_signed_by(response, spki);
        }
    }
    Err(OcspError::UnknownResponder)
}

fn names(responder: &ResponderId, subject: &[u8], spki: &[u8]) -> bool {
    use der::Encode;
    match responder {
        ResponderId::ByName(name) => name.to_der().is_ok_and(|name| name == subject),
        ResponderId::ByKey(hash) => hash.as_bytes() == cert_id::responder_key_hash(spki),
    }
}

/// The CA itself has to have issued it, for this purpose, and it has to say that nobody needs to ask
/// whether it still holds: its short life answers that.
fn check_delegate(
    certificate: &CertificateDer<'_>,
    parsed: &X509Certificate<'_>,
    issuer: &CaCertificate,
    now: Timestamp,
) -> Result<(), OcspError> {
    let anchor =
        webpki::anchor_from_trusted_cert(issuer.der()).map_err(|_| OcspError::BadIssuer)?;
    let leaf = EndEntityCert::try_from(certificate).map_err(|_| OcspError::BadDelegate)?;
    let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms;
    let usage = KeyUsage::required(OCSP_SIGNING);
    let at = moment::to_unix_time(now);
    leaf.verify_for_usage(algorithms.all, &[anchor], &[], at, usage, None, None)
        .map_err(delegate_error)?;
    let usage = parsed.key_usage().map_err(|_| OcspError::BadDelegate)?;
    if usage.is_some_and(|usage| !usage.value.digital_signature()) {
        return Err(OcspError::NotAppointed);
    }
    let no_check = parsed.get_extension_unique(&NO_CHECK).map_err(|_| OcspError::BadDelegate)?;
    no_check.map(drop).ok_or(OcspError::DelegateMayBeRevoked)
}

fn delegate_error(error: webpki::Error) -> OcspError {
    use webpki::Error as E;
    match error {
        E::CertExpired { not_after, .. } => {
            OcspError::DelegateExpired { at: moment::from_unix_time(not_after) }
        }
        E::CertNotValidYet { not_before, .. } => {
            OcspError::DelegateNotYetValid { at: moment::from_unix_time(not_before) }
        }
        E::UnknownIssuer | E::InvalidSignatureForPublicKey | E::CaUsedAsEndEntity => {
            OcspError::NotAppointed
        }
        E::RequiredEkuNotFoundContext(_) => OcspError::NotAppointed,
        _ => OcspError::BadDelegate,
    }
}

fn check_signed_by(response: &OcspResponse, spki: &[u8]) -> Result<(), OcspError> {
    let oid = response.signature_algorithm.to_string();
    signature::verify_octets(&oid, spki, &response.to_be_signed, &response.signature).map_err(
        |fault| match fault {
            SignatureFault::Unsupported => OcspError::UnsupportedSignature,
            SignatureFault::Wrong => OcspError::BadSignature,
        },
    )
}

fn check_nonce(found: Option<&Nonce>, sent: Option<&Nonce>) -> Result<(), OcspError> {
    match (sent, found) {
        (None, _) => Ok(()),
        (Some(_), None) => Err(OcspError::NonceMissing),
        (Some(sent), Some(found)) if sent == found => Ok(()),
        (Some(_), Some(_)) => Err(OcspError::OtherNonce),
    }
}

/// The one that speaks of the certificate. Two that do would leave the choice to whoever reads.
fn the_answer<'a>(
    response: &'a OcspResponse,
    expected: &OcspExpected<'_>,
) -> Result<&'a CertAnswer, OcspError> {
    let about = |answer: &&CertAnswer| {
        answer.id.serial() == Some(expected.serial) && answer.id.is_of(expected.issuer)
    };
    let mut answers = response.answers().iter().filter(about);
    let answer = answers.next().ok_or(OcspError::OtherCertificate)?;
    if answers.next().is_some() {
        return Err(OcspError::TwoAnswers);
    }
    Ok(answer)
}

fn check_times(answer: &CertAnswer, now: Timestamp) -> Result<Timestamp, OcspError> {
    if answer.this_update > now.after(CLOCK_TOLERANCE) {
        return Err(OcspError::FromTheFuture { at: answer.this_update });
    }
    let next_update = answer.next_update.ok_or(OcspError::NoNextUpdate)?;
    if next_update < answer.this_update {
        return Err(OcspError::NoNextUpdate);
    }
    if now > next_update.after(CLOCK_TOLERANCE) {
        return Err(OcspError::Stale { of: answer.this_update, at: next_update });
    }
    Ok(next_update)
}

/// Why a response is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OcspError {
    /// There is no answer in it.
    Response(ResponseError),
    /// The CA's certificate can't be used; the fault is our own configuration's.
    BadIssuer,
    /// Whoever signed sent no certificate that says who that is, and is not the CA.
    UnknownResponder,
    /// The signer's certificate can't be read.
    BadDelegate,
    /// The CA did not appoint the signer for this.
    NotAppointed,
    /// The signer's certificate has ended.
    DelegateExpired {
        /// When.
        at: Timestamp,
    },
    /// The signer's certificate does not hold yet.
    DelegateNotYetValid {
        /// From when on it will.
        at: Timestamp,
    },
    /// The signer's certificate could be revoked itself, and nothing says that it isn't.
    DelegateMayBeRevoked,
    /// The signature is of a kind that is not supported.
    UnsupportedSignature,
    /// The signature is wrong: the answer was made up or damaged.
    BadSignature,
    /// A fresh answer was asked for, and this one was made ahead.
    NonceMissing,
    /// It answers another request.
    OtherNonce,
    /// It is about other certificates.
    OtherCertificate,
    /// It says two things of one certificate.
    TwoAnswers,
    /// It is from a moment that has not come.
    FromTheFuture {
        /// Which.
        at: Timestamp,
    },
    /// It does not say until when it holds.
    NoNextUpdate,
    /// It held until then. All else about it is right.
    Stale {
        /// The moment that it speaks of.
        of: Timestamp,
        /// When it ended.
        at: Timestamp,
    },
}

impl fmt::Display for OcspError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Response(error) => return error.fmt(f),
            Self::BadIssuer => "the CA's certificate cannot be used to check OCSP responses",
            Self::UnknownResponder => {
                "the OCSP response is signed by somebody who neither is the CA nor says who it is"
            }
            Self::BadDelegate => "the certificate of the OCSP response's signer cannot be read",
            Self::NotAppointed => {
                "the OCSP response is signed by somebody whom the CA did not appoint for that"
            }
            Self::DelegateExpired { at } => {
                return write!(f, "the certificate of the OCSP response's signer ended at {at}");
            }
            Self::DelegateNotYetValid { at } => {
                return write!(
                    f,
                    "the certificate of the OCSP response's signer holds from {at} on; \
                     check this machine's clock"
                );
            }
            Self::DelegateMayBeRevoked => {
                "the OCSP response's signer may have been revoked, and its certificate does not \
                 say that this need not be asked"
            }
            Self::UnsupportedSignature => {
                "the OCSP response is signed in a way that is not supported"
            }
            Self::BadSignature => "the OCSP response's signature is wrong",
            Self::NonceMissing => {
                "the OCSP response was made ahead, though a fresh one was asked for"
            }
            Self::OtherNonce => "the OCSP response answers another request",
            Self::OtherCertificate => "the OCSP response is about another certificate",
            Self::TwoAnswers => "the OCSP response says two things of one certificate",
            Self::FromTheFuture { at } => {
                return write!(f, "the OCSP response is of {at}; check this machine's clock");
            }
            Self::NoNextUpdate => "the OCSP response does not say until when it holds",
            Self::Stale { at, .. } => return write!(f, "the OCSP response held until {at}"),
        })
    }
}

impl Error for OcspError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Response(error) => Some(error),
            _ => None,
        }
    }
}

/// id-kp-OCSPSigning, 1.3.6.1.5.5.7.3.9, as the contents of an OBJECT IDENTIFIER.
const OCSP_SIGNING: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 9];
/// id-pkix-ocsp-nocheck.
const NO_CHECK: Oid<'static> = oid!(1.3.6.1.5.5.7.48.1.5);
