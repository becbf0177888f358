//! What the processors did: of the whole machine, and of single programs.
//!
//! Interrupts and the kernel's network stack count for the machine and mostly not for a program, so
//! the machine's figure is the honest one and a program's shows on which side the work was.

use std::fs;
use std::time::Instant;

use crate::error::BenchError;

/// A reading of all counters at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Reading {
    at: Instant,
    machine: Ticks,
    /// CPU seconds of each side's programs, server first.
    sides: [f64; 2],
}

/// What happened between two readings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spent {
    /// Wall-clock seconds.
    pub(crate) seconds: f64,
    /// CPU seconds that were neither idle nor stolen, all processors together.
    pub(crate) busy: f64,
    /// Stolen share of all processors' time, 0 to 1.
    pub(crate) stolen: f64,
    /// CPU seconds of each side's programs, server first.
    pub(crate) sides: [f64; 2],
}

impl Reading {
    /// Reads now. `sides` are the process ids of the server's and of the client's programs.
    pub(crate) fn take(sides: &[Vec<u32>; 2]) -> Result<Self, BenchError> {
        let text = fs::read_to_string(STAT).map_err(BenchError::file(STAT))?;
        let machine = Ticks::parse(&text)
            .ok_or_else(|| BenchError::tool(STAT, "its first line has no counters"))?;
        let sum = |ids: &Vec<u32>| ids.iter().map(|id| process_seconds(*id)).sum();
        Ok(Self { at: Instant::now(), machine, sides: [sum(&sides[0]), sum(&sides[1])] })
    }

    /// What happened since `earlier`.
    pub(crate) fn since(&self, earlier: &Self) -> Spent {
        let (now, then) = (&self.machine, &earlier.machine);
        let busy = now.busy.saturating_sub(then.busy) as f64;
        let idle = now.idle.saturating_sub(then.idle) as f64;
        let stolen = now.stolen.saturating_sub(then.stolen) as f64;
        Spent {
            seconds: (self.at - earlier.at).as_secs_f64(),
            busy: busy / TICKS_PER_SECOND,
            stolen: stolen / (busy + idle + stolen).max(1.0),
            sides: [0, 1].map(|side| self.sides[side] - earlier.sides[side]),
        }
    }
}

/// The machine's counters since its start.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Ticks {
    busy: u64,
    idle: u64,
    stolen: u64,
}

impl Ticks {
    /// The first line of `/proc/stat`: user, nice, system, idle, iowait, irq, softirq, steal.
    fn parse(text: &str) -> Option<Self> {
        let line = text.lines().next()?.strip_prefix("cpu ")?;
        let fields: Vec<u64> = line.split_whitespace().map_while(|f| f.parse().ok()).collect();
        let [user, nice, system, idle, iowait, irq, softirq, stolen] = *fields.first_chunk()?;
        Some(Self { busy: user + nice + system + irq + softirq, idle: idle + iowait, stolen })
    }
}

/// CPU seconds of a process with all its threads; 0 for one that is gone.
fn process_seconds(id: u32) -> f64 {
    let text = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    parse_process(&text).unwrap_or(0) as f64 / TICKS_PER_SECOND
}

/// utime + stime, fields 14 and 15. The name in parentheses may hold anything, so it is cut off first.
fn parse_process(text: &str) -> Option<u64> {
    let (_, rest) = text.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

const STAT: &str = "/proc/stat";
/// USER_HZ, which is 100 on every architecture that Linux has today.
const TICKS_PER_SECOND: f64 = 100.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machines_line_tells_busy_idle_and_stolen_apart() {
        let ticks = Ticks::parse("cpu  1 2 3 40 5 6 7 8 0 0\ncpu0 1 2 3\n");
        assert_eq!(ticks, Some(Ticks { busy: 19, idle: 45, stolen: 8 }));
        assert_eq!(Ticks::parse("intr 1 2 3"), None);
    }

    #[test]
    fn a_process_may_have_any_name() {
        let text = "7 (a) b) S 1 2 3 4 5 6 7 8 9 10 30 12 13 14\n";
        assert_eq!(parse_process(text), Some(42));
    }
}
