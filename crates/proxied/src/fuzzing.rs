//! What the explorer and the replay of known inputs run.

use std::net::SocketAddr;

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
    let Ok(written) = preamble.to_v2() else { return };
    assert_eq!(Preamble::read(&written), Ok(Progress::Whole(plain(preamble), written.len())));
}

/// IPv4 written as IPv6 is written as IPv4.
fn plain(mut preamble: Preamble) -> Preamble {
    for address in
        preamble.addresses.iter_mut().flat_map(|both| [&mut both.client, &mut both.server])
    {
        *address = SocketAddr::new(address.ip().to_canonical(), address.port());
    }
    preamble
}
