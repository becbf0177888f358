//! Faults on purpose, for tests: a panic where a packet of one peer is opened, cut, sealed or joined, or
//! where a command about it is executed.
//!
//! Without the feature `fault-injection` there is nothing here but a function that does nothing. Only
//! tests may ask for the feature; `cargo xtask check` refuses any other dependency that does.

use crate::PeerRef;

/// Where a packet of a peer is at work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// It is being opened.
    Open,
    /// It is being cut into segments.
    Split,
    /// Room for it was given, and it is being sealed.
    Seal,
    /// It is being joined with others, or written.
    Coalesce,
    /// A command about the peer is about to be executed, and then again: it has been.
    Command,
}

/// Says where a packet of `peer`, or a command about it, is at work.
///
/// # Panics
/// If a test asked for it. Never without the feature.
#[inline]
pub fn pass(_place: Place, _peer: PeerRef) {
    #[cfg(any(test, feature = "fault-injection"))]
    injected::pass(_place, _peer);
}

#[cfg(any(test, feature = "fault-injection"))]
pub use injected::{inject, waits};

#[cfg(any(test, feature = "fault-injection"))]
mod injected {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Mutex, PoisonError};

    use super::Place;
    use crate::PeerRef;

    /// Faults that wait: where, for which peer, and how many packets pass before.
    static FAULTS: Mutex<Vec<(Place, PeerRef, u32)>> = Mutex::new(Vec::new());
    /// How many wait. While none does, workers share nothing that any of them writes, as without the
    /// feature.
    static WAITING: AtomicUsize = AtomicUsize::new(0);

    /// Lets `before` packets of the peer pass this place, and panics at the next one, once.
    pub fn inject(place: Place, peer: PeerRef, before: u32) {
        let mut faults = FAULTS.lock().unwrap_or_else(PoisonError::into_inner);
        faults.push((place, peer, before));
        WAITING.store(faults.len(), Ordering::Release);
    }

    /// Whether a fault was injected here that hasn't happened yet.
    pub fn waits(place: Place, peer: PeerRef) -> bool {
        let faults = FAULTS.lock().unwrap_or_else(PoisonError::into_inner);
        faults.iter().any(|fault| (fault.0, fault.1) == (place, peer))
    }

    pub(super) fn pass(place: Place, peer: PeerRef) {
        if WAITING.load(Ordering::Acquire) == 0 {
            return;
        }
        let mut faults = FAULTS.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(at) = faults.iter().position(|fault| (fault.0, fault.1) == (place, peer)) else {
            return;
        };
        if let Some(fewer) = faults[at].2.checked_sub(1) {
            faults[at].2 = fewer;
            return;
        }
        faults.remove(at);
        WAITING.store(faults.len(), Ordering::Release);
        drop(faults);
        panic!("a fault was injected: {place:?} of {peer:?}");
    }
}
