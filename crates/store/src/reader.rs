//! Reads what is committed, on a thread and a connection of their own, so that a long read never
//! keeps a change waiting.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::thread;

use clock::Timestamp;
use names::{CertificateName, DeviceName, UserName};
use pki::KeyId;
use tokio::sync::{mpsc, oneshot};

use crate::audit::Difference;
use crate::backend::Reading;
use crate::error::{Fault, OpenError, StoreError};
use crate::event::{ChainReport, Event};
use crate::ids::{CaGenerationId, DeviceId, EventId};
use crate::records::{
    CaGeneration, Certificate, Crl, Device, DeviceDetail, Holder, Listed, User, UserDetail,
};
use crate::rollover::{FORMER, NONE, RolloverState, retired_setting};
use crate::secret::Secret;
use crate::sessions::{SessionQuery, SessionRecord};
use crate::settings_mark::ProfilesOnRecord;
use crate::sqlite;

/// How many reads wait at most.
const QUEUE: usize = 256;

type Read = Box<dyn FnOnce(&dyn Reading) + Send>;

/// Reads what is committed. Clones are cheap.
#[derive(Clone, Debug)]
pub struct Reader {
    path: Arc<Path>,
    queue: mpsc::Sender<Read>,
}

impl Reader {
    /// Opens the store at `path` (the database file) for reading only, also while its owner runs.
    pub fn open(path: &Path) -> Result<Reader, OpenError> {
        let records = sqlite::ReadOnly::open(path)?;
        let (queue, reads) = mpsc::channel(QUEUE);
        spawn("store-reader", path, move || serve(&records, reads))?;
        Ok(Reader { path: path.into(), queue })
    }

    /// A setting's value.
    pub async fn setting_get(&self, name: &str) -> Result<Option<String>, StoreError> {
        let name = name.to_owned();
        self.read(move |records| records.setting(&name)).await
    }

    /// Every setting whose name begins so, with its value.
    pub async fn settings_below(
        &self,
        beginning: &str,
    ) -> Result<BTreeMap<String, String>, StoreError> {
        let beginning = beginning.to_owned();
        self.read(move |records| records.settings_below(&beginning)).await
    }

    /// A secret.
    pub async fn secret_get(&self, name: &str) -> Result<Option<Secret>, StoreError> {
        let name = name.to_owned();
        self.read(move |records| records.secret(&name)).await
    }

    /// The names of those secrets whose names begin so.
    pub async fn secret_names_below(&self, beginning: &str) -> Result<HashSet<String>, StoreError> {
        let beginning = beginning.to_owned();
        self.read(move |records| records.secret_names_below(&beginning)).await
    }

    /// The CA's generations, oldest first.
    pub async fn ca_generation_list(&self) -> Result<Vec<CaGeneration>, StoreError> {
        self.read(|records| records.ca_generation_list()).await
    }

    /// All users, by name.
    pub async fn user_list(&self) -> Result<Vec<User>, StoreError> {
        self.read(|records| records.user_list()).await
    }

    /// A user with its devices and their certificates.
    pub async fn user_show(&self, name: &UserName) -> Result<UserDetail, StoreError> {
        let name = name.clone();
        self.read(move |records| records.user_detail(&name)).await
    }

    /// All devices, or one user's.
    pub async fn device_list(&self, user: Option<&UserName>) -> Result<Vec<Device>, StoreError> {
        let user = user.cloned();
        self.read(move |records| records.device_list(user.as_ref())).await
    }

    /// A device with its certificates.
    pub async fn device_show(
        &self,
        user: &UserName,
        name: &DeviceName,
    ) -> Result<DeviceDetail, StoreError> {
        let (user, name) = (user.clone(), name.clone());
        self.read(move |records| records.device_detail(&user, &name)).await
    }

    /// The certificates of devices that had this name when they were removed, with or without their user.
    pub async fn certificates_removed(
        &self,
        user: &UserName,
        name: &DeviceName,
    ) -> Result<Vec<Certificate>, StoreError> {
        let (user, name) = (user.clone(), name.clone());
        self.read(move |records| records.certificates_removed(&user, &name)).await
    }

    /// All certificates, oldest first.
    pub async fn certificate_list(&self) -> Result<Vec<Certificate>, StoreError> {
        self.read(|records| records.certificate_list()).await
    }

    /// The gateway's own certificates, oldest first.
    pub async fn certificates_of_gateway(&self) -> Result<Vec<Certificate>, StoreError> {
        self.read(|records| records.certificates_of_gateway()).await
    }

    /// Those that servers have, or whatever else is no device, oldest first.
    pub async fn certificates_of_names(&self) -> Result<Vec<Certificate>, StoreError> {
        self.read(|records| records.certificates_of_names()).await
    }

    /// Those that a server has under this name, or whatever else is no device, oldest first.
    pub async fn certificates_named(
        &self,
        name: &CertificateName,
    ) -> Result<Vec<Certificate>, StoreError> {
        let name = name.clone();
        self.read(move |records| records.certificates_named(name.as_str())).await
    }

