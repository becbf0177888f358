//! How often a CA signs. Thieves who own the asker get no more than an operator would on a busy day.
//!
//! No clock: the present moment is an argument, by the machine's boot time, which nobody sets.

use std::time::Duration;

/// So many at once, and one more each so often.
#[derive(Clone, Debug)]
pub(crate) struct Rate {
    most: u32,
    each: Duration,
    left: u32,
    counted: Duration,
    /// How much of the time for the next one had gone by then.
    gone: Duration,
}

impl Rate {
    pub(crate) fn new(most: u32, each: Duration, now: Duration) -> Self {
        Self { most, each, left: most, counted: now, gone: Duration::ZERO }
    }

    /// How many more may be signed, as it was counted last.
    pub(crate) fn left(&self) -> u32 {
        self.left
    }

    /// How long before it was counted last as many were left.
    pub(crate) fn gone(&self) -> Duration {
        self.gone
    }

    /// How long after it was counted last so many are left.
    pub(crate) fn until(&self, number: u32) -> Duration {
        let lacking = self.each.saturating_mul(number.saturating_sub(self.left));
        lacking.saturating_sub(self.gone)
    }

    /// Goes on from what was left so long ago.
    pub(crate) fn go_on(&mut self, left: u32, ago: Duration, now: Duration) {
        (self.left, self.gone) = self.grown(left, ago);
        self.counted = now;
    }

    /// How many are left where so many were so long ago.
    pub(crate) fn left_of(&self, left: u32, ago: Duration) -> u32 {
        self.grown(left, ago).0
    }

    /// Counts what has come since.
    pub(crate) fn count(&mut self, now: Duration) {
        let passed = now.saturating_sub(self.counted);
        (self.left, self.gone) = self.grown(self.left, self.gone.saturating_add(passed));
        self.counted = self.counted.max(now);
    }

    /// Whether one more may be signed; then it is counted.
    pub(crate) fn allows(&mut self, now: Duration) -> bool {
        self.count(now);
        let allowed = self.left > 0;
        self.left -= u32::from(allowed);
        allowed
    }

    /// What so many become in that time, and how much of it is left for the next one.
    fn grown(&self, left: u32, ago: Duration) -> (u32, Duration) {
        let gained = ago.as_nanos() / self.each.as_nanos().max(1);
        let gained = u32::try_from(gained).unwrap_or(u32::MAX);
        match left.saturating_add(gained) {
            grown if grown >= self.most => (self.most, Duration::ZERO),
            grown => (grown, ago.saturating_sub(self.each * gained)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_allowed_and_then_one_each_so_often() {
        let second = Duration::from_secs(1);
        let mut rate = Rate::new(3, second, second);
        let at = |tenths: u64| second + Duration::from_millis(100 * tenths);
        assert!((0..3).all(|_| rate.allows(at(0))));
        assert!(!rate.allows(at(9)));
        assert!(rate.allows(at(11)));
        assert!(!rate.allows(at(19)));
        assert!(rate.allows(at(21)));
    }

    #[test]
    fn what_was_left_grows_with_the_time_that_went_by() {
        let mut rate = Rate::new(5, Duration::from_secs(10), Duration::ZERO);
        rate.go_on(1, Duration::from_secs(25), Duration::ZERO);
        assert_eq!(rate.left(), 3);
        assert!(!(0..4).all(|_| rate.allows(Duration::from_secs(4))));
        assert!(rate.allows(Duration::from_secs(5)), "half of the time had gone by before");
        rate.go_on(1, Duration::from_secs(u64::MAX), Duration::from_secs(5));
        assert_eq!(rate.left(), 5);
    }

    #[test]
    fn it_is_known_when_as_many_are_left_as_somebody_needs() {
        let (day, hour) = (Duration::from_secs(86_400), Duration::from_secs(3_600));
        let mut rate = Rate::new(2, day, hour);
        assert_eq!(rate.until(2), Duration::ZERO);
        assert!(rate.allows(hour) && rate.allows(hour) && !rate.allows(hour * 7));
        assert_eq!((rate.until(1), rate.until(2)), (day - hour * 6, 2 * day - hour * 6));
        assert!(!rate.allows(hour + day - Duration::from_secs(1)));
        assert!(rate.allows(hour + day));
    }

    #[test]
    fn rest_does_not_make_more_than_a_burst() {
        let mut rate = Rate::new(2, Duration::from_secs(1), Duration::ZERO);
        let later = Duration::from_secs(u64::MAX / 4);
        assert!(rate.allows(later) && rate.allows(later));
        assert!(!rate.allows(later));
    }
}
