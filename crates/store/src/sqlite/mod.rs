//! The store on SQLite: the one implementation of [`Writing`] and [`Reading`]. Statements and transactions;
//! what a change may do is decided by the rules.
//!
//! A batch is one transaction, in which each change has a savepoint of its own, so that one that is
//! refused takes nothing back but itself.
//!
//! After a failed sync nobody knows what the disk has: Linux reports it once and may then call the
//! lost pages clean. So all changes are refused from then on; the next start reads what is really
//! there.
//!
//! A disk that is read-only from the start is worked on from a copy in memory.

mod ca_keys;
mod chain;
mod column;
mod copy;
mod error;
mod lookup;
mod migration;
mod rows;
mod schema;
mod sessions;
mod txn;
mod verified;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use clock::{Clock, Now, Timestamp};
use names::{DeviceName, UserName};
use pki::KeyId;
use rusqlite::Connection;
use rusqlite::backup::Backup;

use crate::audit::Difference;
use crate::backend::{Batch, Reading, Writing};
use crate::change::Proposal;
use crate::error::{Cause, Fault, OpenError, StoreError};
use crate::event::{ChainReport, Event};
use crate::ids::{CaGenerationId, DeviceId, EventId};
use crate::options::Options;
use crate::records::{
    CaGeneration, Certificate, Crl, Device, DeviceDetail, Holder, Listed, User, UserDetail,
};
use crate::rules::{Rules, check_key};
use crate::secret::Secret;
use crate::sessions::{SessionQuery, SessionRecord};
use crate::settings_mark::ProfilesOnRecord;
use crate::snapshot::Snapshot;
pub(crate) use ca_keys::{ca_keys_forget, ca_keys_read};
pub(crate) use chain::Head;
pub use copy::Restoring;
pub(crate) use copy::{backup, restore};
use error::is_failed_sync;
use lookup::Rows;
use txn::Txn;
pub(crate) use verified::{Findings, Verified};

/// After so many changed rows the log is copied into the database, or after so much time with any.
const CHECKPOINT_ROWS: u64 = 2_000;
const CHECKPOINT_AFTER: Duration = Duration::from_secs(30);

/// The connection for writing.
#[derive(Debug)]
pub(crate) struct Sqlite {
    conn: Connection,
    options: Options,
    broken: Option<Fault>,
    checkpointed_at: u64,
    /// When the first row was changed that only the log has.
    changed_since: Option<Duration>,
}

/// How a transaction ends that nothing went wrong in.
#[derive(Clone, Copy)]
enum End {
    Commit,
    TakeBack,
}

impl Sqlite {
    /// Opens the database, makes it where there is none, and brings its tables up to date. The
    /// caller holds the owner's lock. On a disk that can't be written nothing is ever committed.
    pub(crate) fn open(path: &Path, options: Options) -> Result<Self, OpenError> {
        let (conn, broken) = match schema::is_read_only(path) {
            true => (schema::open_copy(path)?, Some(Fault::ReadOnly(read_only()))),
            false => (schema::open_owned(path, !options.danger_unsynced)?, None),
        };
        let checkpointed_at = conn.total_changes();
        Ok(Self { checkpointed_at, changed_since: None, conn, options, broken })
    }

    fn transact(
        &self,
        conn: &Connection,
        proposals: &[Proposal],
        clock: &dyn Clock,
        known: EventId,
        end: End,
    ) -> Result<Batch, Fault> {
        // IMMEDIATE: the chain's head is read under the write lock, so ids are in commit order.
        conn.execute_batch("BEGIN IMMEDIATE")?;
        let mut txn = Txn::new(conn)?;
        let missed = match txn.head() > known {
            true => chain::event_list(conn, known, usize::MAX)?,
            false => Vec::new(),
        };
        let mut outcomes = Vec::with_capacity(proposals.len());
        for proposal in proposals {
            let now = proposal.at.unwrap_or_else(|| clock.now());
            outcomes.push(self.make_or_take_back(conn, &mut txn, proposal, now)?);
        }
        conn.execute_batch(match end {
            End::Commit => "COMMIT",
            End::TakeBack => "ROLLBACK",
        })?;
        Ok(Batch { missed, outcomes })
    }

