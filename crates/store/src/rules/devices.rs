//! Devices: added with their addresses, kept out, let in, revoked, removed.
//!
//! The names of a user's devices differ by more than case, as those of users do.

use names::{DeviceName, RevocationReason, UserName};

use super::Rules;
use super::leases::lease_free;
use crate::error::{Refused, StoreError};
use crate::event::EventKind;
use crate::payload::DevicePayload;
use crate::records::Device;

impl Rules<'_> {
    pub(super) fn device_add(
        &mut self,
        owner: &UserName,
        name: &DeviceName,
    ) -> Result<(), StoreError> {
        let user = self.known().user(owner)?.id;
        let devices = self.lookup.devices_of(user)?;
        let alike = |device: &Device| device.name.is_alike(name);
        if let Some(device) = devices.into_iter().find(alike) {
            return Err(Refused::DeviceExists(owner.clone(), device.name).into());
        }
        let id = self.edit.device_insert(user, name, self.at())?;
        let lease = lease_free(self.lookup, self.options.lease_last)?;
        self.edit.lease_insert(id, lease)?;
        let lease = Some(lease);
        let payload = DevicePayload {
            user: owner.clone(),
            user_id: user,
            device: name.clone(),
            device_id: id,
            lease,
        };
        self.record(&EventKind::DEVICE_ADDED, &payload).map(drop)
    }

    pub(super) fn device_set_enabled(
        &mut self,
        owner: &UserName,
        name: &DeviceName,
        enabled: bool,
    ) -> Result<(), StoreError> {
        let device = self.known().device(owner, name)?;
        if device.enabled() == enabled {
            return Ok(());
        }
        let since = (!enabled).then(|| self.at());
        self.edit.device_set_disabled(device.id, since)?;
        let kind = if enabled { EventKind::DEVICE_ENABLED } else { EventKind::DEVICE_DISABLED };
        self.record(&kind, &DevicePayload::from(&device)).map(drop)
    }

    pub(super) fn device_revoke(
        &mut self,
        owner: &UserName,
        name: &DeviceName,
        reason: RevocationReason,
    ) -> Result<(), StoreError> {
        let device = match self.known().device(owner, name) {
            Err(unknown) if reason.is_compromise() => {
                return self.removed_revoke(owner, name, reason, unknown);
            }
            device => device?,
        };
        let certificates = self.lookup.certificates_of(device.id)?;
        self.revoke_all(&certificates, reason)
    }

    /// Devices of this name that were removed: their keys may turn out to be in other hands.
    fn removed_revoke(
        &mut self,
        owner: &UserName,
        name: &DeviceName,
        reason: RevocationReason,
        unknown: StoreError,
    ) -> Result<(), StoreError> {
        let removed = self.lookup.devices_removed(owner, name)?;
        if removed.is_empty() {
            return Err(unknown);
        }
        removed.into_iter().try_for_each(|device| {
            let certificates = self.lookup.certificates_of(device)?;
            self.revoke_all(&certificates, reason)
        })
    }

    pub(super) fn device_remove(
        &mut self,
        owner: &UserName,
        name: &DeviceName,
    ) -> Result<(), StoreError> {
        self.device_revoke(owner, name, RevocationReason::CessationOfOperation)?;
        let device = self.known().device(owner, name)?;
        self.edit.lease_delete(device.id)?;
        self.edit.device_set_removed(device.id, self.at())?;
        self.record(&EventKind::DEVICE_REMOVED, &DevicePayload::from(&device)).map(drop)
    }
}
