//! Word of changes to links, addresses and routes.
//!
//! It says that something changed, not what: whoever wants to know looks. A change that is missed since
//! the kernel's queue was full is told like any other.

use std::io;

use futures_util::StreamExt;
use rtnetlink::MulticastGroup;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Hears of every change in the network namespace that it was made in.
#[derive(Debug)]
pub struct NetworkWatch {
    changes: watch::Receiver<u64>,
    /// Move the messages; ended with this.
    pumps: [JoinHandle<()>; 2],
}

impl NetworkWatch {
    /// Listens from now on, in the calling thread's network namespace. To be made inside a tokio
    /// runtime.
    ///
    /// # Errors
    /// When the kernel gives no socket.
    pub fn open() -> io::Result<Self> {
        let (connection, _, mut messages) = rtnetlink::new_multicast_connection(&GROUPS)?;
        let (tell, changes) = watch::channel(0_u64);
        let pump = tokio::spawn(connection);
        let count = tokio::spawn(async move {
            while messages.next().await.is_some() {
                tell.send_modify(|count| *count = count.wrapping_add(1));
            }
        });
        Ok(Self { changes, pumps: [pump, count] })
    }

    /// Completes when something changed since the last call; never again, once the kernel's socket is
    /// lost. Changes that come together are one.
    pub async fn changed(&mut self) {
        if self.changes.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for NetworkWatch {
    fn drop(&mut self) {
        self.pumps.iter().for_each(JoinHandle::abort);
    }
}

const GROUPS: [MulticastGroup; 5] = [
    MulticastGroup::Link,
    MulticastGroup::Ipv4Ifaddr,
    MulticastGroup::Ipv6Ifaddr,
    MulticastGroup::Ipv4Route,
    MulticastGroup::Ipv6Route,
];
