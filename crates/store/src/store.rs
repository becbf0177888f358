//! The handle that everybody holds: asks the writer and the reader thread, and hands out snapshots.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;

use clock::Clock;
use serde_json::Value;

use crate::actor::Actor;
use crate::error::StoreError;
use crate::event::{ChainReport, Event, EventKind};
use crate::ids::{CaGenerationId, DeviceId, EventId, Serial};
use crate::names::{DeviceName, UserName};
use crate::records::{
    CaGeneration, Certificate, Connected, Crl, Device, DeviceDetail, Lease, NewCaGeneration,
    NewCertificate, NewCrl, Revocation, RevocationReason, User, UserDetail,
};
use crate::secret::Secret;
use crate::snapshot::Snapshot;

/// What may differ between stores.
#[derive(Clone, Debug)]
pub struct Options {
    /// The last host number that is leased (the IPv4 network's size less the broadcast address).
    pub lease_last: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self { lease_last: 65_534 }
    }
}

/// The owner's handle: reads (by [`Reader`], which it dereferences to) and changes. Clones are
/// cheap; the store closes when the last one is dropped.
#[derive(Clone, Debug)]
pub struct Store {
    reader: Reader,
}

/// Reads what is committed. Clones are cheap.
#[derive(Clone, Debug)]
pub struct Reader {}

/// Follows the log: tells that there are new events, never misses that there are.
#[derive(Debug)]
pub struct Follower {}

impl Deref for Store {
    type Target = Reader;

    fn deref(&self) -> &Reader {
        &self.reader
    }
}

#[allow(unused_variables, clippy::todo, clippy::unused_async)]
impl Store {
    /// Opens the store at `path` (the database file), makes it where there is none, and becomes its
    /// one owner.
    pub fn open(path: &Path, clock: Arc<dyn Clock>) -> Result<Store, StoreError> {
        Self::open_with(path, clock, Options::default())
    }

    /// The same, with options.
    pub fn open_with(
        path: &Path,
        clock: Arc<dyn Clock>,
        options: Options,
    ) -> Result<Store, StoreError> {
        todo!()
    }

    /// What is true at the moment. Cheap; never touches the database.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        todo!()
    }

    /// Follows the log from the present on.
    pub fn follow(&self) -> Follower {
        todo!()
    }

    /// Finishes what was asked for, and gives the store up. Dropping the last handle does the same
    /// without waiting.
    pub async fn close(self) -> Result<(), StoreError> {
        todo!()
    }

    pub async fn setting_set(
        &self,
        actor: &Actor,
        name: &str,
        value: &str,
    ) -> Result<EventId, StoreError> {
        todo!()
    }
    pub async fn secret_put(
        &self,
        actor: &Actor,
        name: &str,
        secret: Secret,
    ) -> Result<EventId, StoreError> {
        todo!()
    }
    pub async fn ca_generation_add(
        &self,
        actor: &Actor,
        new: NewCaGeneration,
    ) -> Result<CaGeneration, StoreError> {
        todo!()
    }
    /// Adds a user, and its first device in the same transaction.
    pub async fn user_add(
        &self,
        actor: &Actor,
        name: &UserName,
        first_device: Option<&DeviceName>,
    ) -> Result<UserDetail, StoreError> {
        todo!()
    }
    pub async fn user_set_enabled(
        &self,
        actor: &Actor,
        name: &UserName,
        enabled: bool,
    ) -> Result<User, StoreError> {
        todo!()
    }
    /// Removes a user and its devices, frees their leases, and revokes their certificates (which stay on record).
    pub async fn user_remove(
        &self,
        actor: &Actor,
        name: &UserName,
    ) -> Result<Vec<Revocation>, StoreError> {
        todo!()
    }
    pub async fn device_add(
        &self,
        actor: &Actor,
        user: &UserName,
        name: &DeviceName,
    ) -> Result<Device, StoreError> {
        todo!()
    }
    pub async fn device_set_enabled(
        &self,
        actor: &Actor,
        user: &UserName,
        name: &DeviceName,
        enabled: bool,
    ) -> Result<Device, StoreError> {
        todo!()
    }
    /// Revokes every certificate of the device that is not revoked yet; the device stays.
    pub async fn device_revoke(
        &self,
        actor: &Actor,
        user: &UserName,
        name: &DeviceName,
        reason: RevocationReason,
    ) -> Result<Vec<Revocation>, StoreError> {
        todo!()
    }
    pub async fn device_remove(
        &self,
        actor: &Actor,
        user: &UserName,
        name: &DeviceName,
    ) -> Result<Vec<Revocation>, StoreError> {
        todo!()
    }
    pub async fn certificate_record(
        &self,
        actor: &Actor,
        new: NewCertificate,
    ) -> Result<Certificate, StoreError> {
        todo!()
    }
    pub async fn certificate_revoke(
        &self,
        actor: &Actor,
        serial: &Serial,
        reason: RevocationReason,
    ) -> Result<Revocation, StoreError> {
        todo!()
    }
    /// Notes that the certificate was used to connect; cheap when it was before.
    pub async fn certificate_mark_connected(
        &self,
        serial: &Serial,
    ) -> Result<Connected, StoreError> {
        todo!()
    }
    /// Revokes the superseded certificates whose time is up.
    pub async fn certificate_supersede_due(&self) -> Result<Vec<Revocation>, StoreError> {
        todo!()
    }
    pub async fn crl_record(&self, actor: &Actor, crl: NewCrl) -> Result<EventId, StoreError> {
        todo!()
    }
    pub async fn event_append(
        &self,
        actor: &Actor,
        kind: EventKind,
        payload: Value,
    ) -> Result<EventId, StoreError> {
        todo!()
    }
}

