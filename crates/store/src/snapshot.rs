//! What is true at one moment, in memory: for verifiers, admission and listings on hot paths.

use std::collections::HashMap;
use std::sync::Arc;

use crate::ids::{CaGenerationId, DeviceId, EventId, Serial, UserId};
use crate::names::{DeviceName, UserName};
use crate::records::{CaGeneration, Crl, Device, Holder, Lease, RevocationReason, User};

/// Immutable; a commit publishes another one. Get one with [`Store::snapshot`](crate::Store::snapshot).
#[derive(Clone, Debug)]
pub struct Snapshot {
    through: EventId,
    users: HashMap<UserId, Arc<User>>,
    devices: HashMap<DeviceId, Arc<Device>>,
    certificates: HashMap<Serial, Arc<CertificateEntry>>,
}

/// What the snapshot knows of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateEntry {
    /// Its serial number.
    pub serial: Serial,
    /// Whom it names.
    pub holder: Holder,
    /// Valid until.
    pub not_after: u64,
    /// The CA generation that signed it.
    pub issued_by: CaGenerationId,
    /// When and why it was revoked.
    pub revoked: Option<(u64, RevocationReason)>,
    /// Whether it was ever used to connect.
    pub connected: bool,
    /// When it will be revoked as superseded.
    pub supersede_at: Option<u64>,
}

/// What a certificate's serial number is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The store never heard of it.
    Unknown,
    /// It was revoked.
    Revoked {
        /// When.
        at: u64,
        /// Why.
        reason: RevocationReason,
    },
    /// Its user is disabled.
    UserDisabled,
    /// Its device is disabled.
    DeviceDisabled,
    /// It may be used.
    Good,
}

impl Snapshot {
    /// The last event that it has in it.
    pub fn through(&self) -> EventId {
        self.through
    }

    /// What this serial is worth. A revocation outweighs everything else.
    pub fn standing(&self, _serial: &Serial) -> Standing {
        todo!()
    }

    /// A certificate by its serial.
    pub fn certificate(&self, serial: &Serial) -> Option<&Arc<CertificateEntry>> {
        self.certificates.get(serial)
    }

    /// All certificates, in no order.
    pub fn certificates(&self) -> impl Iterator<Item = &Arc<CertificateEntry>> {
        self.certificates.values()
    }

    /// The device that a certificate was issued for, with its user.
    pub fn identity(&self, _serial: &Serial) -> Option<(&Arc<User>, &Arc<Device>)> {
        todo!()
    }

    /// A user by id.
    pub fn user(&self, id: UserId) -> Option<&Arc<User>> {
        self.users.get(&id)
    }

    /// A user by name.
    pub fn user_named(&self, _name: &UserName) -> Option<&Arc<User>> {
        todo!()
    }

    /// All users, in no order.
    pub fn users(&self) -> impl Iterator<Item = &Arc<User>> {
        self.users.values()
    }

    /// A device by id.
    pub fn device(&self, id: DeviceId) -> Option<&Arc<Device>> {
        self.devices.get(&id)
    }

    /// A device by its user's and its own name.
    pub fn device_named(&self, _user: &UserName, _device: &DeviceName) -> Option<&Arc<Device>> {
        todo!()
    }

    /// All devices, in no order.
    pub fn devices(&self) -> impl Iterator<Item = &Arc<Device>> {
        self.devices.values()
    }

    /// A device's addresses.
    pub fn lease_of(&self, device: DeviceId) -> Option<Lease> {
        self.device(device).map(|device| device.lease)
    }

    /// The generations of the CA, oldest first.
    pub fn ca_generations(&self) -> &[Arc<CaGeneration>] {
        todo!()
    }

    /// The latest CRL of a CA generation.
    pub fn crl(&self, _generation: CaGenerationId) -> Option<&Arc<Crl>> {
        todo!()
    }

    /// When the next superseded certificate is due to be revoked.
    pub fn supersede_next(&self) -> Option<u64> {
        todo!()
    }
}
