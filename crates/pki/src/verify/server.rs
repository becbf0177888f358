//! The client's look at a server's certificate, by the rules of `remote-cert-tls server` and
//! `verify-x509-name`: the CA, the purpose and the subject decide, host names do not.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{
    WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls12_signature, verify_tls13_signature,
};
use rustls::{DigitallySignedStruct, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::leaf::{Leaf, LeafName};
use super::path::{AnchorError, Anchors, Presented};
use crate::standing::Standings;
use crate::{CaCertificate, Crl, Purpose, Refusal, Timestamp, moment};

/// Which server is the right one, as `verify-x509-name` says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NameRule {
    /// Any server of the CA.
    Any,
    /// The whole subject, as `C=KG, ST=NA, CN=x`.
    Subject(String),
    /// The common name.
    Name(String),
    /// The beginning of the common name.
    NamePrefix(String),
}

impl NameRule {
    fn check(&self, end_entity: &CertificateDer<'_>) -> Result<(), Refusal> {
        if let Self::Any = self {
            return Ok(());
        }
        let name = LeafName::read(end_entity)?;
        let common_name = name.common_name.as_deref().unwrap_or_default();
        let (expected, found, fits) = match self {
            Self::Any => return Ok(()),
            Self::Subject(subject) => (subject, name.subject.as_str(), name.subject == *subject),
            Self::Name(expected) => (expected, common_name, common_name == expected),
            Self::NamePrefix(prefix) => {
                (prefix, common_name, common_name.starts_with(prefix.as_str()))
            }
        };
        if fits {
            return Ok(());
        }
        Err(Refusal::NameMismatch { expected: expected.clone(), found: found.to_owned() })
    }
}

/// Demands a certificate of a given CA, for servers, in its time, and of the right name.
#[derive(Debug)]
pub struct ServerNameVerifier {
    anchors: Anchors,
    rule: NameRule,
    crl: Option<Crl>,
    standings: Option<Arc<Standings>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerNameVerifier {
    /// A verifier that trusts these CAs and wants a server that fits the rule.
    pub fn new(cas: &[CertificateDer<'_>], rule: NameRule) -> Result<Arc<Self>, AnchorError> {
        Ok(Arc::new(Self::build(cas, rule, None)?))
    }

    /// The same, and by these standings the server's certificate must not be revoked. Where they know nothing of
    /// it and nothing is stapled, the handshake passes, and what was shown is for whoever drives them to settle.
    pub fn with_standings(
        cas: &[CertificateDer<'_>],
        rule: NameRule,
        standings: Arc<Standings>,
    ) -> Result<Arc<Self>, AnchorError> {
        let standings = Some(standings);
        Ok(Arc::new(Self { standings, ..Self::build(cas, rule, None)? }))
    }

    /// The same, and the server must not be on this list, which one of the CAs has to have signed.
    /// From its next update on, the list refuses everybody.
    pub fn with_crl(
        cas: &[CertificateDer<'_>],
        rule: NameRule,
        crl: Crl,
    ) -> Result<Arc<Self>, AnchorError> {
        let signed_by_one = cas
            .iter()
            .filter_map(|der| CaCertificate::from_der(der).ok())
            .any(|ca| crl.verify(&ca).is_ok());
        if !signed_by_one {
            return Err(AnchorError::CrlNotOurs);
        }
        Ok(Arc::new(Self::build(cas, rule, Some(crl))?))
    }

    fn build(
        cas: &[CertificateDer<'_>],
        rule: NameRule,
        crl: Option<Crl>,
    ) -> Result<Self, AnchorError> {
        let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms;
        Ok(Self { anchors: Anchors::new(cas)?, rule, crl, standings: None, algorithms })
    }

    /// What the handshake checks, to be asked once more at any later moment.
    pub fn check(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Refusal> {
        self.check_read(&Leaf::read(end_entity)?, end_entity, intermediates, now)
    }

    /// The same by the rule of browsers and most programs: a certificate that names no use at all is for every use. For
    /// whoever says what others would do; no handshake of ours is checked so.
    pub fn check_as_browsers_do(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Refusal> {
        let leaf = Leaf::read(end_entity)?.for_every_use_if_it_names_none();
        self.check_read(&leaf, end_entity, intermediates, now)
    }

    fn check_read(
        &self,
        leaf: &Leaf,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Refusal> {
        let presented = Presented { end_entity, intermediates };
        self.anchors.check(&self.algorithms, presented, leaf, Purpose::Server, now)?;
        self.check_crl(leaf, moment::from_unix_time(now))?;
        self.rule.check(end_entity)
    }

    fn check_crl(&self, leaf: &Leaf, now: Timestamp) -> Result<(), Refusal> {
        let Some(crl) = self.crl.as_ref().filter(|crl| crl.issuer() == leaf.issuer) else {
            return Ok(());
        };
        match crl.revoked().get(&leaf.serial) {
            Some(entry) => Err(Refusal::Revoked { revocation: Some(*entry) }),
            None if crl.is_expired(now) => Err(Refusal::CrlExpired { at: crl.next_update() }),
            None => Ok(()),
        }
    }
}

impl ServerCertVerifier for ServerNameVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.check(end_entity, intermediates, now)?;
        if let Some(standings) = &self.standings {
            standings.show(
                end_entity,
                intermediates,
                ocsp_response,
                moment::from_unix_time(now),
            )?;
        }
        Ok(ServerCertVerified::assertion())
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
