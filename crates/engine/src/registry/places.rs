//! The places for handshakes: who holds one, who may have one, and which gives way.
//!
//! A connection holds a place from its beginning until it is admitted, gone, or had to make room. One that
//! made room counts until its task has ended, so that tasks are bounded as well. An eighth of the places is
//! kept for hosts that had a session lately.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::regulars::Regulars;
use super::shares::{Room, Shares};
use crate::messages::ConnectionId;

/// All places.
#[derive(Debug)]
pub(super) struct Places {
    most: usize,
    shares: Shares,
    regulars: Regulars,
    holders: BTreeMap<ConnectionId, IpAddr>,
    /// Those that made room and whose tasks have not ended.
    leaving: BTreeSet<ConnectionId>,
}

impl Places {
    /// So many.
    pub(super) fn of(most: usize) -> Self {
        Self {
            most,
            shares: Shares::default(),
            regulars: Regulars::of(REGULARS),
            holders: BTreeMap::new(),
            leaving: BTreeSet::new(),
        }
    }

    /// Whether a handshake from there may begin.
    pub(super) fn has_room(&self, from: IpAddr) -> bool {
        self.leaving.len() < self.most && self.room(from) != Room::None
    }

    /// The connection that has to go before one from there takes a place.
    pub(super) fn makes_room(&self, from: IpAddr) -> Option<ConnectionId> {
        match self.room(from) {
            Room::InPlaceOf(id) => Some(id),
            Room::Free | Room::None => None,
        }
    }

    pub(super) fn take(&mut self, from: IpAddr, id: ConnectionId) {
        self.shares.begin(from, id);
        self.holders.insert(id, from);
    }

    /// It has shown a certificate, or has ended: it makes room for nobody.
    pub(super) fn settle(&mut self, id: ConnectionId) {
        if let Some(from) = self.holders.get(&id) {
            self.shares.settle(*from, id);
        }
    }

    /// It is a session.
    pub(super) fn leave(&mut self, id: ConnectionId) {
        if let Some(from) = self.holders.remove(&id) {
            self.shares.end(from, id);
        }
    }

    /// Data flows to there.
    pub(super) fn remember(&mut self, host: IpAddr) {
        self.regulars.remember(host);
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

    fn room(&self, from: IpAddr) -> Room {
        let kept = if self.regulars.has(from) { 0 } else { self.most / KEPT };
        self.shares.room(from, self.most - kept)
    }
}

/// One in so many places is kept.
const KEPT: usize = 8;
/// Hosts that are remembered, somewhat over a megabyte of them.
const REGULARS: usize = 8192;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_that_made_room_count_until_their_tasks_have_ended() {
        let mut places = Places::of(2);
        let from = IpAddr::from([192, 0, 2, 1]);
        (1..=2).for_each(|id| places.take(IpAddr::from([10 + id as u8, 0, 0, 1]), id));
        (1..=2).for_each(|id| places.make_room(id));
        assert_eq!(places.taken(), 0);
        assert!(!places.has_room(from), "two tasks are still there");
        places.forget(1);
        assert!(places.has_room(from));
    }

    #[test]
    fn some_places_are_kept_for_hosts_that_had_a_session() {
        let mut places = Places::of(64);
        let (stranger, regular) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([198, 51, 100, 1]));
        places.remember(regular);
        for id in 0..56 {
            places.take(IpAddr::from([10 + id as u8, 0, 0, 1]), id);
        }
        assert!(!places.has_room(stranger), "all but the eighth are taken, by one each");
        assert!(places.has_room(regular) && places.makes_room(regular).is_none());
    }
}
