//! Devices: recorded, listed, renewed by CSR, revoked, kept out, let in again, removed.

use admin::names::DeviceName;
use admin::response::{Changed, Device, DeviceDetail};
use authority::KeyFrom;
use names::{RevocationReason, UserName};
use store::{Actor, CertificateId, Holder};

use super::changes::Before;
use super::material::supersede_within;
use super::names::fits_a_certificate;
use super::views::look;
use crate::context::Context;
use crate::error::GatewayError;

/// The devices of these records.
#[derive(Debug)]
pub(crate) struct Devices<'a> {
    pub(crate) at: &'a Context,
}

impl Devices<'_> {
    pub(super) async fn add(
        &self,
        actor: &Actor,
        name: &DeviceName,
        csr_pem: Option<&str>,
    ) -> Result<DeviceDetail, GatewayError> {
        fits_a_certificate(name)?;
        let (authority, user, device) = (&self.at.authority, &name.user, &name.device);
        match csr_pem {
            // Both or none is recorded: a device that nobody was told of would be in the way of the next try.
            Some(pem) => {
                let csr = authority.read_csr(pem, None).await?;
                authority.add_device(actor, user, device, csr).await?;
            }
            None => drop(self.at.store.device_add(actor, user, device).await?),
        }
        self.show(name).await
    }

    pub(super) async fn list(&self, user: Option<&UserName>) -> Result<Vec<Device>, GatewayError> {
        let Some(user) = user else {
            return Ok(look(self.at, |viewer| viewer.all_devices()).await);
        };
        let details = self.at.store.user_show(user).await?.devices;
        Ok(look(self.at, |viewer| details.iter().map(|d| viewer.device_of(d)).collect()).await)
    }

    pub(super) async fn show(&self, name: &DeviceName) -> Result<DeviceDetail, GatewayError> {
        let detail = self.at.store.device_show(&name.user, &name.device).await?;
        Ok(look(self.at, |viewer| viewer.device_detail(&detail)).await)
    }

    pub(super) async fn renew(
        &self,
        actor: &Actor,
        name: &DeviceName,
        csr_pem: &str,
    ) -> Result<DeviceDetail, GatewayError> {
        let detail = self.at.store.device_show(&name.user, &name.device).await?;
        let csr =
            self.at.authority.read_csr(csr_pem, Some(Holder::Device(detail.device.id))).await?;
        let within = Some(supersede_within(self.at));
        self.at.authority.issue(actor, &detail.device, KeyFrom::Csr(csr), within).await?;
        self.show(name).await
    }

    pub(super) async fn revoke(
        &self,
        actor: &Actor,
        name: &DeviceName,
        reason: RevocationReason,
    ) -> Result<Changed, GatewayError> {
        let touched = self.revocable(name, reason).await?;
        let change = Before::of(self.at, touched);
        let (user, device) = (&name.user, &name.device);
        let committed = self.at.store.device_revoke(actor, user, device, reason).await?;
        change.after(&committed, committed.events.first(), &committed.value).await
    }

    /// The certificates that a revocation of this device is about: its own or, where it was removed and its key turns
    /// out to be in other hands, those that it had.
    pub(super) async fn revocable(
        &self,
        name: &DeviceName,
        reason: RevocationReason,
    ) -> Result<Vec<CertificateId>, GatewayError> {
        let (store, DeviceName { user, device }) = (&self.at.store, name);
        let certificates = match store.device_show(user, device).await {
            Ok(detail) if detail.certificates.is_empty() => {
                return Err(GatewayError::NothingToRevoke { device: name.clone() });
            }
            Ok(detail) => detail.certificates,
            Err(unknown) if !reason.is_compromise() => return Err(unknown.into()),
            Err(unknown) => match store.certificates_removed(user, device).await? {
                none if none.is_empty() => return Err(unknown.into()),
                removed => removed,
            },
        };
        Ok(certificates.iter().map(|certificate| certificate.id).collect())
    }

    pub(super) async fn set_enabled(
        &self,
        actor: &Actor,
        name: &DeviceName,
        enabled: bool,
    ) -> Result<Changed, GatewayError> {
        let change = self.before_change(name).await?;
        let (user, device) = (&name.user, &name.device);
        let committed = self.at.store.device_set_enabled(actor, user, device, enabled).await?;
        change.after(&committed, committed.events.last(), &[]).await
    }

    pub(super) async fn remove(
        &self,
        actor: &Actor,
        name: &DeviceName,
    ) -> Result<Changed, GatewayError> {
        let change = self.before_change(name).await?;
        let committed = self.at.store.device_remove(actor, &name.user, &name.device).await?;
        change.after(&committed, committed.events.last(), &committed.value).await
    }

    async fn before_change(&self, name: &DeviceName) -> Result<Before<'_>, GatewayError> {
        let detail = self.at.store.device_show(&name.user, &name.device).await?;
        Ok(Before::of(self.at, detail.certificates.iter().map(|c| c.id)))
    }
}
