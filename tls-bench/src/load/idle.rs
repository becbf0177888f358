//! Connections that are open and say nothing.

use std::io::ErrorKind;
use std::net::SocketAddr;

use tokio::net::TcpStream;

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
        let seen = look()?;
        // One that the server ended meanwhile would make the others look small.
        match open.iter().filter(|one| is_over(one.get_ref().0)).count() {
            0 => Ok(seen),
            over => Err(Failed::new(format!("{over} of {count} connections did not stay open"))),
        }
    })
}

/// What came is read away.
fn is_over(socket: &TcpStream) -> bool {
    let mut piece = [0; 4096];
    loop {
        match socket.try_read(&mut piece) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return error.kind() != ErrorKind::WouldBlock,
        }
    }
}
