//! Why names are not asked of the tunnel's servers.

use std::fmt::{self, Display};
use std::io;
use std::path::PathBuf;

/// A failure to apply or to put back.
#[derive(Debug)]
pub enum DnsError {
    /// There is no `resolvectl` program.
    NotInstalled,
    /// `resolvectl` refused; what it said.
    Refused(String),
    /// No interface can have this name.
    BadInterface(String),
    /// Another running tunnel has rewritten /etc/resolv.conf already.
    Taken {
        /// Its backup.
        backup: PathBuf,
    },
    /// A file can't be read or written.
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The backup is not one of ours.
    Damaged {
        /// The backup.
        backup: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

impl Display for DnsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotInstalled => f.write_str("the program `resolvectl` is not installed"),
            Self::Refused(said) => write!(f, "systemd-resolved refused the settings: {said}"),
            Self::BadInterface(name) => write!(f, "{name:?} can't name an interface"),
            Self::Taken { backup } => write!(
                f,
                "another tunnel that runs has set the name servers (it keeps the former ones in \
                 {}): stop it first",
                backup.display()
            ),
            Self::Io { path, source } if source.kind() == io::ErrorKind::PermissionDenied => {
                write!(f, "this process may not write {}: run as root", path.display())
            }
            Self::Io { path, .. } => write!(f, "{} can't be used", path.display()),
            Self::Damaged { backup, .. } => write!(
                f,
                "{} does not hold what we put there: look at it, restore /etc/resolv.conf by hand \
                 if need be, and remove it",
                backup.display()
            ),
        }
    }
}

impl std::error::Error for DnsError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            Self::Damaged { source, .. } => Some(source),
            _ => None,
        }
    }
}
