//! Why the store could not do what it was asked for, and what to do.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::ids::{CaGenerationId, Serial};
use crate::names::{DeviceName, UserName};

/// Why a request failed. Nothing of it was changed.
#[derive(Clone, Debug)]
pub enum StoreError {
    /// There is a user of that name.
    UserExists(UserName),
    /// There is no user of that name.
    UserUnknown(UserName),
    /// The user has a device of that name.
    DeviceExists(UserName, DeviceName),
    /// The user has no device of that name.
    DeviceUnknown(UserName, DeviceName),
    /// A certificate names a device that was removed.
    DeviceGone,
    /// No address is left for another device.
    AddressesUsedUp {
        /// How many devices the network has room for.
        room: u32,
    },
    /// The serial number was recorded before.
    CertificateExists(Serial),
    /// No certificate has that serial number.
    CertificateUnknown(Serial),
    /// The certificate was revoked before.
    CertificateRevoked {
        /// Which.
        serial: Serial,
        /// When.
        at: u64,
    },
    /// There is no such CA generation.
    CaGenerationUnknown(CaGenerationId),
    /// A CRL's number is not above the former one's.
    CrlNumberUsed {
        /// The number.
        number: u64,
        /// The latest one recorded.
        latest: u64,
    },
    /// Another process owns the data folder.
    Owned {
        /// The lock file.
        lock: PathBuf,
        /// What the owner wrote into it.
        owner: String,
    },
    /// There is no store yet.
    Absent(PathBuf),
    /// A file or folder could not be used.
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: Arc<std::io::Error>,
    },
    /// A later release has written to the store.
    SchemaNewer {
        /// The store's version.
        found: u32,
        /// The latest version that this release knows.
        known: u32,
    },
    /// The store has to be brought up to date, and was opened for reading only.
    SchemaOlder {
        /// The store's version.
        found: u32,
        /// The version that this release reads.
        known: u32,
    },
    /// The file is an SQLite database, but not ours.
    Foreign(PathBuf),
    /// The disk, the quota or the file size limit is used up.
    DiskFull(Arc<rusqlite::Error>),
    /// Another program holds a lock inside the database.
    Busy(Arc<rusqlite::Error>),
    /// The database is damaged.
    Corrupt(Arc<rusqlite::Error>),
    /// The database can't be written to.
    ReadOnly(Arc<rusqlite::Error>),
    /// Reading or writing failed.
    Io(Arc<rusqlite::Error>),
    /// A row holds what no release of ours writes.
    Unreadable {
        /// Which column of which table.
        what: &'static str,
    },
    /// SQLite refused for another reason: our own mistake.
    Database(Arc<rusqlite::Error>),
    /// The store was closed.
    Closed,
}

impl fmt::Display for StoreError {
    fn fmt(&self, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
        todo!()
    }
}

impl std::error::Error for StoreError {}
