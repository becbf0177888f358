//! Those that ask, bounded together and for each host.
//!
//! Where there are too many the oldest makes room: of the host that has its share, else of all. Invariant: whoever has
//! its share pushes nobody out but its own.

use std::collections::VecDeque;
use std::net::IpAddr;

use sources::Source;
use tokio::task::AbortHandle;

/// Those that are open, the oldest first; dropping it ends them.
#[derive(Debug, Default)]
pub(crate) struct Connections(VecDeque<Open>);

#[derive(Debug)]
struct Open {
    host: Source,
    task: AbortHandle,
}

impl Connections {
    /// One more, from this address.
    pub(crate) fn add(&mut self, from: IpAddr, task: AbortHandle) {
        let host = Source::host(from);
        if self.is_full() || self.is_crowded(host) {
            self.0.retain(|one| !one.task.is_finished());
        }
        if self.is_crowded(host) {
            let oldest = self.0.iter().position(|one| one.host == host);
            oldest.into_iter().for_each(|at| self.end(at));
        } else if self.is_full() {
            self.end(0);
        }
        self.0.push_back(Open { host, task });
    }

    fn is_full(&self) -> bool {
        self.0.len() >= MOST
    }

    fn is_crowded(&self, host: Source) -> bool {
        self.0.iter().filter(|one| one.host == host).count() >= MOST_OF_A_HOST
    }

    fn end(&mut self, at: usize) {
        if let Some(one) = self.0.remove(at) {
            one.task.abort();
        }
    }
}

impl Drop for Connections {
    fn drop(&mut self) {
        self.0.iter().for_each(|one| one.task.abort());
    }
}

/// A thousand connections are some 40 MB at worst.
pub(crate) const MOST: usize = 1024;
/// Of one host, behind which there may be a company.
const MOST_OF_A_HOST: usize = 256;

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::net::Ipv4Addr;

    use super::*;

    #[tokio::test]
    async fn a_host_that_has_its_share_makes_room_for_itself_and_ends_nobody_elses() {
        let mut connections = Connections::default();
        let mut add = |from: IpAddr| {
            let task = tokio::spawn(pending::<()>());
            connections.add(from, task.abort_handle());
            task
        };
        let look = add([192, 0, 2, 1].into());
        let first = add([198, 51, 100, 7].into());
        for _ in 0..MOST {
            add([198, 51, 100, 7].into());
        }
        assert!(first.await.is_err_and(|error| error.is_cancelled()));
        assert!(!look.is_finished());
        for host in 0..MOST as u32 {
            add(Ipv4Addr::from_bits((10 << 24) + host).into());
        }
        assert!(look.await.is_err_and(|error| error.is_cancelled()));
        assert_eq!(connections.0.len(), MOST);
    }

    #[tokio::test]
    async fn who_was_answered_counts_no_longer() {
        let mut connections = Connections::default();
        let slow = tokio::spawn(pending::<()>());
        connections.add([192, 0, 2, 1].into(), slow.abort_handle());
        for _ in 0..2 * MOST {
            let answered = tokio::spawn(async {});
            connections.add([192, 0, 2, 1].into(), answered.abort_handle());
            answered.await.unwrap();
        }
        assert!(!slow.is_finished());
    }
}
