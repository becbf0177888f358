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
use store::{Actor, Holder, NewCertificate, Store};
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
    pub(crate) key: Option<store::Secret>,
    pub(crate) supersedes_within: Option<Duration>,
}

impl Issuance {
    /// Has it signed by `issuer`, and records before it gives.
    pub(crate) async fn sign_and_record(
        &self,
        actor: &Actor,
        issuer: &Issuer,
        request: IssueRequest,
    ) -> Result<store::Certificate, AuthorityError> {
        let signer = issuer.signer()?;
        let serial = pki::Serial::from_random(random::bytes()?);
        let validity = Validity::starting(self.now(), request.life).within(signer.ca().validity());
        let key = request.public_key.id();
        let unsigned = CertificateRequest {
            serial,
            profile: request.profile,
            public_key: request.public_key,
            validity,
            publishing: self.publishing(signer.ca())?,
        };
        let der = pki::issue(&**signer, unsigned).await?;
        let new = NewCertificate {
            serial,
            holder: request.holder,
            subject: request.subject,
            not_before: validity.not_before,
            not_after: validity.not_after,
            issued_by: issuer.generation().id,
            public_key: key,
            der: der.to_vec(),
            key: request.key.map(|pkcs8| store::NewKey { name: server_key(&serial), pkcs8 }),
            supersedes_within: request.supersedes_within,
        };
        Ok(self.store.certificate_record(actor, new).await?.value)
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

/// The secret with a gateway certificate's key.
pub(crate) fn server_key(serial: &store::Serial) -> String {
    format!("{SERVER_KEYS}{serial}")
}

/// What all of those begin with.
pub(crate) const SERVER_KEYS: &str = "gateway/";

pub(crate) const DAY: Duration = Duration::from_secs(86_400);
