//! What others ask of the registry, answered from its tables.

use datapath::PeerRef;
use tunnel::RenegotiateReason;

use super::Registry;
use crate::figures::ControlFigures;
use crate::messages::ToSession;
use crate::{DisconnectReason, SessionInfo};

/// Every reason is there from the start: a counter that appears with its first count hides that count
/// from whoever asks for its increase.
pub(super) fn from_zero() -> ControlFigures {
    let endings = DisconnectReason::codes().map(|code| (code, 0)).collect();
    ControlFigures { endings, ..ControlFigures::default() }
}

impl Registry {
    /// Everybody who is connected, without counters.
    pub(crate) fn sessions(&self) -> Vec<(PeerRef, SessionInfo)> {
        self.live().map(|(_, registered)| (registered.peer, registered.info.clone())).collect()
    }

    /// What was counted here.
    pub(crate) fn figures(&self) -> ControlFigures {
        let mut figures = self.figures.clone();
        figures.sessions =
            self.live().filter(|(_, registered)| registered.established).count() as u64;
        figures.handshakes_now = self.sources.under_way() as u64;
        figures
    }

    /// Renews the keys of every session.
    pub(crate) fn renegotiate_all(&mut self) {
        let ids: Vec<_> = self.live().map(|(id, _)| id).collect();
        for id in ids {
            self.tell(id, ToSession::Renegotiate(RenegotiateReason::Requested));
        }
    }
}
