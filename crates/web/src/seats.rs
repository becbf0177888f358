//! Places for those that are served at once, of which one client gets half at most.
//!
//! Who has its half waits for one of its own to get free, and stands in nobody's way meanwhile. A client is a host, as
//! limits elsewhere see it.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use sources::Source;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

pub(crate) struct Seats {
    all: Arc<Semaphore>,
    share: usize,
    clients: Mutex<Clients>,
}

/// A place; it is free again once this is dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    _own: OwnedSemaphorePermit,
    _place: OwnedSemaphorePermit,
}

/// The shares of those that have places or wait for one.
#[derive(Default)]
struct Clients {
    shares: HashMap<Source, Weak<Semaphore>>,
    /// How many there may be before those that left are looked for.
    most: usize,
}

impl Seats {
    pub(crate) fn new(places: usize) -> Self {
        let places = places.min(Semaphore::MAX_PERMITS);
        let all = Arc::new(Semaphore::new(places));
        Self { all, share: places.div_ceil(2), clients: Mutex::default() }
    }

    /// Whether this client would have to wait.
    pub(crate) fn is_full_for(&self, client: Source) -> bool {
        let clients = self.clients();
        let share = clients.shares.get(&client).and_then(Weak::upgrade);
        let full = |seats: &Semaphore| seats.available_permits() == 0;
        full(&self.all) || share.is_some_and(|share| full(&share))
    }

    /// A place, unless none gets free within `turn`.
    pub(crate) async fn take(&self, client: Source, turn: Duration) -> Option<Seat> {
        let share = self.clients().share(client, self.share);
        let seat = async {
            let own = share.acquire_owned().await.ok()?;
            let place = Arc::clone(&self.all).acquire_owned().await.ok()?;
            Some(Seat { _own: own, _place: place })
        };
        timeout(turn, seat).await.ok()?
    }

    /// It is whole after each change, whoever panicked.
    fn clients(&self) -> MutexGuard<'_, Clients> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clients {
    fn share(&mut self, client: Source, places: usize) -> Arc<Semaphore> {
        if let Some(share) = self.shares.get(&client).and_then(Weak::upgrade) {
            return share;
        }
        if self.shares.len() >= self.most {
            self.shares.retain(|_, share| share.strong_count() > 0);
            self.most = FEW.max(2 * self.shares.len());
        }
        let share = Arc::new(Semaphore::new(places));
        self.shares.insert(client, Arc::downgrade(&share));
        share
    }
}

impl fmt::Debug for Seats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seats").field("free", &self.all.available_permits()).finish_non_exhaustive()
    }
}

const FEW: usize = 64;

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    const TURN: Duration = Duration::from_secs(5);

    fn client(number: u32) -> Source {
        Source::host(IpAddr::V4(Ipv4Addr::from_bits(number)))
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_half_of_the_places_leaves_the_others_to_others() {
        let seats = Seats::new(4);
        let mut taken = Vec::new();
        for _ in 0..2 {
            taken.push(seats.take(client(1), TURN).await.unwrap());
        }
        assert!(seats.is_full_for(client(1)) && !seats.is_full_for(client(2)));
        let (waits, served) = tokio::join!(seats.take(client(1), TURN), async {
            [seats.take(client(2), TURN).await, seats.take(client(3), TURN).await]
        });
        assert!(waits.is_none() && served.iter().all(Option::is_some));
        assert!(seats.is_full_for(client(4)), "all are taken");
        drop((taken.pop(), served));
        assert!(seats.take(client(1), TURN).await.is_some());
    }

    #[tokio::test]
    async fn clients_that_left_are_forgotten() {
        let seats = Seats::new(1);
        for number in 0..1000 {
            drop(seats.take(client(number), TURN).await.unwrap());
        }
        assert!(seats.clients().shares.len() <= FEW);
        assert!(seats.take(client(1), TURN).await.is_some(), "one place is half of one");
    }

    #[tokio::test]
    async fn as_many_places_as_anybody_may_name_are_as_many_as_there_can_be() {
        assert!(Seats::new(usize::MAX).take(client(1), Duration::MAX).await.is_some());
        assert!(Seats::new(0).take(client(1), Duration::ZERO).await.is_none());
    }
}
