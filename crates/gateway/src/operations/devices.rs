//! Devices: recorded, listed, renewed by CSR, revoked.

use admin::names::DeviceName;
use admin::response::{Changed, Device, DeviceDetail};
use admin::revoke_reason::RevokeReason;
use authority::KeyFrom;
use store::Actor;

use super::names::{device_names, fits_a_certificate, user_name};
use crate::error::GatewayError;
use crate::gateway::Gateway;
use crate::words::revocation_reason;

impl Gateway {
    pub(super) async fn device_add(
        &self,
        actor: &Actor,
        name: &DeviceName,
        csr_pem: Option<&str>,
    ) -> Result<DeviceDetail, GatewayError> {
        let (user, device) = device_names(name)?;
        fits_a_certificate(user.as_str(), device.as_str())?;
        // A bad CSR is found before anything is recorded.
        let csr = csr_pem.map(|pem| self.authority().read_csr(pem)).transpose()?;
        let added = self.store().device_add(actor, &user, &device).await?.value;
        if let Some(csr) = csr {
            self.authority().issue(actor, &added, KeyFrom::Csr(csr), None).await?;
        }
        self.device_show(name).await
    }

    pub(super) async fn device_list(
        &self,
        user: Option<&str>,
    ) -> Result<Vec<Device>, GatewayError> {
        let user = user.map(user_name).transpose()?;
        let details = match user {
            Some(user) => self.store().user_show(&user).await?.devices,
            None => self.all_devices().await?,
        };
        Ok(self
            .look(|viewer| details.iter().map(|d| viewer.device_detail(d).device).collect())
            .await)
    }

    pub(super) async fn device_show(
        &self,
        name: &DeviceName,
    ) -> Result<DeviceDetail, GatewayError> {
        let (user, device) = device_names(name)?;
        let detail = self.store().device_show(&user, &device).await?;
        Ok(self.look(|viewer| viewer.device_detail(&detail)).await)
    }

    pub(super) async fn device_renew(
        &self,
        actor: &Actor,
        name: &DeviceName,
        csr_pem: &str,
    ) -> Result<DeviceDetail, GatewayError> {
        let (user, device) = device_names(name)?;
        let detail = self.store().device_show(&user, &device).await?;
        let csr = self.authority().read_csr(csr_pem)?;
        let within = Some(self.supersede_within());
        self.authority().issue(actor, &detail.device, KeyFrom::Csr(csr), within).await?;
        self.device_show(name).await
    }

    pub(super) async fn device_revoke(
        &self,
        actor: &Actor,
        name: &DeviceName,
        reason: RevokeReason,
    ) -> Result<Changed, GatewayError> {
        let (user, device) = device_names(name)?;
        let before = self.store().device_show(&user, &device).await?;
        if before.certificates.is_empty() {
            return Err(GatewayError::NothingToRevoke { device: name.clone() });
        }
        let touched = before.certificates.iter().map(|c| c.id).collect();
        let change = self.before_change(touched);
        let reason = revocation_reason(reason);
        let committed = self.store().device_revoke(actor, &user, &device, reason).await?;
        match committed.events.first() {
            Some(event) => self.after_change(change, event, &committed.value).await,
            None => Ok(Changed::default()),
        }
    }

    /// Every device with its certificates, by user and name.
    pub(crate) async fn all_devices(&self) -> Result<Vec<store::DeviceDetail>, GatewayError> {
        let devices = self.store().device_list(None).await?;
        let mut certificates = by_device(self.store().certificate_list().await?);
        Ok(devices
            .into_iter()
            .map(|device| {
                let certificates = certificates.remove(&device.id).unwrap_or_default();
                store::DeviceDetail { device, certificates }
            })
            .collect())
    }
}

fn by_device(
    certificates: Vec<store::Certificate>,
) -> std::collections::HashMap<store::DeviceId, Vec<store::Certificate>> {
    let mut of: std::collections::HashMap<_, Vec<_>> = std::collections::HashMap::new();
    for certificate in certificates {
        if let store::Holder::Device(device) = certificate.holder {
            of.entry(device).or_default().push(certificate);
        }
    }
    of
}
