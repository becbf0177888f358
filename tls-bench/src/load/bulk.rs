//! Bytes one way, over some connections.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{Client, Manner, runtime};
use crate::backend::{DOWN, UP};
use crate::failed::Failed;
use crate::house::{BULK, House};

/// From the service to the client, or the other way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Down,
    Up,
}

/// How many bytes went in this time, once all connections are there: `begun` is called then.
pub(crate) fn carry<T>(
    house: &House,
    address: SocketAddr,
    (way, connections): (Way, usize),
    time: Duration,
    begun: impl FnOnce() -> T,
) -> Result<(u64, T), Failed> {
    let client = Client::new(house, Manner::plain(None))?;
    let bytes = Arc::new(AtomicU64::new(0));
    runtime()?.block_on(async {
        let mut streams = Vec::new();
        for _ in 0..connections {
            let mut stream = client.connect(address, BULK).await?;
            stream.write_all(&[if way == Way::Down { DOWN } else { UP }]).await?;
            stream.flush().await?;
            streams.push(stream);
        }
        let started = begun();
        let until = Instant::now() + time;
        let mut all = JoinSet::new();
        for mut stream in streams {
            let bytes = Arc::clone(&bytes);
            all.spawn(async move {
                let mut buffer = vec![7; 64 * 1024];
                let carrying = async {
                    while Instant::now() < until {
                        let carried = match way {
                            Way::Down => stream.read(&mut buffer).await?,
                            Way::Up => stream.write(&buffer).await?,
                        };
                        if carried == 0 {
                            return Err(Failed::new("the server has closed"));
                        }
                        bytes.fetch_add(carried as u64, Ordering::Relaxed);
                    }
                    Ok(())
                };
                // Who gets no turn does not hold up the others.
                timeout(time + Duration::from_secs(1), carrying).await.unwrap_or(Ok(()))
            });
        }
        while let Some(done) = all.join_next().await {
            done??;
        }
        Ok((bytes.load(Ordering::Relaxed), started))
    })
}
