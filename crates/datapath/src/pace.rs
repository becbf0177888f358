//! How fast a peer is sent to whose receive buffer is small.
//!
//! A stock peer reads its socket one packet at a time, and what comes while the buffer is full is lost.
//! 208 KiB (Linux's default) hold some 90 full packets, as the kernel counts 2,304 bytes for each. What
//! leaves at once is therefore bounded: by [`BURST`] and the one packet of the TUN device that goes
//! beyond it, at most 64 KiB. The next leaves when all of it would have left at [`BYTES_PER_SECOND`].

use std::time::Duration;

/// What one peer was sent lately.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    /// When everything sent so far will have left at the pace, on the boot clock.
    clear_at: Duration,
}

impl Pace {
    pub(crate) fn sent(&mut self, len: usize, boot: Duration) {
        self.clear_at = self.clear_at.max(boot) + time_of(len.max(LEAST));
    }

    /// When to send more; `None` at once.
    pub(crate) fn paused_until(&self, boot: Duration) -> Option<Duration> {
        (self.clear_at > boot + time_of(BURST)).then_some(self.clear_at)
    }
}

const fn time_of(bytes: usize) -> Duration {
    Duration::from_nanos(bytes as u64 * 1_000_000_000 / BYTES_PER_SECOND)
}

/// What leaves without a wait.
const BURST: usize = 32 << 10;
/// 4 Gbit/s: more than a peer can read one packet at a time, so that it is never the limit.
const BYTES_PER_SECOND: u64 = 500_000_000;
/// What the smallest packet takes of a receive buffer is about so much, too.
const LEAST: usize = 500;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_leaves_at_once_and_the_next_when_it_is_through() {
        let (mut pace, start) = (Pace::default(), Duration::from_secs(7));
        let packets = (1..).find(|_| {
            pace.sent(1428, start);
            pace.paused_until(start).is_some()
        });
        assert_eq!(packets, Some(BURST / 1428 + 1));
        let until = pace.paused_until(start).unwrap();
        assert!(until - start > Duration::from_micros(60), "{:?}", until - start);
        assert_eq!(pace.paused_until(until), None);
    }

    #[test]
    fn what_comes_slower_never_waits() {
        let mut pace = Pace::default();
        for packet in 0..10_000 {
            let boot = Duration::from_micros(3 * packet);
            pace.sent(1428, boot);
            assert_eq!(pace.paused_until(boot), None);
        }
    }

    #[test]
    fn a_burst_of_small_packets_is_bounded_by_their_number() {
        let mut pace = Pace::default();
        (0..BURST / LEAST).for_each(|_| pace.sent(92, Duration::ZERO));
        assert_eq!(pace.paused_until(Duration::ZERO), None);
        pace.sent(92, Duration::ZERO);
        assert!(pace.paused_until(Duration::ZERO).is_some());
    }

    #[test]
    fn an_hour_of_silence_saves_nothing_up() {
        let mut pace = Pace::default();
        let late = Duration::from_secs(3600);
        (0..=BURST / 1428).for_each(|_| pace.sent(1428, late));
        assert!(pace.paused_until(late).is_some());
    }
}
