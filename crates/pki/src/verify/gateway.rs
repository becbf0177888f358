//! The gateway's look at a device's certificate.
//!
//! The order of reasons, where several apply: a stranger's certificate, then one for another
//! purpose, then revoked, then its time, then not in the store or disabled. A certificate that is
//! both revoked and expired is reported as revoked, because that is what its owner has to hear.

use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{
    WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls12_signature, verify_tls13_signature,
};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, SignatureScheme};
use rustls_pki_types::{CertificateDer, UnixTime};

use super::leaf::Leaf;
use super::passed::{Facts, Passed};
use super::path::{AnchorError, Anchors, Presented};
use super::refused::{self, RefusedCertificate};
use super::{CertificateStatus, StatusSource};
use crate::{CertificateId, Fingerprint, Purpose, Refusal};

/// Demands a client certificate of our CA, for clients, in its time, and good by the records.
#[derive(Debug)]
pub struct GatewayVerifier {
    cas: Vec<CertificateDer<'static>>,
    anchors: Anchors,
    passed: Passed,
    hints: Vec<DistinguishedName>,
    source: Arc<dyn StatusSource>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl GatewayVerifier {
    /// A verifier that trusts these CAs and asks this source.
    pub fn new(
        cas: &[CertificateDer<'_>],
        source: Arc<dyn StatusSource>,
    ) -> Result<Arc<Self>, AnchorError> {
        let anchors = Anchors::new(cas)?;
        let hints = anchors.subjects().map(|der| der.to_vec().into()).collect();
        let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms;
        let cas = cas.iter().map(|ca| ca.clone().into_owned()).collect();
        Ok(Arc::new(Self { cas, anchors, passed: Passed::default(), hints, source, algorithms }))
    }

    /// The CAs that it trusts.
    pub fn cas(&self) -> &[CertificateDer<'static>] {
        &self.cas
    }

    /// What the handshake checks, to be asked once more at any later moment.
    pub fn check(&self, end_entity: &CertificateDer<'_>, now: UnixTime) -> Result<(), Refusal> {
        let fingerprint = Fingerprint::of(end_entity);
        let passed = self.path(end_entity, &fingerprint, now);
        let (id, in_time) = passed.inspect_err(|refusal| {
            self.note_on_record(end_entity, fingerprint, refusal);
        })?;
        let judged = match (self.source.certificate_status(&id, &fingerprint), in_time) {
            // A copied key of the CA and a revocation outweigh that it is expired as well.
            (status @ (CertificateStatus::Forged | CertificateStatus::Revoked { .. }), _) => {
                status.allowed()
            }
            (_, Err(time)) => Err(time),
            (status, Ok(())) => status.allowed(),
        };
        judged.inspect_err(|refusal| {
            refused::note(|| RefusedCertificate::new(id, fingerprint, end_entity, refusal.clone()));
        })
    }

    /// A certificate that is on record all the same, as one of a CA that is trusted no longer. What a stranger's says
    /// of itself is not passed on.
    fn note_on_record(
        &self,
        end_entity: &CertificateDer<'_>,
        fingerprint: Fingerprint,
        refusal: &Refusal,
    ) {
        let Ok(leaf) = Leaf::read(end_entity) else { return };
        let (id, refusal) = (leaf.id(), refusal.clone());
        match self.source.certificate_status(&id, &fingerprint) {
            CertificateStatus::Unknown | CertificateStatus::Forged => {}
            _ => refused::note(|| RefusedCertificate { id, fingerprint, name: None, refusal }),
        }
    }

    /// The id of a certificate of ours for clients, and whether it is in its time.
    fn path(
        &self,
        end_entity: &CertificateDer<'_>,
        fingerprint: &Fingerprint,
        now: UnixTime,
    ) -> Result<(CertificateId, Result<(), Refusal>), Refusal> {
        if let Some(facts) = self.passed.find(*fingerprint) {
            return Ok((facts.id, facts.in_time(now)));
        }
        let leaf = Leaf::read(end_entity)?;
        // The CAs that issue are the ones that are trusted. What leads from them to another one, as a certificate by
        // which they vouched for a CA that is trusted no longer, opens nothing.
        let presented = Presented { end_entity, intermediates: &[] };
        match self.anchors.check(&self.algorithms, presented, &leaf, Purpose::Client, now) {
            Ok(()) => {
                let facts = Facts::of(&leaf, self.anchors.ca_not_after(&leaf));
                self.passed.insert(*fingerprint, facts);
                Ok((leaf.id(), Ok(())))
            }
            Err(
                time @ (Refusal::Expired { .. }
                | Refusal::NotYetValid { .. }
                | Refusal::CaExpired { .. }),
            ) => Ok((leaf.id(), Err(time))),
            Err(other) => Err(other),
        }
    }
}

impl ClientCertVerifier for GatewayVerifier {
    fn client_auth_mandatory(&self) -> bool {
        true
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.hints
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        self.check(end_entity, now)?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
