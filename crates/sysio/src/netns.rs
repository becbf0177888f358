//! Throw-away network namespaces, for the demo and for tests.
//!
//! A namespace has no name: it lives as long as its [`Netns`] (and what runs inside) does, so
//! nothing is left behind after a kill. Namespaces belong to threads, and threads and processes
//! inherit them: whatever is started from a thread inside is inside.

use std::fmt::{self, Display};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread::{self, JoinHandle};

use rustix::fs::fstat;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

mod keeper;
mod user;

use keeper::{Keeper, Mounts};
pub use user::{UserNamespaceError, enter_user_namespace};

/// A network namespace. Children that were spawned in it die with it.
#[derive(Debug)]
pub struct Netns {
    network: OwnedFd,
    mounts: Option<Mounts>,
    keeper: Keeper,
}

impl Netns {
    /// Makes a namespace in which nothing exists but a loopback interface, which is up.
    pub fn create() -> Result<Self, NetnsError> {
        let keeper = Keeper::start()?;
        let network = keeper.run(|| -> io::Result<OwnedFd> {
            nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET)?;
            crate::interface::bring_up("lo")?;
            namespace_of_this_thread("net")
        })?;
        let network = network.map_err(NetnsError::from_io)?;
        Ok(Self { network, mounts: None, keeper })
    }

    /// Gives children and closures of this namespace a resolv.conf of their own: `file` appears in
    /// the place of /etc/resolv.conf. It stays the same file, so that writes to one show in both.
    pub fn private_resolv_conf(&mut self, file: &Path) -> Result<(), NetnsError> {
        let file = file.to_owned();
        let mounts = self.keeper.run(move || keeper::hide_resolv_conf(&file))?;
        self.mounts = Some(mounts.map_err(NetnsError::from_io)?);
        Ok(())
    }

    /// Calls `inside` on a thread in the namespace and returns what it returns. Sockets, TUN
    /// interfaces, threads and runtimes that it makes stay in there.
    pub fn run<T: Send>(&self, inside: impl FnOnce() -> T + Send) -> Result<T, NetnsError> {
        thread::scope(|scope| {
            let thread =
                thread::Builder::new().name("netns".to_owned()).spawn_scoped(scope, || {
                    self.enter()?;
                    Ok(inside())
                });
            match thread.map_err(NetnsError::Other)?.join() {
                Ok(result) => result.map_err(NetnsError::from_io),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }

    /// Starts a thread in the namespace.
    pub fn spawn_thread<T: Send + 'static>(
        &self,
        name: &str,
        inside: impl FnOnce() -> T + Send + 'static,
    ) -> Result<JoinHandle<T>, NetnsError> {
        let builder = thread::Builder::new().name(name.to_owned());
        self.run(|| builder.spawn(inside))?.map_err(NetnsError::Other)
    }

    /// Starts a program in the namespace. It is killed when the [`Netns`] is dropped, and when this
    /// process ends in whatever way.
    pub fn spawn(&self, command: Command) -> Result<Child, NetnsError> {
        self.keeper.spawn(command)?.map_err(NetnsError::Other)
    }

    /// Runs a program in the namespace to its end and returns what it wrote.
    pub fn output(&self, mut command: Command) -> Result<Output, NetnsError> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        self.spawn(command)?.wait_with_output().map_err(NetnsError::Other)
    }

    fn enter(&self) -> io::Result<()> {
        if let Some(mounts) = &self.mounts {
            // A thread that shares its working directory and root may not change its mounts.
            nix::sched::unshare(nix::sched::CloneFlags::CLONE_FS)?;
            move_into_link_name_space(mounts.namespace.as_fd(), Some(LinkNameSpaceType::Mount))?;
            // The kernel has put the thread at the namespace's root, which is outside of a chroot.
            rustix::process::fchdir(&mounts.root)?;
            rustix::process::chroot(".")?;
        }
        let network = self.network.as_fd();
        Ok(move_into_link_name_space(network, Some(LinkNameSpaceType::Network))?)
    }
}

impl AsFd for Netns {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.network.as_fd()
    }
}

/// Why a namespace could not be made or entered.
#[derive(Debug)]
pub enum NetnsError {
    /// This process may not.
    Denied(io::Error),
    /// The kernel was built without.
    Unsupported(io::Error),
    /// Anything else.
    Other(io::Error),
}

impl NetnsError {
    fn from_io(error: io::Error) -> Self {
        match rustix::io::Errno::from_io_error(&error) {
            Some(rustix::io::Errno::PERM | rustix::io::Errno::ACCESS) => Self::Denied(error),
            Some(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => Self::Unsupported(error),
            _ => Self::Other(error),
        }
    }
}

impl Display for NetnsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Denied(_) => {
                "this process may not make network namespaces: run as root or with CAP_SYS_ADMIN, \
                 or allow user namespaces"
            }
            Self::Unsupported(_) => "this kernel has no network namespaces (CONFIG_NET_NS)",
            Self::Other(_) => "the network namespace could not be used",
        })
    }
}

impl std::error::Error for NetnsError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Denied(source) | Self::Unsupported(source) | Self::Other(source) => Some(source),
        }
    }
}

/// The number that tells the calling thread's network namespace from all others that exist.
pub(crate) fn network_id() -> io::Result<u64> {
    Ok(fstat(namespace_of_this_thread("net")?)?.st_ino)
}

fn namespace_of_this_thread(kind: &str) -> io::Result<OwnedFd> {
    let file = File::open(format!("/proc/thread-self/ns/{kind}"))?;
    Ok(file.into())
}
