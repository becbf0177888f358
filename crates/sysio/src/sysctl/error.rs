//! Why a kernel setting is not as wanted.

use std::fmt::{self, Display};
use std::io;
use std::path::PathBuf;

use super::Sysctl;

/// A setting or its record that could not be read or written.
#[derive(Debug)]
pub enum SysctlError {
    /// This process may not change it.
    Denied {
        /// The setting.
        key: Sysctl,
        /// What the kernel said.
        source: io::Error,
    },
    /// This kernel does not have it.
    Missing {
        /// The setting.
        key: Sysctl,
        /// What the kernel said.
        source: io::Error,
    },
    /// It could not be read or written.
    Io {
        /// The setting.
        key: Sysctl,
        /// What the kernel said.
        source: io::Error,
    },
    /// The folder with the records of changes can't be used, and nothing is changed without.
    Ledger {
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A record can't be written as JSON.
    Encoding(serde_json::Error),
    /// It is to be put back by a thread of another network namespace than it was changed in.
    OtherNamespace,
}

impl SysctlError {
    pub(super) fn new(key: &Sysctl, source: io::Error) -> Self {
        let key = key.clone();
        match source.kind() {
            io::ErrorKind::NotFound => Self::Missing { key, source },
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                Self::Denied { key, source }
            }
            _ => Self::Io { key, source },
        }
    }
}

impl Display for SysctlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied { key, .. } => {
                let dotted = key.to_string().replace('/', ".");
                write!(
                    f,
                    "this process may not change the kernel setting {dotted}: run as root, or in a \
                     container start it with the setting in place (`--sysctl {dotted}=1`)"
                )
            }
            Self::Missing { key, .. } => write!(f, "this kernel has no setting {key}"),
            Self::Io { key, .. } => write!(f, "the kernel setting {key} can't be used"),
            Self::Ledger { folder, .. } => write!(
                f,
                "what is changed can't be recorded in {}, so nothing is changed: make the folder \
                 writable, or choose another",
                folder.display()
            ),
            Self::Encoding(_) => f.write_str("the record of a change can't be written"),
            Self::OtherNamespace => {
                f.write_str("the kernel setting belongs to another network namespace")
            }
        }
    }
}

impl std::error::Error for SysctlError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Denied { source, .. }
            | Self::Missing { source, .. }
            | Self::Io { source, .. }
            | Self::Ledger { source, .. } => Some(source),
            Self::Encoding(source) => Some(source),
            Self::OtherNamespace => None,
        }
    }
}
