//! The connections that there are, and every way to find one.
//!
//! It keeps its indexes in step and decides nothing. A connection is there from its proven cookie to the
//! end of its task; it is a session from its registration on, and lives until it is ended. Invariant: a
//! principal has one living session at most, and a peer's number stays known until its data worker has
//! confirmed that it is gone.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;
use std::time::Duration;

use datapath::{Endpoint, PeerRef, StreamId};
use wire::SessionId;
use wire::cipher::Cipher;

use crate::messages::ConnectionId;
use crate::{Principal, SessionInfo};

/// All connections.
#[derive(Debug)]
pub(super) struct Connections {
    all: BTreeMap<ConnectionId, Connection>,
    by_sender: HashMap<Sender, ConnectionId>,
    by_stream: BTreeSet<(StreamId, ConnectionId)>,
    by_peer: BTreeMap<PeerRef, ConnectionId>,
    by_principal: HashMap<Principal, ConnectionId>,
    next_id: ConnectionId,
}

/// What tells two connections apart: the TCP connection, if it is one, the address, and the
/// client's session.
type Sender = (Option<StreamId>, SocketAddr, SessionId);

/// One connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) endpoint: Endpoint,
    client_session: SessionId,
    pub(super) admitted: Option<Registered>,
    ended: bool,
}

/// A connection that was admitted.
#[derive(Clone, Debug)]
pub(super) struct Registered {
    pub(super) peer: PeerRef,
    pub(super) info: SessionInfo,
    pub(super) established: bool,
    /// It is followed to and fro, and its moves are not reported.
    flaps: bool,
}

impl Connections {
    pub(super) fn none() -> Self {
        Self {
            all: BTreeMap::new(),
            by_sender: HashMap::new(),
            by_stream: BTreeSet::new(),
            by_peer: BTreeMap::new(),
            by_principal: HashMap::new(),
            next_id: 1,
        }
    }

    /// A new one, under a number that comes once.
    pub(super) fn open(&mut self, endpoint: Endpoint, client_session: SessionId) -> ConnectionId {
        let id = self.next_id;
        self.next_id += 1;
        self.by_stream.extend(endpoint.stream().map(|stream| (stream, id)));
        self.by_sender.insert(sender(&endpoint, client_session), id);
        let connection = Connection { endpoint, client_session, admitted: None, ended: false };
        self.all.insert(id, connection);
        id
    }

    /// It becomes a session, with this peer.
    pub(super) fn register(&mut self, id: ConnectionId, peer: PeerRef, info: SessionInfo) {
        if let Some(connection) = self.all.get_mut(&id) {
            connection.admitted = Some(Registered { peer, info, established: false, flaps: false });
            self.by_peer.insert(peer, id);
        }
    }

    /// The principal's session is this one from here on; which it was before.
    pub(super) fn take_over(
        &mut self,
        principal: &Principal,
        id: ConnectionId,
    ) -> Option<ConnectionId> {
        self.by_principal.insert(principal.clone(), id)
    }

    /// The principal's session, if that is at the same place.
    pub(super) fn at_place_of(
        &self,
        principal: &Principal,
        endpoint: &Endpoint,
    ) -> Option<ConnectionId> {
        let id = *self.by_principal.get(principal)?;
        let session = self.living(id)?;
        let place = |of: &Endpoint| (of.remote, of.stream());
        (place(&session.endpoint) == place(endpoint)).then_some(id)
    }

    /// Principals count, as each has one session; and one that comes back takes nobody's place.
    pub(super) fn has_room_for(&self, principal: &Principal, most: usize) -> bool {
        self.by_principal.len() < most || self.by_principal.contains_key(principal)
    }

    /// It lives no more, which happens once: as it was. Its principal is free for another one.
    pub(super) fn end(&mut self, id: ConnectionId) -> Option<(Endpoint, Option<Registered>)> {
        let connection = self.living_mut(id)?;
        connection.ended = true;
        let (endpoint, session) = (connection.endpoint, connection.admitted.clone());
        if let Some(Registered { info, .. }) = &session {
            let principal = &info.identity.principal;
            if self.by_principal.get(principal) == Some(&id) {
                self.by_principal.remove(principal);
            }
        }
        Some((endpoint, session))
    }

    /// Nothing is left of it but its peer's number.
    pub(super) fn remove(&mut self, id: ConnectionId) -> Option<Connection> {
        self.forget_sender(id);
        let connection = self.all.remove(&id)?;
        if let Some(stream) = connection.endpoint.stream() {
            self.by_stream.remove(&(stream, id));
        }
        Some(connection)
    }

