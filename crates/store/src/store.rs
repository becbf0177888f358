//! The owner's handle: asks the writer for changes, hands out snapshots, and reads.

use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use clock::{Clock, Revision, Timestamp};
use names::{CertificateName, DeviceName, RevocationReason, UserName};
use pki::CertificateId;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot, watch};

use crate::actor::Actor;
use crate::backend::Writing;
use crate::change::{Change, Committed, Made, Proposal};
use crate::deed::Deed;
use crate::error::{Fault, OpenError, StoreError};
use crate::event::EventKind;
use crate::ids::{CaGenerationId, DeviceId};
use crate::lock::FolderLock;
use crate::options::Options;
use crate::outcome;
use crate::reader::{Reader, spawn};
use crate::records::{
    CaGeneration, Certificate, Connected, Device, Ended, NewCaGeneration, NewCertificate, NewCrl,
    NewRollover, Revocation, UserDetail,
};
use crate::request::Request;
use crate::reserve::Reserve;
use crate::secret::Secret;
use crate::sessions::SessionNote;
use crate::settings_mark::SettingsMark;
use crate::snapshot::Snapshot;
use crate::sqlite::Sqlite;
use crate::waiting::{Backlog, Waiting};
use crate::writer::{QUEUE, Writer};

/// The owner's handle: changes, and reads by [`Reader`], which it dereferences to. Clones are
/// cheap; the store closes when the last one is dropped.
///
/// Every method that changes something returns after the change is on the disk and in the
/// [`snapshot`](Store::snapshot), or with an error. What withdraws a right is made also where the disk does
/// not take it, which [`Committed::on_disk`] says.
#[derive(Clone, Debug)]
pub struct Store {
    reader: Reader,
    requests: mpsc::Sender<Request>,
    snapshot: Arc<ArcSwap<Snapshot>>,
    latest: watch::Receiver<Revision>,
    waiting: watch::Receiver<Waiting>,
}

impl Deref for Store {
    type Target = Reader;

    fn deref(&self) -> &Reader {
        &self.reader
    }
}

impl Store {
    /// Takes the folder of `path` (the database file), and opens the store in it, which is made where
    /// there is none.
    pub fn open(path: &Path, clock: Arc<dyn Clock>) -> Result<Store, OpenError> {
        Self::open_with(path, clock, Options::default())
    }

    /// The same, with options.
    pub fn open_with(
        path: &Path,
        clock: Arc<dyn Clock>,
        options: Options,
    ) -> Result<Store, OpenError> {
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Self::open_in_taken_folder(path, clock, options, FolderLock::take(folder)?)
    }

    /// The same in a folder that the caller took; it is held until the store is closed.
    pub fn open_in_taken_folder(
        path: &Path,
        clock: Arc<dyn Clock>,
        options: Options,
        lock: FolderLock,
    ) -> Result<Store, OpenError> {
        let mut reserve = Reserve::beside(path, options.reserve);
        let backend = open_with_room(path, &options, &mut reserve)?;
        Self::over(path, clock, Box::new(backend), reserve, lock)
    }

    /// Over a database that is open for writing already.
    pub(crate) fn over(
        path: &Path,
        clock: Arc<dyn Clock>,
        backend: Box<dyn Writing>,
        mut reserve: Reserve,
        lock: FolderLock,
    ) -> Result<Store, OpenError> {
        let first = Arc::new(backend.snapshot()?);
        let (publish, latest) = watch::channel(first.through().revision());
        let snapshot = Arc::new(ArcSwap::new(Arc::clone(&first)));
        let reader = Reader::open(path)?;
        reserve.fill();
        let (requests, queue) = mpsc::channel(QUEUE);
        let (backlog, waiting) = Backlog::new(first, reserve, requests.downgrade(), path)?;
        let writer = Writer {
            backlog,
            backend,
            clock,
            snapshot: Arc::clone(&snapshot),
            latest: publish,
            lock,
        };
        spawn("store-writer", path, move || writer.run(queue))?;
        Ok(Store { reader, requests, snapshot, latest, waiting })
    }

    /// What is true at the moment. Cheap; never touches the database.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// Where the snapshots are published, for readers that outlive a borrow of the store.
    pub fn snapshots(&self) -> Arc<ArcSwap<Snapshot>> {
        Arc::clone(&self.snapshot)
    }

    /// How far the records have come, as it moves: by then [`Store::snapshot`] has it in it. Nothing
    /// follows once the store is closed.
    pub fn revisions(&self) -> watch::Receiver<Revision> {
        let mut from_here_on = self.latest.clone();
        from_here_on.mark_unchanged();
        from_here_on
    }

