//! An address that connections come to: what holds for them, and the strangers among them.
//!
//! Who has not proved anything yet is a stranger, and strangers are bounded. Invariant: no stranger holds a place that
//! somebody who was let in could have.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Weak};

use sources::Source;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::AbortHandle;

use crate::settings::Listen;

/// What holds for its connections.
#[derive(Debug)]
pub(crate) struct Port {
    pub(crate) listen: Listen,
    pub(crate) room: Arc<Semaphore>,
}

/// Proves that a connection is a stranger's, for as long as it is kept.
pub(crate) struct Stranger {
    _alive: Arc<()>,
}

impl Stranger {
    /// One, and what tells whether it is one still.
    pub(crate) fn new() -> (Self, Weak<()>) {
        let alive = Arc::new(());
        let kept = Arc::downgrade(&alive);
        (Self { _alive: alive }, kept)
    }
}

impl Port {
    /// A place for a guest. The last ones are kept for those who showed a certificate.
    pub(crate) fn seat(&self, is_known: bool) -> Option<SemaphorePermit<'_>> {
        let kept = self.listen.max_connections as usize / KEPT;
        if !is_known && self.room.available_permits() <= kept {
            return None;
        }
        self.room.try_acquire().ok()
    }

    pub(crate) fn of(listen: &Listen) -> Self {
        let room = Arc::new(Semaphore::new(listen.max_connections as usize));
        Self { listen: listen.clone(), room }
    }
}

/// Those of one address, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct Strangers {
    all: VecDeque<Kept>,
    of_a_host: HashMap<Source, usize>,
}

#[derive(Debug)]
struct Kept {
    host: Source,
    task: AbortHandle,
    is_one: Weak<()>,
}

impl Strangers {
    /// One more; where there are too many, or too many of its host, the oldest of those makes room.
    pub(crate) fn add(&mut self, from: IpAddr, task: AbortHandle, is_one: Weak<()>) {
        let host = Source::host(from);
        while self.all.front().is_some_and(|oldest| oldest.is_one.strong_count() == 0) {
            self.remove(0);
        }
        if self.all.len() >= MOST_STRANGERS {
            self.forget_guests();
        }
        if self.of_a_host.get(&host).is_some_and(|count| *count >= MOST_OF_A_HOST) {
            self.forget_guests();
            let crowd = self.of_a_host.get(&host).is_some_and(|count| *count >= MOST_OF_A_HOST);
            let oldest = self.all.iter().position(|one| one.host == host).filter(|_| crowd);
            oldest.into_iter().for_each(|at| self.send_away(at));
        }
        if self.all.len() >= MOST_STRANGERS {
            self.send_away(0);
        }
        *self.of_a_host.entry(host).or_default() += 1;
        self.all.push_back(Kept { host, task, is_one });
    }

    fn forget_guests(&mut self) {
        let counts = &mut self.of_a_host;
        self.all.retain(|one| {
            let stays = one.is_one.strong_count() > 0;
            if !stays {
                uncount(counts, one.host);
            }
            stays
        });
    }

    fn send_away(&mut self, at: usize) {
        if let Some(one) = self.remove(at)
            && one.is_one.strong_count() > 0
        {
            one.task.abort();
        }
    }

    fn remove(&mut self, at: usize) -> Option<Kept> {
        let one = self.all.remove(at)?;
        uncount(&mut self.of_a_host, one.host);
        Some(one)
    }
}

fn uncount(counts: &mut HashMap<Source, usize>, host: Source) {
    if let Some(count) = counts.get_mut(&host) {
        *count -= 1;
        if *count == 0 {
            counts.remove(&host);
        }
    }
}

/// With a first message, a transcript and a certificate that does not end, each may hold 120 KB: 120 MB at worst.
const MOST_STRANGERS: usize = 1024;
/// As many handshakes may be under way from one address, behind which there may be a company.
const MOST_OF_A_HOST: usize = 256;
/// One place in so many.
const KEPT: usize = 10;

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;
    use crate::mode::Mode;

    #[tokio::test]
    async fn a_crowd_from_one_host_makes_room_for_itself_and_pushes_nobody_else_out() {
        let mut strangers = Strangers::default();
        let mut alive = Vec::new();
        let mut add = |from: &str| {
            let (stranger, kept) = Stranger::new();
            let task = tokio::spawn(pending::<()>());
            strangers.add(from.parse().unwrap(), task.abort_handle(), kept);
            alive.push(stranger);
            task
        };
        let quiet = add("192.0.2.1");
        let first = add("198.51.100.7");
        for _ in 0..MOST_OF_A_HOST {
            add("198.51.100.7");
        }
        assert!(first.await.is_err_and(|error| error.is_cancelled()));
        assert!(!quiet.is_finished());
        assert_eq!(strangers.all.len(), MOST_OF_A_HOST + 1);
    }

    #[tokio::test]
    async fn who_was_let_in_is_no_stranger_and_never_sent_away() {
        let mut strangers = Strangers::default();
        let (stranger, kept) = Stranger::new();
        let guest = tokio::spawn(pending::<()>());
        strangers.add("192.0.2.1".parse().unwrap(), guest.abort_handle(), kept);
        drop(stranger);
        let mut alive = Vec::new();
        for _ in 0..=MOST_OF_A_HOST {
            let (stranger, kept) = Stranger::new();
            let task = tokio::spawn(pending::<()>()).abort_handle();
            strangers.add("192.0.2.1".parse().unwrap(), task, kept);
            alive.push(stranger);
        }
        tokio::task::yield_now().await;
        assert!(!guest.is_finished());
        assert_eq!(strangers.of_a_host.values().sum::<usize>(), MOST_OF_A_HOST);
    }

    #[test]
    fn the_last_places_are_kept_for_those_who_are_known() {
        let listen = Listen {
            address: "192.0.2.1:443".parse().unwrap(),
            mode: Mode::default(),
            protocols: Vec::new(),
            unknown_name: Default::default(),
            no_name: Default::default(),
            max_connections: 20,
            proxies: Vec::new(),
        };
        let port = Port::of(&listen);
        let anonymous: Vec<_> = (0..30).filter_map(|_| port.seat(false)).collect();
        let known: Vec<_> = (0..30).filter_map(|_| port.seat(true)).collect();
        assert_eq!((anonymous.len(), known.len()), (18, 2));
    }
}
