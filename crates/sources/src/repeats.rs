//! What others cause to be said again and again: the first times at once, the rest as one message with
//! a count when its interval ends.
//!
//! 1. Ask [`Repeats::note`] about each occurrence; what it gives back is said now.
//! 2. At [`Repeats::poll_timeout`], or somewhat later, drain [`Repeats::poll_repeated`] and say what it gives.
//! 3. At the end, say what [`Repeats::poll_rest`] gives.
//!
//! Invariant: every occurrence is either given back at once or counted in exactly one [`Repeated`].

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// How often is often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// What is counted together, from the first occurrence on.
    pub interval: Duration,
    /// How many of one key are said at once within it.
    pub at_once: u32,
    /// Keys that are told from each other at a time.
    pub keys: usize,
}

/// What was said too often, by key. `V` is what else is known of an occurrence, of which the last one's is kept.
#[derive(Debug)]
pub struct Repeats<K, V> {
    limits: Limits,
    by_key: BTreeMap<K, Kept<V>>,
    /// When which interval ends: all are as long, so they end in the order in which they began.
    ends: VecDeque<(Duration, K)>,
}

/// One key's interval.
#[derive(Debug)]
struct Kept<V> {
    said: u32,
    held: u64,
    latest: Option<V>,
}

/// What one key's interval held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repeated<K, V> {
    /// Which key.
    pub key: K,
    /// How many occurrences were not said.
    pub count: u64,
    /// What is known of the last of them.
    pub latest: V,
}

impl<K: Ord + Clone, V> Repeats<K, V> {
    /// Nothing was said yet.
    pub fn new(limits: Limits) -> Self {
        Self { limits, by_key: BTreeMap::new(), ends: VecDeque::new() }
    }

    /// It happened. Gives it back if it is to be said at once. Where there is no room for `key`, it counts
    /// as `otherwise`, for which there always is: of these the caller has a few.
    pub fn note(&mut self, key: K, otherwise: K, occurrence: V, boot: Duration) -> Option<V> {
        let is_known = self.by_key.contains_key(&key);
        let has_room = is_known || self.by_key.len() < self.limits.keys;
        let key = if has_room { key } else { otherwise };
        if !self.by_key.contains_key(&key) {
            self.ends.push_back((boot + self.limits.interval, key.clone()));
        }
        let kept = self.by_key.entry(key).or_insert(Kept { said: 0, held: 0, latest: None });
        if kept.said < self.limits.at_once {
            kept.said += 1;
            return Some(occurrence);
        }
        kept.held += 1;
        kept.latest = Some(occurrence);
        None
    }

    /// When the next interval ends, on the boot clock; `None` where none runs.
    pub fn poll_timeout(&self) -> Option<Duration> {
        self.ends.front().map(|(at, _)| *at)
    }

    /// The next interval that has ended and held something back. Another one of its key begins then, in which
    /// nothing is said at once; a key whose interval held nothing back is forgotten.
    pub fn poll_repeated(&mut self, boot: Duration) -> Option<Repeated<K, V>> {
        while self.poll_timeout().is_some_and(|at| at <= boot) {
            let (_, key) = self.ends.pop_front()?;
            let Some(repeated) = self.take(key.clone()) else { continue };
            let spent = Kept { said: self.limits.at_once, held: 0, latest: None };
            self.by_key.insert(key.clone(), spent);
            self.ends.push_back((boot + self.limits.interval, key));
            return Some(repeated);
        }
        None
    }

    /// The next key of which anything was held back, whether or not its interval is over: nothing follows.
    pub fn poll_rest(&mut self) -> Option<Repeated<K, V>> {
        while let Some((_, key)) = self.ends.pop_front() {
            if let Some(repeated) = self.take(key) {
                return Some(repeated);
            }
        }
        None
    }

