//! Kernel settings that are put back, even after a kill.
//!
//! Before a setting is changed, a record of what it was is on disk: one file for each holder in a
//! ledger folder that all gateways of the machine share. A record lives as long as its holder has
//! it locked; the kernel drops the lock with the process. What follows from that:
//!
//! - two holders of one setting: the first to go leaves it alone, the last puts it back;
//! - a killed holder: the next one takes over what was recorded, [`SysctlLedger::recover`] puts it
//!   back at once;
//! - a reboot: the settings are as the system makes them, and older records mean nothing;
//! - somebody else's change in between is left as it is.
//!
//! All calls work on the calling thread's network namespace.

use std::error::Error;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use crate::netns::network_id;
use crate::undo::Undo;

mod error;
mod forwarding;
mod key;
mod record;
mod value;

pub use error::SysctlError;
pub use forwarding::{Forwarding, enable_forwarding};
pub use key::Sysctl;
pub use record::SysctlChange;

use record::{Record, Standing, StoredRecord};

/// Where the ledger is unless the caller chooses another place: emptied by a reboot, as the
/// settings are.
pub const SYSCTL_LEDGER: &str = "/run/handfast/sysctl";

/// The folder in which holders record what they changed.
#[derive(Debug)]
pub struct SysctlLedger {
    folder: PathBuf,
}

impl SysctlLedger {
    /// Opens a ledger, and makes it if there is none. One that is there and can't be written, as
    /// root's is for others, is an error here rather than at the first change.
    pub fn open(folder: &Path) -> Result<Self, SysctlError> {
        let ledger = Self { folder: folder.to_owned() };
        fs::create_dir_all(folder).map_err(|error| ledger.error(error))?;
        ledger.lock_file()?;
        Ok(ledger)
    }

    /// Puts back what killed holders of this namespace left changed.
    pub fn recover(&self) -> Result<Vec<SysctlChange>, SysctlError> {
        let _lock = self.lock()?;
        let shelf = self.read()?;
        let mut undone = Vec::new();
        for dead in shelf.dead() {
            for change in dead.record.changes.iter().rev() {
                if !shelf.is_held(&change.key) && change.undo()? {
                    undone.push(change.clone());
                }
            }
            dead.remove().map_err(|error| self.error(error))?;
        }
        Ok(undone)
    }

    /// Changes settings, in this order, and holds them until the result is released. If one can't
    /// be changed, those before it are put back.
    pub fn set(&self, wanted: &[(Sysctl, &str)]) -> Result<SysctlHold, SysctlError> {
        let lock = self.lock()?;
        let shelf = self.read()?;
        let mut changes = Vec::new();
        for (key, value) in wanted {
            let present = key.read()?;
            let before = shelf.before(key).unwrap_or(&present).to_owned();
            if before != *value {
                changes.push(SysctlChange { key: key.clone(), before, after: (*value).to_owned() });
            }
        }
        let wanted = wanted.iter().map(|(key, value)| (key.clone(), (*value).to_owned())).collect();
        let hold = self.write(Record::of(changes, shelf.namespace)?, wanted)?;
        for dead in shelf.dead() {
            for change in dead.record.changes.iter().rev() {
                let taken_over = hold.record.changes.iter().any(|own| own.key == change.key);
                if !taken_over && !shelf.is_held(&change.key) {
                    change.undo()?;
                }
            }
            dead.remove().map_err(|error| self.error(error))?;
        }
        // Releasing takes the lock, be it below or when an error drops the hold.
        drop(lock);
        for change in &hold.record.changes {
            change.make()?;
        }
        Ok(hold)
    }

    /// What a setting was before anybody who is in the ledger changed it.
    pub fn original(&self, key: &Sysctl) -> Result<String, SysctlError> {
        let _lock = self.lock()?;
        let shelf = self.read()?;
        shelf.before(key).map_or_else(|| key.read(), |before| Ok(before.clone()))
    }

    fn write(
        &self,
        record: Record,
        wanted: Vec<(Sysctl, String)>,
    ) -> Result<SysctlHold, SysctlError> {
        let path = self.folder.join(record::file_name(&record));
        let content = record.encode()?;
        let lock = crate::durable::replace(&path, &content, 0o600, |file| {
            Ok(flock(file, FlockOperation::NonBlockingLockExclusive)?)
        });
        let lock = lock.map_err(|error| self.error(error))?;
        let ledger = Self { folder: self.folder.clone() };
        Ok(SysctlHold { ledger, record, wanted, path, lock: Some(lock) })
    }

    fn read(&self) -> Result<Shelf, SysctlError> {
        let namespace = network_id().map_err(|error| self.error(error))?;
        let records = record::read_all(&self.folder).map_err(|error| self.error(error))?;
        let records = records.into_iter().filter(|r| r.record.namespace == namespace).collect();
        Ok(Shelf { namespace, records })
    }

