//! What becomes of a panic: the peer that was being served goes, its session is told, and the worker goes on.
//!
//! Invariant: a panic costs what it was about and no other; should even the removal panic, the log says so.

use std::panic::{AssertUnwindSafe, catch_unwind};

use datapath::{Command, Notice, PeerCounters, PeerRef};
use sysio::Ready;

use super::DataWorker;
use crate::data::packet_io::{TunIo, UdpIo};

impl<T: TunIo, U: UdpIo> DataWorker<T, U> {
    /// Serves, and says whether that went well. The worker stays usable after a panic; the peer that it
    /// was serving goes.
    pub(super) fn survives(&mut self, ready: &[Ready]) -> bool {
        self.guarded(|this| this.serve(ready))
    }

    pub(super) fn guarded(&mut self, work: impl FnOnce(&mut Self)) -> bool {
        let went_well = catch_unwind(AssertUnwindSafe(|| work(self))).is_ok();
        if !went_well {
            self.drop_current_peer();
        }
        went_well
    }

    fn drop_current_peer(&mut self) {
        // What was sealed before is whole; a flush that panics itself takes it along.
        if catch_unwind(AssertUnwindSafe(|| self.flush())).is_err() {
            self.sending.clear();
        }
        self.streams.drop_current(&self.poller);
        let peer = self.worker.current_peer();
        let slot = peer.map(|peer| peer.id.get());
        tracing::error!(
            peer = slot,
            "an internal error over a packet or a command; its peer is closed"
        );
        if let Some(peer) = peer {
            self.remove_peer(peer);
        }
    }

    /// Removes a peer whatever state the panic left it in, and sees that its session is told.
    fn remove_peer(&mut self, peer: PeerRef) {
        let mut notice = Notice::WorkerPanicked { peer };
        if self.shard.owns(peer.id.get()) {
            let was_there = self.worker.peer_counters(peer).is_some();
            let work = || self.apply(Command::PeerDel { peer });
            let went_well = catch_unwind(AssertUnwindSafe(work)).is_ok();
            if self.worker.peer_counters(peer).is_some() {
                return tracing::error!(
                    peer = peer.id.get(),
                    "nor can it be closed; please report the log"
                );
            }
            if was_there && went_well {
                // The worker's own notice says so.
                return;
            }
            notice = Notice::Deleted { peer, counters: PeerCounters::default() };
        }
        // Without a control task there is none left to tell.
        let _ = self.notices.send(notice);
    }
}