    /// The events of a change, or why there are none; a fault that ends the batch.
    fn make_or_take_back(
        &self,
        conn: &Connection,
        txn: &mut Txn<'_>,
        proposal: &Proposal,
        now: Now,
    ) -> Result<Result<Vec<Event>, StoreError>, Fault> {
        let mark = txn.mark();
        conn.execute_batch("SAVEPOINT change")?;
        let made = Rules::make(proposal, &Rows(conn), txn, &self.options, now);
        // What is in force from memory already has to be written, or stay where it is.
        if let Err(StoreError::Storage(fault)) = &made
            && (fault.ends_the_batch() || proposal.at.is_some())
        {
            return Err(fault.clone());
        }
        if made.is_err() {
            conn.execute_batch("ROLLBACK TO change")?;
            txn.reset(&mark);
        }
        conn.execute_batch("RELEASE change")?;
        Ok(made.map(|()| txn.take_events()))
    }

    /// Reading needs no lock, so a copy can always be made; it costs time and memory for all of the records.
    fn rehearse_on_a_copy(
        &self,
        proposals: &[Proposal],
        clock: &dyn Clock,
        known: EventId,
    ) -> Result<Batch, Fault> {
        let mut copy = Connection::open_in_memory()?;
        Backup::new(&self.conn, &mut copy)?.run_to_completion(i32::MAX, Duration::ZERO, None)?;
        copy.pragma_update(None, "foreign_keys", true)?;
        self.transact(&copy, proposals, clock, known, End::TakeBack)
    }

