//! What others ask of the registry, answered from its tables.

use datapath::PeerRef;

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
        let sessions = self.connections.sessions();
        sessions.map(|(_, session)| (session.peer, session.info.clone())).collect()
    }

    /// What was counted here.
    pub(crate) fn figures(&self) -> ControlFigures {
        let established = self.connections.sessions().filter(|(_, session)| session.established);
        ControlFigures {
            sessions: established.count() as u64,
            handshakes_now: self.places.taken() as u64,
            ..self.figures.clone()
        }
    }

    /// Renews the keys of every session.
    pub(crate) fn renegotiate_all(&mut self) {
        for (id, _) in self.connections.sessions() {
            self.effects.tell(id, ToSession::Renegotiate);
        }
    }
}
