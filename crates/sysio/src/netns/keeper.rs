//! The thread that lives in a namespace as long as its owner.
//!
//! Programs are spawned from it and from no other, because the kernel's parent-death signal means
//! the parent *thread*: a program spawned from a short-lived thread would die with that.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, JoinHandle};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use rustix::fs::{Mode, OFlags};
use rustix::process::{Signal, set_parent_process_death_signal};

use super::{NetnsError, namespace_of_this_thread};

type Job = Box<dyn FnOnce() + Send>;

#[derive(Debug)]
pub(super) struct Keeper {
    /// Taken only when the keeper is dropped.
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Keeper {
    pub(super) fn start() -> Result<Self, NetnsError> {
        let (sender, jobs) = channel::<Job>();
        let thread = thread::Builder::new()
            .name("netns-keeper".to_owned())
            .spawn(move || jobs.into_iter().for_each(|job| job()))
            .map_err(NetnsError::Other)?;
        Ok(Self { jobs: Some(sender), thread: Some(thread) })
    }

    /// Does `job` on the keeper's thread. A job that panics ends the keeper.
    pub(super) fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, NetnsError> {
        let (sender, answer) = channel();
        // Nobody is left to hear an answer only if this call was unwound.
        let job = move || drop(sender.send(job()));
        let jobs = self.jobs.as_ref().ok_or_else(gone)?;
        jobs.send(Box::new(job)).map_err(|_| gone())?;
        answer.recv().map_err(|_| gone())
    }

    pub(super) fn spawn(&self, mut command: Command) -> Result<io::Result<Child>, NetnsError> {
        let die_with_parent = || Ok(set_parent_process_death_signal(Some(Signal::KILL))?);
        // SAFETY: between fork and exec the closure makes one prctl system call; it allocates
        // nothing, takes no lock and touches no memory but its own stack.
        unsafe { command.pre_exec(die_with_parent) };
        self.run(move || command.spawn())
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            // A keeper that panicked has nothing more to say here.
            let _ = thread.join();
        }
    }
}

/// Mounts of a namespace's own.
#[derive(Debug)]
pub(super) struct Mounts {
    pub(super) namespace: OwnedFd,
    /// The directory that is `/` to this process, which in a chroot is not the mounts' own root.
    pub(super) root: OwnedFd,
}

/// Gives the calling thread mounts of its own, with `file` over /etc/resolv.conf.
pub(super) fn hide_resolv_conf(file: &Path) -> io::Result<Mounts> {
    // On most machines it is a link into /run.
    let place = std::fs::canonicalize("/etc/resolv.conf")?;
    unshare(CloneFlags::CLONE_NEWNS)?;
    let none = None::<&Path>;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)?;
    mount(Some(file), &place, none, MsFlags::MS_BIND, none)?;
    let root =
        rustix::fs::open("/", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    Ok(Mounts { namespace: namespace_of_this_thread("mnt")?, root })
}

fn gone() -> NetnsError {
    NetnsError::Other(io::Error::other("the namespace's thread has ended"))
}
