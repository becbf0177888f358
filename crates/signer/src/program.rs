//! How this program is started again as a signer.
//!
//! A program says so once, at its start. One that can't (a test's) has its signer on a thread, with the same
//! line in between and the key in the same memory.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::absolute;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, OnceLock};

use clock::Clock;

use crate::place::Place;
use crate::serve::{Standing, serve};

/// A program that is a signer when it is called with these words, a folder and the records' file, and has
/// the line as its standard input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    arguments: Vec<OsString>,
}

impl Program {
    /// The words that make this program a signer.
    pub fn called_with(arguments: impl IntoIterator<Item = OsString>) -> Self {
        Self { arguments: arguments.into_iter().collect() }
    }

    /// That is what this process's program is. The first word on it counts.
    pub fn declare(self) {
        let _ = OF_THIS_PROCESS.set(self);
    }

    /// Starts it: no threads, nothing of this process's memory, one descriptor and the log.
    fn start(&self, line: UnixStream, place: &Place) -> io::Result<Child> {
        let mut command = Command::new("/proc/self/exe");
        command.arg0("handfast").args(&self.arguments);
        command.arg(absolute(&place.folder)?).arg(absolute(&place.records)?);
        command.stdin(Stdio::from(OwnedFd::from(line))).stdout(Stdio::null());
        // Whoever ends a group of processes by the terminal ends the gateway, and that ends its signer.
        command.current_dir("/").process_group(0).spawn()
    }
}

/// Starts the other end of a line: its process, where it is one.
pub(crate) fn start(
    line: UnixStream,
    place: &Place,
    clock: &Arc<dyn Clock>,
) -> io::Result<Option<Child>> {
    if let Some(program) = OF_THIS_PROCESS.get() {
        return program.start(line, place).map(Some);
    }
    let (place, clock) = (place.clone(), Arc::clone(clock));
    let serving = move || {
        if let Err(error) = serve(line, &place, &*clock, Standing::OnAThread) {
            tracing::error!(%error, "the signer has ended");
        }
    };
    std::thread::Builder::new().name("signer".to_owned()).spawn(serving)?;
    Ok(None)
}

static OF_THIS_PROCESS: OnceLock<Program> = OnceLock::new();
