//! What a copy of the records holds beside them, and why there is none.

use std::error::Error;
use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::error::{Cause, Fault, OpenError};

/// A file that stands beside the records.
#[derive(Clone, PartialEq, Eq)]
pub struct Beside {
    /// Its name in the data folder.
    pub name: String,
    /// What is in it, which may be a key.
    pub content: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for Beside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Beside").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Why records were not copied, or not read back.
#[derive(Clone, Debug)]
pub enum CopyError {
    /// There is a file of that name.
    Exists(PathBuf),
    /// The file is no copy of ours.
    NotACopy(PathBuf),
    /// The copy is not as it was written.
    Damaged(PathBuf),
    /// A file could not be written.
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: Arc<std::io::Error>,
    },
    /// There is no room for the copy where it was to be.
    Full {
        /// The copy's name.
        path: PathBuf,
        /// What said so.
        source: Cause,
    },
    /// There is nothing to read from.
    Open(OpenError),
}

impl CopyError {
    /// What to do.
    pub fn mend(&self) -> &'static str {
        match self {
            Self::Exists(_) => "name another file",
            Self::NotACopy(_) => "name a file that `handfast backup` wrote",
            Self::Damaged(_) => "take an earlier copy",
            Self::File { .. } => "see that its folder is there, has room and may be written to",
            Self::Full { .. } => "free some on that disk, or name a file on another one",
            Self::Open(_) => "see that the file is there and may be read",
        }
    }
}

impl CopyError {
    /// What is copied from is only read, so that whatever lacked room was the copy at `to`.
    pub(crate) fn of_the_copy(self, to: &Path) -> Self {
        match self {
            Self::Open(OpenError::Storage(Fault::DiskFull(source))) => {
                Self::Full { path: to.to_owned(), source }
            }
            Self::File { source, .. } if source.kind() == ErrorKind::StorageFull => {
                Self::Full { path: to.to_owned(), source }
            }
            other => other,
        }
    }
}

impl From<OpenError> for CopyError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Foreign(path) => Self::NotACopy(path),
            other => Self::Open(other),
        }
    }
}

impl From<Fault> for CopyError {
    fn from(fault: Fault) -> Self {
        Self::Open(fault.into())
    }
}

impl fmt::Display for CopyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exists(path) => write!(f, "{} is there already", path.display()),
            Self::NotACopy(path) => write!(f, "{} is no backup", path.display()),
            Self::Damaged(path) => write!(f, "{} is damaged", path.display()),
            Self::File { path, .. } => write!(f, "{} can't be written", path.display()),
            Self::Full { path, .. } => write!(f, "no space is left for {}", path.display()),
            Self::Open(error) => error.fmt(f),
        }
    }
}

impl Error for CopyError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::File { source, .. } => Some(source.as_ref()),
            Self::Full { source, .. } => Some(source.as_ref()),
            Self::Open(error) => error.source(),
            Self::Exists(_) | Self::NotACopy(_) | Self::Damaged(_) => None,
        }
    }
}
