//! The same packet twice in a capture: of all interfaces of a router or a bridge, of a host with containers, or of a mirrored
//! port. It was sent once.
//!
//! Who sends something again waits for an answer first, which takes longer than a packet's way through a machine; and under
//! tls-auth and in the tunnel no two packets are alike.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::Session;
use crate::place::{Chunk, Side};

/// How many datagrams are remembered, the last ones.
const MOST: usize = 128;
/// Microseconds within which the same bytes are the same packet, wherever it was captured.
const MOMENT: u64 = 1_000;
/// The same where it was captured elsewhere: a queue may lie in between. Nobody repeats a packet as soon as that.
const THROUGH_A_MACHINE: u64 = 250_000;

/// What was captured last, and how often something came again.
#[derive(Default)]
pub(super) struct Copies {
    recent: VecDeque<Recent>,
    count: u64,
}

struct Recent {
    digest: u64,
    from: Side,
    at: u64,
    way: u64,
}

impl Session {
    /// How many packets were captured more than once.
    pub(crate) fn copies(&self) -> u64 {
        self.again.count
    }
}

impl Copies {
    /// Whether this datagram was captured before, at another place or in the same moment.
    pub(super) fn is_copy(&mut self, chunk: &Chunk<'_>, lacking: u32, way: u64) -> bool {
        let mut hasher = DefaultHasher::new();
        (chunk.bytes, lacking).hash(&mut hasher);
        let (digest, from, at) = (hasher.finish(), chunk.from, chunk.at);
        let is_it = |one: &Recent| {
            let most = match (one.way == way, lacking) {
                (false, _) => THROUGH_A_MACHINE,
                (true, 0) => MOMENT,
                // What was cut off may differ.
                (true, _) => 0,
            };
            (one.digest, one.from) == (digest, from) && one.at.abs_diff(at) < most
        };
        let is_copy = self.recent.iter().any(is_it);
        self.count += u64::from(is_copy);
        if !is_copy {
            self.recent.truncate(MOST - 1);
            self.recent.push_front(Recent { digest, from, at, way });
        }
        is_copy
    }
}
