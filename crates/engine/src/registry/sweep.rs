//! Sweeps: closing every session whose right to be here was taken back.

use std::collections::BTreeSet;

use datapath::PeerRef;

use super::{Recheck, Registry};
use crate::messages::ToSession;
use crate::{DisconnectReason, Identity, Report, Revision};

/// How far sweeps have come.
#[derive(Debug, Default)]
pub(super) struct Sweeps {
    /// The last revision that was looked at.
    revision: Revision,
    open: Option<Sweep>,
}

/// A sweep whose closed peers the data workers have not all confirmed.
#[derive(Debug, Default)]
struct Sweep {
    through: Revision,
    waiting: BTreeSet<PeerRef>,
    /// Whose sessions it closed.
    closed: Vec<Identity>,
}

impl Sweeps {
    pub(super) fn revision(&self) -> Revision {
        self.revision
    }

    /// All sessions are looked at again, or need not be. A sweep that is not complete goes on to here.
    fn come_to(&mut self, revision: Revision) {
        self.revision = revision;
        self.open.get_or_insert_default().through = revision;
    }

    fn add(&mut self, closed: Vec<Identity>, waiting: impl Iterator<Item = PeerRef>) {
        let sweep = self.open.get_or_insert_default();
        sweep.closed.extend(closed);
        sweep.waiting.extend(waiting);
    }

    /// A data worker has confirmed that a peer is gone.
    pub(super) fn confirm(&mut self, peer: PeerRef) -> Option<Report> {
        if let Some(sweep) = &mut self.open {
            sweep.waiting.remove(&peer);
        }
        self.take_complete()
    }

    /// Says so, once.
    fn take_complete(&mut self) -> Option<Report> {
        let Sweep { through, closed, .. } = self.open.take_if(|sweep| sweep.waiting.is_empty())?;
        Some(Report::Swept { through, closed })
    }

    #[cfg(test)]
    pub(super) fn is_complete(&self) -> bool {
        self.open.is_none()
    }
}

impl Registry {
    /// The last revision that was handed in.
    pub(crate) fn revision(&self) -> Revision {
        self.sweeps.revision()
    }

    /// What admissions are decided by has come to `revision`. `may_have_ended` says whether that may have
    /// taken one back; then every session is looked at.
    pub(crate) fn handle_revision(
        &mut self,
        revision: Revision,
        may_have_ended: bool,
        recheck: Recheck<'_>,
    ) {
        self.sweeps.come_to(revision);
        if may_have_ended {
            self.close_withdrawn(recheck);
        }
        let swept = self.sweeps.take_complete();
        swept.into_iter().for_each(|report| self.effects.report(report));
    }

    fn close_withdrawn(&mut self, recheck: Recheck<'_>) {
        let sessions = self.connections.sessions();
        let withdrawn: Vec<_> = sessions
            .filter_map(|(id, session)| Some((id, recheck(&session.info.identity).err()?)))
            .collect();
        let mut closed = Vec::new();
        for (id, denied) in withdrawn {
            let session = self.connections.session(id).filter(|session| session.established);
            closed.extend(session.map(|session| session.info.identity.clone()));
            let close = ToSession::Close(denied.close());
            self.end(id, DisconnectReason::Withdrawn(denied), Some(close));
        }
        // Those closed by this, and before for another reason, which the data workers have yet to confirm.
        self.sweeps.add(closed, self.connections.closing());
    }
}
