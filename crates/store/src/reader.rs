//! Reads what is committed, on a thread and a connection of their own, so that a long read never
//! keeps a change waiting.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use pki::Serial;
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use crate::chain;
use crate::error::StoreError;
use crate::event::{ChainReport, Event};
use crate::ids::{CaGenerationId, DeviceId, EventId};
use crate::names::{DeviceName, UserName};
use crate::records::{
    CaGeneration, Certificate, Crl, Device, DeviceDetail, Lease, Revocation, User, UserDetail,
};
use crate::rows;
use crate::schema;
use crate::secret::Secret;

/// How many reads wait at most.
const QUEUE: usize = 256;

type Read = Box<dyn FnOnce(&Connection) + Send>;

/// Reads what is committed. Clones are cheap.
#[derive(Clone, Debug)]
pub struct Reader {
    path: Arc<Path>,
    queue: mpsc::Sender<Read>,
}

impl Reader {
    /// Opens the store at `path` (the database file) for reading only, also while its owner runs.
    pub fn open(path: &Path) -> Result<Reader, StoreError> {
        let conn = schema::open_read_only(path)?;
        let (queue, reads) = mpsc::channel(QUEUE);
        spawn("store-reader", path, move || serve(&conn, reads))?;
        Ok(Reader { path: path.into(), queue })
    }

    /// A setting's value.
    pub async fn setting_get(&self, name: &str) -> Result<Option<String>, StoreError> {
        let name = name.to_owned();
        self.read(move |conn| rows::setting(conn, &name)).await
    }

    /// All settings.
    pub async fn setting_list(&self) -> Result<BTreeMap<String, String>, StoreError> {
        self.read(rows::setting_list).await
    }

    /// A secret.
    pub async fn secret_get(&self, name: &str) -> Result<Option<Secret>, StoreError> {
        let name = name.to_owned();
        self.read(move |conn| rows::secret(conn, &name)).await
    }

    /// The CA's generations, oldest first.
    pub async fn ca_generation_list(&self) -> Result<Vec<CaGeneration>, StoreError> {
        self.read(rows::ca_generation_list).await
    }

    /// All users, by name.
    pub async fn user_list(&self) -> Result<Vec<User>, StoreError> {
        self.read(rows::user_list).await
    }

    /// A user with its devices and their certificates.
    pub async fn user_show(&self, name: &UserName) -> Result<UserDetail, StoreError> {
        let name = name.clone();
        self.read(move |conn| rows::user_detail(conn, &name)).await
    }

    /// All devices, or one user's.
    pub async fn device_list(&self, user: Option<&UserName>) -> Result<Vec<Device>, StoreError> {
        let user = user.cloned();
        self.read(move |conn| match user {
            None => rows::device_list(conn),
            Some(name) => rows::devices_of(conn, rows::user_named(conn, &name)?.id),
        })
        .await
    }

    /// A device with its certificates.
    pub async fn device_show(
        &self,
        user: &UserName,
        name: &DeviceName,
    ) -> Result<DeviceDetail, StoreError> {
        let (user, name) = (user.clone(), name.clone());
        self.read(move |conn| rows::device_detail(conn, &user, &name)).await
    }

    /// A device's addresses.
    pub async fn lease_of(&self, device: DeviceId) -> Result<Option<Lease>, StoreError> {
        self.read(move |conn| rows::lease_of(conn, device)).await
    }

    /// All certificates, oldest first.
    pub async fn certificate_list(&self) -> Result<Vec<Certificate>, StoreError> {
        self.read(rows::certificate_list).await
    }

    /// One certificate.
    pub async fn certificate_show(&self, serial: &Serial) -> Result<Certificate, StoreError> {
        let serial = *serial;
        self.read(move |conn| rows::certificate(conn, &serial)).await
    }

    /// What the CRL of a CA generation has to list, in the order of revocation, and the last event
    /// that this list takes into account (for [`Crl::through`](crate::Crl::through)).
    pub async fn revocation_list(
        &self,
        generation: CaGenerationId,
    ) -> Result<(Vec<Revocation>, EventId), StoreError> {
        self.read(move |conn| rows::revocation_list(conn, generation)).await
    }

    /// The latest CRL of a CA generation.
    pub async fn crl_latest(&self, generation: CaGenerationId) -> Result<Option<Crl>, StoreError> {
        self.read(move |conn| rows::crl_latest(conn, generation)).await
    }

    /// Up to `limit` events after `after`, in order.
    pub async fn event_list(&self, after: EventId, limit: usize) -> Result<Vec<Event>, StoreError> {
        self.read(move |conn| chain::event_list(conn, after, limit)).await
    }

    /// The id of the last event.
    pub async fn event_latest(&self) -> Result<EventId, StoreError> {
        self.read(rows::event_latest).await
    }

    /// Recomputes every hash, and names the first event that is not what was written. Takes its
    /// time, on a thread of its own.
    pub async fn chain_verify(&self) -> Result<ChainReport, StoreError> {
        let (reply, answer) = oneshot::channel();
        let path = PathBuf::from(self.path.as_ref());
        spawn("store-verify", &self.path, move || {
            let report = schema::open_read_only(&path).and_then(|conn| chain::verify(&conn));
            let _ = reply.send(report);
        })?;
        answer.await.unwrap_or(Err(StoreError::Closed))
    }

    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let read: Read = Box::new(move |conn| {
            let _ = reply.send(work(conn));
        });
        self.queue.send(read).await.map_err(|_| StoreError::Closed)?;
        answer.await.unwrap_or(Err(StoreError::Closed))
    }
}

fn serve(conn: &Connection, mut reads: mpsc::Receiver<Read>) {
    while let Some(read) = reads.blocking_recv() {
        read(conn);
    }
}

/// Starts a thread; `path` is for the error text.
pub(crate) fn spawn(
    name: &str,
    path: &Path,
    work: impl FnOnce() + Send + 'static,
) -> Result<(), StoreError> {
    let started = thread::Builder::new().name(name.to_owned()).spawn(work);
    started
        .map(drop)
        .map_err(|source| StoreError::File { path: path.to_owned(), source: Arc::new(source) })
}
