//! Users: added with their first device, kept out, let in, renamed, removed.
//!
//! Two names differ by more than case, or their profiles would be one file on Windows and macOS, and people
//! would take one for the other. Records from before may hold such pairs; each of them goes on.

use names::{DeviceName, UserName};

use super::Rules;
use crate::error::StoreError;
use crate::event::EventKind;
use crate::payload::{RenamedPayload, UserPayload};

impl Rules<'_> {
    pub(super) fn user_add(
        &mut self,
        name: &UserName,
        first_device: Option<&DeviceName>,
    ) -> Result<(), StoreError> {
        self.known().name_is_free(name, None)?;
        let id = self.edit.user_insert(name, self.at())?;
        let payload = UserPayload { user: name.clone(), user_id: id };
        self.record(&EventKind::USER_ADDED, &payload)?;
        first_device.map_or(Ok(()), |device| self.device_add(name, device))
    }

    pub(super) fn user_set_enabled(
        &mut self,
        name: &UserName,
        enabled: bool,
    ) -> Result<(), StoreError> {
        let user = self.known().user(name)?;
        if user.enabled() == enabled {
            return Ok(());
        }
        let since = (!enabled).then(|| self.at());
        self.edit.user_set_disabled(user.id, since)?;
        let kind = if enabled { EventKind::USER_ENABLED } else { EventKind::USER_DISABLED };
        self.record(&kind, &UserPayload::from(&user)).map(drop)
    }

    pub(super) fn user_rename(&mut self, name: &UserName, to: &UserName) -> Result<(), StoreError> {
        let user = self.known().user(name)?;
        if name == to {
            return Ok(());
        }
        self.known().name_is_free(to, Some(user.id))?;
        self.edit.user_set_name(user.id, to)?;
        let payload = RenamedPayload { user: to.clone(), user_id: user.id, former: name.clone() };
        self.record(&EventKind::USER_RENAMED, &payload).map(drop)
    }

    pub(super) fn user_remove(&mut self, name: &UserName) -> Result<(), StoreError> {
        let user = self.known().user(name)?;
        for device in self.lookup.devices_of(user.id)? {
            self.device_remove(name, &device.name)?;
        }
        self.edit.user_set_removed(user.id, self.at())?;
        self.record(&EventKind::USER_REMOVED, &UserPayload::from(&user)).map(drop)
    }
}
