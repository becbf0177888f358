//! When to let packets gather before the next look, as network cards moderate their interrupts.
//!
//! A thread that wakes for every packet spends more on waking than on packets, and takes the processor
//! from the program that is about to send the next. So in a busy tunnel it sleeps a moment before it looks again
//! when it has sent a few packets, or received a few large ones from a peer that sends them one by one
//! (a stock peer does): then there are more to send at once, and more to write at once to the TUN
//! device, which the receiver acknowledges at once. After it received small ones it goes on:
//! acknowledgements call for what comes next, and a sleep there costs a flow to a stock peer a fifth.
//! No packet waits in a quiet tunnel, nor where packets come by the dozen.

use std::time::Duration;

/// How many packets one look brought.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Turn {
    /// To be sent to peers.
    pub(super) outward: u32,
    /// From peers.
    pub(super) inward: u32,
    /// The length of those of them that came as datagrams.
    pub(super) inward_bytes: usize,
}

impl Turn {
    /// How long to sleep while a queue is paused for so much longer. The poller would report that queue at once,
    /// but after a turn with much to do there is no time to sleep, and never time for long: others may need
    /// the worker.
    pub(super) fn pause(self, left: Option<Duration>) -> Option<Duration> {
        left.filter(|_| self.outward + self.inward < SMALL).map(|left| left.min(BULK_PAUSE))
    }
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
        if !self.is_busy {
            return None;
        }
        let large = turn.inward as usize * LARGE;
        match turn {
            Turn { inward: 0, outward: 1..FEW, .. } => Some(PAUSE),
            Turn { inward: 1..FEW, inward_bytes, .. } if inward_bytes >= large => Some(BULK_PAUSE),
            _ => None,
        }
    }
}

const PERIOD: Duration = Duration::from_millis(1);
/// In a period: twice what a request and its answer make that take a tenth of a millisecond.
const BUSY: u32 = 32;
/// In a turn: with more, waking is a small part of the work.
pub(super) const FEW: u32 = 16;
/// In a turn: a full send or receive of one peer.
const SMALL: u32 = 64;
/// A packet waits less than this longer; at 100,000 packets a second it brings eight at once.
const PAUSE: Duration = Duration::from_micros(80);
/// The same for what others send in bulk: a dozen at once.
const BULK_PAUSE: Duration = Duration::from_micros(120);
/// Received packets are of a bulk transfer if their mean length is at least this.
const LARGE: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_single_packets_is_let_gather() {
        let (pauses, turns) = pauses(sent(1), Duration::from_micros(10));
        assert!(pauses >= turns * 9 / 10, "{pauses} of {turns}");
    }

    #[test]
    fn it_goes_on_while_the_pauses_make_the_turns_rare() {
        let (pauses, turns) = pauses(sent(6), Duration::from_micros(80));
        assert!(pauses >= turns * 9 / 10, "{pauses} of {turns}");
    }

    #[test]
    fn who_asks_and_waits_for_the_answer_does_not_wait_for_more() {
        assert_eq!(pauses(sent(1), Duration::from_micros(50)).0, 0);
    }

    #[test]
    fn what_was_received_may_be_answered_at_once() {
        assert_eq!(pauses(Turn { outward: 1, ..received(1, 92) }, Duration::from_micros(10)).0, 0);
    }

    #[test]
    fn full_packets_that_come_one_by_one_are_let_gather() {
        let turn = Turn { outward: 3, ..received(5, 1428) };
        let (pauses, turns) = pauses(turn, Duration::from_micros(50));
        assert!(pauses >= turns * 9 / 10, "{pauses} of {turns}");
    }

    #[test]
    fn acknowledgements_that_call_for_the_next_packets_are_passed_on_at_once() {
        assert_eq!(pauses(Turn { outward: 3, ..received(10, 92) }, Duration::from_micros(50)).0, 0);
    }

    #[test]
    fn a_full_batch_of_full_packets_is_followed_by_the_next() {
        assert_eq!(pauses(received(FEW, 1428), Duration::from_micros(50)).0, 0);
    }

    #[test]
    fn packets_by_the_dozen_are_not_waited_for() {
        assert_eq!(pauses(sent(FEW), Duration::from_micros(10)).0, 0);
    }

    #[test]
    fn the_first_packet_after_a_flood_is_not_waited_behind() {
        let mut moderation = Moderation::default();
        let mut now = Duration::from_secs(100);
        for _ in 0..1_000 {
            now += Duration::from_micros(10);
            moderation.after(sent(6), now);
        }
        assert_eq!(moderation.after(sent(6), now), Some(PAUSE));
        assert_eq!(moderation.after(sent(6), now + Duration::from_millis(50)), None);
    }

    fn sent(outward: u32) -> Turn {
        Turn { outward, ..Turn::default() }
    }

    fn received(inward: u32, each: usize) -> Turn {
        Turn { inward, inward_bytes: inward as usize * each, ..Turn::default() }
    }

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
