//! Replay protection of the wrapped control channel: (time, id) in a sliding window of 64.
//!
//! Every transmitted packet has a stamp of its own, retransmissions included. Slots don't expire with
//! time as stock's do after 15 seconds: a slower network never makes a packet a replay here, and no
//! packet is accepted twice either way.

use std::error::Error;
use std::fmt;

/// The replay id and time in a wrapped packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ReplayStamp {
    /// Counts packets, from 1.
    pub id: u32,
    /// Unix time at which the sender began to count.
    pub time: u32,
}

impl ReplayStamp {
    /// The stamp of a sender's first packet.
    pub fn first(unix_secs: u64) -> Self {
        // Truncated on purpose: the field has 32 bits, also after 2106.
        Self { id: 1, time: unix_secs as u32 }
    }

    /// The stamp of the packet that follows. The time moves only when the ids are used up.
    #[must_use]
    pub fn next(self) -> Self {
        match self.id.checked_add(1) {
            Some(id) => Self { id, time: self.time },
            None => Self { id: 1, time: self.time.wrapping_add(1) },
        }
    }
}

/// Which stamps of one sender have been seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ControlReplay {
    /// The sender's present time stamp.
    pub time: u32,
    /// The highest id seen with it; 0 before the first packet.
    pub highest: u32,
    /// Bit `n`: the id `highest - n` was seen.
    pub seen: u64,
}

impl ControlReplay {
    const WINDOW: u32 = u64::BITS;

    /// Nothing seen yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes the stamp of an authenticated packet, or refuses it.
    pub fn check_and_set(&mut self, stamp: ReplayStamp) -> Result<(), Replayed> {
        if stamp.id == 0 {
            return Err(Replayed::ZeroId);
        }
        if self.highest == 0 || stamp.time > self.time {
            *self = Self { time: stamp.time, highest: stamp.id, seen: 1 };
            return Ok(());
        }
        if stamp.time < self.time {
            return Err(Replayed::OldTime);
        }
        self.check_id(stamp.id)
    }

    /// Whether taking this id would make all others of this window look old.
    fn would_jump(&self, id: u32) -> bool {
        self.highest != 0 && id.saturating_sub(self.highest) >= Self::WINDOW
    }

    fn check_id(&mut self, id: u32) -> Result<(), Replayed> {
        if let Some(ahead) = id.checked_sub(self.highest).filter(|ahead| *ahead > 0) {
            self.seen = self.seen.checked_shl(ahead).unwrap_or(0) | 1;
            self.highest = id;
            return Ok(());
        }
        let behind = self.highest - id;
        if behind >= Self::WINDOW {
            return Err(Replayed::BehindWindow);
        }
        let bit = 1 << behind;
        if self.seen & bit != 0 {
            return Err(Replayed::Duplicate);
        }
        self.seen |= bit;
        Ok(())
    }
}

/// Which stamps of a session's peer have been seen, with room for a peer that begins to count anew.
///
/// A later time does not displace the first one, and neither does an id far ahead of the others: else one
/// packet of anybody who has the key would make all that the peer sends look old. Both are looked at beside
/// the first, and no stamp is accepted twice, but for one that was far ahead and is reached by the peer's own
/// count later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SessionReplay {
    /// Stamps with the time of the peer's first packet.
    pub first: ControlReplay,
    /// Stamps with the latest time after that.
    pub later: ControlReplay,
    /// Ids far ahead of the peer's own, with the first time. A saved session forgets them.
    pub ahead: ControlReplay,
}

impl SessionReplay {
    /// Seconds that a peer which counts anew may be ahead of our clock, or of its own first packet if
    /// its clock is. Machines that set their clocks by the network differ by much less.
    pub const AHEAD: u64 = 600;

    /// Goes on behind what was seen with the time of the first packet.
    pub fn after(first: ControlReplay) -> Self {
        Self { first, ..Self::default() }
    }

    /// Notes the stamp of an authenticated packet, or refuses it.
    pub fn check_and_set(&mut self, stamp: ReplayStamp, unix_secs: u64) -> Result<(), Replayed> {
        if self.first.highest == 0 || stamp.time == self.first.time {
            let window =
                if self.first.would_jump(stamp.id) { &mut self.ahead } else { &mut self.first };
            return window.check_and_set(stamp);
        }
        if stamp.time < self.first.time {
            return Err(Replayed::OldTime);
        }
        let latest = u64::from(self.first.time).max(unix_secs).saturating_add(Self::AHEAD);
        if u64::from(stamp.time) > latest {
            return Err(Replayed::AheadOfClock);
        }
        self.later.check_and_set(stamp)
    }
}

/// An authentic packet came again, or too late to tell: the network's doing, or an attacker's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replayed {
    /// Id 0, which nobody sends.
    ZeroId,
    /// From before the sender's present time stamp.
    OldTime,
    /// From a time that has not come.
    AheadOfClock,
    /// Too far behind the newest packet.
    BehindWindow,
    /// Seen before.
    Duplicate,
}

