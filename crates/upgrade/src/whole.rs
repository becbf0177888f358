//! A file over a connection of its own, whose end is the file's.
//!
//! Invariant: who has got a part of it never sees it end as the whole would.

use carry::both_ways;
use tokio::io::{AsyncRead, AsyncWrite};

/// A stream that is reset when it is dropped before all was carried.
#[derive(Debug)]
pub struct Unfinished<S> {
    stream: S,
    reset: fn(&S),
    is_whole: bool,
}

impl<S> Unfinished<S> {
    /// Has `reset` say that what came is not all.
    pub fn new(stream: S, reset: fn(&S)) -> Self {
        Self { stream, reset, is_whole: false }
    }
}

impl<S> Drop for Unfinished<S> {
    fn drop(&mut self) {
        if !self.is_whole {
            (self.reset)(&self.stream);
        }
    }
}

/// Carries a file until both sides have said all, or one is gone.
pub async fn carry_file<A, B>(mut one: Unfinished<A>, mut other: Unfinished<B>)
where
    A: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    let carried = both_ways(&mut one.stream, &mut other.stream, BUFFER).await;
    (one.is_whole, other.is_whole) = (carried.is_ok(), carried.is_ok());
}

/// One record of TLS.
const BUFFER: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn a_file_ends_as_a_whole_and_a_part_of_it_does_not() {
        for is_whole in [true, false] {
            let (mut client, near) = pair().await;
            let (far, mut service) = pair().await;
            let reset: fn(&TcpStream) = |stream| _ = stream.set_zero_linger();
            let carried = carry_file(Unfinished::new(near, reset), Unfinished::new(far, reset));
            let carried = tokio::spawn(carried);
            client.write_all(b"a file").await.unwrap();
            let mut file = vec![0; 6];
            service.read_exact(&mut file).await.unwrap();
            match is_whole {
                true => client.shutdown().await.unwrap(),
                false => carried.abort(),
            }
            let end = timeout(Duration::from_secs(10), service.read(&mut file)).await.unwrap();
            assert_eq!(end.is_ok_and(|read| read == 0), is_whole);
        }
    }

    #[tokio::test]
    async fn who_breaks_a_file_off_that_the_other_side_does_not_take_is_noticed() {
        let (mut client, near) = pair().await;
        let (far, _service) = pair().await;
        let reset: fn(&TcpStream) = |stream| _ = stream.set_zero_linger();
        let carried = carry_file(Unfinished::new(near, reset), Unfinished::new(far, reset));
        let carried = tokio::spawn(carried);
        while let Ok(written) = timeout(PAUSE, client.write(&[7; BUFFER])).await {
            written.unwrap();
        }
        client.set_zero_linger().unwrap();
        drop(client);
        timeout(Duration::from_secs(30), carried).await.expect("it is noticed").unwrap();
    }

    const PAUSE: Duration = Duration::from_millis(500);

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let connecting = TcpStream::connect(listener.local_addr().unwrap());
        let (one, other) = tokio::join!(connecting, listener.accept());
        (one.unwrap(), other.unwrap().0)
    }
}
