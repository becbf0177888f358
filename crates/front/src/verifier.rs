//! A virtual server's policy, as the TLS library asks for it: the client hears in the handshake why it is refused.
//!
//! The library's error has no room for whose certificate was good and not wanted, so that goes beside it, as
//! `pki::refused_within` has it: on the thread, within the call.

use std::cell::RefCell;
use std::sync::Arc;

use pki::Refusal;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, SignatureScheme};

use crate::holder::Holder;
use crate::policy::Policy;
use crate::refused::Refused;
use crate::settings::Clients;

/// Asks a policy.
#[derive(Debug)]
pub(crate) struct PolicyVerifier(pub(crate) Arc<Policy>);

impl ClientCertVerifier for PolicyVerifier {
    fn offer_client_auth(&self) -> bool {
        self.0.clients != Clients::None
    }

    fn client_auth_mandatory(&self) -> bool {
        self.0.clients == Clients::Required
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.0.verifier.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        match self.0.judge(Some(end_entity), now) {
            Ok(_) => Ok(ClientCertVerified::assertion()),
            Err(Refused::Certificate(refusal)) => Err(refusal.into()),
            // The alert says `access_denied`: the certificate is good, and others may be let in.
            Err(Refused::NotAmongUsers { .. }) => {
                LEFT_OUT.set(self.0.holder_of(end_entity));
                Err(CertificateError::ApplicationVerificationFailure.into())
            }
            Err(_) => Err(Refusal::Malformed.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verifier.verify_tls12_signature(message, cert, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verifier.verify_tls13_signature(message, cert, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.verifier.supported_verify_schemes()
    }
}

/// Does `work`, and gives whoever was left out within it though the certificate was good.
pub(crate) fn left_out_within<T>(work: impl FnOnce() -> T) -> (T, Option<Holder>) {
    LEFT_OUT.set(None);
    let done = work();
    (done, LEFT_OUT.take())
}

thread_local! {
    static LEFT_OUT: RefCell<Option<Holder>> = const { RefCell::new(None) };
}