    fn take(&mut self, key: K) -> Option<Repeated<K, V>> {
        let Kept { held: count, latest, .. } = self.by_key.remove(&key)?;
        Some(Repeated { key, count, latest: latest? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { interval: Duration::from_secs(10), at_once: 1, keys: 4 };
    const REST: &str = "the rest";

    #[test]
    fn the_first_is_said_at_once_and_its_repetitions_once_with_their_number() {
        let mut repeats = Repeats::new(LIMITS);
        assert_eq!(repeats.note("a", REST, 0, secs(100)), Some(0));
        for n in 1..=9_999 {
            assert_eq!(repeats.note("a", REST, n, secs(101)), None);
        }
        assert_eq!(repeats.poll_repeated(secs(109)), None);
        assert_eq!(repeats.poll_timeout(), Some(secs(110)));
        let repeated = Repeated { key: "a", count: 9_999, latest: 9_999 };
        assert_eq!(repeats.poll_repeated(secs(110)), Some(repeated));
        assert_eq!(repeats.poll_repeated(secs(110)), None);
    }

    #[test]
    fn what_goes_on_is_said_once_an_interval_and_what_stopped_is_new_again() {
        let mut repeats = Repeats::new(LIMITS);
        let mut said = 0;
        for second in 100..160 {
            said += u64::from(repeats.note("a", REST, (), secs(second)).is_some());
            said += std::iter::from_fn(|| repeats.poll_repeated(secs(second))).count() as u64;
        }
        assert_eq!(said, 1 + 5);
        assert_eq!(std::iter::from_fn(|| repeats.poll_repeated(secs(200))).count(), 1);
        assert_eq!(std::iter::from_fn(|| repeats.poll_repeated(secs(300))).count(), 0);
        assert_eq!(repeats.poll_timeout(), None);
        assert_eq!(repeats.note("a", REST, (), secs(301)), Some(()));
    }

    #[test]
    fn some_are_said_at_once_where_that_is_allowed() {
        let mut repeats = Repeats::new(Limits { at_once: 3, ..LIMITS });
        let said = (0..10).filter(|n| repeats.note("a", REST, *n, secs(1)).is_some()).count();
        assert_eq!(said, 3);
        assert_eq!(repeats.poll_repeated(secs(11)).map(|repeated| repeated.count), Some(7));
    }

    #[test]
    fn keys_do_not_hide_each_other_and_more_than_there_is_room_for_count_as_the_rest() {
        let mut repeats = Repeats::new(LIMITS);
        let keys: Vec<String> = (0..1_000).map(|n| format!("key {n}")).collect();
        let rest = REST.to_owned();
        let note = |key: &String, repeats: &mut Repeats<String, ()>| {
            repeats.note(key.clone(), rest.clone(), (), secs(5)).is_some()
        };
        let said = keys.iter().filter(|key| note(key, &mut repeats)).count();
        assert_eq!(said, 4 + 1, "as many keys as there is room for, and the rest once");
        assert_eq!((repeats.by_key.len(), repeats.ends.len()), (5, 5));
        let held: Vec<_> = std::iter::from_fn(|| repeats.poll_repeated(secs(15))).collect();
        assert_eq!(held, [Repeated { key: rest, count: 995, latest: () }]);
    }

    #[test]
    fn nothing_is_lost_from_the_counts_whatever_happens_when() {
        let mut state = 7_u64;
        let mut dice = move |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) % below
        };
        for _ in 0..200 {
            let mut repeats = Repeats::new(Limits { at_once: 1 + dice(3) as u32, ..LIMITS });
            let (mut boot, mut happened, mut told) = (Duration::ZERO, 0, 0);
            for _ in 0..500 {
                boot += Duration::from_millis(dice(4_000));
                if dice(4) > 0 {
                    happened += 1;
                    told += u64::from(repeats.note(dice(9), 99, (), boot).is_some());
                } else {
                    while let Some(repeated) = repeats.poll_repeated(boot) {
                        told += repeated.count;
                    }
                }
                assert!(repeats.by_key.len() <= LIMITS.keys + 1);
                assert_eq!(repeats.by_key.len(), repeats.ends.len());
            }
            while let Some(repeated) = repeats.poll_rest() {
                told += repeated.count;
            }
            assert_eq!(told, happened);
        }
    }

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }
}
