//! One connection after the other, each for its handshake alone. Some come at once, so that nobody waits.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustls::HandshakeKind;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;

use super::{Client, Manner, runtime};
use crate::failed::Failed;
use crate::house::House;

/// Handshakes for so long; how many. `name` gives the name of each.
pub(crate) fn handshakes(
    house: &House,
    manner: Manner,
    address: SocketAddr,
    time: Duration,
    name: impl Fn(u64) -> String + Send + Sync + 'static,
) -> Result<u64, Failed> {
    let (client, name) = (Client::new(house, manner)?, Arc::new(name));
    let count = Arc::new(AtomicU64::new(0));
    let until = Instant::now() + time;
    runtime()?.block_on(async {
        let mut all = JoinSet::new();
        for _ in 0..AT_ONCE {
            let (client, name, count) = (client.clone(), Arc::clone(&name), Arc::clone(&count));
            all.spawn(async move {
                let mut first = true;
                while Instant::now() < until {
                    let number = count.fetch_add(1, Ordering::Relaxed);
                    let is_resumed = one(&client, address, &name(number)).await?;
                    if manner.resumes && !is_resumed && !first {
                        return Err(Failed::new("a session was not resumed"));
                    }
                    first = false;
                }
                Ok(())
            });
        }
        while let Some(done) = all.join_next().await {
            done??;
        }
        Ok(count.load(Ordering::Relaxed))
    })
}

/// Waits for the server's end, which proves that it took ours, and has its tickets.
async fn one(client: &Client, address: SocketAddr, name: &str) -> Result<bool, Failed> {
    let mut stream = client.connect(address, name).await?;
    let is_resumed = stream.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed);
    stream.shutdown().await?;
    let mut rest = Vec::new();
    match stream.read_to_end(&mut rest).await {
        // An alert would say that the client was refused.
        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => Err(error.into()),
        _ => Ok(is_resumed),
    }
}

const AT_ONCE: usize = 16;
