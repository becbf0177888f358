//! The places for handshakes: who holds one, who may have one, and whose oldest gives way.
//!
//! A connection holds a place from its beginning until it is admitted, gone, or had to make room. One that
//! made room counts until its task has ended, so that tasks are bounded as well.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::sources::{Source, Sources};
use crate::messages::ConnectionId;

/// All places.
#[derive(Debug)]
pub(super) struct Places {
    most: usize,
    sources: Sources,
    holders: BTreeMap<ConnectionId, Source>,
    /// Those that made room and whose tasks have not ended.
    leaving: BTreeSet<ConnectionId>,
}

impl Places {
    /// So many.
    pub(super) fn of(most: usize) -> Self {
        let (holders, leaving) = (BTreeMap::new(), BTreeSet::new());
        Self { most, sources: Sources::of(most), holders, leaving }
    }

    /// Whether a handshake from there may begin.
    pub(super) fn has_room(&self, from: IpAddr) -> bool {
        self.sources.has_room(Source::of(from)) && self.leaving.len() < self.most
    }

    /// The connection that has to go before one from there takes a place.
    pub(super) fn makes_room(&self, from: IpAddr) -> Option<ConnectionId> {
        self.sources.makes_room(Source::of(from))
    }

    pub(super) fn take(&mut self, from: IpAddr, id: ConnectionId) {
        let source = Source::of(from);
        self.sources.begin(source, id);
        self.holders.insert(id, source);
    }

    /// It has shown a certificate, or has ended: it makes room for nobody.
    pub(super) fn settle(&mut self, id: ConnectionId) {
        if let Some(source) = self.holders.get(&id) {
            self.sources.settle(*source, id);
        }
    }

    /// It is a session.
    pub(super) fn leave(&mut self, id: ConnectionId) {
        if let Some(source) = self.holders.remove(&id) {
            self.sources.end(source, id);
        }
    }

    /// It makes room, while its task has yet to end.
    pub(super) fn make_room(&mut self, id: ConnectionId) {
        self.leave(id);
        self.leaving.insert(id);
    }

    /// Its task has ended.
    pub(super) fn forget(&mut self, id: ConnectionId) {
        self.leave(id);
        self.leaving.remove(&id);
    }

    /// How many are taken.
    pub(super) fn taken(&self) -> usize {
        self.holders.len()
    }
}
