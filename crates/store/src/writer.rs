//! The one writer: a thread that owns the connection for writing.
//!
//! Requests that are waiting are taken as one batch into one transaction. Each request has a
//! savepoint of its own, so that one that is refused takes nothing back but itself. After the
//! commit, in this order: the snapshot is published, followers are told, answers are given. A fault
//! of the storage fails the whole batch: nothing of it is acknowledged.
//!
//! After a failed sync nobody knows what the disk has: Linux reports it once and may then call the
//! lost pages clean. So the writer refuses all changes from then on; the next start reads what is
//! really there.

use std::sync::Arc;

use arc_swap::ArcSwap;
use clock::Clock;
use rusqlite::{Connection, ffi};
use tokio::sync::{mpsc, oneshot, watch};

use crate::error::StoreError;
use crate::ids::EventId;
use crate::lock::OwnerLock;
use crate::snapshot::{Delta, Snapshot};
use crate::store::Options;
use crate::txn::Txn;

/// How many requests wait at most; whoever asks beyond that waits for room.
pub(crate) const QUEUE: usize = 256;

/// How many requests share a transaction at most.
const BATCH: usize = 128;

/// After so many changed rows the log is copied into the database.
const CHECKPOINT_ROWS: u64 = 2_000;

/// What the writer thread is asked.
pub(crate) enum Request {
    Change(Box<dyn Change>),
    Stop(oneshot::Sender<()>),
}

/// A change and where its answer goes.
pub(crate) trait Change: Send {
    /// Makes the change; tells the fault of the storage that ends the batch, or whether it was made.
    fn make(&mut self, txn: &mut Txn<'_>) -> Result<bool, StoreError>;

    /// Answers: with the outcome, or with the fault that kept the batch from being committed.
    fn answer(self: Box<Self>, fault: Option<StoreError>);
}

/// [`Change`] from a closure.
pub(crate) struct Work<T, F> {
    work: Option<F>,
    outcome: Option<Result<T, StoreError>>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F> Work<T, F>
where
    T: Send + 'static,
    F: FnOnce(&mut Txn<'_>) -> Result<T, StoreError> + Send + 'static,
{
    pub(crate) fn boxed(work: F, reply: oneshot::Sender<Result<T, StoreError>>) -> Box<dyn Change> {
        Box::new(Self { work: Some(work), outcome: None, reply })
    }
}

impl<T, F> Change for Work<T, F>
where
    T: Send,
    F: FnOnce(&mut Txn<'_>) -> Result<T, StoreError> + Send,
{
    fn make(&mut self, txn: &mut Txn<'_>) -> Result<bool, StoreError> {
        let Some(work) = self.work.take() else { return Ok(false) };
        match work(txn) {
            Err(fault) if fault.is_storage_fault() => Err(fault),
            outcome => {
                let made = outcome.is_ok();
                self.outcome = Some(outcome);
                Ok(made)
            }
        }
    }

    fn answer(self: Box<Self>, fault: Option<StoreError>) {
        let answer = match fault {
            Some(fault) => Err(fault),
            None => self.outcome.unwrap_or(Err(StoreError::Closed)),
        };
        // Whoever asked may have gone; the change is made all the same.
        let _ = self.reply.send(answer);
    }
}

/// The thread's state.
pub(crate) struct Writer {
    pub(crate) conn: Connection,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) options: Options,
    pub(crate) snapshot: Arc<ArcSwap<Snapshot>>,
    pub(crate) latest: watch::Sender<EventId>,
    pub(crate) lock: OwnerLock,
    pub(crate) broken: Option<StoreError>,
    pub(crate) checkpointed_at: u64,
}

impl Writer {
    /// Runs until it is told to stop, or nobody is left who could ask.
    pub(crate) fn run(mut self, mut queue: mpsc::Receiver<Request>) {
        let mut waiting = Vec::with_capacity(BATCH);
        let mut stops = Vec::new();
        while stops.is_empty() && queue.blocking_recv_many(&mut waiting, BATCH) > 0 {
            let mut batch = Vec::with_capacity(waiting.len());
            for request in waiting.drain(..) {
                match request {
                    Request::Change(change) => batch.push(change),
                    Request::Stop(done) => stops.push(done),
                }
            }
            self.serve(batch);
            self.checkpoint_when_due();
        }
        drop(queue);
        self.close();
        for done in stops {
            let _ = done.send(());
        }
    }

    fn serve(&mut self, mut batch: Vec<Box<dyn Change>>) {
        let fault = match self.broken.clone() {
            Some(fault) => Some(fault),
            None => self.commit(&mut batch).err(),
        };
        if let Some(fault) = &fault {
            self.take_back(fault);
        }
        batch.into_iter().for_each(|change| change.answer(fault.clone()));
    }

    fn commit(&mut self, batch: &mut [Box<dyn Change>]) -> Result<(), StoreError> {
        // IMMEDIATE: the chain's head is read under the write lock, so ids are in commit order.
        self.conn.execute_batch("BEGIN IMMEDIATE")?;
        let mut txn = Txn::new(&self.conn, &self.options, self.clock.now())?;
        for change in batch {
            txn.now = self.clock.now();
            make_or_take_back(&mut txn, change.as_mut())?;
        }
        let (deltas, through) = txn.finish();
        self.conn.execute_batch("COMMIT")?;
        self.publish(deltas, through);
        Ok(())
    }

    fn publish(&self, deltas: Vec<Delta>, through: EventId) {
        let present = self.snapshot.load();
        if present.through() == through && deltas.is_empty() {
            return;
        }
        self.snapshot.store(Arc::new(present.after(deltas, through)));
        self.latest.send_replace(through);
    }

    fn take_back(&mut self, fault: &StoreError) {
        if !self.conn.is_autocommit() {
            // If even this fails, so will the next BEGIN, and say why.
            let _ = self.conn.execute_batch("ROLLBACK");
        }
        if is_failed_sync(fault) {
            self.broken = Some(fault.clone());
        }
    }

    fn checkpoint_when_due(&mut self) {
        let changed = self.conn.total_changes();
        if self.broken.is_none() && changed - self.checkpointed_at >= CHECKPOINT_ROWS {
            self.checkpointed_at = changed;
            self.checkpoint("PASSIVE");
        }
    }

    /// Nothing is lost when a checkpoint fails, as the log stays; but a failed sync ends writing.
    fn checkpoint(&mut self, mode: &str) {
        let sql = format!("PRAGMA wal_checkpoint({mode})");
        if let Err(fault) = self.conn.query_row(&sql, [], |_| Ok(())) {
            let fault = fault.into();
            if is_failed_sync(&fault) {
                self.broken = Some(fault);
            }
        }
    }

    fn close(mut self) {
        if self.broken.is_none() {
            self.checkpoint("TRUNCATE");
        }
        // The next owner may open only once this connection is gone.
        drop(self.conn);
        drop(self.lock);
    }
}

fn make_or_take_back(txn: &mut Txn<'_>, change: &mut dyn Change) -> Result<(), StoreError> {
    let mark = txn.mark();
    txn.conn.execute_batch("SAVEPOINT change")?;
    if !change.make(txn)? {
        txn.conn.execute_batch("ROLLBACK TO change")?;
        txn.reset(&mark);
    }
    Ok(txn.conn.execute_batch("RELEASE change")?)
}

fn is_failed_sync(fault: &StoreError) -> bool {
    let StoreError::Io(cause) = fault else { return false };
    let code = cause.sqlite_error().map(|e| e.extended_code);
    matches!(code, Some(ffi::SQLITE_IOERR_FSYNC | ffi::SQLITE_IOERR_DIR_FSYNC))
}
