//! Addresses: which host number a device gets, and when it gives it back.
//!
//! Invariant: a device that has a certificate which is not revoked has addresses.

use clock::Timestamp;

use super::{Rules, there};
use crate::error::{Refused, StoreError};
use crate::event::EventKind;
use crate::ids::DeviceId;
use crate::payload::DevicePayload;
use crate::records::{Device, Lease};

/// 0 is the network, 1 the gateway.
const FIRST: u32 = 2;

impl Rules<'_> {
    /// Above all others as long as there is room, so that a freed address rests before it gets
    /// another owner; then the lowest free one.
    pub(super) fn lease_free(&self) -> Result<Lease, StoreError> {
        let last = self.options.lease_last;
        let host = match self.lookup.lease_highest()? {
            None if FIRST <= last => FIRST,
            Some(top) if top < last => top + 1,
            _ => self.lookup.lease_gap(FIRST, last)?.ok_or(Refused::AddressesUsedUp { last })?,
        };
        Ok(Lease { ipv4: host, ipv6: host.into() })
    }

    /// Takes the addresses of those of these devices whose certificates were all revoked before that time.
    pub(super) fn leases_free(
        &mut self,
        devices: &[DeviceId],
        before: Timestamp,
    ) -> Result<(), StoreError> {
        for id in devices {
            if let Some(device) = self.lookup.device_by_id(*id)?
                && device.lease.is_some()
                && self.is_revoked_since(&device, before)?
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
        let lease = self.lease_free()?;
        self.edit.lease_insert(id, lease)?;
        let device = Device { lease: Some(lease), ..device };
        self.record(&EventKind::DEVICE_ADDRESSES_GIVEN, &DevicePayload::from(&device)).map(drop)
    }

    /// One that never had a certificate waits for its first.
    fn is_revoked_since(&self, device: &Device, before: Timestamp) -> Result<bool, StoreError> {
        let certificates = self.lookup.certificates_of(device.id)?;
        let gone = |revoked: Timestamp| revoked < before;
        Ok(!certificates.is_empty()
            && certificates.iter().all(|c| c.revocation.is_some_and(|r| gone(r.at))))
    }
}
