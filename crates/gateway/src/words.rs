//! The records' values in administration's words: names and numbers.

use admin::names::DeviceName;
use store::{CertificateEntry, EventId, Snapshot};

/// A device's full name.
pub(crate) fn device_name(device: &store::Device) -> DeviceName {
    DeviceName { user: device.user_name.clone(), device: device.name.clone() }
}

/// The device that a certificate was issued for, while both are on record.
pub(crate) fn holder_name(snapshot: &Snapshot, entry: &CertificateEntry) -> Option<DeviceName> {
    snapshot.identity(&entry.id).map(|(_, device)| device_name(device))
}

/// An event's id as a number.
pub(crate) fn number(event: EventId) -> u64 {
    event.get()
}
