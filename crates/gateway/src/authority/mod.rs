//! The CA at work: the records on one side, the signer on the other.
//!
//! Every certificate is recorded before it is handed out, so that none exists that the store does
//! not know. The CRL is a projection of the recorded revocations: [`Authority::crl_catch_up`] signs
//! a new one whenever the present one lacks a revocation or is past half its life, and may be
//! called at any time by anybody.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use clock::Clock;
use pki::{
    CaCertificate, CertificateRequest, Csr, DualResolver, PrivateKey, Profile, PublicKey,
    Publishing, Signer, Timestamp, Validity,
};
use store::{Actor, CaGeneration, Holder, NewCertificate, Store};
use tokio::sync::{Mutex, MutexGuard};
use wire::static_key::StaticKey;

pub use error::AuthorityError;

use admin::response::KeyMaterial;
use admin::secret::SecretText;
use leaves::Leaves;

use crate::config::{Config, KeyType};
use crate::random;

mod crl;
pub(crate) mod describe;
mod error;
mod leaves;
mod start;

/// Issues, renews, revokes; keeps CRL and the gateway's own certificates fresh.
#[derive(Debug)]
pub struct Authority {
    office: Office,
    tls_auth: StaticKey,
    leaves: ArcSwap<Leaves>,
    resolver: Arc<DualResolver>,
}

/// What every signature needs: the records, the signer, the time, the settings.
#[derive(Debug)]
struct Office {
    store: Store,
    clock: Arc<dyn Clock>,
    signer: Arc<dyn Signer>,
    generation: CaGeneration,
    config: ArcSwap<Config>,
    issuing: Mutex<()>,
    signing: Mutex<()>,
}

/// Where the key of a certificate comes from.
#[derive(Debug)]
pub(crate) enum KeyFrom {
    /// It is made here, handed out once, and not kept.
    New,
    /// The device has it.
    Csr(Csr),
}

/// A certificate that was just issued.
#[derive(Debug)]
pub(crate) struct Issued {
    /// The certificate, recorded.
    pub(crate) certificate: store::Certificate,
    /// Its key, if it was made here.
    pub(crate) key: Option<SecretText>,
}

impl Authority {
    /// Issues a device its certificate. `supersedes_within`: the former ones are revoked once this
    /// one connected, or after so many seconds.
    pub(crate) async fn issue(
        &self,
        actor: &Actor,
        device: &store::Device,
        key_from: KeyFrom,
        supersedes_within: Option<u64>,
    ) -> Result<Issued, AuthorityError> {
        let config = self.office.config.load_full();
        let (public_key, key) = match key_from {
            KeyFrom::Csr(csr) => (csr.public_key().clone(), None),
            KeyFrom::New => {
                let key = generate(device_key(config.device.key_type)).await?;
                (key.public_key().clone(), Some(SecretText::new(key.to_pem().to_string())))
            }
        };
        let profile =
            Profile::Device { user: device.user_name.to_string(), device: device.name.to_string() };
        let subject = format!("CN={}/{}", device.user_name, device.name);
        let wanted = Wanted {
            profile,
            public_key,
            subject,
            holder: Holder::Device(device.id),
            days: config.device.validity_days,
            key: None,
            supersedes_within,
        };
        let certificate = self.office.sign_and_record(actor, wanted).await?;
        if key.is_none() {
            let name = on_device_setting(&certificate.serial);
            self.office.store.setting_set(actor, &name, "csr").await?;
        }
        Ok(Issued { certificate, key })
    }

    /// Reads and checks a request for a certificate.
    pub(crate) fn read_csr(&self, pem: &str) -> Result<Csr, AuthorityError> {
        Ok(Csr::from_pem(pem)?)
    }

