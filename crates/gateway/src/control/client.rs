//! The calling end of the control socket.

use std::io;
use std::path::{Path, PathBuf};

use admin::failure::{Failure, FailureKind};
use admin::protocol::{Call, Reply};
use admin::request::Request;
use tokio::io::{AsyncWriteExt, BufStream};
use tokio::net::UnixStream;
use zeroize::Zeroizing;

use super::line::read_line;

/// A connection to a running gateway.
#[derive(Debug)]
pub struct Client {
    stream: BufStream<UnixStream>,
    path: PathBuf,
}

impl Client {
    /// Connects to the socket at `path`.
    pub async fn connect(path: &Path) -> io::Result<Self> {
        let stream = UnixStream::connect(path).await?;
        let stream = BufStream::with_capacity(READ_AT_ONCE, WRITTEN_AT_ONCE, stream);
        Ok(Self { stream, path: path.to_owned() })
    }

    /// One call and its reply.
    pub async fn call(&mut self, request: Request) -> Reply {
        let mut line = match self.exchange(request).await {
            Ok(line) => line,
            Err(error) => return Err(self.broken(&error)),
        };
        let reply: Reply = serde_json::from_slice(&line).unwrap_or_else(|e| Err(self.garbled(&e)));
        if reply.as_ref().is_ok_and(|answer| !answer.holds_keys()) {
            // To wipe some megabytes of a listing takes as long as to read them.
            drop(std::mem::take(&mut *line));
        }
        reply
    }

    async fn exchange(&mut self, request: Request) -> io::Result<Zeroizing<Vec<u8>>> {
        let mut line = serde_json::to_vec(&Call::new(request))?;
        line.push(b'\n');
        self.stream.write_all(&line).await?;
        self.stream.flush().await?;
        let reply = read_line(&mut self.stream, LONGEST_REPLY).await?;
        reply.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    fn broken(&self, error: &io::Error) -> Failure {
        let message = format!("the gateway at {} did not answer", self.path.display());
        Failure::new(FailureKind::Failed, message)
            .caused_by(error)
            .hint("see the gateway's log; it may have been stopped in the middle")
            .hint("what was acknowledged before is kept; look with `handfast events`")
    }

    fn garbled(&self, error: &serde_json::Error) -> Failure {
        let message = format!("the gateway at {} answers in other words", self.path.display());
        Failure::new(FailureKind::Conflict, message)
            .caused_by(error)
            .hint("restart the gateway, so that it runs the version that is installed")
    }
}

/// A listing of ten thousand devices has some megabytes.
const READ_AT_ONCE: usize = 256 * 1024;
const WRITTEN_AT_ONCE: usize = 8 * 1024;
/// A CRL of a million entries fits.
const LONGEST_REPLY: usize = 256 * 1024 * 1024;
