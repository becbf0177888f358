//! A user namespace, in which an ordinary user may administer a network of its own.

use std::fmt::{self, Display};
use std::fs;
use std::io;

use nix::sched::{CloneFlags, unshare};
use rustix::process::{getgid, getuid};

/// Moves this process into user, network and mount namespaces of its own, in which it is root.
/// Nothing of it is seen outside. To be called before any thread is started.
pub fn enter_user_namespace() -> Result<(), UserNamespaceError> {
    if fs::read_dir("/proc/self/task").map_err(UserNamespaceError::Setup)?.count() != 1 {
        return Err(UserNamespaceError::TooLate);
    }
    let (uid, gid) = (getuid().as_raw(), getgid().as_raw());
    let wanted = CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS;
    unshare(wanted).map_err(|errno| UserNamespaceError::Denied(errno.into()))?;
    // Without privileges outside, group ids may be mapped only after setgroups is given up.
    write("/proc/self/setgroups", "deny")?;
    write("/proc/self/uid_map", &format!("0 {uid} 1"))?;
    write("/proc/self/gid_map", &format!("0 {gid} 1"))?;
    crate::interface::bring_up("lo").map_err(|errno| UserNamespaceError::Setup(errno.into()))
}

/// Why this process is not in a user namespace.
#[derive(Debug)]
pub enum UserNamespaceError {
    /// Other threads run already, and a user namespace is entered by whole processes.
    TooLate,
    /// The kernel or a policy forbids it.
    Denied(io::Error),
    /// The namespace exists and could not be set up.
    Setup(io::Error),
}

impl Display for UserNamespaceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLate => "a user namespace must be entered before any thread is started",
            Self::Denied(_) => {
                "this machine does not let ordinary users make namespaces: run as root, or see \
                 the sysctls user.max_user_namespaces, kernel.unprivileged_userns_clone and \
                 kernel.apparmor_restrict_unprivileged_userns"
            }
            Self::Setup(_) => {
                "the user namespace could not be set up; where AppArmor restricts user namespaces \
                 run as root, or set kernel.apparmor_restrict_unprivileged_userns=0"
            }
        })
    }
}

impl std::error::Error for UserNamespaceError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::TooLate => None,
            Self::Denied(source) | Self::Setup(source) => Some(source),
        }
    }
}

fn write(path: &str, text: &str) -> Result<(), UserNamespaceError> {
    fs::write(path, text).map_err(UserNamespaceError::Setup)
}
