//! What a client still says whose connection we end: heard for a while, and kept nowhere.
//!
//! A socket that is closed over octets which nobody read is reset, and with it goes what the client has not read yet: the
//! answer that says why. Invariant: whoever goes on has seconds, and some kilobytes.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::{Sleep, sleep};

/// How far it came.
#[derive(Debug, Default)]
pub(crate) struct HearingOut {
    until: Option<Pin<Box<Sleep>>>,
    heard: usize,
}

impl HearingOut {
    /// Whether the client has ended as well, or has had its time.
    pub(crate) fn poll(
        &mut self,
        stream: &mut (impl AsyncRead + Unpin),
        context: &mut Context<'_>,
    ) -> Poll<()> {
        let until = self.until.get_or_insert_with(|| Box::pin(sleep(LINGER)));
        if until.as_mut().poll(context).is_ready() {
            return Poll::Ready(());
        }
        let mut octets = [0; 4096];
        while self.heard < MOST {
            let mut said = ReadBuf::new(&mut octets);
            let read = ready!(Pin::new(&mut *stream).poll_read(context, &mut said));
            if read.is_err() || said.filled().is_empty() {
                break;
            }
            self.heard += said.filled().len();
        }
        Poll::Ready(())
    }
}

const LINGER: Duration = Duration::from_secs(3);
/// Beyond it the client does not look whether there is an answer.
const MOST: usize = 1024 * 1024;
