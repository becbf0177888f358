//! Why the store could not do what it was asked for, and what to do.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use pki::Serial;
use rusqlite::ErrorCode;

use crate::ids::CaGenerationId;
use crate::names::{DeviceName, UserName};

/// Why a request failed. Nothing of it was changed, with one exception: after [`StoreError::Io`] on
/// a change, only the next start tells whether the disk has it.
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
        /// The last host number that may be leased.
        last: u32,
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
    /// A CA generation has that subject or serial number.
    CaGenerationExists {
        /// The subject.
        subject: String,
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
    /// A time or a number is beyond what the database can hold.
    OutOfRange(&'static str),
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
    /// The file is another program's.
    Foreign(PathBuf),
    /// The file system can't do what the write-ahead log needs.
    NoWriteAheadLog(PathBuf),
    /// The disk, the quota or the file size limit is used up.
    DiskFull(Arc<rusqlite::Error>),
    /// Another program holds a lock inside the database.
    Busy(Arc<rusqlite::Error>),
    /// The database is damaged.
    Corrupt(Arc<rusqlite::Error>),
    /// The database can't be written to.
    ReadOnly(Arc<rusqlite::Error>),
    /// The disk failed to read or write.
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

impl StoreError {
    /// Whether the disk, not the request, is at fault: the rest of the batch can't go on either.
    pub(crate) fn is_storage_fault(&self) -> bool {
        matches!(
            self,
            Self::DiskFull(_) | Self::Busy(_) | Self::Corrupt(_) | Self::ReadOnly(_) | Self::Io(_)
        )
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        let code = error.sqlite_error_code();
        let error = Arc::new(error);
        match code {
            Some(ErrorCode::DiskFull) => Self::DiskFull(error),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy(error),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Corrupt(error),
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => Self::ReadOnly(error),
            Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen) => Self::Io(error),
            _ => Self::Database(error),
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fmt_request(f).unwrap_or_else(|| self.fmt_storage(f))
    }
}

impl StoreError {
    fn fmt_request(&self, f: &mut fmt::Formatter<'_>) -> Option<fmt::Result> {
        Some(match self {
            Self::UserExists(user) => {
                write!(
                    f,
                    "there is a user `{user}` already; choose another name, or remove that one"
                )
            }
            Self::UserUnknown(user) => {
                write!(f, "there is no user `{user}`; `handfast user list` shows all")
            }
            Self::DeviceExists(user, device) => write!(
                f,
                "`{user}` has a device `{device}` already; choose another name, or remove that one"
            ),
            Self::DeviceUnknown(user, device) => write!(
                f,
                "`{user}` has no device `{device}`; `handfast device list {user}` shows all"
            ),
            Self::DeviceGone => {
                f.write_str("the device was removed in the meantime; add it again first")
            }
            Self::AddressesUsedUp { last } => write!(
                f,
                "all addresses up to host number {last} are leased; remove devices that are not \
                 used any more, or make the VPN's IPv4 network larger"
            ),
            Self::CertificateExists(serial) => {
                write!(f, "a certificate with serial number {serial} is on record; issue a new one")
            }
            Self::CertificateUnknown(serial) => write!(
                f,
                "no certificate has serial number {serial}; `handfast device show` lists a device's"
            ),
            Self::CertificateRevoked { serial, .. } => {
                write!(f, "the certificate {serial} is revoked already; nothing is left to do")
            }
            Self::CaGenerationExists { subject } => write!(
                f,
                "the CA has a generation with the subject `{subject}` or its serial number; give \
                 the new one others"
            ),
            Self::CaGenerationUnknown(id) => {
                write!(f, "the CA has no generation {id}; `handfast ca show` shows which there are")
            }
            Self::CrlNumberUsed { number, latest } => write!(
                f,
                "CRL number {number} is not above the latest one, {latest}; sign with {}",
                latest.saturating_add(1)
            ),
            Self::OutOfRange(what) => write!(f, "{what} is out of range; correct the value"),
            _ => return None,
        })
    }

    fn fmt_storage(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Owned { lock, owner } => write!(
                f,
                "the data folder is in use by {owner} (lock {}); stop it, or let it do the work",
                lock.display()
            ),
            Self::Absent(path) => write!(
                f,
                "there is no store at {}; `handfast up` makes one, or name another folder with --data",
                path.display()
            ),
            Self::File { path, source } => {
                write!(f, "{}: {source}; check its owner and permissions", path.display())
            }
            Self::SchemaNewer { found, known } => write!(
                f,
                "the store has format {found}, this release knows {known}; use the release that \
                 wrote it or a later one"
            ),
            Self::SchemaOlder { found, known } => write!(
                f,
                "the store has format {found}, this release reads {known}; start the gateway once \
                 to bring it up to date"
            ),
            Self::Foreign(path) => write!(
                f,
                "{} is not a Handfast store; name another folder with --data",
                path.display()
            ),
            Self::NoWriteAheadLog(path) => write!(
                f,
                "the file system of {} can't hold the store (no shared memory or locks, as on \
                 network file systems); use a local one",
                path.display()
            ),
            Self::DiskFull(_) => f.write_str(
                "no space is left for the store; free some on the data folder's disk, then repeat: \
                 nothing was changed",
            ),
            Self::Busy(_) => f.write_str(
                "another program holds a lock inside the store; find it with `fuser`, end it, then \
                 repeat",
            ),
            Self::Corrupt(cause) => {
                write!(f, "the store is damaged ({cause}); restore the data folder from a backup")
            }
            Self::ReadOnly(_) => f.write_str(
                "the store can't be written to; check the data folder's owner, permissions and mount",
            ),
            Self::Io(cause) => write!(
                f,
                "the disk under the store failed ({cause}); check the system's log, then start the \
                 gateway again"
            ),
            Self::Unreadable { what } => write!(
                f,
                "the store holds an invalid {what}; restore the data folder from a backup"
            ),
            Self::Database(cause) => {
                write!(f, "the store refused the request ({cause}); this is a mistake of ours, please report it")
            }
            _ => f.write_str("the store is closed; the gateway is stopping, repeat once it runs"),
        }
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File { source, .. } => Some(source.as_ref()),
            Self::DiskFull(cause)
            | Self::Busy(cause)
            | Self::Corrupt(cause)
            | Self::ReadOnly(cause)
            | Self::Io(cause)
            | Self::Database(cause) => Some(cause.as_ref()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sqlite_codes_become_typed_faults() {
        let fault = |code| {
            let cause = rusqlite::ffi::Error::new(code);
            StoreError::from(rusqlite::Error::SqliteFailure(cause, None))
        };
        assert!(matches!(fault(rusqlite::ffi::SQLITE_FULL), StoreError::DiskFull(_)));
        assert!(matches!(fault(rusqlite::ffi::SQLITE_BUSY), StoreError::Busy(_)));
        assert!(matches!(fault(rusqlite::ffi::SQLITE_IOERR_FSYNC), StoreError::Io(_)));
        assert!(matches!(fault(rusqlite::ffi::SQLITE_CORRUPT), StoreError::Corrupt(_)));
        assert!(matches!(fault(rusqlite::ffi::SQLITE_MISUSE), StoreError::Database(_)));
    }

    #[test]
    fn an_error_says_what_to_do() {
        let name = UserName::new("alice").unwrap();
        let text = StoreError::UserUnknown(name).to_string();
        assert_eq!(text, "there is no user `alice`; `handfast user list` shows all");
        assert!(StoreError::Closed.to_string().contains("repeat"));
    }
}
