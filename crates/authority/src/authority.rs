//! The CA at work: the records on one side, the signer on the other.
//!
//! Every certificate is recorded before it is handed out, so that none exists that the store does
//! not know. The CRL is a projection of the recorded revocations: [`Authority::crl_catch_up`] signs
//! a new one whenever the present one lacks a revocation or is past half its life, and may be
//! called at any time.

use std::sync::Arc;

use arc_swap::ArcSwap;
use clock::Clock;
use pki::{CaCertificate, Csr, DualResolver, Profile, dual_resolver};
use store::{Actor, CaGeneration, Holder, Store};
use tokio::sync::MutexGuard;
use zeroize::Zeroizing;

use crate::error::AuthorityError;
use crate::issuer::{IssueRequest, Issuer, generate};
use crate::server_certificates::ServerCertificates;
use crate::settings::Settings;
use crate::start;

/// Issues, renews, revokes; keeps CRL and the gateway's own certificates fresh.
#[derive(Debug)]
pub struct Authority {
    issuer: Issuer,
    certificates: ArcSwap<ServerCertificates>,
    resolver: Arc<DualResolver>,
}

/// Where the key of a certificate comes from.
#[derive(Debug)]
pub enum KeyFrom {
    /// It is made here, handed out once, and not kept.
    New,
    /// The device has it.
    Csr(Csr),
}

/// A certificate that was just issued.
#[derive(Debug)]
pub struct Issued {
    /// The certificate, recorded.
    pub certificate: store::Certificate,
    /// Its key, if it was made here.
    pub key: Option<Zeroizing<String>>,
}

/// Why the key of a certificate issued earlier can't be handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyLocation {
    /// The device made it and sent a CSR.
    OnDevice,
    /// It was handed out once and not kept.
    HandedOut,
}

impl Authority {
    /// The authority over `store`. What is missing is made: CA, the gateway's own certificates;
    /// what is due is renewed.
    pub async fn open(
        store: Store,
        clock: Arc<dyn Clock>,
        settings: Settings,
    ) -> Result<Self, AuthorityError> {
        let issuer = start::issuer(store, clock, settings).await?;
        let certificates = issuer.fresh_certificates().await?;
        let [rsa, p256] = certificates.identities();
        let resolver = dual_resolver(rsa, p256);
        Ok(Self { issuer, certificates: ArcSwap::from_pointee(certificates), resolver })
    }

    /// What is due at this moment: superseded certificates, the gateway's own certificates.
    pub async fn maintain(&self) -> Result<(), AuthorityError> {
        for revocation in self.issuer.store.certificate_supersede_due().await?.value {
            tracing::info!(serial = %revocation.id, "former certificate revoked: its time is up");
        }
        self.renew_certificates().await
    }

    /// Sees to it that the present CRL lists every revocation and is not past half its life.
    /// Gives its number. Whoever projects the records calls it, nobody else.
    pub async fn crl_catch_up(&self) -> Result<u64, AuthorityError> {
        self.issuer.crl_catch_up().await
    }

    async fn renew_certificates(&self) -> Result<(), AuthorityError> {
        if self.issuer.fresh(&self.certificates.load()) {
            return Ok(());
        }
        let certificates = self.issuer.fresh_certificates().await?;
        tracing::info!("the gateway's own certificates were renewed");
        let [rsa, p256] = certificates.identities();
        self.resolver.replace(rsa, p256);
        self.certificates.store(Arc::new(certificates));
        Ok(())
    }

    /// Issues a device its certificate. `supersedes_within`: the former ones are revoked once this
    /// one connected, or after so many seconds.
    pub async fn issue(
        &self,
        actor: &Actor,
        device: &store::Device,
        key_from: KeyFrom,
        supersedes_within: Option<u64>,
    ) -> Result<Issued, AuthorityError> {
        let settings = self.issuer.settings.load_full();
        let (public_key, key) = match key_from {
            KeyFrom::Csr(csr) => (csr.public_key().clone(), None),
            KeyFrom::New => {
                let key = generate(settings.device_key).await?;
                (key.public_key().clone(), Some(key.to_pem()))
            }
        };
        let profile =
            Profile::Device { user: device.user_name.to_string(), device: device.name.to_string() };
        let subject = format!("CN={}/{}", device.user_name, device.name);
        let request = IssueRequest {
            profile,
            public_key,
            subject,
            holder: Holder::Device(device.id),
            days: settings.device_days,
            key: None,
            supersedes_within,
        };
        let certificate = self.issuer.sign_and_record(actor, request).await?;
        if key.is_none() {
            let name = on_device_setting(&certificate.id.serial);
            self.issuer.store.setting_set(actor, &name, "csr").await?;
        }
        Ok(Issued { certificate, key })
    }

    /// Reads and checks a request for a certificate.
    pub fn read_csr(&self, pem: &str) -> Result<Csr, AuthorityError> {
        Ok(Csr::from_pem(pem)?)
    }

    /// Held while somebody looks whether there is a certificate and makes one if not.
    pub async fn lock_issuance(&self) -> MutexGuard<'_, ()> {
        self.issuer.issuing.lock().await
    }

    /// Why the key of a certificate issued earlier can't be handed out.
    pub async fn key_location(
        &self,
        serial: &store::Serial,
    ) -> Result<KeyLocation, AuthorityError> {
        let on_device = self.issuer.store.setting_get(&on_device_setting(serial)).await?.is_some();
        Ok(if on_device { KeyLocation::OnDevice } else { KeyLocation::HandedOut })
    }

    /// Other settings hold for what is issued from here on.
    pub fn replace_settings(&self, settings: Settings) {
        self.issuer.settings.store(Arc::new(settings));
    }

    /// The CA's own certificate.
    pub fn ca(&self) -> &CaCertificate {
        self.issuer.signer.ca()
    }

    /// The CA certificate that profiles trust, PEM.
    pub fn ca_pem(&self) -> String {
        self.ca().to_pem()
    }

    /// The row of the CA's present generation.
    pub fn generation(&self) -> &CaGeneration {
        &self.issuer.generation
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
    pub fn server_certificates_expire(&self) -> u64 {
        self.certificates.load().expires_at()
    }
}

/// The setting that says that a certificate's key was made elsewhere.
fn on_device_setting(serial: &store::Serial) -> String {
    format!("certificate/{serial}/key")
}
