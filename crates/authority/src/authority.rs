//! The CA at work: the records on one side, the signer on the other.
//!
//! Every certificate is recorded before it is handed out, so that none exists that the store does
//! not know. CRLs are projections of the recorded revocations: [`Authority::crls_catch_up`] signs
//! a new one whenever an issuer's present one lacks a revocation or is past half its life, and may be
//! called at any time.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use clock::Clock;
use pki::ocsp::OcspSigner;
use pki::{Csr, DualResolver, Profile, Timestamp, dual_resolver};
use signer::Line;
use store::{Actor, CaGenerationId, CertificateId, DeviceName, Holder, Refused, Store, UserName};
use tokio::sync::{MutexGuard, Notify};
use zeroize::Zeroizing;

use crate::error::AuthorityError;
use crate::issuance::{DAY, Issuance, IssueRequest, KeptKey, generate, on_device_setting};
use crate::issuer::{Issuer, Issuers, Signs};
use crate::kept_keys::KeptKeys;
use crate::named::NamedRequest;
use crate::server_certificates::ServerCertificates;
use crate::settings::Settings;
use crate::start::{self, NewIssuer};
use crate::virtual_servers::{VirtualServer, VirtualServerCertificate};

/// Issues, renews, revokes; keeps CRL and the gateway's own certificates fresh.
#[derive(Debug)]
pub struct Authority {
    issuance: Issuance,
    certificates: ArcSwap<ServerCertificates>,
    resolver: Arc<DualResolver>,
    renewed: Notify,
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
    /// The authority over `store`, with its keys at the end of `line`. What is missing is made: CA, the gateway's own certificates;
    /// what is due is renewed.
    pub async fn open(
        store: Store,
        clock: Arc<dyn Clock>,
        line: Arc<Line>,
        settings: Settings,
    ) -> Result<Self, AuthorityError> {
        let issuance = start::issuance(store, clock, line, settings).await?;
        let certificates = issuance.fresh_certificates().await?;
        let [rsa, p256] = certificates.identities();
        let resolver = dual_resolver(rsa, p256);
        let certificates = ArcSwap::from_pointee(certificates);
        Ok(Self { issuance, certificates, resolver, renewed: Notify::new() })
    }

    /// What is due at this moment: superseded certificates, the gateway's own certificates, and what ended long ago.
    pub async fn maintain(&self) -> Result<(), AuthorityError> {
        for revocation in self.issuance.store.certificate_supersede_due().await?.value {
            tracing::info!(serial = %revocation.id, "former certificate revoked: its time is up");
        }
        self.renew_certificates().await?;
        if let Err(error) = self.issuance.forget_ended().await {
            tracing::error!(%error, "certificates that have ended stay in the records");
        }
        if let Err(error) = self.issuance.forget_retired_keys().await {
            tracing::warn!(%error, "the key of a retired CA stays; it is looked at again");
        }
        Ok(())
    }

    /// Sees to it that each issuer's present CRL lists every revocation and is not past half its life.
    /// Whoever projects the records calls it, nobody else.
    pub async fn crls_catch_up(&self) -> Result<(), AuthorityError> {
        self.issuance.crls_catch_up().await
    }

    /// Somebody new to sign this CA's OCSP answers. The key lives as long as the value does.
    pub async fn ocsp_signer(&self, issuer: &Issuer) -> Result<OcspSigner, AuthorityError> {
        self.issuance.ocsp_signer(issuer).await
    }

    /// The latest CRL of this CA.
    pub async fn crl(&self, issuer: &Issuer) -> Result<Option<pki::Crl>, AuthorityError> {
        let latest = self.issuance.store.crl_latest(issuer.generation().id).await?;
        Ok(latest.map(|crl| pki::Crl::from_der(&crl.der)).transpose()?)
    }

