//! What every signature needs: the records, the issuers, the time, the settings. What is signed is
//! recorded before anybody gets it.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use clock::Clock;
use pki::{
    CaCertificate, CertificateRequest, KeyType, PrivateKey, Profile, PublicKey, Publishing,
    Timestamp, Validity,
};
use signer::Line;
use store::{Actor, CertificateId, Holder, NewCertificate, Store};
use tokio::sync::Mutex;

use crate::error::AuthorityError;
use crate::issuer::{Issuer, Issuers};
use crate::random;
use crate::settings::Settings;

/// What every signature needs: the records, the issuers, the time, the settings.
#[derive(Debug)]
pub(crate) struct Issuance {
    pub(crate) store: Store,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) line: Arc<Line>,
    pub(crate) issuers: ArcSwap<Issuers>,
    pub(crate) settings: ArcSwap<Settings>,
    /// Held while certificates are looked for and made.
    pub(crate) issuing: Mutex<()>,
    /// Held while CAs are made and take each other's places, which lists don't wait for. Before `signing`.
    pub(crate) making: Mutex<()>,
    /// Held while CRLs are compared and signed, and while the list of issuers changes.
    pub(crate) signing: Mutex<()>,
}

/// A certificate to be signed and recorded.
#[derive(Debug)]
pub(crate) struct IssueRequest {
    pub(crate) profile: Profile,
    pub(crate) public_key: PublicKey,
    pub(crate) subject: String,
    pub(crate) holder: Holder,
    pub(crate) life: Duration,
    pub(crate) key: KeptKey,
    pub(crate) supersedes_within: Option<Duration>,
}

/// What is recorded of a certificate's key, along with the certificate.
#[derive(Debug)]
pub(crate) enum KeptKey {
    /// The key.
    Here(store::Secret),
    /// That the holder made it, and sent a CSR.
    AtTheHolder,
    /// Nothing: it goes to whoever asked, once, or it is nobody's business.
    HandedOut,
}

impl Issuance {
    /// Has it signed by `issuer`, and records before it gives.
    pub(crate) async fn sign_and_record(
        &self,
        actor: &Actor,
        issuer: &Issuer,
        request: IssueRequest,
    ) -> Result<store::Certificate, AuthorityError> {
        let new = self.sign(issuer, request).await?;
        Ok(self.store.certificate_record(actor, new).await?.value)
    }

    /// Has it signed by `issuer`. Nobody gets it before it is recorded.
    pub(crate) async fn sign(
        &self,
        issuer: &Issuer,
        request: IssueRequest,
    ) -> Result<NewCertificate, AuthorityError> {
        let signer = issuer.signer()?;
        self.check_names(&request.profile)?;
        let serial = pki::Serial::from_random(random::bytes()?);
        let validity = Validity::starting(self.now(), request.life).within(signer.ca().validity());
        let public_key = request.public_key.id();
        let unsigned = CertificateRequest {
            serial,
            profile: request.profile,
            public_key: request.public_key,
            validity,
            publishing: self.publishing(signer.ca())?,
        };
        let der = pki::issue(&**signer, unsigned).await?;
        let (key, setting) = match request.key {
            KeptKey::Here(pkcs8) => {
                (Some(store::NewKey { name: server_key(&serial), pkcs8 }), None)
            }
            KeptKey::AtTheHolder => {
                let id = CertificateId { issuer: signer.ca().issuer_id(), serial };
                (None, Some((on_device_setting(&id), "csr".to_owned())))
            }
            KeptKey::HandedOut => (None, None),
        };
        Ok(NewCertificate {
            serial,
            holder: request.holder,
            subject: request.subject,
            not_before: validity.not_before,
            not_after: validity.not_after,
            issued_by: issuer.generation().id,
            public_key,
            der: der.to_vec(),
            key,
            setting,
            supersedes_within: request.supersedes_within,
        })
    }

    /// Until a rollover is over, some come to the certificate by the former CA, whose constraints bind them then. The
    /// signer looks at its own.
    fn check_names(&self, profile: &Profile) -> Result<(), AuthorityError> {
        match self.issuers.load().former() {
            Some(former) => Ok(profile.check_names(&former.certificate().constraints())?),
            None => Ok(()),
        }
    }

    pub(crate) fn publishing(&self, ca: &CaCertificate) -> Result<Publishing, AuthorityError> {
        match &self.settings.load().publish_at {
            None => Ok(Publishing::default()),
            Some(url) => Ok(Publishing::at(url, &ca.tag())?),
        }
    }

    /// Wall time.
    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from(self.clock.now())
    }
}

/// Making an RSA key takes the better part of a second, which no other task should wait for.
pub(crate) async fn generate(kind: KeyType) -> Result<PrivateKey, AuthorityError> {
    match tokio::task::spawn_blocking(move || PrivateKey::generate(kind)).await {
        Ok(made) => Ok(made?),
        Err(_) => Err(AuthorityError::Key(pki::KeyError::GenerationFailed)),
    }
}

/// The setting that says that a certificate's key was made elsewhere.
pub(crate) fn on_device_setting(id: &CertificateId) -> String {
    format!("certificate/{}/{}/key", id.issuer, id.serial)
}

/// The secret with a gateway certificate's key.
pub(crate) fn server_key(serial: &store::Serial) -> String {
    format!("{SERVER_KEYS}{serial}")
}

/// What all of those begin with.
pub(crate) const SERVER_KEYS: &str = "gateway/";

pub(crate) const DAY: Duration = Duration::from_secs(86_400);
