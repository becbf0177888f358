//! Sweeps: closing every session whose right to be here was taken back.
//!
//! A change counts as swept once the data workers have confirmed all that it closed.

use std::collections::BTreeSet;

use tunnel::Close;

use super::{Control, Sweep, told};
use crate::Ending;
use crate::session::ToSession;

impl Control {
    /// Closes every session whose admission a change took back.
    pub(super) fn sweep(&mut self, change: i64) {
        let before = std::mem::replace(&mut self.change, change);
        if self.parts.admission.may_have_ended(before) {
            self.close_withdrawn(change);
        } else if let Some(unfinished) = &mut self.sweep {
            unfinished.change = change;
        } else {
            self.parts.swept.send_replace(change);
        }
    }

    fn close_withdrawn(&mut self, change: i64) {
        let withdrawn: Vec<_> = self
            .live()
            .filter_map(|(id, registered)| {
                let refusal = self.parts.admission.standing(&registered.info.identity).err()?;
                Some((id, registered.peer, refusal))
            })
            .collect();
        let mut waiting = match self.sweep.take() {
            Some(unfinished) => unfinished.waiting,
            None => BTreeSet::new(),
        };
        // Peers that were closed for another reason, and that the data worker still has to confirm.
        let live = |id| self.connections.get(id).is_some_and(|connection| !connection.ended);
        waiting.extend(self.by_peer.iter().filter(|(_, id)| !live(id)).map(|(peer, _)| *peer));
        for (id, peer, refusal) in withdrawn {
            waiting.insert(peer);
            let close = ToSession::Close(Close::AuthFailed(told(&refusal)));
            self.end(id, Ending::Withdrawn(refusal), Some(close));
        }
        self.sweep = Some(Sweep { change, waiting });
        self.finish_sweep();
    }

    pub(super) fn finish_sweep(&mut self) {
        if let Some(sweep) = self.sweep.take_if(|sweep| sweep.waiting.is_empty()) {
            self.parts.swept.send_replace(sweep.change);
        }
    }
}