    /// Makes another CA, which is trusted from here on and signs nothing but its CRL. Doors have to be
    /// given the longer list, and profiles that are made from then on have it.
    pub async fn issuer_add(
        &self,
        actor: &Actor,
        new: NewIssuer,
    ) -> Result<Arc<Issuer>, AuthorityError> {
        let issuance = &self.issuance;
        let _one_making = issuance.making.lock().await;
        let (_, new) = start::new_ca(&issuance.line, new).await?;
        let _one = issuance.signing.lock().await;
        let row = issuance.store.ca_generation_add(actor, new).await?.value;
        let issuer = Arc::new(start::issuer(&issuance.line, row)?);
        let more = issuance.issuers.load().with(Arc::clone(&issuer));
        issuance.issuers.store(Arc::new(more));
        Ok(issuer)
    }

    /// From here on, and after every start, this CA signs such certificates. The gateway's own ones are
    /// made anew at once.
    pub async fn sign_by(
        &self,
        actor: &Actor,
        issuer: CaGenerationId,
        what: Signs,
    ) -> Result<(), AuthorityError> {
        let issuance = &self.issuance;
        let one = (issuance.making.lock().await, issuance.signing.lock().await);
        let other = issuance.issuers.load().signed_by(issuer, what)?;
        issuance.store.setting_set(actor, what.setting(), &issuer.to_string()).await?;
        issuance.issuers.store(Arc::new(other));
        drop(one);
        self.renew_certificates().await
    }

    /// Another CA takes the place of the one that signs: both are trusted, and each vouches for the other. What
    /// doors trust and send has to be made anew, which [`Authority::maintain`] does for the certificates.
    pub async fn rollover_start(&self, actor: &Actor) -> Result<(), AuthorityError> {
        self.issuance.rollover_start(actor).await
    }

    /// The CA whose place another has taken is trusted no longer. Doors have to be given the shorter list.
    pub async fn rollover_finish(&self, actor: &Actor) -> Result<(), AuthorityError> {
        self.issuance.rollover_finish(actor).await
    }

    /// Whether a CA has said all that it has to say: it is trusted no longer, and what it issued is over.
    pub fn is_over(&self, issuer: &Issuer) -> bool {
        self.issuance.is_over(issuer)
    }

    async fn renew_certificates(&self) -> Result<(), AuthorityError> {
        if self.issuance.fresh(&self.certificates.load()) {
            return Ok(());
        }
        let certificates = self.issuance.fresh_certificates().await?;
        if self.issuance.fresh(&certificates) {
            tracing::info!("the gateway's own certificates were renewed");
        }
        let [rsa, p256] = certificates.identities();
        self.resolver.replace(rsa, p256);
        self.certificates.store(Arc::new(certificates));
        self.renewed.notify_one();
        Ok(())
    }