    /// How far the disk is behind what is in force.
    pub fn waiting(&self) -> watch::Receiver<Waiting> {
        self.waiting.clone()
    }

    /// Finishes what was asked for before, closes the database and frees the lock. Other handles
    /// get [`StoreError::Closed`] from then on. Dropping the last handle does the same without
    /// waiting. Gives the number of changes that waited for the disk to the end, and are lost.
    pub async fn close(self) -> usize {
        let (done, closed) = oneshot::channel();
        match self.requests.send(Request::Stop(done)).await {
            Ok(()) => closed.await.unwrap_or_default(),
            Err(_) => 0,
        }
    }

    /// Sets a setting; no event if it has that value already.
    pub async fn setting_set(
        &self,
        actor: &Actor,
        name: &str,
        value: &str,
    ) -> Result<Committed<()>, StoreError> {
        let change = Change::SettingSet { name: name.to_owned(), value: value.to_owned() };
        self.change(actor, change).await.map(outcome::nothing_more)
    }

    /// Stores a secret, in place of a former one of that name. The event has no more than its name
    /// and length.
    pub async fn secret_put(
        &self,
        actor: &Actor,
        name: &str,
        secret: Secret,
    ) -> Result<Committed<()>, StoreError> {
        let change = Change::SecretPut { name: name.to_owned(), secret };
        self.change(actor, change).await.map(outcome::nothing_more)
    }

    /// Has the records forget these secrets.
    pub async fn secrets_forget(
        &self,
        actor: &Actor,
        names: Vec<String>,
    ) -> Result<Committed<()>, StoreError> {
        self.change(actor, Change::SecretsForget { names }).await.map(outcome::nothing_more)
    }

    /// Adds a generation of the CA with its key.
    pub async fn ca_generation_add(
        &self,
        actor: &Actor,
        new: NewCaGeneration,
    ) -> Result<Committed<CaGeneration>, StoreError> {
        let events = self.change(actor, Change::CaGenerationAdd(new.clone())).await?;
        outcome::ca_generation(new, events)
    }

    /// Adds a generation of the CA, with its key, that takes a former one's place: it signs from here on, and
    /// each vouches for the other.
    pub async fn rollover_start(
        &self,
        actor: &Actor,
        new: NewRollover,
    ) -> Result<Committed<CaGeneration>, StoreError> {
        let change = Change::RolloverStart(Box::new(new.clone()));
        outcome::ca_generation(new.generation, self.change(actor, change).await?)
    }

    /// The former generation is trusted no longer, and these certificates in which others vouch for it are revoked.
    pub async fn rollover_finish(
        &self,
        actor: &Actor,
        former: CaGenerationId,
        vouched: Vec<CertificateId>,
    ) -> Result<Committed<()>, StoreError> {
        let change = Change::RolloverFinish { former, vouched };
        self.change(actor, change).await.map(outcome::nothing_more)
    }

    /// Adds a user, and its first device in the same transaction.
    pub async fn user_add(
        &self,
        actor: &Actor,
        name: &UserName,
        first_device: Option<&DeviceName>,
    ) -> Result<Committed<UserDetail>, StoreError> {
        let change = Change::UserAdd { name: name.clone(), first_device: first_device.cloned() };
        outcome::user(self.change(actor, change).await?)
    }

    /// Lets a user's devices in, or keeps them out; no event if that is so already.
    pub async fn user_set_enabled(
        &self,
        actor: &Actor,
        name: &UserName,
        enabled: bool,
    ) -> Result<Committed<()>, StoreError> {
        let change = Change::UserSetEnabled { name: name.clone(), enabled };
        self.change(actor, change).await.map(outcome::nothing_more)
    }

    /// Gives a user another name; no event if it has that one. Certificates keep the former name until
    /// they are renewed: the records decide.
    pub async fn user_rename(
        &self,
        actor: &Actor,
        name: &UserName,
        to: &UserName,
    ) -> Result<Committed<()>, StoreError> {
        let change = Change::UserRename { name: name.clone(), to: to.clone() };
        self.change(actor, change).await.map(outcome::nothing_more)
    }

    /// Removes a user and its devices, frees their leases, and revokes their certificates, which
    /// stay on record.
    pub async fn user_remove(
        &self,
        actor: &Actor,
        name: &UserName,
    ) -> Result<Committed<Vec<Revocation>>, StoreError> {
        let change = Change::UserRemove { name: name.clone() };
        outcome::revocations(self.change(actor, change).await?)
    }

