//! Sessions that are over, until it is known what they carried.
//!
//! What a peer's packets add up to is with its data worker, which tells it as it confirms that the peer is gone.
//! Only then is the end of the session reported: an account without its sum is none. Invariant: each is
//! reported once, also where no worker is left to confirm anything.

use std::collections::BTreeMap;

use datapath::{CommandRefused, Notice, PeerCounters, PeerRef};

use crate::{DisconnectReason, Report, SessionInfo};

/// Those whose peers are not confirmed gone.
#[derive(Debug, Default)]
pub(crate) struct Leaving(BTreeMap<PeerRef, (SessionInfo, DisconnectReason)>);

impl Leaving {
    /// A session is over, and its peer told to be deleted.
    pub(crate) fn hold(&mut self, peer: PeerRef, info: SessionInfo, why: DisconnectReason) {
        self.0.insert(peer, (info, why));
    }

    /// What can be reported since a worker said this.
    pub(crate) fn heard(&mut self, notice: &Notice) -> Option<Report> {
        let (peer, counters) = match notice {
            Notice::Deleted { peer, counters } => (peer, *counters),
            // It was gone before, by a mistake of the worker's that took its figures with it.
            Notice::Refused { peer, why: CommandRefused::NoSuchPeer } => {
                (peer, PeerCounters::default())
            }
            _ => return None,
        };
        let (info, why) = self.0.remove(peer)?;
        Some(Report::Closed { info: SessionInfo { counters, ..info }, why })
    }

    /// Those that nobody will confirm any more.
    pub(crate) fn rest(&mut self) -> impl Iterator<Item = Report> {
        let rest = std::mem::take(&mut self.0);
        rest.into_values().map(|(info, why)| Report::Closed { info, why })
    }

    /// Whether nobody is waited for.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
