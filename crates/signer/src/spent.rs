//! What is left of each rate, in a file beside the keys, so that a signer that is started anew goes on counting.
//!
//! Written ahead: before the first of [`AHEAD`] signatures leaves, all of them count as given. Invariant: what the
//! file allows, with what the time since then adds, is no more than what this signer has left. Times are the wall
//! clock's, as nothing else outlasts the machine; a clock that was set back adds nothing.

use clock::Timestamp;
use serde::{Deserialize, Serialize};

/// What may be signed still.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Left {
    pub(crate) certificates: u32,
    pub(crate) lists: u32,
    pub(crate) crosses: u32,
}

/// What was written down, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Noted {
    pub(crate) left: Left,
    pub(crate) at: Timestamp,
}

impl Left {
    /// What is to be written down where this is left and that was noted; nothing while that covers it.
    pub(crate) fn to_note(self, noted: Option<Left>) -> Option<Left> {
        let covered = noted.is_some_and(|noted| {
            self.certificates >= noted.certificates
                && self.lists >= noted.lists
                && self.crosses >= noted.crosses
        });
        let ahead = Left {
            certificates: self.certificates.saturating_sub(AHEAD),
            lists: self.lists.saturating_sub(AHEAD),
            crosses: self.crosses,
        };
        (!covered).then_some(ahead)
    }
}

/// A file for each would make every signature wait for the disk.
const AHEAD: u32 = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_written_once_for_many_signatures_and_never_allows_more_than_is_left() {
        let (mut noted, mut written) = (None, 0);
        for certificates in (0..1000).rev() {
            let left = Left { certificates, lists: 50, crosses: 8 };
            if let Some(more) = left.to_note(noted) {
                (noted, written) = (Some(more), written + 1);
            }
            assert!(noted.is_some_and(|noted| noted.certificates <= certificates));
        }
        assert!((10..=11).contains(&written), "{written}");
    }

    #[test]
    fn each_certificate_that_vouches_for_a_ca_is_written_down() {
        let left = |crosses| Left { certificates: 500, lists: 500, crosses };
        let noted = left(8).to_note(None);
        assert_eq!(left(8).to_note(noted), None);
        assert_eq!(left(7).to_note(noted).map(|left| left.crosses), Some(7));
    }
}