    /// Adds a device, and leases its addresses.
    pub async fn device_add(
        &self,
        actor: &Actor,
        user: &UserName,
        name: &DeviceName,
    ) -> Result<Committed<Device>, StoreError> {
        let change = Change::DeviceAdd { user: user.clone(), device: name.clone() };
        outcome::device(self.change(actor, change).await?)
    }

    /// The same together with its first certificate, whose holder it is whatever that says.
    pub async fn device_add_certified(
        &self,
        actor: &Actor,
        user: &UserName,
        name: &DeviceName,
        first: NewCertificate,
    ) -> Result<Committed<Device>, StoreError> {
        let (user, device, first) = (user.clone(), name.clone(), Box::new(first));
        let change = Change::DeviceAddCertified { user, device, first };
        outcome::device(self.change(actor, change).await?)
    }

    /// Lets a device in, or keeps it out; no event if that is so already.
    pub async fn device_set_enabled(
        &self,
        actor: &Actor,
        user: &UserName,
        name: &DeviceName,
        enabled: bool,
    ) -> Result<Committed<()>, StoreError> {
        let (user, device) = (user.clone(), name.clone());
        let change = Change::DeviceSetEnabled { user, device, enabled };
        self.change(actor, change).await.map(outcome::nothing_more)
    }

    /// Revokes every certificate of the device that is not revoked yet; the device stays.
    pub async fn device_revoke(
        &self,
        actor: &Actor,
        user: &UserName,
        name: &DeviceName,
        reason: RevocationReason,
    ) -> Result<Committed<Vec<Revocation>>, StoreError> {
        let (user, device) = (user.clone(), name.clone());
        let change = Change::DeviceRevoke { user, device, reason };
        outcome::revocations(self.change(actor, change).await?)
    }

    /// Removes a device, frees its lease, and revokes its certificates, which stay on record.
    pub async fn device_remove(
        &self,
        actor: &Actor,
        user: &UserName,
        name: &DeviceName,
    ) -> Result<Committed<Vec<Revocation>>, StoreError> {
        let change = Change::DeviceRemove { user: user.clone(), device: name.clone() };
        outcome::revocations(self.change(actor, change).await?)
    }

    /// Does all of these in their order, or none of them.
    pub async fn deeds_do(
        &self,
        actor: &Actor,
        deeds: Vec<Deed>,
    ) -> Result<Committed<Vec<Revocation>>, StoreError> {
        let change = Change::All(deeds.into_iter().map(Change::from).collect());
        outcome::revocations(self.change(actor, change).await?)
    }

    /// Records a certificate that the CA issued, before anybody gets it.
    pub async fn certificate_record(
        &self,
        actor: &Actor,
        new: NewCertificate,
    ) -> Result<Committed<Certificate>, StoreError> {
        let change = Change::CertificateRecord(Box::new(new.clone()));
        outcome::certificate(new, self.change(actor, change).await?)
    }

    /// Revokes a certificate.
    pub async fn certificate_revoke(
        &self,
        actor: &Actor,
        id: &CertificateId,
        reason: RevocationReason,
    ) -> Result<Committed<Revocation>, StoreError> {
        let change = Change::CertificateRevoke { id: *id, reason };
        outcome::revocation(self.change(actor, change).await?)
    }

    /// Revokes every certificate that a server has under this name, or whatever else is no device, and that
    /// is not revoked yet.
    pub async fn name_revoke(
        &self,
        actor: &Actor,
        name: &CertificateName,
        reason: RevocationReason,
    ) -> Result<Committed<Vec<Revocation>>, StoreError> {
        let change = Change::NameRevoke { name: name.clone(), reason };
        outcome::revocations(self.change(actor, change).await?)
    }

    /// Notes that a certificate was used to connect, and the first time revokes those that it
    /// supersedes. Every further time costs a look at the snapshot.
    pub async fn certificate_mark_connected(
        &self,
        id: &CertificateId,
    ) -> Result<Committed<Connected>, StoreError> {
        if self.snapshot.load().certificate(id).is_some_and(|entry| entry.connected) {
            let value = Connected::default();
            return Ok(Committed { value, events: Vec::new(), on_disk: true });
        }
        let change = Change::CertificateMarkConnected { id: *id };
        outcome::connected(self.change(&Actor::Gateway, change).await?)
    }

    /// Revokes the superseded certificates whose time is up.
    pub async fn certificate_supersede_due(
        &self,
    ) -> Result<Committed<Vec<Revocation>>, StoreError> {
        let made = self.change(&Actor::Gateway, Change::CertificateSupersedeDue).await?;
        outcome::revocations(made)
    }

