//! The same done to many users or devices: to all of them or to none, in one change, which one CRL shows.
//!
//! Who can't be changed is looked for before anything is, so that all of them are told at once; the store refuses the
//! whole where the records have changed since.

use std::collections::HashSet;

use ::names::{RevocationReason, UserName};
use admin::names::DeviceName;
use admin::request::{DeviceDeed, MOST_AT_ONCE, UserDeed};
use admin::response::ChangedAll;
use store::{Actor, CertificateId, Deed, Device};

use super::changes::Before;
use super::devices::Devices;
use crate::context::Context;
use crate::error::GatewayError;

/// Many of these records.
#[derive(Debug)]
pub(super) struct Many<'a> {
    pub(super) at: &'a Context,
}

/// What is to be done to one of them.
#[derive(Debug)]
struct One {
    name: String,
    deed: Deed,
    certificates: Vec<CertificateId>,
    /// Whether it is so already; of a revocation only the change itself tells.
    is_so: bool,
}

impl Many<'_> {
    pub(super) async fn users(
        &self,
        actor: &Actor,
        names: Vec<UserName>,
        deed: UserDeed,
    ) -> Result<ChangedAll, GatewayError> {
        let names = each_once(names)?;
        let mut found = Vec::with_capacity(names.len());
        for name in names {
            found.push(self.user(name, deed).await);
        }
        self.change(actor, found).await
    }

    pub(super) async fn devices(
        &self,
        actor: &Actor,
        devices: Vec<DeviceName>,
        deed: DeviceDeed,
    ) -> Result<ChangedAll, GatewayError> {
        let devices = each_once(devices)?;
        let mut found = Vec::with_capacity(devices.len());
        for device in devices {
            found.push(self.device(device, deed).await);
        }
        self.change(actor, found).await
    }

    async fn user(&self, name: UserName, deed: UserDeed) -> Result<One, GatewayError> {
        let detail = self.at.store.user_show(&name).await?;
        let of_one =
            |d: &store::DeviceDetail| d.certificates.iter().map(|c| c.id).collect::<Vec<_>>();
        let certificates = detail.devices.iter().flat_map(of_one).collect();
        let present = self.at.store.snapshot();
        let enabled =
            present.user(detail.user.id).map_or(detail.user.enabled(), |now| now.enabled());
        let wanted = match deed {
            UserDeed::Disable => Some(false),
            UserDeed::Enable => Some(true),
            UserDeed::Remove => None,
        };
        let is_so = wanted == Some(enabled);
        let named = name.to_string();
        let deed = match wanted {
            Some(enabled) => Deed::UserSetEnabled { name, enabled },
            None => Deed::UserRemove { name },
        };
        Ok(One { name: named, deed, certificates, is_so })
    }

    async fn device(&self, name: DeviceName, deed: DeviceDeed) -> Result<One, GatewayError> {
        match deed {
            DeviceDeed::Revoke { reason } => self.revoked(name, reason).await,
            DeviceDeed::Disable => self.set_enabled(name, false).await,
            DeviceDeed::Enable => self.set_enabled(name, true).await,
            DeviceDeed::Remove => {
                let (_, certificates) = self.known(&name).await?;
                let named = name.to_string();
                let deed = Deed::DeviceRemove { user: name.user, device: name.device };
                Ok(One { name: named, deed, certificates, is_so: false })
            }
        }
    }

    async fn revoked(
        &self,
        name: DeviceName,
        reason: RevocationReason,
    ) -> Result<One, GatewayError> {
        let certificates = Devices { at: self.at }.revocable(&name, reason).await?;
        let named = name.to_string();
        let deed = Deed::DeviceRevoke { user: name.user, device: name.device, reason };
        Ok(One { name: named, deed, certificates, is_so: false })
    }

    async fn set_enabled(&self, name: DeviceName, enabled: bool) -> Result<One, GatewayError> {
        let (device, certificates) = self.known(&name).await?;
        let present = self.at.store.snapshot();
        let now = present.device(device.id).map_or(device.enabled(), |now| now.enabled());
        let named = name.to_string();
        let deed = Deed::DeviceSetEnabled { user: name.user, device: name.device, enabled };
        Ok(One { name: named, deed, certificates, is_so: now == enabled })
    }

    async fn known(&self, name: &DeviceName) -> Result<(Device, Vec<CertificateId>), GatewayError> {
        let detail = self.at.store.device_show(&name.user, &name.device).await?;
        let certificates = detail.certificates.iter().map(|c| c.id).collect();
        Ok((detail.device, certificates))
    }

    async fn change(
        &self,
        actor: &Actor,
        found: Vec<Result<One, GatewayError>>,
    ) -> Result<ChangedAll, GatewayError> {
        let of = found.len();
        let (mut all, mut refused) = (Vec::with_capacity(of), Vec::new());
        for one in found {
            match one {
                Ok(one) => all.push(one),
                Err(why) => refused.push(why),
            }
        }
        if !refused.is_empty() {
            return Err(GatewayError::NotAll { of, refused });
        }
        let before = Before::of(self.at, all.iter().flat_map(|one| one.certificates.clone()));
        let deeds = all.iter().map(|one| one.deed.clone()).collect();
        let committed = self.at.store.deeds_do(actor, deeds).await?;
        let revoked: HashSet<_> = committed.value.iter().map(|revocation| revocation.id).collect();
        let did = before.after(&committed, committed.events.last(), &committed.value).await?;
        let is_changed = |one: &One| match one.deed {
            Deed::DeviceRevoke { .. } => one.certificates.iter().any(|id| revoked.contains(id)),
            _ => !one.is_so,
        };
        let (changed, already): (Vec<_>, Vec<_>) = all.into_iter().partition(is_changed);
        let names = |all: Vec<One>| all.into_iter().map(|one| one.name).collect();
        Ok(ChangedAll { changed: names(changed), already: names(already), did })
    }
}

/// In their order.
fn each_once<T: Clone + Eq + std::hash::Hash>(names: Vec<T>) -> Result<Vec<T>, GatewayError> {
    if names.len() > MOST_AT_ONCE {
        return Err(GatewayError::TooMany { named: names.len(), most: MOST_AT_ONCE });
    }
    let mut seen = HashSet::with_capacity(names.len());
    Ok(names.into_iter().filter(|name| seen.insert(name.clone())).collect())
}
