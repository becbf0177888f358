//! How often a peer is followed from one address to another.
//!
//! An authentic packet that comes from elsewhere may be the peer's own or a copy that somebody on its way
//! sent on faster. So a new place is gone to at most once in a [`PERIOD`], but the place that was left is
//! gone back to at once: what a copy diverts, the peer's next packet brings home. A peer that seems to be
//! in two places is followed to and fro a few times, and an even number of times, so that it stays where
//! it was first.

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
        if self.since.is_none_or(|at| boot >= at + PERIOD) {
            (self.since, self.count, self.left) = (Some(boot), 1, Some(from));
            return Move::Away;
        }
        if from == to || self.left != Some(to) || self.count >= MOST {
            return Move::Refused;
        }
        self.count += 1;
        self.left = Some(from);
        self.returns = self.returns.saturating_add(1);
        Move::Back { flaps: self.returns == FLAPS }
    }
}

/// A new place is gone to at most this often.
pub(crate) const PERIOD: Duration = Duration::from_secs(1);
/// Moves within a period. Even: the last of them is one back.
const MOST: u8 = 8;
const _: () = assert!(MOST.is_multiple_of(2));
/// A change of networks may look so once or twice.
const FLAPS: u32 = 3;
