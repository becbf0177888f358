//! A connection whose every answer says what answers here say, those too that hyper gives by itself.
//!
//! To what is no request hyper says a bare status, and ends; nothing of ours is asked by then. Such a head is told
//! from the octets of other answers by when it comes and not by how it looks: all before it is written, and no
//! request has begun since. What comes at another time goes as it is.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http::HeaderMap;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::activity::Activity;
use crate::hearing_out::HearingOut;
use crate::manners::Manners;

pub(crate) struct Completed<S> {
    inner: S,
    fields: Vec<u8>,
    activity: Arc<Activity>,
    /// How many requests there had been when all was written and none was under way.
    rested: Option<u64>,
    /// A completed head on its way.
    head: Option<Bytes>,
    /// Where one was sent, the client may be in the midst of what is no request.
    hearing_out: Option<HearingOut>,
}

impl<S> Completed<S> {
    pub(crate) fn new(inner: S, manners: &Manners, activity: Arc<Activity>) -> Self {
        let mut headers = HeaderMap::new();
        manners.apply(&mut headers);
        let mut fields = Vec::new();
        for (name, value) in &headers {
            fields.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
        }
        let rested = activity.at_rest();
        Self { inner, fields, activity, rested, head: None, hearing_out: None }
    }

    /// The head with our fields in it, if these octets are one that hyper gives by itself.
    fn complete(&mut self, octets: &[u8]) -> Option<Bytes> {
        let rested = self.rested.take()?;
        let is_head = octets.starts_with(b"HTTP/1.") && octets.ends_with(b"\r\n\r\n");
        if !is_head || self.activity.at_rest() != Some(rested) {
            return None;
        }
        self.hearing_out = Some(HearingOut::default());
        let (said, end) = octets.split_at(octets.len() - 2);
        Some([said, &self.fields, end].concat().into())
    }
}

impl<S: AsyncWrite + Unpin> Completed<S> {
    fn poll_head(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(head) = self.head.as_mut().filter(|head| head.has_remaining()) {
            match ready!(Pin::new(&mut self.inner).poll_write(context, head))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => head.advance(written),
            }
        }
        self.head = None;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Completed<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(context, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Completed<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        if octets.is_empty() {
            // Whoever writes nothing asks whether the connection stands.
            return Pin::new(&mut self.inner).poll_write(context, octets);
        }
        if self.head.is_none() {
            self.head = self.complete(octets);
        }
        if self.head.is_none() {
            return Pin::new(&mut self.inner).poll_write(context, octets);
        }
        // Whoever writes it comes again with the same octets until all of them are taken.
        ready!(self.poll_head(context))?;
        Poll::Ready(Ok(octets.len()))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let [piece] = pieces {
            return self.poll_write(context, piece);
        }
        self.rested = None;
        Pin::new(&mut self.inner).poll_write_vectored(context, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    /// Asked for only when all has been written.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.rested = self.activity.at_rest();
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { inner, hearing_out, .. } = &mut *self;
        ready!(Pin::new(&mut *inner).poll_shutdown(context))?;
        if let Some(hearing_out) = hearing_out {
            ready!(hearing_out.poll(inner, context));
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
    use tokio::time::Instant;

    use super::*;
    use crate::manners::Hsts;

    const BARE: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n";

    /// What arrives of octets that are written behind such a past, a few at a time.
    async fn arrives(
        past: impl AsyncFnOnce(&Arc<Activity>, &mut Completed<tokio::io::DuplexStream>),
    ) -> String {
        let activity = Activity::new(Instant::now());
        let (near, mut far) = duplex(7);
        let manners = Manners::new(true, Some(Hsts::default()), false);
        let mut completed = Completed::new(near, &manners, Arc::clone(&activity));
        let mut heard = String::new();
        let writing = async {
            past(&activity, &mut completed).await;
            completed.write_all(BARE).await.unwrap();
            drop(completed);
        };
        let ((), read) = tokio::join!(writing, far.read_to_string(&mut heard));
        read.unwrap();
        heard
    }

    const WHOLE: &str = "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nstrict-transport-security: max-age=31536000\r\n\r\n";

    #[tokio::test]
    async fn a_bare_head_is_completed_however_little_is_taken_at_once() {
        assert_eq!(arrives(async |_, _| {}).await, WHOLE);
        let behind_another = arrives(async |activity, completed| {
            let open = activity.begin();
            completed.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            drop(open);
            completed.flush().await.unwrap();
        });
        assert_eq!(behind_another.await, format!("HTTP/1.1 200 OK\r\n\r\n{WHOLE}"));
    }

    #[tokio::test]
    async fn octets_of_an_answer_that_look_like_one_stay_as_they_are() {
        let bare = String::from_utf8(BARE.to_vec()).unwrap();
        let under_way = arrives(async |activity, completed| {
            std::mem::forget(activity.begin());
            completed.flush().await.unwrap();
        });
        assert_eq!(under_way.await, bare);
        let unwritten = arrives(async |activity, completed| {
            completed.flush().await.unwrap();
            drop(activity.begin());
        });
        assert_eq!(unwritten.await, bare, "its answer is only about to be written");
        let in_parts = arrives(async |_, completed| completed.write_all(b"x").await.unwrap());
        assert_eq!(in_parts.await, format!("x{bare}"));
    }
}
