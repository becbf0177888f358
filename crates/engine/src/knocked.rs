//! First packets over UDP, and whether what was answered to them comes back: counted, and by places of a fixed number.
//!
//! A client that hears nothing knocks again from the same address, while others come in as ever. So unreturned answers are
//! counted by address, in as many places as there are: two that share one may hide each other, and nothing is kept of
//! anybody. Invariant: what strangers send takes no more memory, whoever they claim to be.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::net::SocketAddr;
use std::time::Duration;

use clock::Now;

use crate::figures::Knocks;

/// What is counted of them.
#[derive(Debug)]
pub(crate) struct Knocked {
    total: Knocks,
    places: Vec<Place>,
    /// Drawn at the start, so that nobody chooses whose place he shares.
    hasher: RandomState,
}

/// Answers to whoever shares it of which none has come back.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    unreturned: u64,
    /// When the last of them was given, since the machine booted.
    last: Duration,
}

impl Knocked {
    pub(crate) fn new() -> Self {
        let (total, hasher) = (Knocks::default(), RandomState::new());
        Self { total, places: vec![Place::default(); PLACES], hasher }
    }

    /// A right one was answered.
    pub(crate) fn answered(&mut self, remote: SocketAddr, now: Now) {
        self.total.answered += 1;
        self.total.last_answered = Some(now.into());
        if let Some(place) = self.place(remote) {
            let before = if is_recent(place, now) { place.unreturned } else { 0 };
            *place = Place { unreturned: before + 1, last: now.boot };
        }
    }

    /// The cookie of an answer came back.
    pub(crate) fn returned(&mut self, remote: SocketAddr, now: Now) {
        self.total.returned += 1;
        self.total.last_returned = Some(now.into());
        if let Some(place) = self.place(remote) {
            place.unreturned = 0;
        }
    }

    /// As they are at this moment.
    pub(crate) fn figures(&self, now: Now) -> Knocks {
        let recent = self.places.iter().filter(|place| is_recent(place, now));
        let unreturned = recent.map(|place| place.unreturned).max().unwrap_or(0);
        Knocks { unreturned, ..self.total }
    }

    fn place(&mut self, remote: SocketAddr) -> Option<&mut Place> {
        let at = self.number(remote);
        self.places.get_mut(usize::try_from(at).ok()?)
    }

    /// The place that an address has.
    fn number(&self, remote: SocketAddr) -> u64 {
        self.hasher.hash_one(remote) % PLACES as u64
    }
}

fn is_recent(place: &Place, now: Now) -> bool {
    now.boot.saturating_sub(place.last) < RECENT
}

const PLACES: usize = 1024;
/// Twice as long as a stock client goes on with one try.
const RECENT: Duration = Duration::from_secs(120);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_hears_no_answer_is_noticed_while_others_come_in() {
        let mut knocked = Knocked::new();
        let is_apart = |port: &u16| knocked.number(at(7, *port)) != knocked.number(at(7, 40_000));
        let others: Vec<u16> = (50_000..60_000).filter(is_apart).take(2).collect();
        for second in 0..60 {
            knocked.answered(at(7, 40_000), now(second));
            // All others come in at once, from the same house too.
            for port in others.iter().copied() {
                knocked.answered(at(7, port), now(second));
                knocked.returned(at(7, port), now(second));
            }
        }
        let figures = knocked.figures(now(60));
        assert_eq!((figures.answered, figures.returned, figures.unreturned), (180, 120, 60));
    }

    #[test]
    fn an_answer_that_comes_back_ends_it_and_so_does_time() {
        let mut knocked = Knocked::new();
        let unreturned = |knocked: &Knocked, second| knocked.figures(now(second)).unreturned;
        (0..3).for_each(|second| knocked.answered(at(7, 40_000), now(second)));
        assert_eq!(unreturned(&knocked, 3), 3);
        knocked.returned(at(7, 40_000), now(4));
        assert_eq!(unreturned(&knocked, 4), 0);
        (5..8).for_each(|second| knocked.answered(at(7, 40_000), now(second)));
        assert_eq!((unreturned(&knocked, 8), unreturned(&knocked, 130)), (3, 0));
        knocked.answered(at(7, 40_000), now(200));
        assert_eq!(unreturned(&knocked, 200), 1, "what was long ago is not added to");
    }

    #[test]
    fn any_number_of_strangers_takes_no_more_memory() {
        let mut knocked = Knocked::new();
        for number in 0..200 {
            for port in 1..1_000 {
                knocked.answered(at(number, port), now(1));
            }
        }
        assert_eq!((knocked.places.len(), knocked.places.capacity()), (PLACES, PLACES));
    }

    fn at(host: u8, port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, host], port))
    }

    fn now(second: u64) -> Now {
        let boot = Duration::from_secs(1_000 + second);
        Now { boot, wall: boot }
    }
}
