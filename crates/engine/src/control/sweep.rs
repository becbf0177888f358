//! Sweeps: closing every session whose right to be here was taken back.
//!
//! A revision counts as swept once the data workers have confirmed all that it closed.

use std::collections::BTreeSet;

use tunnel::Close;

use super::{Control, Sweep, told};
use crate::session::ToSession;
use crate::{Ending, Report, Revision};

impl Control {
    /// Closes every session whose admission a change took back.
    pub(super) fn sweep(&mut self, revision: Revision) {
        let before = std::mem::replace(&mut self.revision, revision);
        if self.parts.admission.may_have_ended(before) {
            self.close_withdrawn(revision);
        } else if let Some(unfinished) = &mut self.sweep {
            unfinished.through = revision;
        } else {
            self.parts.admission.report(Report::Swept { through: revision, closed: Vec::new() });
        }
    }

    fn close_withdrawn(&mut self, revision: Revision) {
        let withdrawn: Vec<_> = self
            .live()
            .filter_map(|(id, registered)| {
                let refusal = self.parts.admission.standing(&registered.info.identity).err()?;
                let closed = registered.established.then(|| registered.info.identity.clone());
                Some((id, registered.peer, closed, refusal))
            })
            .collect();
        let (mut waiting, mut closed) = match self.sweep.take() {
            Some(unfinished) => (unfinished.waiting, unfinished.closed),
            None => (BTreeSet::new(), Vec::new()),
        };
        // Peers that were closed for another reason, and that the data worker still has to confirm.
        let live = |id| self.connections.get(id).is_some_and(|connection| !connection.ended);
        waiting.extend(self.by_peer.iter().filter(|(_, id)| !live(id)).map(|(peer, _)| *peer));
        for (id, peer, session, refusal) in withdrawn {
            waiting.insert(peer);
            closed.extend(session);
            let close = ToSession::Close(Close::AuthFailed(told(&refusal)));
            self.end(id, Ending::Withdrawn(refusal), Some(close));
        }
        self.sweep = Some(Sweep { through: revision, waiting, closed });
        self.finish_sweep();
    }

    pub(super) fn finish_sweep(&mut self) {
        if let Some(sweep) = self.sweep.take_if(|sweep| sweep.waiting.is_empty()) {
            let Sweep { through, closed, .. } = sweep;
            self.parts.admission.report(Report::Swept { through, closed });
        }
    }
}
