//! The look at a service's certificate: path, purpose, time and revocation as everywhere in Handfast, and here its
//! name as TLS has it (RFC 9525) and its key.

use std::sync::Arc;

use pki::standing::Standings;
use pki::{AnchorError, NameRule, ServerNameVerifier};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error as TlsError, SignatureScheme};

use crate::pin::Pin;

/// Lets a service through that is the right one.
#[derive(Debug)]
pub(crate) struct ServiceVerifier {
    ours: Arc<ServerNameVerifier>,
    pin: Option<Pin>,
}

impl ServiceVerifier {
    pub(crate) fn new(
        cas: &[CertificateDer<'_>],
        standings: Arc<Standings>,
        pin: Option<Pin>,
    ) -> Result<Arc<Self>, AnchorError> {
        let ours = ServerNameVerifier::with_standings(cas, NameRule::Any, standings)?;
        Ok(Arc::new(Self { ours, pin }))
    }
}

impl ServerCertVerifier for ServiceVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        let parsed = ParsedCertificate::try_from(end_entity)?;
        let verified =
            self.ours.verify_server_cert(end_entity, intermediates, name, ocsp_response, now)?;
        verify_server_name(&parsed, name)?;
        let key = Pin::of(parsed.subject_public_key_info().as_ref());
        match self.pin {
            Some(pin) if pin != key => Err(CertificateError::ApplicationVerificationFailure.into()),
            _ => Ok(verified),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.ours.verify_tls12_signature(message, cert, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.ours.verify_tls13_signature(message, cert, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.ours.supported_verify_schemes()
    }
}
