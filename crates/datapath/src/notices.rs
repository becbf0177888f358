//! What the control plane is to be told, until it asks.
//!
//! Invariant: a peer that moves to and fro with every packet fills one place, not the queue: where it is gets
//! read when the notice is. Its [`Peer`](crate::peer::Peer) remembers that one waits.

use std::collections::VecDeque;

use crate::{Notice, PeerRef};

/// Notices in their order.
#[derive(Debug, Default)]
pub(crate) struct Notices(VecDeque<Queued>);

/// One of them.
#[derive(Debug)]
pub(crate) enum Queued {
    /// As it is.
    Notice(Notice),
    /// A peer has moved.
    Float(PeerRef),
}

impl Notices {
    pub(crate) fn push(&mut self, notice: Notice) {
        self.0.push_back(Queued::Notice(notice));
    }

    /// A peer has moved, of which no notice waits yet.
    pub(crate) fn push_float(&mut self, peer: PeerRef) {
        self.0.push_back(Queued::Float(peer));
    }

    pub(crate) fn pop(&mut self) -> Option<Queued> {
        self.0.pop_front()
    }
}
