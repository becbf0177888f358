//! Which of several backends is next: smooth turns by weight, past those that failed lately.
//!
//! No clock of its own. Where all have failed they are tried all the same: a request that may be answered is
//! better than one that surely is not.

use std::time::Duration;

use tokio::time::Instant;

/// The backends' turns.
#[derive(Debug)]
pub(super) struct Balance(Vec<Member>);

#[derive(Debug)]
struct Member {
    weight: i64,
    credit: i64,
    failures: u32,
    out_until: Option<Instant>,
    /// By a look of our own.
    sick: bool,
}

impl Balance {
    pub(super) fn new(weights: impl IntoIterator<Item = u16>) -> Self {
        let member = |weight| Member {
            weight: i64::from(weight),
            credit: 0,
            failures: 0,
            out_until: None,
            sick: false,
        };
        Self(weights.into_iter().map(member).collect())
    }

    /// The next one that is none of `tried`.
    pub(super) fn pick(&mut self, tried: &[usize], now: Instant) -> Option<usize> {
        self.pick_fit(tried, now).or_else(|| self.turn(tried, |_| true))
    }

    /// The next one that is none of `passed` and has not failed lately.
    pub(super) fn pick_fit(&mut self, passed: &[usize], now: Instant) -> Option<usize> {
        self.turn(passed, |member| {
            !member.sick && member.out_until.is_none_or(|until| until <= now)
        })
    }

    fn turn(&mut self, tried: &[usize], fit: impl Fn(&Member) -> bool) -> Option<usize> {
        let candidates = self.0.iter_mut().enumerate();
        let mut total = 0;
        let mut best: Option<(usize, i64)> = None;
        for (index, member) in
            candidates.filter(|(index, member)| !tried.contains(index) && fit(member))
        {
            member.credit += member.weight;
            total += member.weight;
            if best.is_none_or(|(_, credit)| member.credit > credit) {
                best = Some((index, member.credit));
            }
        }
        let (index, _) = best?;
        self.0[index].credit -= total;
        Some(index)
    }

    pub(super) fn worked(&mut self, index: usize) {
        self.0[index].failures = 0;
        self.0[index].out_until = None;
    }

    /// What a look at it says.
    pub(super) fn looked(&mut self, index: usize, healthy: bool) {
        self.0[index].sick = !healthy;
        if healthy {
            self.worked(index);
        }
    }

    /// Three times in a row, and it is left out for a while that doubles.
    pub(super) fn failed(&mut self, index: usize, now: Instant) {
        let member = &mut self.0[index];
        member.failures = member.failures.saturating_add(1);
        if let Some(over) = member.failures.checked_sub(FAILURES) {
            member.out_until = Some(now + OUT * (1 << over.min(MOST_DOUBLINGS)));
        }
    }
}

const FAILURES: u32 = 3;
const OUT: Duration = Duration::from_secs(2);
/// 32 seconds at most.
const MOST_DOUBLINGS: u32 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_follow_the_weights_without_bursts() {
        let mut balance = Balance::new([3, 1]);
        let now = Instant::now();
        let turns: Vec<_> = (0..8).map(|_| balance.pick(&[], now).unwrap()).collect();
        assert_eq!(turns, [0, 0, 1, 0, 0, 0, 1, 0]);
    }

    #[test]
    fn who_failed_three_times_is_left_out_and_tried_again_later() {
        let mut balance = Balance::new([1, 1]);
        let now = Instant::now();
        for _ in 0..2 {
            balance.failed(0, now);
        }
        assert_eq!(balance.pick(&[1], now), Some(0));
        balance.failed(0, now);
        assert!((0..10).all(|_| balance.pick(&[], now) == Some(1)));
        assert_eq!(balance.pick(&[1], now), Some(0), "none but it is left");
        assert_eq!(balance.pick(&[0, 1], now), None);
        let later = now + OUT;
        assert!((0..10).any(|_| balance.pick(&[], later) == Some(0)));
        balance.failed(0, later);
        assert!((0..10).all(|_| balance.pick(&[], later + OUT) == Some(1)), "twice as long");
        balance.worked(0);
        assert!((0..10).any(|_| balance.pick(&[], later) == Some(0)));
    }

    #[test]
    fn who_is_found_sick_is_left_out_until_it_is_found_well() {
        let mut balance = Balance::new([1, 1]);
        let now = Instant::now();
        balance.looked(0, false);
        assert!((0..10).all(|_| balance.pick(&[], now) == Some(1)));
        balance.looked(1, false);
        assert!(balance.pick(&[], now).is_some(), "one of them may answer all the same");
        balance.looked(0, true);
        assert!((0..10).all(|_| balance.pick(&[], now) == Some(0)));
    }
}
