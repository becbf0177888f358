//! A socket under TLS whose bytes are overheard while the handshake lasts.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rustls::KeyLog;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::overheard::{Ear, End};

/// A socket. Overheard or not, it does what the socket does.
#[derive(Debug)]
pub(crate) struct Watched {
    socket: TcpStream,
    ear: Option<Ear>,
}

impl Watched {
    pub(crate) fn new(socket: TcpStream, ear: Option<Ear>) -> Self {
        Self { socket, ear }
    }

    /// What takes the secrets of the TLS on it, where it is overheard.
    pub(crate) fn key_log(&self) -> Option<Arc<dyn KeyLog>> {
        self.ear.as_ref().map(Ear::key_log)
    }

    /// Nobody listens any longer.
    pub(crate) fn unwatch(&mut self) {
        self.ear = None;
    }

    pub(crate) fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// The socket alone.
    pub(crate) fn into_inner(self) -> TcpStream {
        self.socket
    }

    fn wrote<'a>(&self, mut written: usize, bytes: impl Iterator<Item = &'a [u8]>) {
        let Some(ear) = &self.ear else { return };
        for slice in bytes {
            let (said, _) = slice.split_at(slice.len().min(written));
            ear.hear(End::Server, said);
            written -= said.len();
        }
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.socket).poll_read(cx, buf))?;
        if let Some(ear) = &self.ear {
            ear.hear(End::Client, buf.filled().get(before..).unwrap_or_default());
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.socket).poll_write(cx, bytes))?;
        self.wrote(written, [bytes].into_iter());
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.socket).poll_write_vectored(cx, slices))?;
        self.wrote(written, slices.iter().map(|slice| &**slice));
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}
