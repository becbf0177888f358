//! The one source of time.
//!
//! Cores take a [`Now`] as an argument and read no clock. Shells hold a [`Clock`] that was given to
//! them at start: [`SystemClock`] in the product, [`VirtualClock`] in tests.
//!
//! Boot time carries deadlines (it never jumps and counts suspended time), wall time carries
//! validity (certificates, CRLs, the event log); a moment of it is a [`Timestamp`]. A [`Revision`] orders
//! changes of the records, whatever either clock does.

mod revision;
mod timestamp;

use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

pub use revision::Revision;
pub use timestamp::{Timestamp, unix_secs};

/// One reading of both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Now {
    /// Time since the machine booted (CLOCK_BOOTTIME).
    pub boot: Duration,
    /// Time since 1970-01-01T00:00:00Z (CLOCK_REALTIME).
    pub wall: Duration,
}

impl Now {
    /// Whole seconds since 1970-01-01T00:00:00Z.
    pub fn unix_secs(self) -> u64 {
        self.wall.as_secs()
    }

    /// Both clocks moved on by `by`.
    #[must_use]
    pub fn after(self, by: Duration) -> Now {
        Now { boot: self.boot + by, wall: self.wall + by }
    }
}

/// Where shells get the time from.
pub trait Clock: Debug + Send + Sync {
    /// Reads both clocks.
    fn now(&self) -> Now;
}

/// The machine's clocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Now {
        Now { boot: read(ClockId::Boottime), wall: read(ClockId::Realtime) }
    }
}

fn read(id: ClockId) -> Duration {
    let t = clock_gettime(id);
    let secs = u64::try_from(t.tv_sec).unwrap_or(0);
    let nanos = u32::try_from(t.tv_nsec).unwrap_or(0);
    Duration::new(secs, nanos)
}

/// A clock that stands still until a test moves it. Clones share the time.
#[derive(Clone, Debug)]
pub struct VirtualClock(Arc<Mutex<Now>>);

impl VirtualClock {
    /// A clock that shows `start`.
    pub fn new(start: Now) -> Self {
        Self(Arc::new(Mutex::new(start)))
    }

    /// Moves both clocks on.
    pub fn advance(&self, by: Duration) {
        let mut now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *now = now.after(by);
    }

    /// Sets the wall clock alone, as an administrator or NTP would.
    pub fn set_wall(&self, wall: Duration) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).wall = wall;
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Now {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boot_time_does_not_run_backwards() {
        let first = SystemClock.now();
        assert!(SystemClock.now().boot >= first.boot);
    }

    #[test]
    fn a_virtual_clock_moves_only_when_told() {
        let start = Now { boot: Duration::from_secs(5), wall: Duration::from_secs(1_700_000_000) };
        let clock = VirtualClock::new(start);
        assert_eq!(clock.now(), start);
        clock.advance(Duration::from_secs(2));
        assert_eq!(clock.now(), start.after(Duration::from_secs(2)));
    }
}
