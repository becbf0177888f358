//! When to let packets gather before the next look, as network cards moderate their interrupts.
//!
//! A thread that wakes for every packet spends more on waking than on packets, and takes the processor
//! from whoever is about to send the next. So in a busy tunnel, when it has sent a few packets, it
//! sleeps a moment before it looks again: then there are more to send at once, and more to write at once
//! to the TUN device. After it received any it goes on, so that answers to them leave at once.
//! Nobody waits in a quiet tunnel, nor where packets come by the dozen.

use std::time::Duration;

/// How many packets one look brought.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Turn {
    /// To be sent to peers.
    pub(super) outward: u32,
    /// From peers.
    pub(super) inward: u32,
}

/// What a worker knows of how its packets come.
#[derive(Debug, Default)]
pub(super) struct Moderation {
    /// When the present period began, on the boot clock.
    since: Duration,
    /// What it brought.
    packets: u32,
    /// Whether the one before brought many.
    is_busy: bool,
}

impl Moderation {
    /// Notes a turn that ends now, and says how long to sleep before the next.
    pub(super) fn after(&mut self, turn: Turn, now: Duration) -> Option<Duration> {
        self.packets = self.packets.saturating_add(turn.outward + turn.inward);
        let passed = now.saturating_sub(self.since);
        if passed >= PERIOD {
            let least = u128::from(BUSY) * passed.as_nanos();
            self.is_busy = u128::from(self.packets) * PERIOD.as_nanos() >= least;
            (self.since, self.packets) = (now, 0);
        }
        let sent_a_few = turn.inward == 0 && (1..FEW).contains(&turn.outward);
        (self.is_busy && sent_a_few).then_some(PAUSE)
    }
}

const PERIOD: Duration = Duration::from_millis(1);
/// In a period: twice what a request and its answer make that take a tenth of a millisecond.
const BUSY: u32 = 32;
/// In a turn: with more, waking is a small part of the work.
const FEW: u32 = 16;
/// A packet waits less than this longer; at 100,000 packets a second it brings eight at once.
const PAUSE: Duration = Duration::from_micros(80);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_single_packets_is_let_gather() {
        let (pauses, turns) = pauses(Turn { outward: 1, inward: 0 }, Duration::from_micros(10));
        assert!(pauses >= turns * 9 / 10, "{pauses} of {turns}");
    }

    #[test]
    fn it_goes_on_while_the_pauses_make_the_turns_rare() {
        let (pauses, turns) = pauses(SENT, Duration::from_micros(80));
        assert!(pauses >= turns * 9 / 10, "{pauses} of {turns}");
    }

    #[test]
    fn who_asks_and_waits_for_the_answer_does_not_wait_for_more() {
        assert_eq!(pauses(Turn { outward: 1, inward: 0 }, Duration::from_micros(50)).0, 0);
    }

    #[test]
    fn what_was_received_may_be_answered_at_once() {
        assert_eq!(pauses(Turn { outward: 1, inward: 1 }, Duration::from_micros(10)).0, 0);
    }

    #[test]
    fn packets_by_the_dozen_are_not_waited_for() {
        assert_eq!(pauses(Turn { outward: FEW, inward: 0 }, Duration::from_micros(10)).0, 0);
    }

    #[test]
    fn the_first_packet_after_a_flood_is_not_waited_behind() {
        let mut moderation = Moderation::default();
        let mut now = Duration::from_secs(100);
        for _ in 0..1_000 {
            now += Duration::from_micros(10);
            moderation.after(SENT, now);
        }
        assert_eq!(moderation.after(SENT, now), Some(PAUSE));
        assert_eq!(moderation.after(SENT, now + Duration::from_millis(50)), None);
    }

    const SENT: Turn = Turn { outward: 6, inward: 0 };

    /// How often turns that bring so many packets, so long one after the other, are followed by a
    /// pause; and how many turns there were.
    fn pauses(turn: Turn, apart: Duration) -> (u32, u32) {
        let mut moderation = Moderation::default();
        let turns = 1_000;
        let paused = (1..=turns).filter(|number| {
            let now = Duration::from_secs(100) + apart * *number;
            moderation.after(turn, now).is_some()
        });
        (paused.count() as u32, turns)
    }
}
