//! Places for those who were let in, of which nobody who showed no certificate has too many.
//!
//! One host without certificates has half of them at most: behind it may be a company, but others are to find some
//! free. Invariant: a place is free again once its [`Seat`] is dropped, and counts for its host until then.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sources::Source;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Places.
#[derive(Debug)]
pub(crate) struct Room {
    places: Arc<Semaphore>,
    of_a_host: usize,
    /// So many are for those alone who showed a certificate.
    kept: usize,
    unknown: Arc<Unknown>,
}

/// How many places each host has of those who showed no certificate.
#[derive(Debug, Default)]
struct Unknown(Mutex<HashMap<Source, usize>>);

/// A place.
#[derive(Debug)]
pub(crate) struct Seat {
    _place: OwnedSemaphorePermit,
    share: Option<Share>,
}

#[derive(Debug)]
struct Share {
    host: Source,
    /// How many its host had with this one.
    number: usize,
    of: Arc<Unknown>,
}

impl Room {
    /// So many places.
    pub(crate) fn of(places: u32) -> Self {
        let places = places as usize;
        Self {
            places: Arc::new(Semaphore::new(places)),
            of_a_host: places.div_ceil(2),
            kept: 0,
            unknown: Arc::default(),
        }
    }

    /// The same, and one in ten is kept for those who showed a certificate.
    pub(crate) fn with_some_kept(places: u32) -> Self {
        Self { kept: places as usize / KEPT, ..Self::of(places) }
    }

    /// A place, if there is one for somebody like this.
    pub(crate) fn seat(&self, from: IpAddr, is_known: bool) -> Option<Seat> {
        if !is_known && self.kept > 0 && self.places.available_permits() <= self.kept {
            return None;
        }
        let share = match is_known {
            true => None,
            false => Some(self.share(Source::host(from))?),
        };
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        Some(Seat { _place: place, share })
    }

    fn share(&self, host: Source) -> Option<Share> {
        let mut hosts = self.unknown.hosts();
        let has = hosts.get(&host).copied().unwrap_or_default();
        if has >= self.of_a_host {
            return None;
        }
        hosts.insert(host, has + 1);
        Some(Share { host, number: has + 1, of: Arc::clone(&self.unknown) })
    }
}

impl Seat {
    /// How many requests may be under way at once there. Each holds memory though nothing comes of it, and a host has as
    /// many connections as a company: the more there are, the less each new one has.
    pub(crate) fn streams(&self) -> u32 {
        let number = self.share.as_ref().map_or(1, |share| share.number);
        u32::try_from(STREAMS / number.max(1)).unwrap_or(u32::MAX).max(FEW_STREAMS)
    }
}

impl Unknown {
    /// It is whole after each change, whoever panicked.
    fn hosts(&self) -> MutexGuard<'_, HashMap<Source, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut hosts = self.of.hosts();
        match hosts.get_mut(&self.host) {
            Some(has) if *has > 1 => *has -= 1,
            _ => _ = hosts.remove(&self.host),
        }
    }
}

/// Of a host, over all connections that have a part of it; forty of them have what each may have.
const STREAMS: usize = 4096;
/// Of a connection, however many its host has: a page and what belongs to it come all the same.
const FEW_STREAMS: u32 = 4;
/// One place in so many.
const KEPT: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_without_certificates_has_half_and_others_find_room() {
        let room = Room::of(20);
        let [crowd, quiet] = ["2001:db8::1", "192.0.2.1"].map(|ip| ip.parse::<IpAddr>().unwrap());
        let mut seats: Vec<_> = (0..30).filter_map(|_| room.seat(crowd, false)).collect();
        assert_eq!(seats.len(), 10);
        assert!(room.seat("2001:db8::2".parse().unwrap(), false).is_none(), "the same host");
        let other = room.seat(quiet, false).expect("room");
        let known: Vec<_> = (0..30).filter_map(|_| room.seat(crowd, true)).collect();
        assert_eq!(known.len(), 9);
        drop((known, other));
        seats.pop();
        assert!(room.seat(crowd, false).is_some());
        seats.clear();
        assert!(room.unknown.hosts().is_empty());
        assert!(Room::of(1).seat(crowd, false).is_some());
    }

    #[test]
    fn the_more_connections_a_host_has_the_fewer_requests_a_new_one_may_have_at_once() {
        let room = Room::of(20_000);
        let crowd = "192.0.2.1".parse::<IpAddr>().unwrap();
        let seats: Vec<_> = (0..10_000).map(|_| room.seat(crowd, false).unwrap()).collect();
        let streams = |at: usize| seats[at].streams();
        assert!(streams(0) >= 100 && streams(39) >= 100, "a company's browsers have all");
        assert_eq!((streams(1023), streams(9_999)), (4, 4));
        let all: u32 = seats.iter().map(|seat| seat.streams().min(100)).sum();
        assert!(all < 60_000, "{all}");
        assert!(room.seat(crowd, true).unwrap().streams() >= 100, "who is known is no stranger");
    }

    #[test]
    fn the_last_places_are_kept_for_those_who_are_known() {
        let room = Room::with_some_kept(20);
        let host = |n: u8| IpAddr::from([192, 0, 2, n]);
        let unknown: Vec<_> = (0..30).filter_map(|n| room.seat(host(n), false)).collect();
        let known: Vec<_> = (0..30).filter_map(|n| room.seat(host(n), true)).collect();
        assert_eq!((unknown.len(), known.len()), (18, 2));
    }
}
