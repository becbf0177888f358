//! Bytes both ways between a client and its backend, bounded in memory and in time.
//!
//! What one side has not taken is not read from the other. A side that has said all is told to the other, which may go
//! on, but not be silent for long: who has said all is not read, and nobody would notice that it is gone. Invariant: at
//! most [`BUFFER`] bytes wait here in each direction.

use std::future::pending;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use carry::both_ways;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{Notify, oneshot};
use tokio::time::sleep;

use crate::registry::Ended;
use crate::traffic::Traffic;

/// For how long.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Limits {
    /// Without a byte.
    pub(crate) idle: Option<Duration>,
    /// In all.
    pub(crate) age: Option<Duration>,
    /// Until its certificate ends.
    pub(crate) right: Option<Duration>,
    /// Until the backend has said something, and the client more than its first message.
    pub(crate) begin: Option<Duration>,
}

/// Carries until one of both is done, or time is, or it is told to close.
pub(crate) async fn splice(
    client: &mut (impl AsyncRead + AsyncWrite + Unpin),
    backend: &mut (impl AsyncRead + AsyncWrite + Unpin),
    traffic: &Traffic,
    limits: Limits,
    closing: &mut oneshot::Receiver<Ended>,
) -> Ended {
    let said_all = Notify::new();
    let mut client = Side { inner: client, said_all: &said_all };
    let mut backend = Side { inner: backend, said_all: &said_all };
    let both = both_ways(&mut client, &mut backend, BUFFER);
    tokio::select! {
        biased;
        why = closing => why.unwrap_or(Ended::Kicked),
        () = over(limits.age) => Ended::TooOld,
        () = over(limits.right) => Ended::TooOld,
        () = idle(traffic, limits.idle) => Ended::Idle,
        () = no_beginning(traffic, limits.begin) => Ended::Idle,
        () = half_closed(traffic, &said_all) => Ended::Idle,
        done = both => match done {
            Ok(_) => Ended::Finished,
            Err(_) => Ended::Broken,
        },
    }
}

/// Returns after so long, or never.
pub(crate) async fn over(age: Option<Duration>) {
    match age {
        Some(age) => sleep(age).await,
        None => pending().await,
    }
}

/// Returns after `limit` without a byte, or up to a quarter later.
async fn idle(traffic: &Traffic, limit: Option<Duration>) {
    match limit {
        Some(limit) => silent(traffic, limit).await,
        None => pending().await,
    }
}

/// Returns after `limit` where by then one of both has said nothing.
async fn no_beginning(traffic: &Traffic, limit: Option<Duration>) {
    let first = traffic.incoming();
    over(limit).await;
    if traffic.outgoing() > 0 && traffic.incoming() > first {
        pending().await
    }
}

/// Returns where one side has said all, and no byte came or went for [`HALF_CLOSED`] since, or up to a quarter longer.
async fn half_closed(traffic: &Traffic, said_all: &Notify) {
    said_all.notified().await;
    silent(traffic, HALF_CLOSED).await;
}

async fn silent(traffic: &Traffic, limit: Duration) {
    let (mut seen, mut silent) = (sum(traffic), 0);
    while silent < LOOKS {
        sleep(limit / LOOKS).await;
        let now = sum(traffic);
        silent = if now == seen { silent + 1 } else { 0 };
        seen = now;
    }
}

fn sum(traffic: &Traffic) -> u64 {
    traffic.incoming().wrapping_add(traffic.outgoing())
}

/// One of the two, which says where it has said all.
struct Side<'a, S> {
    inner: &'a mut S,
    said_all: &'a Notify,
}

impl<S: AsyncRead + Unpin> AsyncRead for Side<'_, S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut *self.inner).poll_read(cx, buf))?;
        if buf.filled().len() == before {
            self.said_all.notify_one();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Side<'_, S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.inner).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.inner).poll_shutdown(cx)
    }
}

