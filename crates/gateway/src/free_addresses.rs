//! The addresses of devices that were revoked long ago come free, so that a network is never full of the
//! dead. The records decide; this finds who is due.
//!
//! Invariant: what a session has is not given to another device.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use admin::names::DeviceName;
use clock::Timestamp;
use store::{DeviceId, Holder, Snapshot, Store};

use crate::config::Device;
use crate::doors::Doors;
use crate::words::device_name;

/// Frees what is due at this moment.
pub(crate) async fn look(store: &Store, doors: &Doors, settings: &Device, now: Timestamp) {
    let Some(before) = deadline(settings, now) else { return };
    let mut due = revoked_before(&store.snapshot(), before);
    if due.is_empty() {
        return;
    }
    let connected: HashSet<DeviceName> =
        doors.sessions().await.into_iter().filter_map(|session| session.device).collect();
    let snapshot = store.snapshot();
    due.retain(|id| snapshot.device(*id).is_some_and(|d| !connected.contains(&device_name(d))));
    for some in due.chunks(AT_ONCE) {
        if let Err(error) = store.leases_free(some.to_vec(), before).await {
            tracing::error!(%error, "the addresses of revoked devices are not free yet");
            return;
        }
    }
}

/// In one transaction, so that a revocation does not wait for thousands.
const AT_ONCE: usize = 200;

fn deadline(settings: &Device, now: Timestamp) -> Option<Timestamp> {
    let days = settings.free_address_days;
    (days > 0).then(|| now.before(Duration::from_secs(u64::from(days) * 86_400)))
}

/// Those with addresses whose certificates were all revoked before that time.
fn revoked_before(snapshot: &Snapshot, before: Timestamp) -> Vec<DeviceId> {
    let mut gone: HashMap<DeviceId, bool> = HashMap::new();
    for entry in snapshot.certificates() {
        if let Holder::Device(id) = entry.holder {
            *gone.entry(id).or_insert(true) &= entry.revoked.is_some_and(|(at, _)| at < before);
        }
    }
    gone.retain(|id, gone| *gone && snapshot.device(*id).is_some_and(|d| d.lease.is_some()));
    gone.into_keys().collect()
}
