//! Connections that are open and say nothing.

use std::net::SocketAddr;

use super::{Client, Manner, runtime};
use crate::failed::Failed;
use crate::house::{House, P256};

/// Opens so many, and looks while all of them are open.
pub(crate) fn open<T>(
    house: &House,
    address: SocketAddr,
    count: usize,
    look: impl FnOnce() -> Result<T, Failed>,
) -> Result<T, Failed> {
    let client = Client::new(house, Manner::plain(Some("http/1.1")))?;
    runtime()?.block_on(async {
        let mut open = Vec::with_capacity(count);
        for _ in 0..count {
            open.push(client.connect(address, P256).await?);
        }
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        look()
    })
}
