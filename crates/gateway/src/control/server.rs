//! The answering end of the control socket.

use std::collections::VecDeque;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use admin::failure::{Failure, FailureKind};
use admin::permission::Caller;
use admin::protocol::{Call, Reply, VERSION};
use admin::request::Request;
use admin::response::Response;
use rustix::io::Errno;
use serde::Deserialize;
use tokio::io::{AsyncWriteExt, BufStream};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::line::read_line;
use super::peer;
use crate::data::{DataDir, shares};

/// Executes requests; what stands behind the socket.
pub trait Execute: Send + Sync + 'static {
    /// Does what `caller` asks, where it may.
    fn execute<'a>(
        &'a self,
        caller: &'a Caller,
        request: Request,
    ) -> Pin<Box<dyn Future<Output = Reply> + Send + 'a>>;
}

/// The bound socket. Dropping it takes the socket away.
#[derive(Debug)]
pub struct ControlServer {
    listener: UnixListener,
    path: PathBuf,
    spare: Spare,
}

impl ControlServer {
    /// Binds the socket of a data folder whose lock the caller holds: whatever stands in its place
    /// was left by a dead owner.
    pub fn bind(data: &DataDir) -> io::Result<Self> {
        let path = data.socket();
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&path)?;
        narrow(&path)?;
        Ok(Self { listener, path, spare: Spare::take()? })
    }

    /// Answers until the future is dropped; calls under way end with it.
    ///
    /// Who only holds on to a connection must not keep others from calling: where there are too many,
    /// the oldest that has no call under way makes room. Nor must sessions over TCP that took every
    /// descriptor keep a revocation out: one is kept for a call.
    pub async fn serve(mut self, behind: Arc<impl Execute>) {
        let mut tasks = JoinSet::new();
        let mut callers = Callers::default();
        loop {
            while tasks.try_join_next().is_some() {
                self.spare.take_again();
            }
            if !callers.have_room() {
                // Every one of them is being served. One may be idle in a moment without ending.
                let _ = timeout(PAUSE, tasks.join_next()).await;
                continue;
            }
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let behind = Arc::clone(&behind);
                    let busy = Arc::new(AtomicBool::new(false));
                    let task = converse(stream, behind, Arc::clone(&busy));
                    callers.push(tasks.spawn(task), busy);
                }
                Err(error) if no_descriptor(&error) && self.spare.give_up() => {}
                Err(error) => {
                    tracing::warn!(%error, "the control socket could not take a call");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }
}

/// A descriptor that is of no use but to be closed when a call needs one.
#[derive(Debug)]
struct Spare(Option<File>);

impl Spare {
    fn take() -> io::Result<Self> {
        Ok(Self(Some(File::open("/dev/null")?)))
    }

    /// Closes it. `false` where it is closed already.
    fn give_up(&mut self) -> bool {
        self.0.take().is_some()
    }

    /// Takes one again, if there is one.
    fn take_again(&mut self) {
        if self.0.is_none() {
            self.0 = File::open("/dev/null").ok();
        }
    }
}

fn no_descriptor(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE))
}

/// Those who are connected, the oldest first.
#[derive(Default)]
struct Callers(VecDeque<(AbortHandle, Arc<AtomicBool>)>);

impl Callers {
    fn push(&mut self, task: AbortHandle, busy: Arc<AtomicBool>) {
        self.0.push_back((task, busy));
    }

    /// Makes room for one more where there is none. `false` if nobody can be sent away.
    fn have_room(&mut self) -> bool {
        self.0.retain(|(task, _)| !task.is_finished());
        if self.0.len() < CALLERS {
            return true;
        }
        let idle = self.0.iter().position(|(_, busy)| !busy.load(Ordering::Acquire));
        let Some((task, _)) = idle.and_then(|at| self.0.remove(at)) else { return false };
        task.abort();
        true
    }
}

impl Drop for ControlServer {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// For the owner, and the group `handfast` where there is one.
fn narrow(path: &Path) -> io::Result<()> {
    let mode = if shares(path, &fs::metadata(path)?) { 0o660 } else { 0o600 };
    fs::set_permissions(path, Permissions::from_mode(mode))
}

/// `busy` while a call is under way, which is neither waited for nor answered then.
async fn converse(stream: UnixStream, behind: Arc<impl Execute>, busy: Arc<AtomicBool>) {
    if let Err(error) = answer_calls(stream, &*behind, &busy).await {
        tracing::debug!(%error, "a caller of the control socket went away");
    }
}

async fn answer_calls(
    stream: UnixStream,
    behind: &impl Execute,
    busy: &AtomicBool,
) -> io::Result<()> {
    let caller = peer::caller(&stream)?;
    let mut stream = BufStream::new(stream);
    loop {
        let line = match timeout(PATIENCE, read_line(&mut stream, LONGEST_CALL)).await {
            Ok(Ok(Some(line))) => line,
            Ok(Err(error)) if error.kind() == io::ErrorKind::InvalidData => {
                return answer(&mut stream, &Err(unreadable(&error))).await;
            }
            Ok(Ok(None)) | Err(_) => return Ok(()),
            Ok(Err(error)) => return Err(error),
        };
        let caller = match &caller {
            Ok(caller) => caller,
            Err(uid) => return answer(&mut stream, &Err(forbidden(*uid))).await,
        };
        let reply = match read_call(&line) {
            Err(failure) => Err(failure),
            Ok(request) => {
                // Who waits for news holds on to a connection, and no more.
                busy.store(!request.waits(), Ordering::Release);
                let reply = behind.execute(caller, request).await;
                busy.store(false, Ordering::Release);
                reply
            }
        };
        // Nor does one who reads nothing stay for ever.
        timeout(PATIENCE, answer(&mut stream, &reply)).await.map_err(io::Error::from)??;
    }
}

/// The version first: a call of another one may have any form.
fn read_call(line: &[u8]) -> Result<Request, Failure> {
    #[derive(Deserialize)]
    struct Version {
        version: u32,
    }
    let version: Version = serde_json::from_slice(line).map_err(|e| unreadable(&e))?;
    if version.version != VERSION {
        let message = format!(
            "the running gateway speaks version {VERSION} of the control protocol, this command {}",
            version.version
        );
        return Err(Failure::new(FailureKind::Conflict, message)
            .hint("restart the gateway, so that it runs the version that is installed"));
    }
    let call: Call = serde_json::from_slice(line).map_err(|e| unreadable(&e))?;
    Ok(call.request)
}

async fn answer(stream: &mut BufStream<UnixStream>, reply: &Reply) -> io::Result<()> {
    let mut line = Zeroizing::new(Vec::with_capacity(REPLY_ROOM));
    serde_json::to_writer(&mut *line, reply)?;
    line.push(b'\n');
    stream.write_all(&line).await?;
    stream.flush().await?;
    if !reply.as_ref().is_ok_and(Response::holds_keys) {
        // To wipe some megabytes of a listing takes as long as to write them.
        drop(std::mem::take(&mut *line));
    }
    Ok(())
}

fn unreadable(error: &dyn std::error::Error) -> Failure {
    Failure::new(FailureKind::Usage, "the call can't be read").caused_by(error)
}

fn forbidden(uid: u32) -> Failure {
    Failure::new(FailureKind::Forbidden, format!("uid {uid} may not command this gateway"))
        .hint("run as root, or have root add you to the group `handfast`")
}

const CALLERS: usize = 64;
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(100);
/// Some thousand names of devices fit.
const LONGEST_CALL: usize = 4 * 1024 * 1024;
const REPLY_ROOM: usize = 64 * 1024;