#[allow(unused_variables, clippy::todo, clippy::unused_async)]
impl Reader {
    /// Opens the store for reading only, also while its owner runs.
    pub fn open(path: &Path) -> Result<Reader, StoreError> {
        todo!()
    }

    pub async fn setting_get(&self, name: &str) -> Result<Option<String>, StoreError> {
        todo!()
    }
    pub async fn setting_list(&self) -> Result<BTreeMap<String, String>, StoreError> {
        todo!()
    }
    pub async fn secret_get(&self, name: &str) -> Result<Option<Secret>, StoreError> {
        todo!()
    }
    pub async fn ca_generation_list(&self) -> Result<Vec<CaGeneration>, StoreError> {
        todo!()
    }
    pub async fn user_list(&self) -> Result<Vec<User>, StoreError> {
        todo!()
    }
    pub async fn user_show(&self, name: &UserName) -> Result<UserDetail, StoreError> {
        todo!()
    }
    /// All devices, or one user's.
    pub async fn device_list(&self, user: Option<&UserName>) -> Result<Vec<Device>, StoreError> {
        todo!()
    }
    pub async fn device_show(
        &self,
        user: &UserName,
        name: &DeviceName,
    ) -> Result<DeviceDetail, StoreError> {
        todo!()
    }
    pub async fn lease_of(&self, device: DeviceId) -> Result<Option<Lease>, StoreError> {
        todo!()
    }
    /// All certificates, oldest first.
    pub async fn certificate_list(&self) -> Result<Vec<Certificate>, StoreError> {
        todo!()
    }
    pub async fn certificate_show(&self, serial: &Serial) -> Result<Certificate, StoreError> {
        todo!()
    }
    /// What the CRL of a CA generation has to list, in the order of revocation, and the last event
    /// that this list has in it (for `NewCrl::through`).
    pub async fn revocation_list(
        &self,
        generation: CaGenerationId,
    ) -> Result<(Vec<Revocation>, EventId), StoreError> {
        todo!()
    }
    pub async fn crl_latest(&self, generation: CaGenerationId) -> Result<Option<Crl>, StoreError> {
        todo!()
    }
    /// Up to `limit` events after `after`, in order.
    pub async fn event_list(&self, after: EventId, limit: usize) -> Result<Vec<Event>, StoreError> {
        todo!()
    }
    /// The id of the last event.
    pub async fn event_latest(&self) -> Result<EventId, StoreError> {
        todo!()
    }
    /// Recomputes every hash, and names the first event that is not what was written.
    pub async fn chain_verify(&self) -> Result<ChainReport, StoreError> {
        todo!()
    }
}

impl Follower {
    /// Waits until there are events that this follower was not told of, and gives the id of the
    /// latest one; `None` once the store is closed. Then read them with `event_list`.
    pub async fn next(&mut self) -> Option<EventId> {
        todo!()
    }
}