    /// Those whose holder is recorded as exactly this and is no device, a CA for example, oldest first.
    pub async fn certificates_held_as(
        &self,
        other: String,
    ) -> Result<Vec<Certificate>, StoreError> {
        self.read(move |records| records.certificates_named(&other)).await
    }

    /// Whether a certificate for this key may be issued to this holder, or to one that is to be added;
    /// [`Refused`](crate::Refused) says whose it is. Recording the certificate asks the same.
    pub async fn key_check(&self, key: KeyId, holder: Option<Holder>) -> Result<(), StoreError> {
        self.read(move |records| records.key_check(&key, holder.as_ref())).await
    }

    /// How far a rollover has come.
    pub async fn rollover(&self) -> Result<RolloverState, StoreError> {
        let former = self.setting_get(FORMER).await?.filter(|former| former != NONE);
        let mut state = RolloverState::default();
        for id in self.ca_generation_list().await?.into_iter().map(|generation| generation.id) {
            if former.as_deref() == Some(id.to_string().as_str()) {
                state.former = Some(id);
            }
            if self.setting_get(&retired_setting(id)).await?.is_some() {
                state.retired.push(id);
            }
        }
        match former.is_some() == state.former.is_some() {
            true => Ok(state),
            false => Err(Fault::Unreadable { what: "state of a rollover" }.into()),
        }
    }

    /// What the CRL of a CA generation has to list.
    pub async fn listed(&self, generation: CaGenerationId) -> Result<Listed, StoreError> {
        self.read(move |records| records.listed(generation)).await
    }

    /// The latest CRL of a CA generation.
    pub async fn crl_latest(&self, generation: CaGenerationId) -> Result<Option<Crl>, StoreError> {
        self.read(move |records| records.crl_latest(generation)).await
    }

    /// Up to `limit` events after `after`, in order.
    pub async fn event_list(&self, after: EventId, limit: usize) -> Result<Vec<Event>, StoreError> {
        self.read(move |records| records.event_list(after, limit)).await
    }

    /// The id of the last event.
    pub async fn event_latest(&self) -> Result<EventId, StoreError> {
        self.read(|records| records.event_latest()).await
    }

    /// After which event the first one of that time or later comes; the last of all, where none does.
    pub async fn event_before(&self, time: Timestamp) -> Result<EventId, StoreError> {
        self.read(move |records| records.event_before(time)).await
    }

    /// Sessions on record, the newest first.
    pub async fn session_list(
        &self,
        query: SessionQuery,
    ) -> Result<Vec<SessionRecord>, StoreError> {
        self.read(move |records| records.session_list(&query)).await
    }

    /// With which settings profiles were written, where that is known.
    pub async fn profiles(&self) -> Result<ProfilesOnRecord, StoreError> {
        self.read(|records| records.profiles()).await
    }

    /// When each device was seen last.
    pub async fn seen_list(&self) -> Result<HashMap<DeviceId, Timestamp>, StoreError> {
        self.read(|records| records.seen_list()).await
    }

    /// Recomputes every hash, and names the first event that is not what was written. Takes its
    /// time, on a thread of its own.
    pub async fn chain_verify(&self) -> Result<ChainReport, OpenError> {
        let (reply, answer) = oneshot::channel();
        let path = Arc::clone(&self.path);
        spawn("store-verify", &self.path, move || {
            let report = sqlite::ReadOnly::open(&path)
                .and_then(|records| records.chain_verify().map_err(OpenError::Storage));
            let _ = reply.send(report);
        })?;
        answer.await.unwrap_or(Err(OpenError::Absent(self.path.to_path_buf())))
    }

    /// Where the records are not what the log says: somebody changed them beside the store. Takes its
    /// time, on a thread of its own.
    pub async fn audit(&self) -> Result<Vec<Difference>, OpenError> {
        let (reply, answer) = oneshot::channel();
        let path = Arc::clone(&self.path);
        spawn("store-audit", &self.path, move || {
            let differences = sqlite::ReadOnly::open(&path)
                .and_then(|records| records.audit().map_err(OpenError::from));
            let _ = reply.send(differences);
        })?;
        answer.await.unwrap_or(Err(OpenError::Absent(self.path.to_path_buf())))
    }

    /// Where the database is.
    pub(crate) fn path(&self) -> Arc<Path> {
        Arc::clone(&self.path)
    }

    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn Reading) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let read: Read = Box::new(move |records| {
            let _ = reply.send(work(records));
        });
        self.queue.send(read).await.map_err(|_| StoreError::Closed)?;
        answer.await.unwrap_or(Err(StoreError::Closed))
    }
}

fn serve(records: &dyn Reading, mut reads: mpsc::Receiver<Read>) {
    while let Some(read) = reads.blocking_recv() {
        read(records);
    }
}

/// Starts a thread; `path` is for the error text.
pub(crate) fn spawn(
    name: &str,
    path: &Path,
    work: impl FnOnce() + Send + 'static,
) -> Result<(), OpenError> {
    let started = thread::Builder::new().name(name.to_owned()).spawn(work);
    started
        .map(drop)
        .map_err(|source| OpenError::File { path: path.to_owned(), source: Arc::new(source) })
}
