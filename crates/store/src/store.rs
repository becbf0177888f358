//! The owner's handle: asks the writer for changes, hands out snapshots, and reads.

use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use clock::Clock;
use pki::{RevocationReason, Serial};
use rusqlite::Connection;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot, watch};

use crate::actor::Actor;
use crate::error::StoreError;
use crate::event::EventKind;
use crate::ids::EventId;
use crate::lock::OwnerLock;
use crate::names::{DeviceName, UserName};
use crate::reader::{Reader, spawn};
use crate::records::{
    CaGeneration, Certificate, Connected, Device, NewCaGeneration, NewCertificate, NewCrl,
    Revocation, User, UserDetail,
};
use crate::rows;
use crate::schema;
use crate::secret::Secret;
use crate::snapshot::{Delta, Snapshot};
use crate::txn::Txn;
use crate::writer::{QUEUE, Request, Work, Writer};

/// What may differ between stores.
#[derive(Clone, Debug)]
pub struct Options {
    /// The last host number that is leased (for an IPv4 network of n addresses: n - 2).
    pub lease_last: u32,
    /// Leaves out every sync: a power cut loses acknowledged changes, or the whole store. For tests
    /// only, among them the one that shows that such a loss is noticed.
    pub danger_unsynced: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { lease_last: 65_534, danger_unsynced: false }
    }
}

/// The owner's handle: changes, and reads by [`Reader`], which it dereferences to. Clones are
/// cheap; the store closes when the last one is dropped.
///
/// Every method that changes something returns after the change is on the disk and in the
/// [`snapshot`](Store::snapshot).
#[derive(Clone, Debug)]
pub struct Store {
    reader: Reader,
    requests: mpsc::Sender<Request>,
    snapshot: Arc<ArcSwap<Snapshot>>,
    latest: watch::Receiver<EventId>,
}

impl Deref for Store {
    type Target = Reader;

