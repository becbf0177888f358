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
/// From the begin of a generation that was lost to the next one, the first time. Above the peer's own least age.
const RETRY_AFTER: Duration = Duration::from_secs(2);
/// The same from the fifth time on: whoever breaks one after the other makes us work no more often than that.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(32);

/// Least age of an unanswered generation that is given up for one with a lower id. A peer that goes forward has
/// heard our reset twice till then; two that went back at once would pass each other for ever.
pub(crate) const BACK_AFTER: Duration = Duration::from_secs(5);

/// How long after the begin of the last of so many lost generations the next one begins.
pub(crate) fn retry_after(lost: u32) -> Duration {
    let doubled = 2_u32.saturating_pow(lost.saturating_sub(1));
    RETRY_AFTER.saturating_mul(doubled).min(RETRY_AFTER_MAX)
}

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
    fn each_lost_generation_doubles_the_wait_up_to_half_a_minute() {
        let waits = [1, 2, 3, 4, 5, 6, u32::MAX].map(|lost| retry_after(lost).as_secs());
        assert_eq!(waits, [2, 4, 8, 16, 32, 32, 32]);
    }

    #[test]
    fn the_next_ids_are_ahead_and_former_ones_are_not() {
        let id = |n| KeyId::new(n).expect("small");
        assert!(is_ahead(id(0), id(1)) && is_ahead(id(7), id(1)) && is_ahead(id(6), id(2)));
        assert!(!is_ahead(id(1), id(0)) && !is_ahead(id(2), id(1)) && !is_ahead(id(1), id(6)));
        assert!(!is_ahead(id(3), id(3)));
    }
}
