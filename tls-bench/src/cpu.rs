//! What a server's processes have had of the processor, and what they hold in memory.

use std::fs;
use std::time::Instant;

use crate::failed::Failed;

/// A moment, with what a server had had until then.
pub(crate) struct Reading {
    at: Instant,
    seconds: f64,
}

impl Reading {
    /// Threads that ended count as well: a server may have one for each connection.
    pub(crate) fn of(server: u32) -> Result<Self, Failed> {
        let of = |process: u32| {
            let text = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
            ticks_of(&text)
        };
        let gone = || Failed::new("the server has ended");
        of(server).ok_or_else(gone)?;
        // One of the others may have ended since.
        let ticks: u64 = family(server).into_iter().filter_map(of).sum();
        Ok(Self { at: Instant::now(), seconds: ticks as f64 / TICKS_PER_SECOND })
    }

    /// CPU seconds, and seconds, since an earlier one.
    pub(crate) fn since(&self, earlier: &Self) -> (f64, f64) {
        (self.seconds - earlier.seconds, (self.at - earlier.at).as_secs_f64())
    }
}

/// utime and stime, fields 14 and 15. The name in parentheses may hold anything, so it is cut off first.
fn ticks_of(text: &str) -> Option<u64> {
    let (_, rest) = text.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
}

/// What its processes hold, in KiB; what they share counts once.
pub(crate) fn memory_kib(server: u32) -> Result<f64, Failed> {
    let mut sum = 0.0;
    for process in family(server) {
        let text = fs::read_to_string(format!("/proc/{process}/smaps_rollup")).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("Pss:")).unwrap_or_default();
        sum += line.split_whitespace().next().and_then(|kib| kib.parse().ok()).unwrap_or(0.0);
    }
    match sum > 0.0 {
        true => Ok(sum),
        false => Err(Failed::new("the server's memory can't be read")),
    }
}

/// A process with its children and theirs.
fn family(process: u32) -> Vec<u32> {
    let mut all = vec![process];
    let mut next = 0;
    while let Some(process) = all.get(next) {
        let threads = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
        let children: Vec<u32> = threads
            .filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok())
            .flat_map(|text| {
                text.split_whitespace().filter_map(|id| id.parse().ok()).collect::<Vec<_>>()
            })
            .collect();
        all.extend(children);
        next += 1;
    }
    all
}

/// USER_HZ, which is 100 on every architecture that Linux has today.
const TICKS_PER_SECOND: f64 = 100.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_may_have_any_name() {
        assert_eq!(ticks_of("7 (a) b) S 1 2 3 4 5 6 7 8 9 10 30 12 13 14\n"), Some(42));
    }
}
