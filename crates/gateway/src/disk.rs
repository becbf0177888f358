//! The disk under the data folder: how much room it has, what the records wait for, and what the log
//! says of that.
//!
//! Looking writes nothing. Invariant: each change that waits for the disk is told of once when it begins
//! to wait, and once when it was written.

use std::path::Path;

use rustix::fs::{StatVfsMountFlags, statvfs};
use store::{Fault, Store, Waiting};
use tokio::sync::watch;
use tokio::task::AbortHandle;

/// The room on a disk.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Space {
    /// Bytes that we may still use.
    pub(crate) free: u64,
    /// Whether nothing can be written at all.
    pub(crate) read_only: bool,
}

impl Space {
    /// Of the disk with this folder, where the system tells.
    pub(crate) fn under(folder: &Path) -> Option<Self> {
        let found = statvfs(folder).ok()?;
        let read_only = found.f_flag.contains(StatVfsMountFlags::RDONLY);
        Some(Self { free: found.f_bavail.saturating_mul(found.f_frsize), read_only })
    }

    /// Whether it will not last.
    pub(crate) fn is_low(&self) -> bool {
        self.free < LOW
    }
}

/// Why the disk does not take what is given to it.
pub(crate) fn lack(fault: &Fault) -> &'static str {
    match fault {
        Fault::DiskFull(_) => "no space is left on the data folder's disk",
        Fault::ReadOnly(_) => "the data folder's disk is read-only",
        Fault::Io(_) => "the data folder's disk does not take writes",
        Fault::Busy(_) => "another program holds a lock inside the store",
        Fault::Corrupt(_) | Fault::Unreadable { .. } | Fault::Database(_) => "the store is damaged",
    }
}

/// What an answer says of a change that is in force and not on the disk.
pub(crate) fn held(waiting: &Waiting) -> String {
    waiting.fault.as_ref().map_or("it is being written", lack).to_owned()
}

/// The task that writes the log's lines. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct DiskWatch(AbortHandle);

impl DiskWatch {
    /// Needs a tokio runtime.
    pub(crate) fn start(store: &Store) -> Self {
        Self(tokio::spawn(follow(store.waiting())).abort_handle())
    }
}

impl Drop for DiskWatch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn follow(mut waiting: watch::Receiver<Waiting>) {
    let mut before = waiting.borrow_and_update().clone();
    while waiting.changed().await.is_ok() {
        let now = waiting.borrow_and_update().clone();
        tell(&before, &now);
        before = now;
    }
}

fn tell(before: &Waiting, now: &Waiting) {
    let written = now.written - before.written;
    if written > 0 {
        tracing::info!(changes = written, "what waited for the disk is on it");
    }
    if now.changes > 0 && (now.changes > before.changes || written > 0) {
        let (changes, why) = (now.changes, held(now));
        tracing::error!(
            changes,
            why,
            "in force, but not on the disk: written as soon as it can be, lost if the gateway is killed before"
        );
    }
}

/// Some days of a busy gateway's records.
const LOW: u64 = 64 << 20;