/// One record of TLS.
const BUFFER: usize = 16 * 1024;
const LOOKS: u32 = 4;
/// As long as its silence is borne after the other side's end, whatever `idle` allows to both.
const HALF_CLOSED: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
    use tokio::time::{Instant, timeout};

    use super::*;

    #[tokio::test]
    async fn a_side_that_has_said_all_still_gets_its_answer() {
        let (mut client, near) = duplex(64);
        let (mut backend, mut far) = duplex(64);
        let traffic = Arc::<Traffic>::default();
        let mut near = counted(near, &traffic);
        let (_close, mut closing) = oneshot::channel();
        let carried = splice(&mut near, &mut far, &traffic, Limits::default(), &mut closing);
        let talk = async {
            client.write_all(b"question").await.unwrap();
            client.shutdown().await.unwrap();
            let mut question = Vec::new();
            backend.read_to_end(&mut question).await.unwrap();
            backend.write_all(b"a longer answer").await.unwrap();
            drop(backend);
            let mut answer = Vec::new();
            client.read_to_end(&mut answer).await.unwrap();
            (question, answer)
        };
        let (ended, (question, answer)) = tokio::join!(carried, talk);
        assert_eq!(
            (ended, &question[..], &answer[..]),
            (Ended::Finished, &b"question"[..], &b"a longer answer"[..])
        );
        assert_eq!((traffic.incoming(), traffic.outgoing()), (8, 15));
    }

    #[tokio::test(start_paused = true)]
    async fn silence_ends_a_connection_and_a_byte_now_and_then_keeps_it() {
        let (mut client, near) = duplex(64);
        let (_backend, mut far) = duplex(1024);
        let traffic = Arc::<Traffic>::default();
        let mut near = counted(near, &traffic);
        let (_close, mut closing) = oneshot::channel();
        let limits = Limits { idle: Some(Duration::from_secs(40)), ..Limits::default() };
        let begun = Instant::now();
        let carried = splice(&mut near, &mut far, &traffic, limits, &mut closing);
        let talk = async {
            for _ in 0..10 {
                sleep(Duration::from_secs(30)).await;
                client.write_all(b"x").await.unwrap();
            }
            pending::<()>().await;
        };
        let ended = tokio::select! { ended = carried => ended, () = talk => unreachable!() };
        assert_eq!(ended, Ended::Idle);
        let took = begun.elapsed().as_secs();
        assert!((340..=350).contains(&took), "{took}");
    }

    #[tokio::test(start_paused = true)]
    async fn who_says_its_first_message_alone_is_gone_soon_and_a_conversation_goes_on() {
        for (answers, goes_on, seconds) in
            [(false, false, 30), (true, false, 30), (false, true, 30), (true, true, 3600)]
        {
            let (mut client, near) = duplex(64);
            let (mut backend, mut far) = duplex(64);
            let traffic = Arc::<Traffic>::default();
            traffic.came(500);
            let mut near = counted(near, &traffic);
            let (_close, mut closing) = oneshot::channel();
            let (begin, age) = (Duration::from_secs(30), Duration::from_secs(3600));
            let limits = Limits { begin: Some(begin), age: Some(age), ..Limits::default() };
            let begun = Instant::now();
            if answers {
                backend.write_all(b"an answer").await.unwrap();
            }
            if goes_on {
                client.write_all(b"more").await.unwrap();
            }
            let ended = splice(&mut near, &mut far, &traffic, limits, &mut closing).await;
            let why = if seconds == 30 { Ended::Idle } else { Ended::TooOld };
            assert_eq!((ended, begun.elapsed().as_secs()), (why, seconds), "{answers} {goes_on}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_half_closed_connection_lives_while_bytes_flow_and_a_minute_longer() {
        let (mut client, near) = duplex(1024);
        let (mut backend, mut far) = duplex(1024);
        let traffic = Arc::<Traffic>::default();
        let mut near = counted(near, &traffic);
        let (_close, mut closing) = oneshot::channel();
        let limits = Limits { idle: Some(Duration::from_secs(3600)), ..Limits::default() };
        let begun = Instant::now();
        let carried = splice(&mut near, &mut far, &traffic, limits, &mut closing);
        let talk = async {
            sleep(Duration::from_secs(1000)).await;
            client.write_all(b"the last").await.unwrap();
            client.shutdown().await.unwrap();
            for _ in 0..10 {
                sleep(Duration::from_secs(40)).await;
                backend.write_all(b"x").await.unwrap();
            }
            pending::<()>().await;
        };
        let ended = tokio::select! { ended = carried => ended, () = talk => unreachable!() };
        assert_eq!(ended, Ended::Idle);
        let took = begun.elapsed().as_secs();
        assert!((1460..=1480).contains(&took), "{took}");
        assert_eq!((traffic.incoming(), traffic.outgoing()), (8, 10));
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_ends_at_its_age_and_when_it_is_told_to() {
        let (_client, near) = duplex(64);
        let (_backend, mut far) = duplex(64);
        let traffic = Arc::<Traffic>::default();
        let mut near = counted(near, &traffic);
        let (close, mut closing) = oneshot::channel();
        let limits = Limits { age: Some(Duration::from_secs(9)), ..Limits::default() };
        let ended = splice(&mut near, &mut far, &traffic, limits, &mut closing).await;
        assert_eq!(ended, Ended::TooOld);
        close.send(Ended::Kicked).unwrap();
        let ended = splice(&mut near, &mut far, &traffic, limits, &mut closing).await;
        assert_eq!(ended, Ended::Kicked);
    }

    #[tokio::test]
    async fn a_backend_that_takes_nothing_stops_the_client_and_holds_little() {
        let (mut client, near) = duplex(1024);
        let (_backend, mut far) = duplex(1024);
        let traffic = Arc::<Traffic>::default();
        let mut near = counted(near, &traffic);
        let (_close, mut closing) = oneshot::channel();
        let carried = splice(&mut near, &mut far, &traffic, Limits::default(), &mut closing);
        let pour = async {
            loop {
                client.write_all(&[7; 1024]).await.unwrap();
            }
        };
        let both = async { tokio::join!(carried, pour) };
        assert!(timeout(Duration::from_millis(200), both).await.is_err(), "nobody reads");
        assert!(traffic.incoming() <= (BUFFER + 1024) as u64, "{}", traffic.incoming());
    }

    fn counted<S>(inner: S, traffic: &Arc<Traffic>) -> Counted<S> {
        Counted { inner, traffic: Arc::clone(traffic) }
    }

    /// Counts what a client sends and gets.
    struct Counted<S> {
        inner: S,
        traffic: Arc<Traffic>,
    }

    impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
        fn poll_read(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buf: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            let before = buf.filled().len();
            ready!(Pin::new(&mut self.inner).poll_read(cx, buf))?;
            self.traffic.came(buf.filled().len() - before);
            Poll::Ready(Ok(()))
        }
    }

    impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
        fn poll_write(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            let written = ready!(Pin::new(&mut self.inner).poll_write(cx, bytes))?;
            self.traffic.went(written);
            Poll::Ready(Ok(written))
        }

        fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.inner).poll_flush(cx)
        }

        fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.inner).poll_shutdown(cx)
        }
    }
}
