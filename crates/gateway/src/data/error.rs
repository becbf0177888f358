//! What can go wrong with the data folder itself.

use std::error::Error;
use std::fmt::{self, Display, Formatter};
use std::io;
use std::path::PathBuf;

/// Why the data folder can't be used.
#[derive(Debug)]
pub enum DataError {
    /// It could not be made or read.
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Something else stands there.
    NotAFolder {
        /// The path.
        path: PathBuf,
    },
    /// It belongs to somebody else.
    WrongOwner {
        /// The folder.
        path: PathBuf,
        /// Its owner.
        owner: u32,
        /// Who we are.
        us: u32,
    },
    /// A file could not be written.
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl DataError {
    /// What to do.
    pub fn hint(&self) -> String {
        match self {
            Self::Folder { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                "run as root, join the group `handfast`, or name another folder with --data".into()
            }
            Self::Folder { .. } | Self::NotAFolder { .. } => {
                "name another folder with --data or HANDFAST_DATA".into()
            }
            Self::WrongOwner { path, us, .. } => {
                format!("run as its owner, or `chown -R {us} {}`", path.display())
            }
            Self::Write { .. } => "see that the disk has room and is writable".into(),
        }
    }
}

impl Display for DataError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder { path, .. } => {
                write!(f, "the data folder {} can't be used", path.display())
            }
            Self::NotAFolder { path } => write!(f, "{} is not a folder", path.display()),
            Self::WrongOwner { path, owner, us } => write!(
                f,
                "the data folder {} belongs to uid {owner}, this process is uid {us}",
                path.display()
            ),
            Self::Write { path, .. } => write!(f, "{} can't be written", path.display()),
        }
    }
}

impl Error for DataError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Folder { source, .. } | Self::Write { source, .. } => Some(source),
            Self::NotAFolder { .. } | Self::WrongOwner { .. } => None,
        }
    }
}
