//! How a connection ends: the other end is told that nothing follows, and the socket stays until that end has closed it,
//! too (RFC 9112 section 9.6).
//!
//! A socket that its program has closed with octets on the way is reset by a kernel that runs short of memory for TCP,
//! and any is that hears something more: what the other end has not read by then is lost. Invariant: whoever does not
//! close has seconds, and says no more than some kilobytes meanwhile.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// A connection whose shutdown is done when the other end has closed it as well.
#[derive(Debug)]
pub(crate) struct Parting<S> {
    stream: S,
    /// Once nothing follows.
    until: Option<Pin<Box<Sleep>>>,
    heard: usize,
}

impl<S> Parting<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, until: None, heard: 0 }
    }
}

impl<S: AsyncRead + Unpin> Parting<S> {
    /// Whether the other end has closed, or has had its time. What it says goes nowhere.
    fn poll_heard_out(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let until = self.until.get_or_insert_with(|| Box::pin(sleep(AT_MOST)));
        if until.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let mut octets = [0; 1024];
        while self.heard < MOST {
            let mut said = ReadBuf::new(&mut octets);
            let read = ready!(Pin::new(&mut self.stream).poll_read(cx, &mut said));
            if read.is_err() || said.filled().is_empty() {
                break;
            }
            self.heard += said.filled().len();
        }
        Poll::Ready(())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Parting<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, octets)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.until.is_none() {
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
        }
        self.poll_heard_out(cx).map(Ok)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Parting<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, into)
    }
}

/// A segment that was lost on a bad line is there again by then.
pub(crate) const AT_MOST: Duration = Duration::from_secs(5);
/// The rest of a request that was refused as too long.
const MOST: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_is_over_once_the_other_end_has_closed_and_after_some_seconds_anyway() {
        let began = Instant::now();
        let (near, mut far) = duplex(64);
        let parting = tokio::spawn(async move { Parting::new(near).shutdown().await });
        assert_eq!(far.read(&mut [0; 8]).await.unwrap(), 0, "nothing follows");
        assert!(!parting.is_finished());
        drop(far);
        parting.await.unwrap().unwrap();
        assert_eq!(began.elapsed(), Duration::ZERO);
        let (near, _far) = duplex(64);
        Parting::new(near).shutdown().await.unwrap();
        assert!((AT_MOST..2 * AT_MOST).contains(&began.elapsed()), "{:?}", began.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_goes_on_talking_is_heard_out_for_so_many_octets_alone() {
        let began = Instant::now();
        let (near, mut far) = duplex(64);
        let talks = tokio::spawn(async move { while far.write_all(&[0; 64]).await.is_ok() {} });
        Parting::new(near).shutdown().await.unwrap();
        assert!(began.elapsed() < AT_MOST);
        talks.await.unwrap();
    }
}
