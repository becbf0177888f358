//! Sweeps: closing every session whose right to be here was taken back.

use std::collections::BTreeSet;

use datapath::PeerRef;
use tunnel::Close;

use super::{Recheck, Registry};
use crate::messages::ToSession;
use crate::{DisconnectReason, Identity, Report, Revision};

/// A sweep whose closed peers the data workers have not all confirmed.
#[derive(Debug, Default)]
pub(super) struct Sweep {
    through: Revision,
    waiting: BTreeSet<PeerRef>,
    /// Whose sessions it closed.
    closed: Vec<Identity>,
}

impl Registry {
    /// The last revision that was handed in.
    pub(crate) fn revision(&self) -> Revision {
        self.revision
    }

    /// What admissions are decided by has come to `revision`. `may_have_ended` says whether that may have
    /// taken one back; then every session is looked at.
    pub(crate) fn handle_revision(
        &mut self,
        revision: Revision,
        may_have_ended: bool,
        recheck: Recheck<'_>,
    ) {
        self.revision = revision;
        if may_have_ended {
            self.close_withdrawn(revision, recheck);
        } else if let Some(unfinished) = &mut self.sweep {
            unfinished.through = revision;
        } else {
            self.report(Report::Swept { through: revision, closed: Vec::new() });
        }
    }

    fn close_withdrawn(&mut self, revision: Revision, recheck: Recheck<'_>) {
        let withdrawn: Vec<_> = self
            .live()
            .filter_map(|(id, registered)| Some((id, recheck(&registered.info.identity).err()?)))
            .collect();
        let mut sweep = self.sweep.take().unwrap_or_default();
        sweep.through = revision;
        for (id, denied) in withdrawn {
            let session = self.registered(id).filter(|registered| registered.established);
            sweep.closed.extend(session.map(|registered| registered.info.identity.clone()));
            let close = ToSession::Close(Close::AuthFailed(denied.peer_message()));
            self.end(id, DisconnectReason::Withdrawn(denied), Some(close));
        }
        // Those closed by this, and before for another reason, which the data workers have yet to confirm.
        let is_closed = |id| self.connections.get(id).is_none_or(|connection| connection.ended);
        sweep.waiting.extend(self.by_peer.iter().filter(|(_, id)| is_closed(id)).map(|(p, _)| *p));
        self.sweep = Some(sweep);
        self.finish_sweep();
    }

    pub(super) fn confirm_deleted(&mut self, peer: PeerRef) {
        if let Some(sweep) = &mut self.sweep {
            sweep.waiting.remove(&peer);
        }
        self.finish_sweep();
    }

    fn finish_sweep(&mut self) {
        if let Some(sweep) = self.sweep.take_if(|sweep| sweep.waiting.is_empty()) {
            let Sweep { through, closed, .. } = sweep;
            self.report(Report::Swept { through, closed });
        }
    }
}
