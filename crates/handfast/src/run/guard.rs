//! What undoes a client's changes when the client was killed: a process of its own that waits for that.
//!
//! The client holds a pipe to it that nothing is ever written to. When the pipe is closed, the client is
//! gone, however it went; after an end in good order there is nothing left to undo. It is deaf to the
//! signals that end a client, so that whoever ends all processes of a group ends this one last.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use admin::failure::{Failure, FailureKind};

use super::output::Output;
use crate::args::order::GuardOrder;

/// Starts a guard. It waits for as long as the result lives; without one, the next client mends what a
/// killed one leaves.
pub(super) fn start(state: &Path, dns_backup: &Path) -> Option<Child> {
    let mut command = Command::new("/proc/self/exe");
    command.arg0("handfast").arg(COMMAND).arg(state).arg(dns_backup);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    command.current_dir("/").process_group(0).spawn().ok()
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
        // An error is an end, too.
        let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
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
const LOCKS_GO: Duration = Duration::from_millis(200);
const TRIES: usize = 3;
