//! Users: added with their first device, kept out, let in, removed.

use names::{DeviceName, UserName};

use super::{Rules, there};
use crate::error::{Refused, StoreError};
use crate::event::EventKind;
use crate::payload::UserPayload;
use crate::records::User;

impl Rules<'_> {
    pub(super) fn user_add(
        &mut self,
        name: &UserName,
        first_device: Option<&DeviceName>,
    ) -> Result<(), StoreError> {
        if self.lookup.user(name)?.is_some() {
            return Err(Refused::UserExists(name.clone()).into());
        }
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
        let user = self.user(name)?;
        if user.enabled == enabled {
            return Ok(());
        }
        self.edit.user_set_enabled(user.id, enabled)?;
        let kind = if enabled { EventKind::USER_ENABLED } else { EventKind::USER_DISABLED };
        self.record(&kind, &UserPayload::from(&user)).map(drop)
    }

    pub(super) fn user_remove(&mut self, name: &UserName) -> Result<(), StoreError> {
        let user = self.user(name)?;
        for device in self.lookup.devices_of(user.id)? {
            self.device_remove(name, &device.name)?;
        }
        self.edit.user_set_removed(user.id, self.at())?;
        self.record(&EventKind::USER_REMOVED, &UserPayload::from(&user)).map(drop)
    }

    pub(super) fn user(&self, name: &UserName) -> Result<User, StoreError> {
        there(self.lookup.user(name)?, || Refused::UserUnknown(name.clone()))
    }
}
