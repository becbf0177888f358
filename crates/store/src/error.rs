//! Why the store could not do what it was asked for, and what to do: one type by whose fault it is.
//!
//! [`Refused`] is the caller's: what was asked for can't be. [`Fault`] is the machine's: disk, file
//! system, database. [`OpenError`] is why there is no store to ask.

use std::error::Error;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use clock::Timestamp;
use names::{CertificateName, DeviceName, UserName};
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
    /// Nothing has a certificate under this name.
    NameUnknown(CertificateName),
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
    /// A rollover of the CA is under way.
    RolloverUnderWay,
    /// No rollover of the CA is under way.
    NoRollover,
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

impl StoreError {
    /// What happened, and whose fault it is.
    pub fn message(&self) -> String {
        match self {
            Self::Refused(refused) => refused.message(),
            Self::Storage(fault) => fault.message(),
            Self::Closed => "the store is closed".to_owned(),
        }
    }

    /// What to do.
    pub fn mend(&self) -> String {
        match self {
            Self::Refused(refused) => refused.mend(),
            Self::Storage(fault) => fault.mend().to_owned(),
            Self::Closed => "the gateway is stopping, repeat once it runs".to_owned(),
        }
    }
}

impl Refused {
    /// What happened.
    pub fn message(&self) -> String {
        match self {
            Self::UserExists(user) => format!("there is a user `{user}` already"),
            Self::UserUnknown(user) => format!("there is no user `{user}`"),
            Self::DeviceExists(user, device) => {
                format!("`{user}` has a device `{device}` already")
            }
            Self::DeviceUnknown(user, device) => format!("`{user}` has no device `{device}`"),
            Self::DeviceGone => "the device was removed in the meantime".to_owned(),
            Self::AddressesUsedUp { last } => {
                format!("all addresses up to host number {last} are leased")
            }
            Self::OutOfRange(what) => format!("{what} is out of range"),
            Self::CertificateExists(serial) => {
                format!("a certificate with serial number {serial} is on record")
            }
            Self::CertificateUnknown(serial) => {
                format!("no certificate has serial number {serial}")
            }
            Self::NameUnknown(name) => format!("nothing has a certificate as `{name}`"),
            Self::CertificateRevoked { serial, .. } => {
                format!("the certificate {serial} is revoked already")
            }
            Self::KeyCompromised { whose, at } => {
                let on = at.date();
                format!("this key was revoked as compromised on {on} (it was that of {whose})")
            }
            Self::KeyOfAnother { whose } => format!("this key is that of {whose}"),
            Self::CaGenerationExists { subject } => {
                format!("the CA has a generation with the subject `{subject}`")
            }
            Self::RolloverUnderWay => "a rollover of the CA is under way".to_owned(),
            Self::NoRollover => "no rollover of the CA is under way".to_owned(),
            Self::CaGenerationUnknown(id) => format!("the CA has no generation {id}"),
            Self::CrlNumberUsed { number, latest } => {
                format!("CRL number {number} is not above the latest one, {latest}")
            }
        }
    }

    /// What to do.
    pub fn mend(&self) -> String {
        let text = match self {
            Self::UserExists(_) | Self::DeviceExists(..) => {
                "choose another name, by more than case, or remove that one"
            }
            Self::UserUnknown(_) => "`handfast user list` shows all",
            Self::DeviceUnknown(user, _) => {
                return format!("`handfast device list {user}` shows all");
            }
            Self::DeviceGone => "add it again first",
            Self::AddressesUsedUp { .. } => {
                "remove devices that are not used any more, or make the VPN's IPv4 network larger"
            }
            Self::OutOfRange(_) => "correct the value",
            Self::CertificateExists(_) => "issue a new one",
            Self::CertificateUnknown(_) => "`handfast device show` lists a device's",
            Self::NameUnknown(_) => "`handfast cert list` shows all",
            Self::CertificateRevoked { .. } => "nothing is left to do",
            Self::KeyCompromised { .. } => {
                "make a new one: whoever has the old one could use the new certificate"
            }
            Self::KeyOfAnother { .. } => "make a key for each device, and a request with it",
            Self::CaGenerationExists { .. } => "give the new one another",
            Self::RolloverUnderWay => "finish it first: `handfast ca rollover finish`",
            Self::NoRollover => "begin one: `handfast ca rollover start`",
            Self::CaGenerationUnknown(_) => "`handfast ca show` shows which there are",
            Self::CrlNumberUsed { latest, .. } => {
                return format!("sign with {}", latest.saturating_add(1));
            }
        };
        text.to_owned()
    }
}

impl Fault {
    /// What happened.
    pub fn message(&self) -> String {
        match self {
            Self::DiskFull(_) => "no space is left for the store".to_owned(),
            Self::Busy(_) => "another program holds a lock inside the store".to_owned(),
            Self::Corrupt(cause) => format!("the store is damaged ({cause})"),
            Self::ReadOnly(_) => "the store can't be written to".to_owned(),
            Self::Io(cause) => format!("the disk under the store failed ({cause})"),
            Self::Unreadable { what } => format!("the store holds an invalid {what}"),
            Self::Database(cause) => format!("the store refused the request ({cause})"),
        }
    }

    /// What to do.
    pub fn mend(&self) -> &'static str {
        match self {
            Self::DiskFull(_) => {
                "free some on the data folder's disk, then repeat: nothing was changed"
            }
            Self::Busy(_) => "find it with `fuser`, end it, then repeat",
            Self::Corrupt(_) | Self::Unreadable { .. } => "restore the data folder from a backup",
            Self::ReadOnly(_) => "check the data folder's owner, permissions and mount",
            Self::Io(_) => "check the system's log, then start the gateway again",
            Self::Database(_) => "this is an internal error, please report it",
        }
    }
}

impl OpenError {
    /// What happened.
    pub fn message(&self) -> String {
        match self {
            Self::Locked(error) => error.to_string(),
            Self::Absent(path) => format!("there is no store at {}", path.display()),
            Self::File { path, source } => format!("{}: {source}", path.display()),
            Self::SchemaNewer { found, known } => {
                format!("the store has format {found}, this release knows {known}")
            }
            Self::SchemaOlder { found, known } => {
                format!("the store has format {found}, this release reads {known}")
            }
            Self::Foreign(path) => format!("{} is not a Handfast store", path.display()),
            Self::NoWriteAheadLog(path) => format!(
                "the file system of {} can't hold the store (no shared memory or locks, as on \
                 network file systems)",
                path.display()
            ),
            Self::Storage(fault) => fault.message(),
        }
    }

    /// What to do; nothing, where the owner of the store has to be asked.
    pub fn mend(&self) -> Option<&'static str> {
        Some(match self {
            Self::Locked(_) => return None,
            Self::Absent(_) => "`handfast up` makes one, or name another folder with --data",
            Self::File { .. } => "check its owner and permissions",
            Self::SchemaNewer { .. } => "use the release that wrote it or a later one",
            Self::SchemaOlder { .. } => "start the gateway once to bring it up to date",
            Self::Foreign(_) => "name another folder with --data",
            Self::NoWriteAheadLog(_) => "use a local one",
            Self::Storage(fault) => fault.mend(),
        })
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.message(), self.mend())
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.message(), self.mend())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.message(), self.mend())
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message())?;
        self.mend().map_or(Ok(()), |mend| write!(f, "; {mend}"))
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