impl fmt::Display for Replayed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ZeroId => "the control packet has replay id 0",
            Self::OldTime => "the control packet is from before the sender's last start",
            Self::AheadOfClock => "the control packet is from a time that has not come",
            Self::BehindWindow => "the control packet is too far behind the newest one",
            Self::Duplicate => "the control packet was received before",
        })
    }
}

impl Error for Replayed {}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn stamp(time: u32, id: u32) -> ReplayStamp {
        ReplayStamp { id, time }
    }

    #[test]
    fn reordered_packets_pass_once() {
        let mut replay = ControlReplay::new();
        for id in [5, 3, 4, 68] {
            assert_eq!(replay.check_and_set(stamp(9, id)), Ok(()), "{id}");
            assert_eq!(replay.check_and_set(stamp(9, id)), Err(Replayed::Duplicate), "{id}");
        }
        assert_eq!(replay.check_and_set(stamp(9, 4)), Err(Replayed::BehindWindow));
        assert_eq!(replay.check_and_set(stamp(9, 6)), Ok(()));
        assert_eq!(replay.check_and_set(stamp(9, 0)), Err(Replayed::ZeroId));
    }

    #[test]
    fn a_later_time_starts_anew_and_an_earlier_one_is_refused() {
        let mut replay = ControlReplay::new();
        assert_eq!(replay.check_and_set(stamp(9, 500)), Ok(()));
        assert_eq!(replay.check_and_set(stamp(10, 1)), Ok(()));
        assert_eq!(replay.check_and_set(stamp(9, 501)), Err(Replayed::OldTime));
    }

    #[test]
    fn a_later_time_is_taken_beside_the_first_and_displaces_only_other_later_ones() {
        let mut replay = SessionReplay::default();
        let mut check = |time, id| replay.check_and_set(stamp(time, id), 1000);
        assert_eq!((check(900, 1), check(900, 2)), (Ok(()), Ok(())));
        assert_eq!(check(950, 7), Ok(()), "a peer that counts anew, or somebody else");
        assert_eq!(check(900, 3), Ok(()), "the first goes on");
        assert_eq!(check(950, 7), Err(Replayed::Duplicate));
        assert_eq!(check(960, 1), Ok(()));
        assert_eq!(check(950, 8), Err(Replayed::OldTime));
        assert_eq!(check(900, 3), Err(Replayed::Duplicate));
        assert_eq!(check(899, 9), Err(Replayed::OldTime));
    }

    #[test]
    fn an_id_far_ahead_is_taken_beside_the_peers_own() {
        let mut replay = SessionReplay::default();
        let mut check = |id| replay.check_and_set(stamp(900, id), 1000);
        assert_eq!((check(1), check(u32::MAX)), (Ok(()), Ok(())));
        assert_eq!((check(2), check(64)), (Ok(()), Ok(())), "the peer's own go on");
        assert_eq!(check(u32::MAX), Err(Replayed::Duplicate));
        assert_eq!(check(64 + 200), Err(Replayed::BehindWindow), "of those far ahead");
        assert_eq!((check(127), check(190)), (Ok(()), Ok(())));
    }

    #[test]
    fn a_time_that_has_not_come_is_refused_unless_the_peers_own_clock_is_ahead() {
        let mut replay = SessionReplay::default();
        assert_eq!(replay.check_and_set(stamp(900, 1), 1000), Ok(()));
        assert_eq!(replay.check_and_set(stamp(1601, 1), 1000), Err(Replayed::AheadOfClock));
        assert_eq!(replay.check_and_set(stamp(1600, 1), 1000), Ok(()));
        let mut ahead = SessionReplay::default();
        assert_eq!(ahead.check_and_set(stamp(90_000, 1), 1000), Ok(()));
        assert_eq!(ahead.check_and_set(stamp(90_000, 2), 1000), Ok(()));
        assert_eq!(ahead.check_and_set(stamp(90_600, 1), 1000), Ok(()));
        assert_eq!(ahead.check_and_set(stamp(90_601, 1), 1000), Err(Replayed::AheadOfClock));
    }

    #[test]
    fn the_last_ids_neither_overflow_nor_repeat() {
        let mut replay = ControlReplay::new();
        assert_eq!(replay.check_and_set(stamp(1, 1)), Ok(()));
        assert_eq!(replay.check_and_set(stamp(1, u32::MAX)), Ok(()));
        assert_eq!(replay.check_and_set(stamp(1, u32::MAX)), Err(Replayed::Duplicate));
        assert_eq!(stamp(1, u32::MAX).next(), stamp(2, 1));
    }

    #[test]
    fn the_window_agrees_with_a_set_of_everything_seen() {
        let mut random = crate::testing::XorShift::new(0x5eed_0001);
        let (mut replay, mut seen, mut highest) = (ControlReplay::new(), BTreeSet::new(), 0u32);
        for _ in 0..20_000 {
            let id = (highest + 100).saturating_sub(random.below(200) as u32 + 1).max(1);
            let expected = !seen.contains(&id) && id + 64 > highest;
            assert_eq!(
                replay.check_and_set(stamp(1, id)).is_ok(),
                expected,
                "id {id}, highest {highest}"
            );
            if expected {
                seen.insert(id);
                highest = highest.max(id);
            }
        }
    }
}
