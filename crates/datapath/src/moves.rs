//! How often a peer is followed from one address to another.
//!
//! An authentic packet that comes from elsewhere may be the peer's own or a copy that somebody on its way
//! sent on faster. So a new place is gone to at most once in a [`PERIOD`], but the place that was left is
//! gone back to at once: what a copy diverts, the peer's next packet brings home. A peer that seems to be
//! in two places is followed to and fro a few times in a period; home, where it was before the first of
//! moves that follow each other without a quiet period, may be gone back to always.

use std::time::Duration;

use crate::endpoint::RemoteKey;

/// A peer's moves of late.
#[derive(Debug, Default)]
pub(crate) struct Moves {
    /// When it was followed to a new place last.
    since: Option<Duration>,
    /// How often it was followed since, that time included.
    count: u8,
    /// The place that it left last.
    left: Option<RemoteKey>,
    /// Where it was before the first move of this run.
    home: Option<RemoteKey>,
    /// When it was followed last, to wherever.
    last: Option<Duration>,
    /// How often it came back within a period, in all.
    returns: u32,
}

/// What became of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Move {
    /// The peer is not followed.
    Refused,
    /// It went to a new place.
    Away,
    /// It came back to the place that it left. `flaps`: it did so as often as shows that it's no accident,
    /// which is said once.
    Back { flaps: bool },
}

impl Moves {
    /// Whether a peer is followed from its place to another, or to another address of ours.
    pub(crate) fn follow(&mut self, from: RemoteKey, to: RemoteKey, boot: Duration) -> Move {
        if self.last.is_none_or(|at| boot >= at + PERIOD) {
            self.home = Some(from);
        }
        let to_home = from != to && self.home == Some(to);
        if self.since.is_none_or(|at| boot >= at + PERIOD) {
            (self.since, self.count, self.left, self.last) =
                (Some(boot), 1, Some(from), Some(boot));
            return if to_home { self.came_back() } else { Move::Away };
        }
        let back = from != to && self.left == Some(to) && self.count < MOST;
        if !back && !to_home {
            return Move::Refused;
        }
        self.count = self.count.saturating_add(1);
        (self.left, self.last) = (Some(from), Some(boot));
        self.came_back()
    }

    fn came_back(&mut self) -> Move {
        self.returns = self.returns.saturating_add(1);
        Move::Back { flaps: self.returns == FLAPS }
    }
}

/// A new place is gone to at most this often.
pub(crate) const PERIOD: Duration = Duration::from_secs(1);
/// Moves within a period, but for those home.
const MOST: u8 = 8;
/// A change of networks may look so once or twice.
const FLAPS: u32 = 3;

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::Endpoint;

    fn place(last: u8) -> RemoteKey {
        let remote = SocketAddr::from(([192, 0, 2, last], 1194));
        Endpoint::new(0, remote).key()
    }

    /// A peer that sends every 10 ms, and copies of its packets that come from elsewhere a moment before.
    /// How much of a minute it was followed elsewhere, in thousandths.
    fn time_elsewhere(gap: u64, phase: u64) -> u64 {
        let (home, elsewhere) = (place(1), place(2));
        let (mut moves, mut at, mut away) = (Moves::default(), home, 0);
        for millis in 0..60_000 {
            let now = Duration::from_millis(5_000 + millis);
            let copy = (millis % gap == phase % gap).then_some(elsewhere);
            let own = (millis % 10 == 9).then_some(home);
            for from in [copy, own].into_iter().flatten() {
                if from != at && moves.follow(at, from, now) != Move::Refused {
                    at = from;
                }
            }
            away += u64::from(at == elsewhere);
        }
        away / 60
    }

    #[test]
    fn copies_at_any_rate_and_phase_divert_a_peer_for_moments_only() {
        for gap in [40, 130, 200, 250, 270, 333, 490, 990, 999, 1_000, 1_001] {
            for phase in [0, 1, 5, 9, gap - 1] {
                let away = time_elsewhere(gap, phase);
                assert!(away < 100, "{gap} ms apart, {phase} ms late: {away} of a thousand");
            }
        }
    }

    #[test]
    fn a_peer_that_moved_for_good_has_its_home_there() {
        let (first, second, third) = (place(1), place(2), place(3));
        let (mut moves, at) = (Moves::default(), Duration::from_secs);
        assert_eq!(moves.follow(first, second, at(10)), Move::Away);
        assert_eq!(moves.follow(second, third, at(20)), Move::Away);
        assert_eq!(moves.follow(third, first, at(20)), Move::Refused);
        assert_eq!(moves.follow(third, second, at(20)), Move::Back { flaps: false });
    }
}