    fn deref(&self) -> &Reader {
        &self.reader
    }
}

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
        let lock = OwnerLock::take(path)?;
        let conn = schema::open_owned(path, !options.danger_unsynced)?;
        let first = snapshot_of(&conn)?;
        let (publish, latest) = watch::channel(first.through());
        let snapshot = Arc::new(ArcSwap::from_pointee(first));
        let reader = Reader::open(path)?;
        let (requests, queue) = mpsc::channel(QUEUE);
        let writer = Writer {
            checkpointed_at: conn.total_changes(),
            conn,
            clock,
            options,
            snapshot: Arc::clone(&snapshot),
            latest: publish,
            lock,
            broken: None,
        };
        spawn("store-writer", path, move || writer.run(queue))?;
        Ok(Store { reader, requests, snapshot, latest })
    }

    /// What is true at the moment. Cheap; never touches the database.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// Where the snapshots are published, for readers that outlive a borrow of the store.
    pub fn snapshots(&self) -> Arc<ArcSwap<Snapshot>> {
        Arc::clone(&self.snapshot)
    }

    /// Follows the log from the present on.
    pub fn follow(&self) -> Follower {
        let mut latest = self.latest.clone();
        latest.mark_unchanged();
        Follower { latest }
    }

    /// Finishes what was asked for before, closes the database and frees the lock. Other handles
    /// get [`StoreError::Closed`] from then on. Dropping the last handle does the same without
    /// waiting.
    pub async fn close(self) {
        let (done, closed) = oneshot::channel();
        if self.requests.send(Request::Stop(done)).await.is_ok() {
            let _ = closed.await;
        }
    }

    /// Sets a setting; no event if it has that value already.
    pub async fn setting_set(
        &self,
        actor: &Actor,
        name: &str,
        value: &str,
    ) -> Result<EventId, StoreError> {
        let (actor, name, value) = (actor.clone(), name.to_owned(), value.to_owned());
        self.change(move |txn| txn.setting_set(&actor, &name, &value)).await
    }

    /// Stores a secret, in place of a former one of that name. The event has no more than its name
    /// and length.
    pub async fn secret_put(
        &self,
        actor: &Actor,
        name: &str,
        secret: Secret,
    ) -> Result<EventId, StoreError> {
        let (actor, name) = (actor.clone(), name.to_owned());
        self.change(move |txn| txn.secret_put(&actor, &name, &secret)).await
    }

    /// Adds a generation of the CA with its key.
    pub async fn ca_generation_add(
        &self,
        actor: &Actor,
        new: NewCaGeneration,
    ) -> Result<CaGeneration, StoreError> {
        let actor = actor.clone();
        self.change(move |txn| txn.ca_generation_add(&actor, new)).await
    }

    /// Adds a user, and its first device in the same transaction.
    pub async fn user_add(
        &self,
        actor: &Actor,
        name: &UserName,
        first_device: Option<&DeviceName>,
    ) -> Result<UserDetail, StoreError> {
        let (actor, name, device) = (actor.clone(), name.clone(), first_device.cloned());
        self.change(move |txn| txn.user_add(&actor, &name, device.as_ref())).await
    }

    /// Lets a user's devices in, or keeps them out; no event if that is so already.
    pub async fn user_set_enabled(
        &self,
        actor: &Actor,
        name: &UserName,
        enabled: bool,
    ) -> Result<User, StoreError> {
        let (actor, name) = (actor.clone(), name.clone());
        self.change(move |txn| txn.user_set_enabled(&actor, &name, enabled)).await
    }

    /// Removes a user and its devices, frees their leases, and revokes their certificates, which
    /// stay on record.
    pub async fn user_remove(
        &self,
        actor: &Actor,
        name: &UserName,
    ) -> Result<Vec<Revocation>, StoreError> {
        let (actor, name) = (actor.clone(), name.clone());
        self.change(move |txn| txn.user_remove(&actor, &name)).await
    }

    /// Adds a device, and leases its addresses.
    pub async fn device_add(
        &self,
        actor: &Actor,
        user: &UserName,
        name: &DeviceName,
    ) -> Result<Device, StoreError> {
        let (actor, user, name) = (actor.clone(), user.clone(), name.clone());
        self.change(move |txn| txn.device_add(&actor, &user, &name)).await
    }

    /// Lets a device in, or keeps it out; no event if that is so already.
    pub async fn device_set_enabled(
        &self,
        actor: &Actor,
        user: &UserName,
        name: &DeviceName,
        enabled: bool,
    ) -> Result<Device, StoreError> {
        let (actor, user, name) = (actor.clone(), user.clone(), name.clone());
        self.change(move |txn| txn.device_set_enabled(&actor, &user, &name, enabled)).await
    }

    /// Revokes every certificate of the device that is not revoked yet; the device stays.
    pub async fn device_revoke(
        &self,
        actor: &Actor,
        user: &UserName,
        name: &DeviceName,
        reason: RevocationReason,
    ) -> Result<Vec<Revocation>, StoreError> {
        let (actor, user, name) = (actor.clone(), user.clone(), name.clone());
        self.change(move |txn| txn.device_revoke(&actor, &user, &name, reason)).await
    }

    /// Removes a device, frees its lease, and revokes its certificates, which stay on record.
    pub async fn device_remove(
        &self,
        actor: &Actor,
        user: &UserName,
        name: &DeviceName,
    ) -> Result<Vec<Revocation>, StoreError> {
        let (actor, user, name) = (actor.clone(), user.clone(), name.clone());
        self.change(move |txn| txn.device_remove(&actor, &user, &name)).await
    }

    /// Records a certificate that the CA issued, before anybody gets it.
    pub async fn certificate_record(
        &self,
        actor: &Actor,
        new: NewCertificate,
    ) -> Result<Certificate, StoreError> {
        let actor = actor.clone();
        self.change(move |txn| txn.certificate_record(&actor, &new)).await
    }

    /// Revokes a certificate.
    pub async fn certificate_revoke(
        &self,
        actor: &Actor,
        serial: &Serial,
        reason: RevocationReason,
    ) -> Result<Revocation, StoreError> {
        let (actor, serial) = (actor.clone(), *serial);
        self.change(move |txn| txn.certificate_revoke(&actor, &serial, reason)).await
    }

    /// Notes that a certificate was used to connect, and the first time revokes those that it
    /// supersedes. Every further time costs a look at the snapshot.
    pub async fn certificate_mark_connected(
        &self,
        serial: &Serial,
    ) -> Result<Connected, StoreError> {
        if self.snapshot.load().certificate(serial).is_some_and(|entry| entry.connected) {
            return Ok(Connected::default());
        }
        let serial = *serial;
        self.change(move |txn| txn.certificate_mark_connected(&serial)).await
    }

    /// Revokes the superseded certificates whose time is up ([`Snapshot::supersede_next`] tells
    /// when to ask).
    pub async fn certificate_supersede_due(&self) -> Result<Vec<Revocation>, StoreError> {
        self.change(|txn| txn.certificate_supersede_due()).await
    }

    /// Records a CRL that was signed. Its number has to be above the former one's.
    pub async fn crl_record(&self, actor: &Actor, crl: NewCrl) -> Result<EventId, StoreError> {
        let actor = actor.clone();
        self.change(move |txn| txn.crl_record(&actor, crl)).await
    }

    /// Appends an event that changes no row. The payload is a JSON object without secrets.
    pub async fn event_append(
        &self,
        actor: &Actor,
        kind: EventKind,
        payload: Value,
    ) -> Result<EventId, StoreError> {
        let actor = actor.clone();
        self.change(move |txn| txn.event_append(&actor, &kind, &payload)).await
    }

    async fn change<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Txn<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let request = Request::Change(Work::boxed(work, reply));
        self.requests.send(request).await.map_err(|_| StoreError::Closed)?;
        answer.await.unwrap_or(Err(StoreError::Closed))
    }
}

fn snapshot_of(conn: &Connection) -> Result<Snapshot, StoreError> {
    let users = rows::user_list(conn)?.into_iter().map(Delta::User);
    let devices = rows::device_list(conn)?.into_iter().map(Delta::Device);
    let generations = rows::ca_generation_list(conn)?.into_iter().map(Delta::CaGeneration);
    let crls = rows::crl_list(conn)?.into_iter().map(Delta::Crl);
    let certificates = rows::certificate_list(conn)?;
    let certificates = certificates.iter().map(|c| Delta::Certificate(c.into()));
    let all = users.chain(devices).chain(generations).chain(crls).chain(certificates).collect();
    Ok(Snapshot::default().after(all, rows::event_latest(conn)?))
}

/// Follows the log: says that there are new events, and never misses that there are.
#[derive(Debug)]
pub struct Follower {
    latest: watch::Receiver<EventId>,
}

impl Follower {
    /// Waits until there are events that this follower was not told of, and gives the id of the
    /// latest one; `None` once the store is closed. Then read them with `event_list`.
    pub async fn next(&mut self) -> Option<EventId> {
        self.latest.changed().await.ok()?;
        Some(*self.latest.borrow_and_update())
    }
}
