//! The thread that starts hooks: some at once, each for a limited time, with nothing of the gateway's but
//! its user.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use super::complaints::{Complaints, Trouble};
use super::queue::{Jobs, Order};
use crate::data::own_uid;

/// A hook that is to be started, and what it is told.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) program: PathBuf,
    pub(super) input: Vec<u8>,
}

/// What the thread has.
#[derive(Debug)]
pub(super) struct Runner {
    folder: PathBuf,
    running: Vec<Running>,
    complaints: Complaints,
    /// The gateway stops, and waits no longer.
    enough: Arc<AtomicBool>,
}

#[derive(Debug)]
struct Running {
    program: PathBuf,
    child: Child,
    until: Instant,
}

impl Runner {
    /// For hooks in this folder, until there is enough.
    pub(super) fn new(folder: PathBuf, enough: Arc<AtomicBool>) -> Self {
        Self { folder, running: Vec::new(), complaints: Complaints::new(), enough }
    }

    /// Runs until nobody is left who could tell of anything.
    pub(super) fn run(mut self, jobs: &Jobs<Job>) {
        if let Err(error) = sysio::shed_privileges() {
            return tracing::error!(%error, "no hook is started: they would have the gateway's rights");
        }
        loop {
            self.look_after();
            self.complaints.say_repeated();
            if self.is_enough() {
                return self.end();
            }
            if self.running.len() >= AT_ONCE {
                std::thread::sleep(LOOK);
                continue;
            }
            match jobs.next(self.wait()) {
                Order::Do(job) => self.start(job),
                Order::Finish(done) => {
                    self.wait_for_all();
                    let _ = done.send(());
                    return;
                }
                Order::Wait => {}
                Order::Over => return self.end(),
            }
        }
    }

    fn wait(&self) -> Duration {
        match self.running.is_empty() {
            true => self.complaints.quiet_for().unwrap_or(IDLE).max(LOOK),
            false => LOOK,
        }
    }

    fn start(&mut self, Job { program, input }: Job) {
        match is_ours(&self.folder, &program).and_then(|()| spawn(&program, &input)) {
            Ok(child) => {
                let until = Instant::now() + AT_MOST;
                self.running.push(Running { program, child, until });
            }
            Err(error) => self.complaints.note(&program, Trouble::NotStarted(error)),
        }
    }

    /// Notes who has ended, and ends who takes too long.
    fn look_after(&mut self) {
        let complaints = &mut self.complaints;
        self.running.retain_mut(|running| match running.child.try_wait() {
            Ok(None) if Instant::now() < running.until => true,
            Ok(None) => {
                end(&mut running.child);
                complaints.note(&running.program, Trouble::TookTooLong(AT_MOST));
                false
            }
            Ok(Some(status)) => {
                if !status.success() {
                    complaints.note(&running.program, Trouble::Failed(status));
                }
                false
            }
            Err(_) => false,
        });
    }

    fn wait_for_all(mut self) {
        while !self.running.is_empty() && !self.is_enough() {
            std::thread::sleep(LOOK);
            self.look_after();
        }
        self.end();
    }

    fn is_enough(&self) -> bool {
        self.enough.load(Ordering::Relaxed)
    }

    /// The gateway stops, and hooks with it.
    fn end(mut self) {
        self.running.iter_mut().for_each(|running| end(&mut running.child));
        self.complaints.end();
    }
}

/// A file that others may write to is theirs, and not started.
fn is_ours(folder: &Path, program: &Path) -> io::Result<()> {
    for path in [folder, program] {
        let meta = fs::metadata(path)?;
        let owner = meta.uid() == 0 || meta.uid() == own_uid();
        if !owner || meta.mode() & 0o022 != 0 {
            let why =
                format!("others than root and the gateway's user may change {}", path.display());
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
        }
    }
    match fs::metadata(program)?.permissions().mode() & 0o111 {
        0 => Err(io::Error::new(io::ErrorKind::PermissionDenied, "it is not executable")),
        _ => Ok(()),
    }
}

/// What it prints as an error goes where the gateway's log goes.
fn spawn(program: &Path, input: &[u8]) -> io::Result<Child> {
    if input.len() > PIPE {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "the event is too long to be told",
        ));
    }
    let mut child = Command::new(program)
        .env_clear()
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .process_group(0)
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // It fits the pipe, so this never waits; and who does not read it need not.
        let _ = stdin.write_all(input);
    }
    Ok(child)
}

/// With all that it started and that stayed in its group.
fn end(child: &mut Child) {
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        let _ = kill_process_group(group, Signal::KILL);
    }
    let _ = child.wait();
}

/// So many run at once.
pub(super) const AT_ONCE: usize = 8;
/// So long one may take.
const AT_MOST: Duration = Duration::from_secs(if cfg!(test) { 2 } else { 30 });
pub(super) const LOOK: Duration = Duration::from_millis(50);
const IDLE: Duration = Duration::from_secs(3600);
/// What a pipe takes without a reader.
const PIPE: usize = 60 * 1024;