    /// Serialises all holders.
    fn lock(&self) -> Result<File, SysctlError> {
        let lock = self.lock_file()?;
        flock(&lock, FlockOperation::LockExclusive).map_err(|error| self.error(error.into()))?;
        Ok(lock)
    }

    fn lock_file(&self) -> Result<File, SysctlError> {
        let lock = File::options().create(true).append(true).open(self.folder.join(LOCK));
        lock.map_err(|error| self.error(error))
    }

    fn error(&self, source: io::Error) -> SysctlError {
        SysctlError::Ledger { folder: self.folder.clone(), source }
    }
}

/// Settings that are held changed. Dropping it puts them back as [`SysctlHold::release`] does,
/// without a word about failures.
#[derive(Debug)]
pub struct SysctlHold {
    ledger: SysctlLedger,
    record: Record,
    /// All that was asked for, changed or not.
    wanted: Vec<(Sysctl, String)>,
    path: PathBuf,
    /// Its lock says that the holder lives; `None` once released.
    lock: Option<File>,
}

impl SysctlHold {
    /// What is held, with what it was. Settings that were as wanted are not among them.
    pub fn changes(&self) -> &[SysctlChange] {
        &self.record.changes
    }

    /// The settings that somebody has changed since.
    pub fn lost(&self) -> Result<Vec<Sysctl>, SysctlError> {
        let mut lost = Vec::new();
        for (key, value) in &self.wanted {
            match key.read() {
                Ok(present) if present == *value => {}
                // It went with its interface.
                Err(SysctlError::Missing { .. }) => {}
                read => lost.push(read.map(|_| key.clone())?),
            }
        }
        Ok(lost)
    }

    /// Makes all settings as they were asked for once more.
    pub fn restore(&self) -> Result<(), SysctlError> {
        for key in self.lost()? {
            let wanted = self.wanted.iter().find(|(other, _)| *other == key);
            wanted.map_or(Ok(()), |(key, value)| key.write(value))?;
        }
        Ok(())
    }

    /// Puts back what nobody else holds and nobody else has changed since.
    pub fn release(mut self) -> Result<(), SysctlError> {
        self.put_back()
    }

    fn put_back(&mut self) -> Result<(), SysctlError> {
        if self.lock.is_none() {
            return Ok(());
        }
        let _lock = self.ledger.lock()?;
        let mut shelf = self.ledger.read()?;
        // A program that is just being started still has this holder's lock: go by the name.
        shelf.records.retain(|stored| stored.path != self.path);
        if shelf.namespace != self.record.namespace {
            return Err(SysctlError::OtherNamespace);
        }
        let mut first_error = Ok(());
        for change in self.record.changes.iter().rev() {
            if !shelf.is_held(&change.key) {
                first_error = first_error.and(change.undo().map(drop));
            }
        }
        first_error?;
        crate::durable::remove(&self.path).map_err(|error| self.ledger.error(error))?;
        self.lock = None;
        Ok(())
    }
}

impl Undo for SysctlHold {
    fn what(&self) -> String {
        let keys: Vec<_> = self.changes().iter().map(|change| change.key.to_string()).collect();
        format!("the change of {}", keys.join(" and "))
    }

    fn undo(&mut self) -> Result<(), Box<dyn Error + Send + Sync>> {
        Ok(self.put_back()?)
    }
}

impl Drop for SysctlHold {
    fn drop(&mut self) {
        // The record stays if this fails, and the next start tries again.
        let _ = self.put_back();
        if let Some(lock) = &self.lock {
            // Closing alone would leave it to copies in programs that are being started.
            let _ = flock(lock, FlockOperation::Unlock);
        }
    }
}

/// The records of one namespace.
struct Shelf {
    namespace: u64,
    records: Vec<StoredRecord>,
}

impl Shelf {
    fn dead(&self) -> impl Iterator<Item = &StoredRecord> {
        self.records.iter().filter(|stored| stored.standing == Standing::Dead)
    }

    /// Whether a living holder has it changed.
    fn is_held(&self, key: &Sysctl) -> bool {
        let mut held = self.records.iter().filter(|stored| stored.standing == Standing::Held);
        held.any(|stored| stored.record.changes.iter().any(|change| change.key == *key))
    }

    /// What it was before the first holder changed it.
    fn before(&self, key: &Sysctl) -> Option<&String> {
        let changes = self.records.iter().flat_map(|stored| &stored.record.changes);
        changes.filter(|change| change.key == *key).map(|change| &change.before).next()
    }
}

const LOCK: &str = "lock";
