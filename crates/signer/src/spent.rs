//! What is left of each rate, in a file beside the keys, so that a signer that is started anew goes on counting.
//!
//! Written ahead: before the first of some signatures leaves, all of them count as given. Invariant: what the file
//! allows, with what the time since then adds, is no more than what this signer has left at that moment, however
//! often it is started. Times are the wall clock's, as nothing else outlasts the machine; a clock that was set back
//! adds nothing.

use clock::{Now, Timestamp};
use serde::{Deserialize, Serialize};

use crate::rate::Rate;

/// What was written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Noted {
    pub(crate) certificates: Left,
    pub(crate) lists: Left,
    pub(crate) crosses: Left,
}

/// How many may be signed still, and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Left {
    number: u32,
    at: Timestamp,
}

impl Left {
    /// What is to be written down of a rate that was counted just now: what is there as long as that covers it,
    /// else so many fewer than are left.
    pub(crate) fn next(rate: &Rate, there: Option<Self>, ahead: u32, now: Timestamp) -> Self {
        // What a clock that was ahead has written would add nothing until then.
        let covers = |there: &Self| {
            there.at <= now && rate.left() >= rate.left_of(there.number, now.since(there.at))
        };
        there.filter(covers).unwrap_or_else(|| Self {
            number: rate.left().saturating_sub(ahead),
            at: now.before(rate.gone()),
        })
    }

    /// Has the rate go on from here.
    pub(crate) fn hand_on(self, rate: &mut Rate, now: Now) {
        rate.go_on(self.number, Timestamp::from(now).since(self.at), now.boot);
    }
}

/// How far ahead the next signatures are written down: as many as there were, so that one that is started for one
/// signature spends one, and a busy one seldom waits for the disk.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ahead(u32);

impl Ahead {
    pub(crate) fn get(self) -> u32 {
        self.0
    }

    /// After one more.
    pub(crate) fn grow(&mut self) {
        self.0 = MOST_AHEAD.min(self.0 + 1);
    }
}

const MOST_AHEAD: u32 = 100;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// A signer, and the file that outlasts it.
    struct World {
        now: Now,
        rate: Rate,
        ahead: Ahead,
        file: Option<Left>,
        written: u32,
    }

    impl World {
        fn new() -> Self {
            let now =
                Now { boot: Duration::from_secs(9), wall: Duration::from_secs(1_800_000_000) };
            let rate = Rate::new(MOST, EACH, now.boot);
            Self { now, rate, ahead: Ahead::default(), file: None, written: 0 }
        }

        fn start_anew(&mut self) {
            self.rate = Rate::new(MOST, EACH, self.now.boot);
            self.ahead = Ahead::default();
            if let Some(file) = self.file {
                file.hand_on(&mut self.rate, self.now);
            }
        }

        fn sign(&mut self) -> bool {
            let allowed = self.rate.allows(self.now.boot);
            let next = Left::next(&self.rate, self.file, self.ahead.get(), self.now.into());
            self.written += u32::from(self.file != Some(next));
            self.file = Some(next);
            self.ahead.grow();
            allowed
        }

        fn wait(&mut self, by: Duration) {
            self.now = self.now.after(by);
        }
    }

    #[test]
    fn a_file_is_written_once_for_many_signatures() {
        let mut world = World::new();
        assert_eq!((0..2000).filter(|_| world.sign()).count(), MOST as usize);
        assert!((15..=25).contains(&world.written), "{}", world.written);
    }

    #[test]
    fn a_start_anew_gives_nothing_back_however_much_time_went_by_before() {
        for each_lives in [1, 3, 40, 2000] {
            let mut world = World::new();
            while world.sign() {}
            world.wait(EACH * 300);
            let mut given = 0;
            for _ in 0..50 {
                world.start_anew();
                given += (0..each_lives).filter(|_| world.sign()).count();
            }
            assert!(given <= 300, "{given} in lives of {each_lives}");
            if each_lives == 1 {
                assert_eq!(given, 50, "and takes nothing");
            }
        }
    }

    #[test]
    fn starts_at_any_moment_give_no_more_than_the_time_does() {
        let mut random = 7_u64;
        let mut next = |below: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (random >> 33) % below
        };
        let mut world = World::new();
        let began = world.now.boot;
        let mut given = 0;
        for _ in 0..20_000 {
            match next(8) {
                0 => world.start_anew(),
                1..4 => world.wait(Duration::from_millis(next(3000))),
                _ => given += u64::from(world.sign()),
            }
            let passed = (world.now.boot - began).as_secs();
            assert!(given <= u64::from(MOST) + passed / EACH.as_secs(), "{given} in {passed} s");
        }
        assert!(given > u64::from(MOST), "{given}");
    }

    #[test]
    fn a_clock_that_was_ahead_for_a_while_stops_no_counting() {
        let mut world = World::new();
        let year = Duration::from_secs(365 * 86_400);
        world.now.wall += year;
        while world.sign() {}
        world.now.wall -= year;
        world.start_anew();
        assert!(!world.sign());
        world.wait(EACH * 10);
        world.start_anew();
        assert_eq!((0..50).filter(|_| world.sign()).count(), 10);
    }

    const MOST: u32 = 1000;
    const EACH: Duration = Duration::from_secs(2);
}
