//! Why a run can't begin, or had to end. What a server does wrong is no error but a figure.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use client::ProfileError;

/// Why there is no report.
#[derive(Debug)]
pub enum LoadError {
    /// The folder or file with profiles can't be read.
    Unreadable(PathBuf, io::Error),
    /// The folder has no `.ovpn` file.
    NoProfiles(PathBuf),
    /// A profile is wrong.
    Profile(ProfileError),
    /// The server that a profile names has no address.
    NoAddress(String),
    /// The profile names no server over UDP.
    NoUdp(PathBuf),
    /// This process may not open as many files as there are sessions.
    TooFewDescriptors {
        /// What the run needs.
        needed: u64,
        /// What is allowed.
        allowed: u64,
    },
    /// No socket towards the server.
    Socket(SocketAddr, sysio::BindError),
    /// The kernel gave no randomness, or can't wait for sockets.
    System(io::Error),
    /// No session came up, so there is nothing to send packets through.
    NobodyConnected,
    /// The server told nobody where to send packets to.
    NoDestination,
}

impl LoadError {
    /// What to do about it.
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            LoadError::NoProfiles(_) => {
                "write some with `handfast profile NAME --out DIR --os linux`"
            }
            LoadError::NoAddress(_) | LoadError::NoUdp(_) => {
                "name the server's address with --server"
            }
            LoadError::TooFewDescriptors { .. } => {
                "raise the limit with `ulimit -n`, or ask for fewer --sessions"
            }
            LoadError::NoDestination => "name an address that answers pings with --to",
            LoadError::NobodyConnected => {
                "the reasons are counted above; the server's log has more"
            }
            _ => return None,
        })
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LoadError::Unreadable(path, _) => write!(f, "{} can't be read", path.display()),
            LoadError::NoProfiles(path) => write!(f, "{} has no .ovpn file", path.display()),
            LoadError::Profile(_) => f.write_str("a profile can't be used"),
            LoadError::NoAddress(host) => write!(f, "{host} has no address"),
            LoadError::NoUdp(file) => write!(f, "{} names no server over UDP", file.display()),
            LoadError::TooFewDescriptors { needed, allowed } => {
                write!(f, "the run needs {needed} open files, and this process may have {allowed}")
            }
            LoadError::Socket(server, _) => write!(f, "{server} can't be reached from here"),
            LoadError::System(_) => f.write_str("the kernel refuses what every run needs"),
            LoadError::NobodyConnected => f.write_str("no session came up"),
            LoadError::NoDestination => f.write_str("the server pushed no address of its own"),
        }
    }
}

impl std::error::Error for LoadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            LoadError::Unreadable(_, source) | LoadError::System(source) => Some(source),
            LoadError::Profile(source) => Some(source),
            LoadError::Socket(_, source) => Some(source),
            _ => None,
        }
    }
}
