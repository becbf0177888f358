//! Which part of a long list a run looks at: all of it, or, where CI says what day it is, another part each day.
//!
//! Invariant: as many days in a row as there are parts look at everything.

/// Those of `all` that this run looks at: one of so many parts where `HANDFAST_DAY` has a number, else, and in long
/// runs, everything.
pub fn of_today<T>(all: impl IntoIterator<Item = T>, parts: usize) -> Vec<T> {
    let day = std::env::var("HANDFAST_DAY").ok().and_then(|day| day.parse().ok());
    part(all, parts, day.filter(|_| !crate::long()))
}

fn part<T>(all: impl IntoIterator<Item = T>, parts: usize, day: Option<usize>) -> Vec<T> {
    let Some(day) = day else { return all.into_iter().collect() };
    let (parts, skipped) = (parts.max(1), day % parts.max(1));
    all.into_iter().skip(skipped).step_by(parts).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_days_as_there_are_parts_look_at_everything_once() {
        let mut seen: Vec<u32> =
            (20_000..20_003).flat_map(|day| part(0..10, 3, Some(day))).collect();
        seen.sort_unstable();
        assert_eq!(seen, (0..10).collect::<Vec<_>>());
        assert_eq!(part(0..10, 3, None).len(), 10);
    }
}