    /// Has the records forget those of these certificates that ended before a time, with their keys. The log goes on
    /// telling of them. One of a device stays, and one that was revoked.
    pub async fn certificates_forget(
        &self,
        actor: &Actor,
        ended: Vec<Ended>,
        before: Timestamp,
    ) -> Result<Committed<()>, StoreError> {
        let change = Change::CertificatesForget { ended, before };
        self.change(actor, change).await.map(outcome::nothing_more)
    }

    /// Records a CRL that was signed. Its number has to be above the former one's.
    pub async fn crl_record(
        &self,
        actor: &Actor,
        crl: NewCrl,
    ) -> Result<Committed<()>, StoreError> {
        self.change(actor, Change::CrlRecord(crl)).await.map(outcome::nothing_more)
    }

    /// Appends an event that changes no row. The payload is a JSON object without secrets.
    pub async fn event_append(
        &self,
        actor: &Actor,
        kind: EventKind,
        payload: Value,
    ) -> Result<Committed<()>, StoreError> {
        let change = Change::EventAppend { kind, payload };
        self.change(actor, change).await.map(outcome::nothing_more)
    }

    /// Takes the addresses of those of these devices whose certificates were all revoked before that time;
    /// with its next certificate such a device gets others.
    pub async fn leases_free(
        &self,
        devices: Vec<DeviceId>,
        before: Timestamp,
    ) -> Result<Committed<()>, StoreError> {
        let change = Change::LeasesFree { devices, before };
        self.change(&Actor::Gateway, change).await.map(outcome::nothing_more)
    }

    /// Notes with which settings a profile was written with this certificate. No event tells of it.
    pub async fn profile_note(
        &self,
        certificate: CertificateId,
        settings: SettingsMark,
    ) -> Result<(), StoreError> {
        self.change(&Actor::Gateway, Change::ProfileNote { certificate, settings }).await.map(drop)
    }

    /// Notes how sessions are, or were at their end. No event tells of it.
    pub async fn sessions_note(&self, notes: Arc<[SessionNote]>) -> Result<(), StoreError> {
        self.change(&Actor::Gateway, Change::SessionsNote(notes)).await.map(drop)
    }

    /// Notes when devices were seen by connections that leave no record. No event tells of it.
    pub async fn devices_seen(&self, seen: Arc<[(DeviceId, Timestamp)]>) -> Result<(), StoreError> {
        self.change(&Actor::Gateway, Change::DevicesSeen(seen)).await.map(drop)
    }

    /// Ends the record of sessions whose end nobody noted, by this reason.
    pub async fn sessions_end(&self, why: &'static str) -> Result<(), StoreError> {
        self.change(&Actor::Gateway, Change::SessionsEnd { why }).await.map(drop)
    }

    /// Forgets sessions that were opened before a time, and the oldest where there are more
    /// than `most`: some thousands at once, so that it is to be asked again and again.
    pub async fn sessions_forget(&self, before: Timestamp, most: u64) -> Result<(), StoreError> {
        self.change(&Actor::Gateway, Change::SessionsForget { before, most }).await.map(drop)
    }

    /// Appends an event that changes no row, unless this setting says that it was appended before, which it does
    /// from then on.
    pub async fn event_once(
        &self,
        actor: &Actor,
        (name, value): (&str, &str),
        kind: EventKind,
        payload: Value,
    ) -> Result<Committed<()>, StoreError> {
        let (name, value) = (name.to_owned(), value.to_owned());
        let change = Change::EventOnce { name, value, kind, payload };
        self.change(actor, change).await.map(outcome::nothing_more)
    }

    async fn change(&self, actor: &Actor, change: Change) -> Result<Made, StoreError> {
        let (reply, answer) = oneshot::channel();
        let proposal = Proposal { actor: actor.clone(), change, at: None };
        let request = Request::Change(Box::new(proposal), reply);
        self.requests.send(request).await.map_err(|_| StoreError::Closed)?;
        answer.await.unwrap_or(Err(StoreError::Closed))
    }
}

/// A full disk may have no room for the files that SQLite works with.
fn open_with_room(
    path: &Path,
    options: &Options,
    reserve: &mut Reserve,
) -> Result<Sqlite, OpenError> {
    loop {
        match Sqlite::open(path, options.clone()) {
            Err(OpenError::Storage(Fault::DiskFull(_) | Fault::Io(_))) if reserve.give_up() => {}
            other => return other,
        }
    }
}