    /// Held while somebody looks whether there is a certificate and makes one if not.
    pub(crate) async fn one_at_a_time(&self) -> MutexGuard<'_, ()> {
        self.office.issuing.lock().await
    }

    /// Why the key of a certificate issued earlier can't be handed out.
    pub(crate) async fn where_the_key_is(
        &self,
        serial: &store::Serial,
    ) -> Result<KeyMaterial, AuthorityError> {
        let on_device = self.office.store.setting_get(&on_device_setting(serial)).await?.is_some();
        Ok(if on_device { KeyMaterial::OnDevice } else { KeyMaterial::Gone })
    }

    /// Other settings hold for what is issued from here on.
    pub(crate) fn replace_config(&self, config: Arc<Config>) {
        self.office.config.store(config);
    }

    /// The CA's own certificate.
    pub fn ca(&self) -> &CaCertificate {
        self.office.signer.ca()
    }

    /// The CA certificate that profiles trust, PEM.
    pub fn ca_pem(&self) -> String {
        self.ca().to_pem()
    }

    /// The row of the CA's present generation.
    pub fn generation(&self) -> &CaGeneration {
        &self.office.generation
    }

    /// The key that every packet of the control channel is signed with.
    pub fn tls_auth(&self) -> &StaticKey {
        &self.tls_auth
    }

    /// That key as its file's text.
    pub fn tls_auth_text(&self) -> SecretText {
        SecretText::new(self.tls_auth.to_text().to_string())
    }

    /// The name that only the gateway's certificates have.
    pub fn server_name(&self) -> &'static str {
        pki::RESERVED_GATEWAY_NAME
    }

    /// The gateway's own certificates for TLS; renewed ones are put into it by themselves.
    pub fn resolver(&self) -> Arc<DualResolver> {
        Arc::clone(&self.resolver)
    }

    /// When the first of the gateway's own certificates ends.
    pub fn leaves_expire(&self) -> Option<u64> {
        Some(self.leaves.load().expires_at())
    }
}

impl Office {
    async fn sign_and_record(
        &self,
        actor: &Actor,
        wanted: Wanted,
    ) -> Result<store::Certificate, AuthorityError> {
        let serial = pki::Serial::from_random(random::bytes()?);
        let lifetime = Duration::from_secs(u64::from(wanted.days) * DAY);
        let validity = Validity::starting(self.now(), lifetime).within(self.signer.ca().validity());
        let request = CertificateRequest {
            serial,
            profile: wanted.profile,
            public_key: wanted.public_key,
            validity,
            publishing: self.publishing()?,
        };
        let der = pki::issue(&*self.signer, request).await?;
        let new = NewCertificate {
            serial,
            holder: wanted.holder,
            subject: wanted.subject,
            not_before: validity.not_before.unix_secs(),
            not_after: validity.not_after.unix_secs(),
            issued_by: self.generation.id,
            der: der.to_vec(),
            key: wanted.key.map(|pkcs8| store::NewKey { name: leaf_key(&serial), pkcs8 }),
            supersedes_within: wanted.supersedes_within,
        };
        Ok(self.store.certificate_record(actor, new).await?)
    }

    fn publishing(&self) -> Result<Publishing, AuthorityError> {
        match &self.config.load().ca.public_url {
            None => Ok(Publishing::default()),
            Some(url) => Ok(Publishing::at(url.as_str(), &self.signer.ca().tag())?),
        }
    }

    fn now(&self) -> Timestamp {
        Timestamp::from(self.clock.now())
    }
}

/// A certificate to be signed and recorded.
struct Wanted {
    profile: Profile,
    public_key: PublicKey,
    subject: String,
    holder: Holder,
    days: u32,
    key: Option<store::Secret>,
    supersedes_within: Option<u64>,
}

/// Making an RSA key takes the better part of a second, which no other task should wait for.
async fn generate(kind: pki::KeyType) -> Result<PrivateKey, AuthorityError> {
    match tokio::task::spawn_blocking(move || PrivateKey::generate(kind)).await {
        Ok(made) => Ok(made?),
        Err(_) => Err(AuthorityError::Key(pki::KeyError::GenerationFailed)),
    }
}

fn device_key(kind: KeyType) -> pki::KeyType {
    match kind {
        KeyType::Rsa => pki::KeyType::Rsa2048,
        KeyType::P256 => pki::KeyType::P256,
    }
}

/// The secret with a gateway certificate's key.
fn leaf_key(serial: &store::Serial) -> String {
    format!("gateway/{serial}")
}

/// The setting that says that a certificate's key was made elsewhere.
fn on_device_setting(serial: &store::Serial) -> String {
    format!("certificate/{serial}/key")
}

const DAY: u64 = 86_400;
