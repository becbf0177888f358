//! Certificates under names, of servers and of whatever else is no device: issued, listed, renewed, revoked.

use std::collections::BTreeMap;
use std::time::Duration;

use ::names::{CertificateName, RevocationReason};
use admin::request::CertificateUsage;
use admin::response::{Changed, Named, NamedDetail};
use authority::{KeyLocation, NamedRequest, Usage, describe};
use store::{Actor, Certificate, Holder};

use super::changes::Before;
use super::views::{Viewer, current, look};
use crate::context::Context;
use crate::error::GatewayError;
use crate::renewed_here::RenewedHere;

/// The names of these records that have certificates.
#[derive(Debug)]
pub(crate) struct Certs<'a> {
    pub(crate) at: &'a Context,
}

/// A first certificate that is wanted.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) name: CertificateName,
    pub(super) usage: CertificateUsage,
    pub(super) hosts: Vec<String>,
    pub(super) days: Option<u32>,
    pub(super) csr_pem: String,
    pub(super) elsewhere: bool,
}

impl Certs<'_> {
    pub(super) async fn issue(
        &self,
        actor: &Actor,
        wanted: Wanted,
    ) -> Result<NamedDetail, GatewayError> {
        // One at a time, so that a name does not get two first certificates.
        let _one = self.at.authority.lock_issuance().await;
        let Wanted { name, usage, hosts, days, csr_pem, elsewhere } = wanted;
        let known = self.at.store.certificates_named(&name).await?;
        let now = self.at.now();
        if let Some(valid) = known.iter().find(|c| c.revocation.is_none() && c.not_after >= now) {
            return Err(GatewayError::NameHasCertificate { name, until: valid.not_after });
        }
        let usage = match usage {
            CertificateUsage::Server => Usage::Server,
            CertificateUsage::Client => Usage::Client,
            CertificateUsage::Peer => Usage::Peer,
        };
        let csr = self.at.authority.read_csr(&csr_pem, Some(holder(&name))).await?;
        let request = NamedRequest { name: name.clone(), usage, hosts, days, csr, elsewhere };
        self.at.authority.issue_named(actor, request, None).await?;
        self.show(&name).await
    }

    /// For the same hosts and as long as the settings say. A key that was made elsewhere is not replaced by one
    /// that was made here: whoever copies the certificate there would have two that don't fit.
    pub(super) async fn renew(
        &self,
        actor: &Actor,
        name: &CertificateName,
        csr_pem: &str,
        elsewhere: bool,
    ) -> Result<NamedDetail, GatewayError> {
        let _one = self.at.authority.lock_issuance().await;
        let known = self.known(name).await?;
        let (here, now) = (self.renewed_here().await?, self.at.now());
        let holds = |c: &&Certificate| c.revocation.is_none() && c.not_after >= now;
        // The new one would have them revoked, and another one made for the virtual server.
        if known.iter().filter(holds).any(|c| here.has(&c.holder, &c.id)) {
            return Err(GatewayError::RenewsItself { name: name.clone() });
        }
        let Some(former) = current(&known) else { return Err(unknown(name)) };
        let key = self.at.authority.key_location(&former.id).await?;
        if key == KeyLocation::OnDevice && !elsewhere {
            return Err(GatewayError::KeyElsewhere { name: name.clone() });
        }
        let usage = describe::usage(&former.der);
        let hosts = describe::alternative_names(&former.der).into_iter().collect();
        let csr = self.at.authority.read_csr(csr_pem, Some(holder(name))).await?;
        let request = NamedRequest { name: name.clone(), usage, hosts, days: None, csr, elsewhere };
        let days = self.at.config().cert.supersede_days;
        let within = Duration::from_secs(u64::from(days) * 86_400);
        self.at.authority.issue_named(actor, request, Some(within)).await?;
        self.show(name).await
    }

    pub(super) async fn list(&self) -> Result<Vec<Named>, GatewayError> {
        let all = self.all().await?;
        Ok(look(self.at, |viewer| {
            all.iter()
                .filter_map(|(name, known)| Some(viewer.named(name, current(known)?)))
                .collect()
        })
        .await)
    }

    pub(super) async fn show(&self, name: &CertificateName) -> Result<NamedDetail, GatewayError> {
        let known = self.known(name).await?;
        let detail = look(self.at, |viewer| viewer.named_detail(name, &known)).await;
        detail.ok_or_else(|| unknown(name))
    }

    pub(super) async fn revoke(
        &self,
        actor: &Actor,
        name: &CertificateName,
        reason: RevocationReason,
    ) -> Result<Changed, GatewayError> {
        let known = self.known(name).await?;
        let change = Before::of(self.at, known.iter().map(|c| c.id));
        let committed = self.at.store.name_revoke(actor, name, reason).await?;
        change.after(&committed, committed.events.first(), &committed.value).await
    }

    /// Every name with its certificates. What else is recorded under a name of its own, as who signs OCSP
    /// answers, has one that nobody can type.
    pub(crate) async fn all(
        &self,
    ) -> Result<BTreeMap<CertificateName, Vec<Certificate>>, GatewayError> {
        let mut all: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for certificate in self.at.store.certificates_of_names().await? {
            let Holder::Other(name) = &certificate.holder else { continue };
            if let Ok(name) = CertificateName::new(name) {
                all.entry(name).or_default().push(certificate);
            }
        }
        Ok(all)
    }

    /// The same without what the gateway renews by itself.
    pub(crate) async fn of_people(
        &self,
    ) -> Result<BTreeMap<CertificateName, Vec<Certificate>>, GatewayError> {
        let (mut all, here) = (self.all().await?, self.renewed_here().await?);
        all.values_mut().for_each(|known| known.retain(|c| !here.has(&c.holder, &c.id)));
        all.retain(|_, known| !known.is_empty());
        Ok(all)
    }

    async fn renewed_here(&self) -> Result<RenewedHere, GatewayError> {
        Ok(RenewedHere::of(&self.at.authority, &self.at.config().tls).await?)
    }

    async fn known(&self, name: &CertificateName) -> Result<Vec<Certificate>, GatewayError> {
        let known = self.at.store.certificates_named(name).await?;
        if known.is_empty() { Err(unknown(name)) } else { Ok(known) }
    }
}

impl Viewer<'_> {
    /// A name with the certificate that it uses.
    fn named(&self, name: &CertificateName, current: &Certificate) -> Named {
        let seen = self.certificate(current);
        Named {
            name: name.clone(),
            usage: match describe::usage(&current.der) {
                Usage::Server => CertificateUsage::Server,
                Usage::Client => CertificateUsage::Client,
                Usage::Peer => CertificateUsage::Peer,
            },
            hosts: describe::alternative_names(&current.der).into_iter().collect(),
            serial: seen.serial,
            state: seen.state,
            expires_at: seen.not_after,
        }
    }

    fn named_detail(&self, name: &CertificateName, known: &[Certificate]) -> Option<NamedDetail> {
        let named = self.named(name, current(known)?);
        let certificates = known.iter().rev().map(|c| self.certificate(c)).collect();
        Some(NamedDetail { named, certificates })
    }
}

fn holder(name: &CertificateName) -> Holder {
    Holder::Other(name.to_string())
}

fn unknown(name: &CertificateName) -> GatewayError {
    store::StoreError::from(store::Refused::NameUnknown(name.clone())).into()
}
