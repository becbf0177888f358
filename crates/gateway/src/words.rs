//! The records' values in administration's words: names, times, reasons.

use admin::names::DeviceName;
use admin::revoke_reason::RevokeReason;
use admin::timestamp::Timestamp;
use store::{CertificateEntry, EventId, Snapshot};

/// A device's full name.
pub(crate) fn device_name(device: &store::Device) -> DeviceName {
    DeviceName { user: device.user_name.to_string(), device: device.name.to_string() }
}

/// The device that a certificate was issued for, while both are on record.
pub(crate) fn holder_name(snapshot: &Snapshot, entry: &CertificateEntry) -> Option<DeviceName> {
    snapshot.identity(&entry.id).map(|(_, device)| device_name(device))
}

/// The store's reason in the words of the protocol.
pub(crate) fn revoke_reason(reason: pki::RevocationReason) -> RevokeReason {
    let same = |r: &RevokeReason| r.code() == reason.code();
    RevokeReason::ALL.into_iter().find(same).unwrap_or_default()
}

/// The protocol's reason in the words of the store.
pub(crate) fn revocation_reason(reason: RevokeReason) -> pki::RevocationReason {
    pki::RevocationReason::from_code(reason.code()).unwrap_or_default()
}

/// A wall time of the store.
pub(crate) fn seconds(at: u64) -> Timestamp {
    Timestamp::from_secs(i64::try_from(at).unwrap_or(i64::MAX))
}

/// An event's id as a number.
pub(crate) fn number(event: EventId) -> u64 {
    event.get()
}

/// An event's time.
pub(crate) fn milliseconds(at: u64) -> Timestamp {
    Timestamp::from_millis(i64::try_from(at).unwrap_or(i64::MAX))
}
