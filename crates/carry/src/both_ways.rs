//! Carrying, and asking now and then whether both still stand while one of them takes nothing.
//!
//! Invariant: who is asked nothing costs nothing. A question goes out only while octets wait for a side, and only every
//! [`PAUSE`].

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, copy_bidirectional_with_sizes};
use tokio::sync::Notify;
use tokio::time::sleep;

/// Carries octets between two streams, with a buffer of so many for each direction. A side that has said all is told to
/// the other, which may go on. Gives how many octets went to `other`, and how many to `one`.
///
/// # Errors
/// Where one of them broke: also one that is not read at the moment, since the other takes nothing.
pub async fn both_ways<A, B>(one: &mut A, other: &mut B, buffer: usize) -> io::Result<(u64, u64)>
where
    A: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    let waits = Notify::new();
    let (one, other) = (Side::new(one, &waits), Side::new(other, &waits));
    let (mut near, mut far) = (&one, &other);
    tokio::select! {
        biased;
        carried = copy_bidirectional_with_sizes(&mut near, &mut far, buffer, buffer) => carried,
        gone = gone(&one, &other, &waits) => Err(gone),
    }
}

/// Returns once one of both is known to be gone while octets wait.
async fn gone<A, B>(one: &Side<'_, A>, other: &Side<'_, B>, waits: &Notify) -> io::Error
where
    A: AsyncWrite + Unpin,
    B: AsyncWrite + Unpin,
{
    loop {
        if !one.lets_wait() && !other.lets_wait() {
            waits.notified().await;
        }
        sleep(PAUSE).await;
        if let Err(gone) = one.stands().await {
            return gone;
        }
        if let Err(gone) = other.stands().await {
            return gone;
        }
    }
}

/// One of the two, shared by who carries and who asks.
struct Side<'a, S> {
    held: Mutex<Held<'a, S>>,
    waits: &'a Notify,
}

struct Held<'a, S> {
    stream: &'a mut S,
    /// Octets wait for it.
    lets_wait: bool,
    /// It was told that all is said. A socket takes nothing from then on, not even a question.
    has_heard_all: bool,
}

impl<'a, S> Side<'a, S> {
    fn new(stream: &'a mut S, waits: &'a Notify) -> Self {
        let held = Held { stream, lets_wait: false, has_heard_all: false };
        Self { held: Mutex::new(held), waits }
    }

    fn lets_wait(&self) -> bool {
        self.held().lets_wait
    }

    /// It is whole after each change, whoever panicked.
    fn held(&self) -> MutexGuard<'_, Held<'a, S>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: AsyncWrite + Unpin> Side<'_, S> {
    /// Asks it. One that can't say stands.
    async fn stands(&self) -> io::Result<()> {
        poll_fn(|cx| {
            let mut held = self.held();
            if held.has_heard_all {
                return Poll::Ready(Ok(()));
            }
            match Pin::new(&mut *held.stream).poll_write(cx, &[]) {
                Poll::Ready(Err(gone)) => Poll::Ready(Err(gone)),
                Poll::Ready(Ok(_)) | Poll::Pending => Poll::Ready(Ok(())),
            }
        })
        .await
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for &Side<'_, S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.held().stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for &Side<'_, S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut held = self.held();
        let outcome = Pin::new(&mut *held.stream).poll_write(cx, octets);
        held.lets_wait = outcome.is_pending();
        if held.lets_wait {
            self.waits.notify_one();
        }
        outcome
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.held().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut held = self.held();
        held.has_heard_all = true;
        Pin::new(&mut *held.stream).poll_shutdown(cx)
    }
}

/// Between two questions.
const PAUSE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn who_is_gone_is_noticed_though_it_is_not_read() {
        for client_goes in [true, false] {
            let (client, mut near) = pair().await;
            let (service, mut far) = pair().await;
            let (mut goes, _stays) =
                if client_goes { (client, service) } else { (service, client) };
            let carrying = both_ways(&mut near, &mut far, BUFFER);
            let talk = async {
                pour(&mut goes).await;
                goes.set_zero_linger().unwrap();
                drop(goes);
                sleep(4 * PAUSE).await;
            };
            tokio::select! {
                outcome = carrying => assert!(outcome.is_err(), "{outcome:?}"),
                () = talk => panic!("it is carried on, client_goes: {client_goes}"),
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_nothing_for_hours_and_is_there_keeps_its_connection() {
        let (mut client, mut near) = tokio::io::duplex(64);
        let (mut service, mut far) = tokio::io::duplex(64);
        let carrying = both_ways(&mut near, &mut far, BUFFER);
        let talk = async {
            let full = timeout(Duration::from_secs(1), client.write_all(&[7; 2 * BUFFER]));
            assert!(full.await.is_err(), "somebody reads");
            sleep(Duration::from_secs(4 * 3600)).await;
            let mut taken = vec![0; BUFFER];
            service.read_exact(&mut taken).await.unwrap();
            service.write_all(b"an answer").await.unwrap();
            let mut answer = [0; 9];
            client.read_exact(&mut answer).await.unwrap();
            assert_eq!(&answer, b"an answer");
        };
        tokio::select! {
            outcome = carrying => panic!("{outcome:?}"),
            () = talk => {}
        }
    }

    #[tokio::test]
    async fn who_has_heard_all_is_not_taken_for_gone_while_the_other_is_slow() {
        let (mut client, mut near) = pair().await;
        let (mut service, mut far) = pair().await;
        let carrying = both_ways(&mut near, &mut far, BUFFER);
        let talk = async {
            client.shutdown().await.unwrap();
            assert_eq!(service.read(&mut [0; 8]).await.unwrap(), 0);
            let most = pour(&mut service).await;
            sleep(2 * PAUSE).await;
            service.shutdown().await.unwrap();
            let mut heard = Vec::new();
            client.read_to_end(&mut heard).await.unwrap();
            assert_eq!(heard.len(), most);
        };
        let (outcome, ()) = tokio::join!(carrying, talk);
        assert_eq!(outcome.unwrap().0, 0);
    }

    /// Says all that is taken, until nothing is for a while; how much that was.
    async fn pour(socket: &mut TcpStream) -> usize {
        let mut all = 0;
        while let Ok(written) = timeout(PAUSE / 10, socket.write(&[7; BUFFER])).await {
            all += written.unwrap();
        }
        all
    }

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let far = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (far, listener.accept().await.unwrap().0)
    }

    const BUFFER: usize = 16 * 1024;
}