    /// Issues a device its certificate. `supersedes_within`: the former ones are revoked once this
    /// one connected, or after so long.
    pub async fn issue(
        &self,
        actor: &Actor,
        device: &store::Device,
        key_from: KeyFrom,
        supersedes_within: Option<Duration>,
    ) -> Result<Issued, AuthorityError> {
        let issuers = self.issuers();
        let settings = self.issuance.settings.load_full();
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
            life: DAY * settings.device_days,
            key: if key.is_none() { KeptKey::AtTheHolder } else { KeptKey::HandedOut },
            supersedes_within,
        };
        let certificate =
            self.issuance.sign_and_record(actor, issuers.signing(Signs::Devices), request).await?;
        Ok(Issued { certificate, key })
    }

    /// Adds a device together with its first certificate, in one change.
    pub async fn add_device(
        &self,
        actor: &Actor,
        user: &UserName,
        device: &DeviceName,
        csr: Csr,
    ) -> Result<(), AuthorityError> {
        let (issuers, settings) = (self.issuers(), self.issuance.settings.load_full());
        let name = format!("{user}/{device}");
        let request = IssueRequest {
            profile: Profile::Device { user: user.to_string(), device: device.to_string() },
            public_key: csr.public_key().clone(),
            subject: format!("CN={name}"),
            // The store knows the device's number once it has one.
            holder: Holder::Other(name),
            life: DAY * settings.device_days,
            key: KeptKey::AtTheHolder,
            supersedes_within: None,
        };
        let first = self.issuance.sign(issuers.signing(Signs::Devices), request).await?;
        self.issuance.store.device_add_certified(actor, user, device, first).await?;
        Ok(())
    }

    /// Issues a server its certificate, or whatever else is no device. `supersedes_within`: the former ones
    /// are revoked after so long.
    pub async fn issue_named(
        &self,
        actor: &Actor,
        request: NamedRequest,
        supersedes_within: Option<Duration>,
    ) -> Result<store::Certificate, AuthorityError> {
        self.issuance.issue_named(actor, request, supersedes_within).await
    }

    /// Reads and checks a request for a certificate of this holder, or of a device that is to be added: it is
    /// signed by its key, and the key is nobody else's.
    pub async fn read_csr(&self, pem: &str, holder: Option<Holder>) -> Result<Csr, AuthorityError> {
        let csr = Csr::from_pem(pem)?;
        let of_a_ca = |issuer: &Arc<Issuer>| issuer.certificate().spki() == csr.public_key().spki();
        if self.issuers().all().iter().any(of_a_ca) {
            let refused = Refused::KeyOfAnother { whose: "the CA".to_owned() };
            return Err(AuthorityError::Store(refused.into()));
        }
        self.issuance.store.key_check(csr.public_key().id(), holder).await?;
        Ok(csr)
    }

    /// Held while somebody looks whether there is a certificate and makes one if not.
    pub async fn lock_issuance(&self) -> MutexGuard<'_, ()> {
        self.issuance.issuing.lock().await
    }

    /// Why the key of a certificate issued earlier can't be handed out.
    pub async fn key_location(&self, id: &CertificateId) -> Result<KeyLocation, AuthorityError> {
        let mut on_device = false;
        for name in [on_device_setting(id), former_on_device_setting(id)] {
            on_device |= self.issuance.store.setting_get(&name).await?.is_some();
        }
        Ok(if on_device { KeyLocation::OnDevice } else { KeyLocation::HandedOut })
    }

    /// Other settings hold for what is issued from here on.
    pub fn replace_settings(&self, settings: Settings) {
        self.issuance.settings.store(Arc::new(settings));
    }

    /// The way to the CAs' keys.
    pub fn signer(&self) -> &Arc<Line> {
        &self.issuance.line
    }

    /// The CAs that are trusted here.
    pub fn issuers(&self) -> Arc<Issuers> {
        self.issuance.issuers.load_full()
    }

    /// The name that only the gateway's certificates have.
    pub fn server_name(&self) -> &'static str {
        pki::RESERVED_GATEWAY_NAME
    }

    /// The gateway's own certificates for TLS; renewed ones are put into it by themselves.
    pub fn resolver(&self) -> Arc<DualResolver> {
        Arc::clone(&self.resolver)
    }

    /// Completes once others of the gateway's own certificates are in service than when it completed last. For
    /// one who waits.
    pub async fn renewed(&self) {
        self.renewed.notified().await;
    }

    /// Virtual servers' certificates are in service that were not before: whoever waits for renewed ones looks.
    pub fn put_in_service(&self) {
        self.renewed.notify_one();
    }

    /// A certificate for each of these virtual servers, in their order; what is missing or due is made.
    pub async fn virtual_servers(
        &self,
        servers: &[VirtualServer],
    ) -> Result<Vec<Result<VirtualServerCertificate, AuthorityError>>, AuthorityError> {
        self.issuance.virtual_servers(servers).await
    }

    /// Which certificates have their keys here.
    pub async fn kept_keys(&self) -> Result<KeptKeys, AuthorityError> {
        KeptKeys::of(&self.issuance.store).await
    }

    /// Whether a virtual server's certificate need not be made anew.
    pub fn serves(&self, server: &VirtualServer, certificate: &VirtualServerCertificate) -> bool {
        self.issuance.serves_virtually(server, certificate)
    }

    /// When the first of the gateway's own certificates is due for renewal.
    pub fn server_certificates_due(&self) -> Timestamp {
        self.certificates.load().due_at(self.issuance.settings.load().server_life)
    }

    /// When the first of the gateway's own certificates ends.
    pub fn server_certificates_expire(&self) -> Timestamp {
        self.certificates.load().expires_at()
    }
}

/// The same, as it was called while there was one issuer. Only serial numbers that were drawn at random
/// here have it, and no other CA's certificate has such a one.
fn former_on_device_setting(id: &CertificateId) -> String {
    format!("certificate/{}/key", id.serial)
}
