//! What the registry should have decided, said as simply as it can be.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use datapath::{Endpoint, PeerRef, StreamId};
use sources::Source;
use wire::SessionId;

use super::devices::{Holder, Records};
use crate::messages::ConnectionId;
use crate::registry::shares::Room;

#[derive(Debug, Default)]
pub(super) struct Reference {
    pub(super) connections: BTreeMap<ConnectionId, Expected>,
    /// What the last step must have led to.
    pub(super) ends: BTreeSet<(ConnectionId, &'static str)>,
    pub(super) grants: BTreeSet<ConnectionId>,
    /// Hosts that had a session.
    pub(super) regulars: BTreeSet<Source>,
}

/// One connection as it should be.
#[derive(Debug)]
pub(super) struct Expected {
    pub(super) endpoint: Endpoint,
    pub(super) client_session: SessionId,
    /// Where its handshake came from.
    pub(super) from: IpAddr,
    /// It counts among the handshakes.
    pub(super) has_place: bool,
    /// It asked, which takes a certificate.
    pub(super) proven: bool,
    /// Which attempt is unanswered, and until when.
    pub(super) question: Option<(u64, Duration)>,
    pub(super) holder: Option<Holder>,
    pub(super) peer: Option<PeerRef>,
    pub(super) established: bool,
    pub(super) ended: bool,
    pub(super) said: Said,
}

impl Expected {
    fn is_in(&self, network: &Source) -> bool {
        networks(self.from).contains(network)
    }

    fn may_give_way(&self) -> bool {
        self.has_place && !self.proven && !self.ended
    }
}

/// The widest first.
fn networks(of: IpAddr) -> [Source; 4] {
    [Source::provider(of), Source::holding(of), Source::network(of), Source::host(of)]
}

/// How often the registry said what it may say once for each connection.
#[derive(Debug, Default)]
pub(super) struct Said {
    pub(super) opened: u32,
    pub(super) over: u32,
    pub(super) last_message: u32,
    pub(super) handshake_over: u32,
    pub(super) adopt: u32,
    pub(super) expire: u32,
    pub(super) close: u32,
}

impl Reference {
    pub(super) fn end(&mut self, id: ConnectionId, why: &'static str) {
        let Some(connection) = self.connections.get_mut(&id).filter(|c| !c.ended) else { return };
        connection.ended = true;
        connection.question = None;
        self.ends.insert((id, why));
    }

    pub(super) fn admitted(
        &mut self,
        id: ConnectionId,
        holder: Holder,
        max_sessions: usize,
        records: &Records,
    ) {
        let Some(present) = self.answered(id) else { return };
        match present {
            Some(same) if same == holder => {}
            Some(_) => return self.end(id, "replaced"),
            None => {
                let older = self.session_of(holder.0);
                if older.is_none() && self.sessions() >= max_sessions {
                    return self.end(id, "no_free_address_or_slot");
                }
                older.into_iter().for_each(|older| self.end(older, "replaced"));
                let expected = self.expected(id);
                (expected.holder, expected.has_place) = (Some(holder), false);
            }
        }
        if records.revoked.contains_key(&holder) {
            self.end(id, "revoked");
        } else {
            self.grants.insert(id);
        }
    }

    /// Whether this question waits for its answer.
    pub(super) fn waits(&self, id: ConnectionId, attempt: u64) -> bool {
        let question = self.connections.get(&id).and_then(|connection| connection.question);
        question.is_some_and(|(waiting, _)| waiting == attempt)
    }

    /// Whose question was not answered in time.
    pub(super) fn overdue(&self, boot: Duration) -> Vec<ConnectionId> {
        let late = |c: &Expected| c.question.is_some_and(|(_, deadline)| deadline <= boot);
        self.connections.iter().filter(|(_, c)| late(c)).map(|(id, _)| *id).collect()
    }

    pub(super) fn denied(&mut self, id: ConnectionId, why: &'static str) {
        if self.answered(id).is_some() {
            self.end(id, why);
        }
    }

    /// The question is answered; whose session it is by now. `None` if nobody waits for it.
    fn answered(&mut self, id: ConnectionId) -> Option<Option<Holder>> {
        let connection = self.connections.get_mut(&id).filter(|c| !c.ended)?;
        connection.question.take()?;
        Some(connection.holder)
    }

