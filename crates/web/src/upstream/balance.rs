//! Which of several backends is next: smooth turns by weight, past those that failed lately.
//!
//! No clock of its own. Where all have failed they are tried all the same: a request that may be answered is
//! better than one that surely is not.

use std::time::Duration;

use tokio::time::Instant;

use super::ailment::Ailment;

/// The backends' turns.
#[derive(Debug)]
pub struct Balance(Vec<Member>);

#[derive(Debug)]
struct Member {
    weight: i64,
    credit: i64,
    failures: u32,
    out_until: Option<Instant>,
    /// By a look of our own.
    sick: bool,
    why: Option<Ailment>,
}

/// What a word on a backend changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing that anybody would hear of.
    Nothing,
    /// It has no turns for a while.
    LeftOut,
    /// It has its turns again.
    Back,
}

impl Balance {
    /// Of these weights.
    pub fn new(weights: impl IntoIterator<Item = u16>) -> Self {
        let member = |weight| Member {
            weight: i64::from(weight),
            credit: 0,
            failures: 0,
            out_until: None,
            sick: false,
            why: None,
        };
        Self(weights.into_iter().map(member).collect())
    }

    /// The next one that is none of `tried`.
    pub fn pick(&mut self, tried: &[usize], now: Instant) -> Option<usize> {
        self.pick_fit(tried, now).or_else(|| self.turn(tried, |_| true))
    }

    /// The next one that is none of `passed` and has not failed lately.
    pub fn pick_fit(&mut self, passed: &[usize], now: Instant) -> Option<usize> {
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

    /// What is the matter with each that is left out, until it has worked again.
    pub fn ailments(&self) -> Vec<Option<Ailment>> {
        self.0.iter().map(|member| member.why.clone().filter(|_| member.is_out())).collect()
    }

    /// It did what was asked of it.
    pub fn worked(&mut self, index: usize) -> Change {
        self.0[index].change(|member| {
            member.failures = 0;
            member.out_until = None;
        })
    }

    /// What a look at it says.
    pub fn looked(&mut self, index: usize, seen: Result<(), Ailment>) -> Change {
        self.0[index].change(|member| {
            member.sick = seen.is_err();
            match seen {
                Ok(()) => (member.failures, member.out_until) = (0, None),
                Err(why) => member.why = Some(why),
            }
        })
    }

    /// Three times in a row, and it is left out for a while that doubles.
    pub fn failed(&mut self, index: usize, why: Ailment, now: Instant) -> Change {
        self.0[index].change(|member| {
            member.why = Some(why);
            member.failures = member.failures.saturating_add(1);
            if let Some(over) = member.failures.checked_sub(FAILURES) {
                member.out_until = Some(now + OUT * (1 << over.min(MOST_DOUBLINGS)));
            }
        })
    }
}

impl Member {
    /// It may have a turn for a trial now and then all the same.
    fn is_out(&self) -> bool {
        self.sick || self.out_until.is_some()
    }

    fn change(&mut self, by: impl FnOnce(&mut Self)) -> Change {
        let was_out = self.is_out();
        by(self);
        match (was_out, self.is_out()) {
            (false, true) => Change::LeftOut,
            (true, false) => Change::Back,
            _ => Change::Nothing,
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
            balance.failed(0, Ailment::Silent, now);
        }
        assert_eq!(balance.pick(&[1], now), Some(0));
        balance.failed(0, Ailment::Silent, now);
        assert!((0..10).all(|_| balance.pick(&[], now) == Some(1)));
        assert_eq!(balance.pick(&[1], now), Some(0), "none but it is left");
        assert_eq!(balance.pick(&[0, 1], now), None);
        let later = now + OUT;
        assert!((0..10).any(|_| balance.pick(&[], later) == Some(0)));
        balance.failed(0, Ailment::Silent, later);
        assert!((0..10).all(|_| balance.pick(&[], later + OUT) == Some(1)), "twice as long");
        balance.worked(0);
        assert!((0..10).any(|_| balance.pick(&[], later) == Some(0)));
    }

    #[test]
    fn who_is_found_sick_is_left_out_until_it_is_found_well() {
        let mut balance = Balance::new([1, 1]);
        let now = Instant::now();
        balance.looked(0, Err(Ailment::Silent));
        assert!((0..10).all(|_| balance.pick(&[], now) == Some(1)));
        balance.looked(1, Err(Ailment::Silent));
        assert!(balance.pick(&[], now).is_some(), "one of them may answer all the same");
        balance.looked(0, Ok(()));
        assert!((0..10).all(|_| balance.pick(&[], now) == Some(0)));
    }
    #[test]
    fn it_is_told_once_that_a_backend_is_left_out_and_once_that_it_is_back() {
        let (mut balance, now) = (Balance::new([1, 1]), Instant::now());
        let failures: Vec<_> = (0..4).map(|_| balance.failed(0, Ailment::Silent, now)).collect();
        assert_eq!(failures[..2], [Change::Nothing; 2]);
        assert_eq!(failures[2..], [Change::LeftOut, Change::Nothing]);
        assert_eq!(balance.looked(0, Err(Ailment::Silent)), Change::Nothing);
        assert!(balance.ailments()[0].is_some() && balance.ailments()[1].is_none());
        assert_eq!(balance.worked(0), Change::Nothing, "it is sick still");
        assert_eq!(balance.looked(0, Ok(())), Change::Back);
        assert_eq!((balance.worked(0), balance.ailments()[0].is_none()), (Change::Nothing, true));
    }
}
