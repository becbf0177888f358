//! Which soft resets of the peer begin a generation, and how soon one follows another.
//!
//! A soft reset with the id after ours begins a generation even while ours is unfinished: a peer
//! that was restored from its saved state cannot go on with a TLS connection it has lost. Up to
//! [`MAX_AHEAD`] ids are taken, since a peer may have been restored more than once; a late packet of
//! a former generation is further ahead than that, as ids go round. What counts as ours is the last one that
//! the peer is known to have reached.

use std::time::Duration;

use wire::KeyId;

/// Ids that a peer's soft reset may be ahead of ours.
const MAX_AHEAD: usize = 3;
/// Least age of a generation that the peer may replace.
pub(crate) const MIN_AGE: Duration = Duration::from_secs(1);
/// From the begin of a generation that broke to the next one. Above the peer's own least age; and whoever
/// breaks one after the other makes us work no more often than that.
pub(crate) const RETRY_AFTER: Duration = Duration::from_secs(2);

/// Least age of an unanswered generation that is given up for one with a lower id. A peer that goes forward has
/// heard our reset twice till then; two that went back at once would pass each other for ever.
pub(crate) const BACK_AFTER: Duration = Duration::from_secs(5);

pub(crate) fn is_ahead(ours: KeyId, theirs: KeyId) -> bool {
    let mut id = ours;
    (0..MAX_AHEAD).any(|_| {
        id = id.next();
        id == theirs
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_ids_are_ahead_and_former_ones_are_not() {
        let id = |n| KeyId::new(n).expect("small");
        assert!(is_ahead(id(0), id(1)) && is_ahead(id(7), id(1)) && is_ahead(id(6), id(2)));
        assert!(!is_ahead(id(1), id(0)) && !is_ahead(id(2), id(1)) && !is_ahead(id(1), id(6)));
        assert!(!is_ahead(id(3), id(3)));
    }
}
