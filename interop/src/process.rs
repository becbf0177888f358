//! Programs that run while a test goes on, with their output in a file.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use sysio::Netns;

/// A running program. Dropping it kills it; where it was started enclosed, whatever it started is gone then too.
#[derive(Debug)]
pub struct Program {
    child: Child,
    log: PathBuf,
    is_enclosed: bool,
}

impl Program {
    /// Starts `command` in `netns`; both its outputs go to `log`.
    pub fn start(netns: &Netns, mut command: Command, log: &Path) -> io::Result<Self> {
        let out = File::create(log)?;
        let err = out.try_clone()?;
        command.stdin(Stdio::null()).stdout(out).stderr(err);
        find_in_sbin(&mut command);
        let child = netns.spawn(command).map_err(io::Error::other)?;
        Ok(Self { child, log: log.to_owned(), is_enclosed: false })
    }

    /// The same for a program that starts others, in a namespace of processes and of shared memory that ends with it
    /// and with the test, even if that is killed. A signal to the parent's death reaches neither those that have a
    /// session of their own, as Postfix's master has, nor those that gave root away: the kernel forgets it then.
    /// What runs inside hears no signals of [`Program::signal`]; it is killed when this is dropped.
    pub fn start_enclosed(netns: &Netns, command: &Command, log: &Path) -> io::Result<Self> {
        let mut first = Command::new("unshare");
        first.args(["--pid", "--ipc", "--fork", "--kill-child", "sh", "-c", FIRST, "sh"]);
        first.arg(command.get_program()).args(command.get_args());
        first.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.get_current_dir().map(|folder| first.current_dir(folder));
        let mut program = Self::start(netns, first, log)?;
        program.is_enclosed = true;
        Ok(program)
    }

    /// What it wrote until now.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Waits until its output contains `text`; `false` when it ended or time ran out first.
    pub fn says(&mut self, text: &str, limit: Duration) -> bool {
        wait_until(limit, || self.log().contains(text) || self.has_ended())
            && self.log().contains(text)
    }

    /// Waits for its end.
    pub fn ends(&mut self, limit: Duration) -> Option<ExitStatus> {
        wait_until(limit, || self.has_ended());
        self.child.try_wait().ok().flatten()
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by name (`TERM`, `USR1`, `KILL`).
    pub fn signal(&self, name: &str) {
        signal(name, &self.id().to_string());
    }

    /// The first process inside: the kernel ends all others before that one is gone.
    fn enclosed(&self) -> Option<String> {
        let id = self.id();
        let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).ok()?;
        children.split_whitespace().next().map(str::to_owned)
    }

    fn has_ended(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)) | Err(_))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if let Some(first) = self.is_enclosed.then(|| self.enclosed()).flatten() {
            signal("KILL", &first);
            self.ends(Duration::from_secs(5));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// It waits for the program as another process: one that gives root away would outlive the test.
const FIRST: &str = "\"$@\"; exit $?";

fn signal(name: &str, process: &str) {
    // A program that is gone needs no signal.
    let mut kill = Command::new("kill");
    kill.arg(format!("-{name}")).arg(process).stderr(Stdio::null());
    let _ = kill.status();
}

/// Ordinary users of Debian have no sbin in their search path, where `openvpn` is.
fn find_in_sbin(command: &mut Command) {
    if command.get_envs().any(|(name, _)| name == "PATH") {
        return;
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let sbin = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    if let Ok(whole) = std::env::join_paths(std::env::split_paths(&path).chain(sbin)) {
        command.env("PATH", whole);
    }
}

/// Asks again and again until `true` or until time runs out; says which. Many a question is a command of the program,
/// built without optimisation: asked without a pause, it takes a whole processor from what is waited for.
pub fn wait_until(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + limit;
    loop {
        let asked = Instant::now();
        if condition() {
            return true;
        }
        if Instant::now() >= end {
            return false;
        }
        sleep((asked.elapsed() * 2).clamp(SHORTEST_PAUSE, LONGEST_PAUSE));
    }
}

const SHORTEST_PAUSE: Duration = Duration::from_millis(20);
/// Longer ones would count in the times that tests hold against their limits.
const LONGEST_PAUSE: Duration = Duration::from_millis(150);
