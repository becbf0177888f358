//! Addresses: which host number a device gets, and when it gives it back.
//!
//! Invariant: a device that has a certificate which is not revoked has addresses.

use clock::Timestamp;

use super::Rules;
use super::known::there;
use crate::backend::Lookup;
use crate::error::{Refused, StoreError};
use crate::event::EventKind;
use crate::ids::DeviceId;
use crate::payload::DevicePayload;
use crate::records::{Device, Lease};

/// 0 is the network, 1 the gateway.
const FIRST: u32 = 2;

impl Rules<'_> {
    /// Takes the addresses of those of these devices whose certificates were all revoked before that time.
    pub(super) fn leases_free(
        &mut self,
        devices: &[DeviceId],
        before: Timestamp,
    ) -> Result<(), StoreError> {
        for id in devices {
            if let Some(device) = self.lookup.device_by_id(*id)?
                && device.lease.is_some()
                && self.known().is_revoked_since(&device, before)?
            {
                self.edit.lease_delete(device.id)?;
                let payload = DevicePayload::from(&device);
                self.record(&EventKind::DEVICE_ADDRESSES_FREED, &payload)?;
            }
        }
        Ok(())
    }

    /// A device that gave its addresses back gets others with its next certificate.
    pub(super) fn lease_again(&mut self, id: DeviceId) -> Result<(), StoreError> {
        let device = there(self.lookup.device_by_id(id)?, || Refused::DeviceGone)?;
        if device.lease.is_some() {
            return Ok(());
        }
        let lease = lease_free(self.lookup, self.options.lease_last)?;
        self.edit.lease_insert(id, lease)?;
        let device = Device { lease: Some(lease), ..device };
        self.record(&EventKind::DEVICE_ADDRESSES_GIVEN, &DevicePayload::from(&device)).map(drop)
    }
}

/// Above all others as long as there is room, so that a freed address rests before it gets
/// another owner; then the lowest free one.
pub(super) fn lease_free(lookup: &dyn Lookup, last: u32) -> Result<Lease, StoreError> {
    let host = match lookup.lease_highest()? {
        None if FIRST <= last => FIRST,
        Some(top) if top < last => top + 1,
        _ => lookup.lease_gap(FIRST, last)?.ok_or(Refused::AddressesUsedUp { last })?,
    };
    Ok(Lease { ipv4: host, ipv6: host.into() })
}
