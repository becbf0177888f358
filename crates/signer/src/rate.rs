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
}

impl Rate {
    pub(crate) fn new(most: u32, each: Duration, now: Duration) -> Self {
        Self { most, each, left: most, counted: now }
    }

    /// How many more may be signed, as it was counted last.
    pub(crate) fn left(&self) -> u32 {
        self.left
    }

    /// Goes on from what was left so long ago.
    pub(crate) fn go_on(&mut self, left: u32, ago: Duration) {
        let gained = ago.as_nanos() / self.each.as_nanos().max(1);
        let gained = u32::try_from(gained).unwrap_or(u32::MAX);
        self.left = left.saturating_add(gained).min(self.most);
    }

    /// Whether one more may be signed; then it is counted.
    pub(crate) fn allows(&mut self, now: Duration) -> bool {
        let passed = now.saturating_sub(self.counted).as_nanos() / self.each.as_nanos().max(1);
        let gained = u32::try_from(passed).unwrap_or(u32::MAX);
        self.left = self.left.saturating_add(gained).min(self.most);
        self.counted = match self.left == self.most {
            true => now,
            false => self.counted + self.each * gained,
        };
        let allowed = self.left > 0;
        self.left -= u32::from(allowed);
        allowed
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
        rate.go_on(1, Duration::from_secs(25));
        assert_eq!(rate.left(), 3);
        rate.go_on(1, Duration::from_secs(u64::MAX));
        assert_eq!(rate.left(), 5);
    }

    #[test]
    fn rest_does_not_make_more_than_a_burst() {
        let mut rate = Rate::new(2, Duration::from_secs(1), Duration::ZERO);
        let later = Duration::from_secs(u64::MAX / 4);
        assert!(rate.allows(later) && rate.allows(later));
        assert!(!rate.allows(later));
    }
}
