//! What undoes a client's changes when the client was killed: a process of its own that waits for that.
//!
//! The client holds a pipe to it. When the pipe is closed without a word, the client is gone, however it
//! went; a client that ends in good order has undone its changes, and dismisses its guard by a byte. The
//! guard is deaf to the signals that end a client, so that whoever ends all processes of a group ends this
//! one last.

use std::io::{self, Read as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, absolute};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use admin::failure::{Failure, FailureKind};

use super::output::Output;
use crate::args::order::GuardOrder;

/// A guard at its post. Dropping it has it undo what is on record.
pub(super) struct Guard(Child);

impl Guard {
    /// Starts one; without one, the next client mends what a killed one leaves.
    pub(super) fn start(state: &Path, dns_backup: &Path) -> Option<Self> {
        let (state, dns_backup) = (absolute(state).ok()?, absolute(dns_backup).ok()?);
        let mut command = Command::new("/proc/self/exe");
        command.arg0("handfast").arg(COMMAND).arg(state).arg(dns_backup);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        command.current_dir("/").process_group(0).spawn().ok().map(Self)
    }

    /// Nothing is left to undo: it ends at once, and is gone when this returns.
    pub(super) fn dismiss(mut self) {
        let told = self.0.stdin.take().is_some_and(|mut pipe| pipe.write_all(DISMISSED).is_ok());
        if told {
            let _ = self.0.wait();
        }
    }
}

/// Waits until the client is gone and undoes what it left.
pub(crate) fn run_guard(options: &GuardOrder) -> Result<Output, Failure> {
    let failed = |error: io::Error| {
        Failure::new(FailureKind::Environment, "no runtime to undo with").caused_by(&error)
    };
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    runtime.block_on(async {
        let _deaf = client::stop_signal();
        let mut word = [0; DISMISSED.len()];
        // An error is an end without a word, too.
        if io::stdin().lock().read_exact(&mut word).is_ok() {
            return;
        }
        for _ in 0..TRIES {
            // The kernel may close the client's pipe a moment before its locks.
            tokio::time::sleep(LOCKS_GO).await;
            let _ = client::mend(&options.state, &options.dns_backup).await;
        }
    });
    Ok(Output::done(""))
}

/// As it is typed, by a client alone.
const COMMAND: &str = "connect-guard";
const DISMISSED: &[u8; 1] = b".";
const LOCKS_GO: Duration = Duration::from_millis(200);
const TRIES: usize = 3;
