//! A service's stream as its client is to see it: greetings that were heard and offers that hold no longer are gone.
//!
//! Invariant: at most a piece of each direction waits here, and what we answer to one; once the relay is done nothing is
//! looked at.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use starttls::{Both, Relay};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A service's stream as its client is to see it: what is written to it comes from the client.
#[derive(Debug)]
pub struct Between<S> {
    service: S,
    relay: Relay,
    waits: Both,
    /// Who waits for octets to the client, which may come of what the client says.
    reader: Option<Waker>,
    /// Who waits until the client has taken some of those.
    writer: Option<Waker>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Between<S> {
    /// In front of this service.
    pub fn new(service: S, mut relay: Relay) -> Self {
        let waits = relay.begin();
        Self { service, relay, waits, reader: None, writer: None }
    }

    /// Waits until the client may be heard.
    ///
    /// # Errors
    /// Where the service breaks off, or says what can't be understood.
    pub async fn settle(&mut self) -> io::Result<()> {
        std::future::poll_fn(|cx| self.poll_settle(cx)).await
    }

    /// The service's own stream.
    pub fn service(&self) -> &S {
        &self.service
    }

    fn poll_settle(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.poll_send(cx))?;
            if self.relay.is_settled() {
                return Poll::Ready(Ok(()));
            }
            if ready!(self.poll_hear(cx))? == 0 {
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
        }
    }

    /// Hears a piece of the service's, and gives its length.
    fn poll_hear(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut room = [0; PIECE];
        let mut piece = ReadBuf::new(&mut room);
        ready!(Pin::new(&mut self.service).poll_read(cx, &mut piece))?;
        let said = self.relay.service_says(piece.filled(), &mut self.waits);
        said.map_err(io::Error::other)?;
        Poll::Ready(Ok(piece.filled().len()))
    }

    /// Sends what waits for the service.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.waits.to_service.is_empty() {
            let waits = &self.waits.to_service;
            let sent = ready!(Pin::new(&mut self.service).poll_write(cx, waits))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.waits.to_service.drain(..sent);
        }
        Poll::Ready(Ok(()))
    }

    fn give(&mut self, buf: &mut ReadBuf<'_>) {
        let most = self.waits.to_client.len().min(buf.remaining());
        buf.put_slice(&self.waits.to_client[..most]);
        self.waits.to_client.drain(..most);
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Between<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        while this.waits.to_client.is_empty() {
            if this.relay.is_done() {
                return Pin::new(&mut this.service).poll_read(cx, buf);
            }
            // An answer of the relay's own; the writer sends it else.
            let _ = this.poll_send(cx)?;
            match this.poll_hear(cx) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Ok(())),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    this.reader = Some(cx.waker().clone());
                    return Poll::Pending;
                }
            }
        }
        this.give(buf);
        if let Some(writer) = this.writer.take() {
            writer.wake();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Between<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if octets.is_empty() {
            // Whoever writes nothing asks whether the service stands.
            return Pin::new(&mut this.service).poll_write(cx, octets);
        }
        ready!(this.poll_send(cx))?;
        if this.relay.is_done() {
            return Pin::new(&mut this.service).poll_write(cx, octets);
        }
        // Who asks for answers of ours and takes none is not heard.
        if this.waits.to_client.len() >= PIECE {
            this.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let octets = &octets[..octets.len().min(PIECE)];
        this.relay.client_says(octets, &mut this.waits).map_err(io::Error::other)?;
        if !this.waits.to_client.is_empty()
            && let Some(reader) = this.reader.take()
        {
            reader.wake();
        }
        let _ = this.poll_send(cx)?;
        Poll::Ready(Ok(octets.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(cx))?;
        Pin::new(&mut self.service).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(cx))?;
        Pin::new(&mut self.service).poll_shutdown(cx)
    }
}

/// What is heard at a time.
const PIECE: usize = 4096;

#[cfg(test)]
mod tests {
    use starttls::Protocol;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex, split};

    use super::*;

    #[tokio::test]
    async fn who_asks_on_and_on_and_takes_no_answer_is_not_heard_until_it_does() {
        let (near, _service) = duplex(1024);
        let relay = Relay::behind(Protocol::Ftp, true, None);
        let (mut answers, mut asks) = split(Between::new(near, relay));
        let ask = async {
            loop {
                asks.write_all(&b"PORT 1,2,3,4,5,6\r\n".repeat(64)).await.unwrap();
            }
        };
        let asked = tokio::time::timeout(std::time::Duration::from_millis(200), ask).await;
        assert!(asked.is_err(), "it is heard on and on");
        let take = async {
            let mut answer = vec![0; 512];
            loop {
                answers.read_exact(&mut answer).await.unwrap();
                assert!(answer.starts_with(b"502 ") || answer.contains(&b'\n'));
            }
        };
        tokio::select! {
            () = take => unreachable!("it goes on"),
            heard = asks.write_all(b"NOOP\r\n") => heard.unwrap(),
        }
    }
}
