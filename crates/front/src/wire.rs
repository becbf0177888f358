//! What a guest's bytes come by: a socket whose TLS ends here, or behind us; counted, and cut where its right ends.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use crate::traffic::Traffic;
use crate::watched::Watched;

/// A guest's bytes. Dropping it closes the connection.
pub(crate) struct Wire {
    by: By,
    traffic: Arc<Traffic>,
    cut: Cut,
    /// What was read to find out whether something comes.
    early: Option<u8>,
}

enum By {
    /// TLS ends here.
    Ended(Box<TlsStream<Watched>>),
    /// TLS ends behind us.
    Passed(TcpStream),
}

/// Says how a connection is to be closed, whoever holds it then.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cut(Arc<AtomicBool>);

impl Cut {
    /// What waits in the kernel is not sent either.
    pub(crate) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Wire {
    /// TLS ends here.
    pub(crate) fn ended(stream: Box<TlsStream<Watched>>) -> Self {
        Self::by(By::Ended(stream))
    }

    /// TLS ends behind us.
    pub(crate) fn passed(socket: TcpStream) -> Self {
        Self::by(By::Passed(socket))
    }

    /// TLS ends here, and it counts as another one's.
    pub(crate) fn beside(stream: Box<TlsStream<Watched>>, traffic: Arc<Traffic>) -> Self {
        let mut wire = Self::ended(stream);
        wire.traffic = traffic;
        wire
    }

    /// The address of ours that it came to.
    pub(crate) fn local(&self) -> io::Result<SocketAddr> {
        self.socket().local_addr()
    }

    /// What waits in the kernel is not sent any more.
    pub(crate) fn reset(&self) {
        self.cut.set();
    }

    fn by(by: By) -> Self {
        Self { by, traffic: Arc::default(), cut: Cut::default(), early: None }
    }

    /// What it carries.
    pub(crate) fn traffic(&self) -> Arc<Traffic> {
        Arc::clone(&self.traffic)
    }

    /// How to have it cut.
    pub(crate) fn cut(&self) -> Cut {
        self.cut.clone()
    }

    /// Waits until the client says something, or is gone.
    pub(crate) async fn wake(&mut self) -> io::Result<()> {
        let mut first = [0];
        let mut first = ReadBuf::new(&mut first);
        poll_fn(|cx| self.read(cx, &mut first)).await?;
        self.early = first.filled().first().copied();
        Ok(())
    }

    fn read(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(match &mut self.by {
            By::Ended(stream) => Pin::new(stream).poll_read(cx, buf),
            By::Passed(socket) => Pin::new(socket).poll_read(cx, buf),
        })?;
        self.traffic.came(buf.filled().len() - before);
        Poll::Ready(Ok(()))
    }

    fn socket(&self) -> &TcpStream {
        match &self.by {
            By::Ended(stream) => stream.get_ref().0.socket(),
            By::Passed(socket) => socket,
        }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if self.cut.0.load(Ordering::Relaxed) {
            // One that can't be cut is closed.
            let _ = self.socket().set_zero_linger();
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let Some(early) = self.early.take() else { return self.read(cx, buf) };
        buf.put_slice(&[early]);
        // What came along with it; whatever else there is to say is said at the next call.
        let _ = self.read(cx, buf);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if bytes.is_empty() {
            return Poll::Ready(carry::stands(self.socket()));
        }
        let written = ready!(match &mut self.by {
            By::Ended(stream) => Pin::new(stream).poll_write(cx, bytes),
            By::Passed(socket) => Pin::new(socket).poll_write(cx, bytes),
        })?;
        self.traffic.went(written);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.by {
            By::Ended(stream) => Pin::new(stream).poll_flush(cx),
            By::Passed(socket) => Pin::new(socket).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.by {
            By::Ended(stream) => Pin::new(stream).poll_shutdown(cx),
            By::Passed(socket) => Pin::new(socket).poll_shutdown(cx),
        }
    }
}
