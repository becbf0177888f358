//! Requests in, signed answers out: a responder without its network.
//!
//! It keeps nothing between two calls. Who may cache an answer, and until when, it says with it.

use std::sync::Arc;
use std::time::Duration;

use der::Decode;
use der::asn1::Any;
use rustls_pki_types::CertificateDer;

use super::cert_id::{self, CertId};
use super::nonce::Nonce;
use super::request::OcspRequest;
use super::response::{self, CertAnswer, OcspStatus, Unsigned, Unsuccessful};
use super::rules::{self, Asked};
use crate::lint::Rule;
use crate::verify::leaf::Leaf;
use crate::{CaCertificate, CertificateId, IdentityError, PrivateKey, Timestamp, identity};

/// What the records say of certificates.
pub trait OcspRecords {
    /// Of this one. One that was never issued is [`OcspStatus::Unknown`].
    fn ocsp_status(&self, id: &CertificateId) -> OcspStatus;
}

/// The key that signs a CA's answers, and the certificate in which the CA says that it may.
#[derive(Debug)]
pub struct OcspSigner {
    certificate: CertificateDer<'static>,
    key: PrivateKey,
    key_hash: Vec<u8>,
    not_after: Timestamp,
}

impl OcspSigner {
    /// A signer by this certificate of [`crate::Profile::OcspSigner`].
    ///
    /// # Errors
    /// Where the key is another one's, or the certificate can't be read.
    pub fn new(
        certificate: CertificateDer<'static>,
        key: PrivateKey,
    ) -> Result<Self, IdentityError> {
        identity(vec![certificate.clone()], &key)?;
        // It is sent along as DER, which is stricter than what readers of certificates take.
        Any::from_der(&certificate).map_err(|_| IdentityError::UnreadableCertificate)?;
        let leaf = Leaf::read(&certificate).map_err(|_| IdentityError::UnreadableCertificate)?;
        let key_hash = cert_id::responder_key_hash(key.public_key().spki());
        Ok(Self { certificate, key, key_hash, not_after: leaf.not_after })
    }

    /// Until when its certificate holds.
    pub fn not_after(&self) -> Timestamp {
        self.not_after
    }

    /// What an answer that it signs to this request has to be about.
    pub(super) fn asked<'a>(&'a self, request: &'a OcspRequest) -> Asked<'a> {
        Asked {
            ids: request.ids(),
            nonce: request.nonce(),
            responder_key_hash: &self.key_hash,
            signer: &self.certificate,
        }
    }

    pub(super) fn sign_answers(
        &self,
        answers: &[CertAnswer],
        produced_at: Timestamp,
        nonce: Option<&Nonce>,
    ) -> Result<Vec<u8>, Unsuccessful> {
        let unsigned = Unsigned { responder_key_hash: &self.key_hash, produced_at, answers, nonce };
        let octets = unsigned.to_be_signed();
        let signature = self.key.sign(&octets).map_err(|_| Unsuccessful::InternalError)?;
        let family = self.key.public_key().family();
        response::signed(&octets, family, &signature, &self.certificate)
            .ok_or(Unsuccessful::InternalError)
    }
}

/// A CA that is answered for.
#[derive(Debug)]
pub struct OcspAuthority {
    /// Its certificate.
    pub ca: CaCertificate,
    /// Who signs for it.
    pub signer: Arc<OcspSigner>,
}

/// What is sent back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OcspReply {
    /// The response in DER.
    pub der: Vec<u8>,
    /// Until when others may be given the same octets for the same request; nobody, where it has a
    /// nonce, is no answer, or speaks of a certificate that was never issued: that may be so at any
    /// moment, and there is no end of numbers to ask for.
    pub reusable_until: Option<Timestamp>,
    /// The rule that what was signed breaks, which is not handed out then: an internal error.
    pub fault: Option<Rule>,
}

impl From<Unsuccessful> for OcspReply {
    fn from(why: Unsuccessful) -> Self {
        Self { der: why.to_der(), reusable_until: None, fault: None }
    }
}

/// Answers for these CAs from these records.
///
/// One response has one signer, whom one CA has appointed: a request for certificates of several CAs
/// is `unauthorized`, as is one for those of a CA that is not among them.
pub fn respond(
    authorities: &[OcspAuthority],
    records: &dyn OcspRecords,
    request: &[u8],
    now: Timestamp,
    lifetime: Duration,
) -> OcspReply {
    let answered = OcspRequest::from_der(request)
        .map_err(|_| Unsuccessful::MalformedRequest)
        .and_then(|request| answer(authorities, records, &request, now, lifetime));
    answered.unwrap_or_else(OcspReply::from)
}

fn answer(
    authorities: &[OcspAuthority],
    records: &dyn OcspRecords,
    request: &OcspRequest,
    now: Timestamp,
    lifetime: Duration,
) -> Result<OcspReply, Unsuccessful> {
    let of_all =
        |authority: &&OcspAuthority| request.ids().iter().all(|id| id.is_of(&authority.ca));
    let authority = authorities.iter().find(of_all).ok_or(Unsuccessful::Unauthorized)?;
    let next_update = now.after(lifetime).min(authority.signer.not_after);
    if next_update <= now {
        return Err(Unsuccessful::TryLater);
    }
    let answer = |id: &CertId| CertAnswer {
        id: id.clone(),
        status: status(records, &authority.ca, id),
        this_update: now,
        next_update: Some(next_update),
    };
    let answers: Vec<CertAnswer> = request.ids().iter().map(answer).collect();
    let der = authority.signer.sign_answers(&answers, now, request.nonce())?;
    let asked = authority.signer.asked(request);
    if let Err(rule) = rules::keeps(&der, &asked) {
        return Ok(OcspReply { fault: Some(rule), ..Unsuccessful::InternalError.into() });
    }
    let is_unknown = |answer: &CertAnswer| answer.status == OcspStatus::Unknown;
    let reusable = request.nonce().is_none() && !answers.iter().any(is_unknown);
    let reusable_until = reusable.then_some(next_update);
    Ok(OcspReply { der, reusable_until, fault: None })
}

fn status(records: &dyn OcspRecords, ca: &CaCertificate, id: &CertId) -> OcspStatus {
    let id = id.serial().map(|serial| CertificateId { issuer: ca.issuer_id(), serial });
    id.map_or(OcspStatus::Unknown, |id| records.ocsp_status(&id))
}