    /// A data worker has confirmed that the peer is gone; whose it was.
    pub(super) fn forget_peer(&mut self, peer: PeerRef) -> Option<ConnectionId> {
        self.by_peer.remove(&peer)
    }

    /// The peer is somewhere else. Its number follows if that is news to report.
    pub(super) fn moved(
        &mut self,
        peer: PeerRef,
        endpoint: Endpoint,
    ) -> Option<(ConnectionId, Option<u64>)> {
        let id = self.of_peer(peer)?;
        self.forget_sender(id);
        let connection = self.all.get_mut(&id)?;
        connection.endpoint = endpoint;
        self.by_sender.insert(connection.sender(), id);
        let session = connection.admitted.as_mut()?;
        session.info.source = endpoint.remote;
        Some((id, (!session.flaps).then_some(session.info.number)))
    }

    /// The peer's moves are not reported any more; its number.
    pub(super) fn flaps(&mut self, peer: PeerRef) -> Option<u64> {
        let id = self.of_peer(peer)?;
        let session = self.all.get_mut(&id)?.admitted.as_mut()?;
        session.flaps = true;
        Some(session.info.number)
    }

    /// The one that a control packet from there belongs to.
    pub(super) fn at(&self, endpoint: &Endpoint, session: SessionId) -> Option<ConnectionId> {
        self.by_sender.get(&sender(endpoint, session)).copied()
    }

    /// Those that go over a TCP connection.
    pub(super) fn over(&self, stream: StreamId) -> impl Iterator<Item = ConnectionId> {
        let of_it = (stream, 0)..=(stream, ConnectionId::MAX);
        self.by_stream.range(of_it).map(|(_, id)| *id)
    }

    /// The one of a peer, if it is still there.
    pub(super) fn of_peer(&self, peer: PeerRef) -> Option<ConnectionId> {
        self.by_peer.get(&peer).copied().filter(|id| self.all.contains_key(id))
    }

    /// Peers whose connections are ended or gone, and whose data workers have not confirmed it.
    pub(super) fn closing(&self) -> impl Iterator<Item = PeerRef> {
        let is_closed = |id| self.living(id).is_none();
        self.by_peer.iter().filter(move |(_, id)| is_closed(**id)).map(|(peer, _)| *peer)
    }

    pub(super) fn living(&self, id: ConnectionId) -> Option<&Connection> {
        self.all.get(&id).filter(|connection| !connection.ended)
    }

    /// The session that a living connection is.
    pub(super) fn session(&mut self, id: ConnectionId) -> Option<&mut Registered> {
        self.living_mut(id)?.admitted.as_mut()
    }

    /// All living sessions.
    pub(super) fn sessions(&self) -> impl Iterator<Item = (ConnectionId, &Registered)> {
        self.all
            .iter()
            .filter(|(_, connection)| !connection.ended)
            .filter_map(|(id, connection)| Some((*id, connection.admitted.as_ref()?)))
    }

    /// All, living or not.
    pub(super) fn ids(&self) -> Vec<ConnectionId> {
        self.all.keys().copied().collect()
    }

    /// Nothing is there, and nothing leads to what was.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        let indexes = [self.by_sender.len(), self.by_stream.len(), self.by_principal.len()];
        self.all.is_empty() && self.by_peer.is_empty() && indexes == [0; 3]
    }

    fn living_mut(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        self.all.get_mut(&id).filter(|connection| !connection.ended)
    }

    /// Another connection may have come to the same address with the same session id since.
    fn forget_sender(&mut self, id: ConnectionId) {
        let Some(sender) = self.all.get(&id).map(Connection::sender) else { return };
        if self.by_sender.get(&sender) == Some(&id) {
            self.by_sender.remove(&sender);
        }
    }
}

impl Registered {
    /// Data flows; as it is then.
    pub(super) fn establish(&mut self, cipher: Option<Cipher>) -> SessionInfo {
        self.established = true;
        self.info.cipher = cipher;
        self.info.clone()
    }

    /// Its keys were renewed; its number.
    pub(super) fn renew(&mut self, boot: Duration) -> u64 {
        self.info.renegotiations += 1;
        self.info.renegotiated_at = Some(boot);
        self.info.number
    }
}

impl Connection {
    fn sender(&self) -> Sender {
        sender(&self.endpoint, self.client_session)
    }
}

fn sender(endpoint: &Endpoint, client_session: SessionId) -> Sender {
    (endpoint.stream(), endpoint.remote, client_session)
}
