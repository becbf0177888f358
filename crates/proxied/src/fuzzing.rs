//! What the explorer and the replay of known inputs run.

use crate::preamble::{LONGEST, Preamble, Progress};

/// A function of any octets.
pub type Target = fn(&[u8]);

/// The targets, by name.
pub const TARGETS: [(&str, Target); 1] = [("preamble", preamble)];

/// What was understood is written and read again without change, and no more was taken than may be.
pub fn preamble(octets: &[u8]) {
    let Ok(Progress::Whole(preamble, used)) = Preamble::read(octets) else { return };
    assert!(used <= octets.len().min(LONGEST));
    assert_eq!(Preamble::read(&octets[..used]), Ok(Progress::Whole(preamble.clone(), used)));
    assert!(!matches!(Preamble::read(&octets[..used - 1]), Ok(Progress::Whole(..))));
    if let Ok(written) = preamble.to_v2()
        && let Ok(Progress::Whole(again, _)) = Preamble::read(&written)
    {
        // Addresses may have been IPv4 written as IPv6.
        assert_eq!(again.to_v2(), Ok(written));
    }
}
