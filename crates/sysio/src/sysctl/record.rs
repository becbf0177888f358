//! What a holder changed, on disk.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use super::{Sysctl, SysctlError};

/// One change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SysctlChange {
    /// The setting.
    pub key: Sysctl,
    /// What it was before anybody held it.
    pub before: String,
    /// What it was made.
    pub after: String,
}

impl fmt::Display for SysctlChange {
    /// `net/ipv4/ip_forward 0`: what it is again once the change is undone.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.key, self.before)
    }
}

impl SysctlChange {
    pub(super) fn make(&self) -> Result<(), SysctlError> {
        if self.key.read()? != self.after {
            self.key.write(&self.after)?;
        }
        Ok(())
    }

    /// Puts it back, unless somebody else has changed it since. Whether it did.
    pub(super) fn undo(&self) -> Result<bool, SysctlError> {
        match self.key.read() {
            // An interface that is gone took its settings along.
            Err(SysctlError::Missing { .. }) => Ok(false),
            Err(error) => Err(error),
            Ok(present) if present != self.after => Ok(false),
            Ok(_) => self.key.write(&self.before).map(|()| true),
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Record {
    version: u32,
    boot: String,
    pub(super) namespace: u64,
    pub(super) changes: Vec<SysctlChange>,
}

impl Record {
    pub(super) fn of(changes: Vec<SysctlChange>, namespace: u64) -> Result<Self, SysctlError> {
        let boot =
            boot_id().map_err(|source| SysctlError::Ledger { folder: BOOT_ID.into(), source })?;
        Ok(Self { version: VERSION, boot, namespace, changes })
    }

    pub(super) fn encode(&self) -> Result<Vec<u8>, SysctlError> {
        serde_json::to_vec(self).map_err(SysctlError::Encoding)
    }
}

/// A record as found in the folder.
pub(super) struct StoredRecord {
    pub(super) path: PathBuf,
    pub(super) record: Record,
    pub(super) standing: Standing,
}

impl StoredRecord {
    pub(super) fn remove(&self) -> io::Result<()> {
        crate::durable::remove(&self.path)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Its holder lives.
    Held,
    /// Its holder ended without putting things back.
    Dead,
}

/// All records of this boot. Older ones, and what is no record, are removed.
pub(super) fn read_all(folder: &Path) -> io::Result<Vec<StoredRecord>> {
    let boot = boot_id()?;
    let mut records = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != EXTENSION) {
            continue;
        }
        let file = File::open(&path)?;
        let standing = match flock(&file, FlockOperation::NonBlockingLockShared) {
            Ok(()) => Standing::Dead,
            Err(rustix::io::Errno::WOULDBLOCK) => Standing::Held,
            Err(error) => return Err(error.into()),
        };
        let record = serde_json::from_slice::<Record>(&fs::read(&path)?);
        match record {
            Ok(record) if record.boot == boot && record.version == VERSION => {
                records.push(StoredRecord { path, record, standing });
            }
            _ if standing == Standing::Dead => crate::durable::remove(&path)?,
            _ => {}
        }
    }
    Ok(records)
}

/// A name that no other holder of this ledger has.
pub(super) fn file_name(record: &Record) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("{}-{}-{count}.{EXTENSION}", record.namespace, std::process::id())
}

fn boot_id() -> io::Result<String> {
    Ok(fs::read_to_string(BOOT_ID)?.trim().to_owned())
}

const VERSION: u32 = 1;
const EXTENSION: &str = "json";
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
