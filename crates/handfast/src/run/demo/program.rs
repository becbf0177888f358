//! A child process in a namespace, its output in a file.

use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use admin::failure::{Failure, FailureKind};
use rustix::process::{Pid, Signal, kill_process};
use sysio::Netns;

use super::stop::Stop;

/// A running program. Dropping it ends it, in good order where it lets itself be asked.
#[derive(Debug)]
pub(super) struct Program {
    name: &'static str,
    child: Child,
}

impl Program {
    /// Starts it; what it writes is appended to `log`.
    pub(super) fn start(
        name: &'static str,
        netns: &Netns,
        mut command: Command,
        log: &Path,
    ) -> Result<Self, Failure> {
        let cannot = |error: &dyn std::error::Error| {
            Failure::new(FailureKind::Environment, format!("{name} can't be started"))
                .caused_by(error)
        };
        let out = File::options().create(true).append(true).open(log).map_err(|e| cannot(&e))?;
        let err = out.try_clone().map_err(|e| cannot(&e))?;
        command.stdin(Stdio::null()).stdout(out).stderr(err);
        // Ctrl-C is for the demo alone; it ends its programs in its own order.
        command.process_group(0);
        let child = netns.spawn(command).map_err(|e| cannot(&e))?;
        Ok(Self { name, child })
    }

    /// How it ended, if it did.
    pub(super) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Fails if it ended.
    pub(super) fn expect_running(&mut self) -> Result<(), Failure> {
        match self.ended() {
            None => Ok(()),
            Some(status) => Err(Failure::new(
                FailureKind::Failed,
                format!("{} ended unexpectedly: {status}", self.name),
            )),
        }
    }

    /// Asks it to end, and waits for that.
    pub(super) fn terminate(mut self, stop: &Stop) -> Result<Option<ExitStatus>, Failure> {
        // Only a program that is gone does not take the signal.
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        stop.wait_for(GRACE, || Ok(self.ended()))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // What a client changed is undone by itself; after a kill another process of it does that later.
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let end = Instant::now() + LAST_GRACE;
        while self.ended().is_none() && Instant::now() < end {
            thread::sleep(PAUSE);
        }
        // Both fail only where it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// This very binary.
pub(super) fn handfast() -> Result<PathBuf, Failure> {
    std::env::current_exe().map_err(|error: io::Error| {
        Failure::new(FailureKind::Environment, "this binary's own path can't be told")
            .caused_by(&error)
    })
}

const GRACE: Duration = Duration::from_secs(10);
const LAST_GRACE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(5);
