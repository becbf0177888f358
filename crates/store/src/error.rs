//! Why the store could not do what it was asked for, and what to do: one type by whose fault it is.
//!
//! [`Refused`] is the caller's: what was asked for can't be. [`Fault`] is the machine's: disk, file
//! system, database. [`OpenError`] is why there is no store to ask.

use std::error::Error;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use clock::Timestamp;
use names::{DeviceName, UserName};
use pki::Serial;

use crate::ids::CaGenerationId;
use crate::lock::LockError;

/// Why a request failed. Nothing of it was changed, with one exception: after [`Fault::Io`] on a
/// change, only the next start tells whether the disk has it.
#[derive(Clone, Debug)]
pub enum StoreError {
    /// It can't be, as the records are.
    Refused(Refused),
    /// What the store stands on failed.
    Storage(Fault),
    /// The store was closed.
    Closed,
}

/// Why a request can't be met: its author's to mend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
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
        at: Timestamp,
    },
    /// The key of the certificate was revoked as compromised.
    KeyCompromised {
        /// Whose it was.
        whose: String,
        /// When.
        at: Timestamp,
    },
    /// The key of the certificate belongs to another holder.
    KeyOfAnother {
        /// Whose it is.
        whose: String,
    },
    /// A CA generation has that subject.
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
}

/// What failed under the store.
#[derive(Clone, Debug)]
pub enum Fault {
    /// The disk, the quota or the file size limit is used up.
    DiskFull(Cause),
    /// Another program holds a lock inside the database.
    Busy(Cause),
    /// The database is damaged.
    Corrupt(Cause),
    /// The database can't be written to.
    ReadOnly(Cause),
    /// The disk failed to read or write.
    Io(Cause),
    /// A row holds what no release of ours writes.
    Unreadable {
        /// Which column of which table.
        what: &'static str,
    },
    /// The database refused for another reason: an internal error.
    Database(Cause),
}

/// What the database said.
pub type Cause = Arc<dyn Error + Send + Sync>;

/// Why a store can't be opened.
#[derive(Clone, Debug)]
pub enum OpenError {
    /// The data folder could not be taken.
    Locked(LockError),
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
    /// What the store stands on failed.
    Storage(Fault),
}

impl Fault {
    /// Whether the same is lacking.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }

    /// Whether the disk, not the request, is at fault: the rest of the batch can't go on either.
    pub(crate) fn ends_the_batch(&self) -> bool {
        !matches!(self, Self::Unreadable { .. } | Self::Database(_))
    }
}

impl From<Refused> for StoreError {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        Self::Storage(fault)
    }
}

/// Reading all rows refuses nothing, so a refusal here is of a row that names what is not there.
impl From<StoreError> for OpenError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Storage(fault) => Self::Storage(fault),
            StoreError::Refused(_) | StoreError::Closed => {
                Self::Storage(Fault::Unreadable { what: "record" })
            }
        }
    }
}

impl From<LockError> for OpenError {
    fn from(error: LockError) -> Self {
        Self::Locked(error)
    }
}

impl From<Fault> for OpenError {
    fn from(fault: Fault) -> Self {
        Self::Storage(fault)
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refused) => refused.fmt(f),
            Self::Storage(fault) => fault.fmt(f),
            Self::Closed => {
                f.write_str("the store is closed; the gateway is stopping, repeat once it runs")
            }
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UserExists(user) => write!(
                f,
                "there is a user `{user}` already; choose another name, or remove that one"
            ),
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
            Self::OutOfRange(what) => write!(f, "{what} is out of range; correct the value"),
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
            Self::KeyCompromised { whose, at } => write!(
                f,
                "this key was revoked as compromised on {} (it was that of {whose}); make a new one: \
                 whoever has the old one could use the new certificate",
                at.date()
            ),
            Self::KeyOfAnother { whose } => write!(
                f,
                "this key is that of {whose}; make a key for each device, and a request with it"
            ),
            Self::CaGenerationExists { subject } => write!(
                f,
                "the CA has a generation with the subject `{subject}`; give the new one another"
            ),
            Self::CaGenerationUnknown(id) => {
                write!(f, "the CA has no generation {id}; `handfast ca show` shows which there are")
            }
            Self::CrlNumberUsed { number, latest } => write!(
                f,
                "CRL number {number} is not above the latest one, {latest}; sign with {}",
                latest.saturating_add(1)
            ),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
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
            Self::Database(cause) => write!(
                f,
                "the store refused the request ({cause}); this is an internal error, please report it"
            ),
        }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Locked(error) => error.fmt(f),
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
            Self::Storage(fault) => fault.fmt(f),
        }
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Storage(fault) => fault.source(),
            Self::Refused(_) | Self::Closed => None,
        }
    }
}

impl Error for Refused {}

impl Error for Fault {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::DiskFull(cause)
            | Self::Busy(cause)
            | Self::Corrupt(cause)
            | Self::ReadOnly(cause)
            | Self::Io(cause)
            | Self::Database(cause) => Some(cause.as_ref()),
            Self::Unreadable { .. } => None,
        }
    }
}

impl Error for OpenError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::File { source, .. } => Some(source.as_ref()),
            Self::Locked(error) => error.source(),
            Self::Storage(fault) => fault.source(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_to_do() {
        let name = UserName::new("alice").unwrap();
        let text = Refused::UserUnknown(name).to_string();
        assert_eq!(text, "there is no user `alice`; `handfast user list` shows all");
        assert!(StoreError::Closed.to_string().contains("repeat"));
    }
}
