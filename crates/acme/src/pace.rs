//! When a CA is asked: certificates are renewed in time, and failures grow rarer, since CAs count them.
//!
//! No clock: moments are arguments. Invariant: a CA that said when is not asked before.

use std::time::{Duration, UNIX_EPOCH};

use pki::Timestamp;

use crate::error::AcmeError;

/// The failures since the last success.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pace {
    failures: u32,
    not_before: Option<Timestamp>,
    /// The moment that the CA itself said.
    told: Option<Timestamp>,
}

impl Pace {
    /// When a certificate is renewed that holds from `since` to `until`: when two thirds of its life are over.
    pub fn renew_at(since: Timestamp, until: Timestamp) -> Timestamp {
        since.after(until.since(since) * 2 / 3)
    }

    /// After a success: another one is not ordered before a tenth of its life is over, whatever this clock makes of it.
    pub fn after(since: Timestamp, until: Timestamp, now: Timestamp) -> Self {
        let not_before = Some(now.after(until.since(since) / 10));
        Self { failures: 0, not_before, told: not_before }
    }

    /// The next moment at which the CA may be asked; at once, where nothing speaks against it. What is further away than
    /// anybody was ever told to wait was said by a clock that has been set since.
    pub fn not_before(&self, now: Timestamp) -> Option<Timestamp> {
        self.not_before.filter(|at| at.since(now) <= LONGEST)
    }

    /// How often it failed in a row. Another method may serve where one did not.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// It failed.
    pub fn failed(&mut self, error: &AcmeError, now: Timestamp) {
        let pause = PAUSES[(self.failures as usize).min(PAUSES.len() - 1)];
        // What came was issued, and counts as such.
        let pause = match error {
            AcmeError::NotFit { .. } => pause.max(AN_HOUR),
            _ => pause,
        };
        self.failures = self.failures.saturating_add(1);
        let said = error.until().and_then(|until| until.duration_since(UNIX_EPOCH).ok());
        let told = match error {
            AcmeError::RateLimited { .. } => {
                Some(said.map_or(now.after(AN_HOUR), Timestamp::from_wall))
            }
            _ => said.map(Timestamp::from_wall),
        };
        self.told = told;
        self.not_before = Some(told.unwrap_or(now).max(now.after(pause)));
    }

    /// Somebody may have mended the cause: what the CA itself said is all that holds still.
    pub fn forgive(&mut self) {
        *self = Self { failures: 0, not_before: self.told, told: self.told };
    }
}

/// Let's Encrypt takes five failures of a name in an hour.
const PAUSES: [Duration; 6] = [
    Duration::from_secs(30),
    Duration::from_secs(5 * 60),
    Duration::from_secs(20 * 60),
    Duration::from_secs(3600),
    Duration::from_secs(4 * 3600),
    Duration::from_secs(12 * 3600),
];
const AN_HOUR: Duration = Duration::from_secs(3600);
/// A CA is believed for a week, and the tenth of a certificate's life is no more than 40 days.
const LONGEST: Duration = Duration::from_secs(41 * 86_400);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_grow_rarer_and_no_five_come_within_an_hour() {
        let mut pace = Pace::default();
        let (mut now, begun) = (at(0), at(0));
        let mut within_an_hour = 0;
        for _ in 0..10 {
            pace.failed(&SLOW, now);
            within_an_hour += u32::from(now.since(begun) < AN_HOUR);
            now = pace.not_before(now).unwrap();
        }
        assert!(within_an_hour < 5, "{within_an_hour}");
        let before = now;
        pace.failed(&SLOW, now);
        assert_eq!(pace.not_before(now).unwrap().since(before), AN_HOUR * 12);
    }

    #[test]
    fn a_ca_that_says_when_is_not_asked_before_whoever_reloads() {
        let mut pace = Pace::default();
        let until = UNIX_EPOCH + Duration::from_secs(100_000);
        let limited = AcmeError::RateLimited { said: String::new(), until: Some(until) };
        pace.failed(&limited, at(1000));
        pace.forgive();
        assert_eq!(pace.not_before(at(1000)), Some(at(100_000)));
        pace.failed(&AcmeError::RateLimited { said: String::new(), until: None }, at(1000));
        assert_eq!(pace.not_before(at(1000)), Some(at(1000).after(AN_HOUR)));
        pace.failed(&SLOW, at(1000));
        pace.forgive();
        assert_eq!(pace, Pace::default());
    }

    #[test]
    fn what_is_due_again_at_once_is_ordered_again_when_a_tenth_of_its_life_is_over() {
        let day = Duration::from_secs(86_400);
        // The clock is so far ahead that the renewal was due before it was issued.
        let now = at(0).after(day * 61);
        let mut pace = Pace::after(at(0), at(0).after(day * 90), now);
        pace.forgive();
        assert_eq!(pace.not_before(now), Some(now.after(day * 9)));
    }

    #[test]
    fn what_was_issued_and_does_not_serve_is_not_asked_for_again_within_the_hour() {
        let mut pace = Pace::default();
        pace.failed(&AcmeError::not_fit("it is over"), at(1000));
        assert_eq!(pace.not_before(at(1000)), Some(at(1000).after(AN_HOUR)));
    }

    #[test]
    fn a_pause_that_a_clock_far_ahead_has_set_is_over_once_it_is_right() {
        let mut pace = Pace::default();
        pace.failed(&SLOW, at(2_208_988_800));
        assert_eq!(pace.not_before(at(1_800_000_000)), None);
    }

    #[test]
    fn a_certificate_is_renewed_when_two_thirds_of_its_life_are_over() {
        assert_eq!(Pace::renew_at(at(1000), at(1000 + 90)), at(1060));
    }

    #[test]
    fn a_ca_that_is_not_ready_or_not_through_says_when_too() {
        let until = Some(UNIX_EPOCH + Duration::from_secs(100_000));
        for error in [AcmeError::Busy { said: String::new(), until }, AcmeError::Slow { until }] {
            let mut pace = Pace::default();
            pace.failed(&error, at(1000));
            pace.forgive();
            assert_eq!(pace.not_before(at(1000)), Some(at(100_000)), "{error}");
        }
    }

    #[test]
    fn a_reload_waits_for_what_the_ca_said_alone() {
        let until = Some(UNIX_EPOCH + Duration::from_secs(1001));
        let mut pace = Pace::default();
        (0..4).for_each(|_| pace.failed(&SLOW, at(1000)));
        pace.failed(&AcmeError::Busy { said: String::new(), until }, at(1000));
        assert_eq!(pace.not_before(at(1000)), Some(at(1000).after(AN_HOUR * 4)));
        pace.forgive();
        assert_eq!(pace.not_before(at(1000)), Some(at(1001)));
    }

    const SLOW: AcmeError = AcmeError::Slow { until: None };

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_unix_secs(seconds)
    }
}
