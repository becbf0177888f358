//! How busy the machine's processors were for a while: what the numbers of programs at a time are chosen by.
//!
//! Invariant: where the kernel does not say, only the time is told.

use std::time::{Duration, Instant};

/// From when on.
pub(super) struct Load {
    began: Instant,
    ticks: Option<Ticks>,
}

/// Of all processors since the machine started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ticks {
    idle: u64,
    all: u64,
}

impl Load {
    pub(super) fn now() -> Self {
        Self { began: Instant::now(), ticks: present() }
    }

    /// Since then, in words.
    pub(super) fn since(&self) -> String {
        in_words(self.began.elapsed(), self.ticks, present())
    }
}

fn in_words(took: Duration, before: Option<Ticks>, after: Option<Ticks>) -> String {
    let seconds = took.as_secs();
    let busy = before.zip(after).and_then(|(before, after)| after.busy_since(before));
    match busy {
        Some(busy) => format!("{seconds} s, processors busy for {busy} % of it"),
        None => format!("{seconds} s"),
    }
}

impl Ticks {
    fn busy_since(self, before: Self) -> Option<u64> {
        let all = self.all.checked_sub(before.all)?;
        let idle = self.idle.checked_sub(before.idle)?;
        (100 * all.checked_sub(idle)?).checked_div(all)
    }
}

fn present() -> Option<Ticks> {
    ticks(&std::fs::read_to_string("/proc/stat").ok()?)
}

/// `cpu  user nice system idle iowait irq softirq steal …`; what guests take is in `user` and `nice` already.
fn ticks(stat: &str) -> Option<Ticks> {
    let counts = stat.lines().next()?.strip_prefix("cpu ")?.split_whitespace().take(8);
    let counts: Vec<u64> = counts.map(str::parse).collect::<Result<_, _>>().ok()?;
    let [_, _, _, idle, waiting, ..] = counts[..] else { return None };
    Some(Ticks { idle: idle + waiting, all: counts.iter().sum() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_neither_idle_nor_waiting_for_a_disk_is_busy() {
        let before = ticks("cpu  100 0 100 700 100 0 0 0 50 0\ncpu0 1 2 3").unwrap();
        let after = ticks("cpu  160 0 110 720 110 0 0 0 90 0\n").unwrap();
        assert_eq!(
            in_words(Duration::from_secs(1), Some(before), Some(after)),
            "1 s, processors busy for 70 % of it"
        );
        assert_eq!(in_words(Duration::from_secs(1), Some(after), Some(after)), "1 s");
        assert_eq!(in_words(Duration::from_secs(1), Some(after), Some(before)), "1 s");
    }

    #[test]
    fn what_is_no_count_is_none() {
        for text in ["", "cpu", "cpu  1 2 3", "cpu  a b c d e", "intr 1 2 3 4 5 6"] {
            assert_eq!(ticks(text), None, "{text}");
        }
    }
}
