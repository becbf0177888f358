//! How fast a client gives or takes a body.

use std::time::Duration;

/// How fast a client is, over all of a body: who gives or takes an octet now and then would hold a backend's place
/// for ever.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    waited: Duration,
    octets: u64,
}

impl Pace {
    pub(crate) fn waited(&mut self, time: Duration) {
        self.waited += time;
    }

    /// Whether the client keeps pace, with so many octets more.
    pub(crate) fn keeps(&mut self, octets: usize) -> bool {
        self.octets += octets as u64;
        self.waited <= GRACE + Duration::from_secs(self.octets / SLOWEST)
    }
}

/// Octets a second, averaged over the time that the client is waited for, behind some seconds for a start.
const SLOWEST: u64 = 500;
pub(crate) const GRACE: Duration = Duration::from_secs(20);