    fn take_back(&mut self, fault: &Fault) {
        if !self.conn.is_autocommit() {
            // If even this fails, so will the next BEGIN, and say why.
            let _ = self.conn.execute_batch("ROLLBACK");
        }
        if is_failed_sync(fault) {
            self.broken = Some(fault.clone());
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
}

impl Writing for Sqlite {
    fn commit(
        &mut self,
        proposals: &[Proposal],
        clock: &dyn Clock,
        known: EventId,
    ) -> Result<Batch, Fault> {
        if let Some(fault) = &self.broken {
            return Err(fault.clone());
        }
        let done = self.transact(&self.conn, proposals, clock, known, End::Commit);
        if let Err(fault) = &done {
            self.take_back(fault);
        }
        done
    }

    fn rehearse(
        &mut self,
        proposals: &[Proposal],
        clock: &dyn Clock,
        known: EventId,
    ) -> Result<Batch, Fault> {
        // Else the changed pages would be written as soon as there are many.
        self.conn.pragma_update(None, "cache_spill", false)?;
        // Whoever has the lock has it for long: the commit before this waited.
        self.conn.busy_timeout(Duration::ZERO)?;
        let done = self.transact(&self.conn, proposals, clock, known, End::TakeBack);
        if !self.conn.is_autocommit() {
            let _ = self.conn.execute_batch("ROLLBACK");
        }
        self.conn.busy_timeout(schema::PATIENCE)?;
        self.conn.pragma_update(None, "cache_spill", true)?;
        match done {
            Err(Fault::Busy(_)) => self.rehearse_on_a_copy(proposals, clock, known),
            done => done,
        }
    }

    fn snapshot(&self) -> Result<Snapshot, StoreError> {
        // One read transaction, so that the rows and the event fit together.
        let txn = self.conn.unchecked_transaction()?;
        Ok(Snapshot::from_rows(
            rows::user_list(&txn)?,
            rows::device_list(&txn)?,
            &rows::certificate_list(&txn)?,
            &rows::crl_list(&txn)?,
            rows::event_latest(&txn)?,
        ))
    }

    fn rest(&mut self, now: Now) -> bool {
        let changed = self.conn.total_changes();
        if self.broken.is_some() || changed == self.checkpointed_at {
            return false;
        }
        let since = *self.changed_since.get_or_insert(now.boot);
        let rows = changed - self.checkpointed_at;
        if rows < CHECKPOINT_ROWS && now.boot.saturating_sub(since) < CHECKPOINT_AFTER {
            return true;
        }
        self.checkpointed_at = changed;
        self.changed_since = None;
        self.checkpoint("PASSIVE");
        false
    }

    fn close(mut self: Box<Self>) {
        if self.broken.is_none() {
            self.checkpoint("TRUNCATE");
        }
    }
}

fn read_only() -> Cause {
    Arc::new(io::Error::from(io::ErrorKind::ReadOnlyFilesystem))
}

/// A connection for reading.
#[derive(Debug)]
pub(crate) struct ReadOnly {
    conn: Connection,
}

impl ReadOnly {
    /// Opens the database, beside its owner or without one.
    pub(crate) fn open(path: &Path) -> Result<Self, OpenError> {
        Ok(Self { conn: schema::open_to_read(path)? })
    }

    /// Recomputes every hash of the log.
    pub(crate) fn chain_verify(&self) -> Result<ChainReport, Fault> {
        chain::verify(&self.conn)
    }

    /// Compares the rows with what the log makes of its events.
    pub(crate) fn audit(&self) -> Result<Vec<Difference>, StoreError> {
        Ok(Verified::whole(&self.conn, Head::START)?.1.differences)
    }

    /// Verifies everything, beside an event that is known, and keeps what the next look goes on from.
    pub(crate) fn verify_whole(&self, known: Head) -> Result<(Verified, Findings), StoreError> {
        Verified::whole(&self.conn, known)
    }

    /// Verifies what is new, and compares the rows with all of it.
    pub(crate) fn verify_new(&self, so_far: &mut Verified) -> Result<Findings, StoreError> {
        so_far.go_on(&self.conn)
    }

    /// Verifies the log's new events alone.
    pub(crate) fn verify_log(&self, so_far: &mut Verified) -> Result<ChainReport, StoreError> {
        so_far.follow_log(&self.conn)
    }
}

impl Reading for ReadOnly {
    fn setting(&self, name: &str) -> Result<Option<String>, StoreError> {
        rows::setting(&self.conn, name)
    }

    fn settings_below(&self, beginning: &str) -> Result<BTreeMap<String, String>, StoreError> {
        rows::settings_below(&self.conn, beginning)
    }

    fn secret(&self, name: &str) -> Result<Option<Secret>, StoreError> {
        rows::secret(&self.conn, name)
    }

    fn secret_names_below(&self, beginning: &str) -> Result<HashSet<String>, StoreError> {
        rows::secret_names_below(&self.conn, beginning)
    }

    fn ca_generation_list(&self) -> Result<Vec<CaGeneration>, StoreError> {
        rows::ca_generation_list(&self.conn)
    }

    fn user_list(&self) -> Result<Vec<User>, StoreError> {
        rows::user_list(&self.conn)
    }

    fn user_detail(&self, name: &UserName) -> Result<UserDetail, StoreError> {
        rows::user_detail(&self.conn, name)
    }

    fn device_list(&self, user: Option<&UserName>) -> Result<Vec<Device>, StoreError> {
        match user {
            None => rows::device_list(&self.conn),
            Some(name) => rows::devices_of(&self.conn, rows::user_named(&self.conn, name)?.id),
        }
    }

    fn device_detail(
        &self,
        user: &UserName,
        name: &DeviceName,
    ) -> Result<DeviceDetail, StoreError> {
        rows::device_detail(&self.conn, user, name)
    }

    fn certificates_removed(
        &self,
        user: &UserName,
        name: &DeviceName,
    ) -> Result<Vec<Certificate>, StoreError> {
        rows::certificates_removed(&self.conn, user, name)
    }

    fn certificate_list(&self) -> Result<Vec<Certificate>, StoreError> {
        rows::certificate_list(&self.conn)
    }

    fn certificates_of_gateway(&self) -> Result<Vec<Certificate>, StoreError> {
        rows::certificates_of_gateway(&self.conn)
    }

    fn certificates_of_names(&self) -> Result<Vec<Certificate>, StoreError> {
        rows::certificates_of_names(&self.conn)
    }

    fn certificates_named(&self, name: &str) -> Result<Vec<Certificate>, StoreError> {
        rows::certificates_named(&self.conn, name)
    }

    fn key_check(&self, key: &KeyId, holder: Option<&Holder>) -> Result<(), StoreError> {
        check_key(&Rows(&self.conn), key, holder)
    }

    fn listed(&self, generation: CaGenerationId) -> Result<Listed, StoreError> {
        rows::listed(&self.conn, generation)
    }

    fn crl_latest(&self, generation: CaGenerationId) -> Result<Option<Crl>, StoreError> {
        rows::crl_latest(&self.conn, generation)
    }

    fn event_list(&self, after: EventId, limit: usize) -> Result<Vec<Event>, StoreError> {
        Ok(chain::event_list(&self.conn, after, limit)?)
    }

    fn event_latest(&self) -> Result<EventId, StoreError> {
        rows::event_latest(&self.conn)
    }

    fn event_before(&self, time: Timestamp) -> Result<EventId, StoreError> {
        chain::event_before(&self.conn, time)
    }

    fn session_list(&self, query: &SessionQuery) -> Result<Vec<SessionRecord>, StoreError> {
        sessions::session_list(&self.conn, query)
    }

    fn profiles(&self) -> Result<ProfilesOnRecord, StoreError> {
        sessions::profiles(&self.conn)
    }

    fn seen_list(&self) -> Result<HashMap<DeviceId, Timestamp>, StoreError> {
        sessions::seen_list(&self.conn)
    }
}