    pub(super) fn swept(&mut self, records: &Records) -> Vec<ConnectionId> {
        let withdrawn: Vec<_> = self
            .live()
            .filter(|(_, holder)| records.revoked.contains_key(holder))
            .map(|(id, _)| id)
            .collect();
        withdrawn.iter().for_each(|id| self.end(*id, "revoked"));
        withdrawn
    }

    pub(super) fn live(&self) -> impl Iterator<Item = (ConnectionId, Holder)> {
        let living = self.connections.iter().filter(|(_, connection)| !connection.ended);
        living.filter_map(|(id, connection)| Some((*id, connection.holder?)))
    }

    pub(super) fn sessions(&self) -> usize {
        self.live().count()
    }

    fn session_of(&self, device: u8) -> Option<ConnectionId> {
        self.live().find(|(_, holder)| holder.0 == device).map(|(id, _)| id)
    }

    pub(super) fn of_peer(&self, peer: PeerRef) -> Option<ConnectionId> {
        let mut connections = self.connections.iter();
        connections.find(|(_, connection)| connection.peer == Some(peer)).map(|(id, _)| *id)
    }

    pub(super) fn of_stream(&self, stream: StreamId) -> Option<ConnectionId> {
        let mut connections = self.connections.iter();
        connections.find(|(_, c)| c.endpoint.stream() == Some(stream)).map(|(id, _)| *id)
    }

    pub(super) fn at(&self, remote: std::net::SocketAddr) -> Option<ConnectionId> {
        let mut connections = self.connections.iter();
        connections.find(|(_, c)| c.endpoint.remote == remote).map(|(id, _)| *id)
    }

    /// Where a handshake from there may begin.
    pub(super) fn room(&self, from: IpAddr, most: usize) -> Room {
        let is_regular = self.regulars.contains(&Source::host(from));
        let places = if is_regular { most } else { most - most / 8 };
        let free = places.saturating_sub(self.handshakes(None));
        let path = networks(from);
        let has_its_share = |at: &usize| {
            let share = ((6 - at) * free).max(places / 64).max(1);
            self.handshakes(Some(path[*at])) >= share
        };
        match (0..path.len()).rev().find(has_its_share) {
            Some(at) => self.in_place_of(&path, at + 1),
            None if free == 0 => self.in_place_of(&path, 0),
            None => Room::Free,
        }
    }

    fn in_place_of(&self, path: &[Source; 4], from: usize) -> Room {
        let mut within: Vec<_> =
            self.connections.iter().filter(|(_, c)| c.may_give_way()).collect();
        within.retain(|(_, c)| path[..from].iter().all(|network| c.is_in(network)));
        let mut is_compared = false;
        for (at, own) in path.iter().enumerate().skip(from) {
            let mut sizes: BTreeMap<Source, usize> = BTreeMap::new();
            within.iter().for_each(|(_, c)| *sizes.entry(networks(c.from)[at]).or_default() += 1);
            let Some((fullest, most)) = sizes.iter().max_by_key(|(of, size)| (**size, **of)) else {
                return Room::None;
            };
            if !is_compared && fullest != own {
                is_compared = true;
                if *most <= 2 * (self.handshakes(Some(*own)) + 1) {
                    return Room::None;
                }
            }
            within.retain(|(_, c)| c.is_in(fullest));
        }
        let oldest = within.first().filter(|_| is_compared);
        oldest.map_or(Room::None, |(id, _)| Room::InPlaceOf(**id))
    }

    /// Whether a handshake from there may begin.
    pub(super) fn has_room(&self, from: IpAddr, most: usize) -> bool {
        let leaving = |c: &&Expected| !c.has_place && c.holder.is_none();
        self.room(from, most) != Room::None
            && self.connections.values().filter(leaving).count() < most
    }

    /// Handshakes of one network, or of all.
    pub(super) fn handshakes(&self, of: Option<Source>) -> usize {
        let shaking = self.connections.values().filter(|connection| connection.has_place);
        shaking.filter(|connection| of.is_none_or(|of| connection.is_in(&of))).count()
    }

    pub(super) fn expected(&mut self, id: ConnectionId) -> &mut Expected {
        self.connections.get_mut(&id).expect("a connection that there is")
    }
}
