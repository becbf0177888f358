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
        let call = line_of(request);
        if call.len() > SHORT {
            // A gateway of another version may take none of that length, and would say that instead.
            self.reply(&line_of(NOTHING)).await?;
        }
        self.reply(&call).await
    }

    async fn reply(&mut self, call: &[u8]) -> Reply {
        let mut line = match self.exchange(call).await {
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

    async fn exchange(&mut self, call: &[u8]) -> io::Result<Zeroizing<Vec<u8>>> {
        let sent = self.send(call).await;
        // Whoever takes no more of a call may have said why.
        let reply = read_line(&mut self.stream, LONGEST_REPLY).await;
        match (sent, reply) {
            (_, Ok(Some(reply))) => Ok(reply),
            (Err(error), _) | (Ok(()), Err(error)) => Err(error),
            (Ok(()), Ok(None)) => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    async fn send(&mut self, call: &[u8]) -> io::Result<()> {
        self.stream.write_all(call).await?;
        self.stream.flush().await
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

fn line_of(request: Request) -> Vec<u8> {
    // Requests are plain values with string keys, which always have a JSON form.
    let mut line = serde_json::to_vec(&Call::new(request)).unwrap_or_default();
    line.push(b'\n');
    line
}

/// A question whose answer costs nothing.
const NOTHING: Request =
    Request::Events { after: Some(u64::MAX), since: None, limit: 1, wait_ms: 0 };
/// Every version takes a call of this length.
const SHORT: usize = 32 * 1024;
/// A listing of ten thousand devices has some megabytes.
const READ_AT_ONCE: usize = 256 * 1024;
const WRITTEN_AT_ONCE: usize = 8 * 1024;
/// A CRL of a million entries fits.
const LONGEST_REPLY: usize = 256 * 1024 * 1024;
