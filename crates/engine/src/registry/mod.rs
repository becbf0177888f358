//! The session registry: who is connected, who asks to be let in, and who has to go.
//!
//! It decides and does nothing else: no socket, task, queue or clock, and no randomness. What happened
//! comes in as a call with the time, and what is to be done leaves as an [`Effect`]. Its driver:
//!
//! 1. asks [`Registry::session_at`] for the session of a control packet; for one of no session it asks
//!    [`Registry::has_room`], then the gate, and has what the gate accepts opened by [`Registry::open`];
//! 2. hands everything that happens in by one of the `handle_*` calls, in the order of its happening;
//! 3. after each call carries out [`Registry::poll_effect`] until there is none, in that order;
//! 4. calls [`Registry::handle_timeout`] when [`Registry::poll_timeout`] is due.
//!
//! One invariant above all: a session is registered before its admission is looked at for the second
//! time, and every registered session is looked at whenever the revision moves, so that none outlives
//! its right. A revision counts as swept once the data workers have confirmed all that it closed.
//!
//! Order of an end: the data worker is told first, so that a closed peer's traffic stops whatever its
//! session's task does; then the task, which says its last message and lingers for the acknowledgements,
//! so that they don't look like a new connection.
//!
//! This file holds the tables and the way in; who is let in is in [`admit`], sweeps in [`sweep`], ends in
//! [`ends`].

mod admit;
mod ends;
mod listing;
#[cfg(test)]
mod model;
mod peer_ids;
mod sources;
mod sweep;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use datapath::{Command, Endpoint, Notice, PeerRef, Shard, StreamId};
use wire::SessionId;

use self::peer_ids::PeerIds;
use self::sources::{Source, Sources};
use self::sweep::Sweep;
use crate::data::{StreamEnd, StreamOrder};
use crate::figures::ControlFigures;
use crate::grant::DataSettings;
use crate::messages::{About, ConnectionId, ToSession};
use crate::{Denied, DisconnectReason, Identity, Principal, Report, Revision, SessionInfo};

pub use self::ends::Kick;
pub(crate) use self::peer_ids::slots;

/// What the registry wants done. Each is said once.
#[derive(Debug)]
pub(crate) enum Effect {
    /// A command for the data workers.
    Data(Command),
    /// Something for a TCP connection.
    Stream(StreamId, StreamOrder),
    /// A message for a session's task.
    Tell(ConnectionId, ToSession),
    /// A session's TCP connection is gone, which its task hears behind what came over it.
    StreamEnded(ConnectionId, StreamEnd),
    /// The connection is no handshake any more: it was admitted, or it is gone.
    HandshakeOver(ConnectionId),
    /// The connection is gone, its task as well.
    Forget(ConnectionId),
    /// News for the admission.
    Report(Report),
}

/// What a registry is made with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RegistrySettings {
    /// Sessions at once.
    pub(crate) max_sessions: u32,
    /// Handshakes at once.
    pub(crate) max_handshakes: usize,
    /// How the workers share the peers.
    pub(crate) shard: Shard,
    /// Timers and sizes of the data channel.
    pub(crate) data: DataSettings,
    /// What our own receive buffer holds, if a peer may be told.
    pub(crate) receive_buffer: Option<u32>,
}

/// The second look: does an earlier admission still hold?
pub(crate) type Recheck<'a> = &'a dyn Fn(&Identity) -> Result<(), Denied>;

#[derive(Debug)]
pub(crate) struct Registry {
    settings: RegistrySettings,
    connections: BTreeMap<ConnectionId, Connection>,
    by_sender: HashMap<Sender, ConnectionId>,
    by_stream: BTreeSet<(StreamId, ConnectionId)>,
    by_peer: BTreeMap<PeerRef, ConnectionId>,
    /// A principal has one session at a time.
    by_principal: HashMap<Principal, ConnectionId>,
    peer_ids: PeerIds,
    sources: Sources,
    /// Those that made room and whose tasks have not ended.
    leaving: usize,
    deadlines: BTreeSet<(Duration, ConnectionId)>,
    next_id: ConnectionId,
    sweep: Option<Sweep>,
    /// The last revision that was looked at.
    revision: Revision,
    figures: ControlFigures,
    effects: VecDeque<Effect>,
}

/// What tells two connections apart: the TCP connection, if it is one, the address, and the
/// client's session.
type Sender = (Option<StreamId>, SocketAddr, SessionId);

/// A connection from its proven cookie to the end of its task.
#[derive(Debug)]
struct Connection {
    endpoint: Endpoint,
    client_session: SessionId,
    /// Where its handshake came from.
    source: Source,
    /// It counts among the handshakes.
    has_place: bool,
    /// An admission that was asked for and is not answered.
    asked: Option<Asked>,
    admitted: Option<Registered>,
    ended: bool,
}

/// An admission under way.
#[derive(Debug)]
struct Asked {
    /// Which of the connection's.
    attempt: u64,
    /// What the peer says about itself.
    about: About,
    /// When it counts as refused.
    deadline: Duration,
}

/// An admitted connection.
#[derive(Debug)]
struct Registered {
    peer: PeerRef,
    info: SessionInfo,
    established: bool,
    /// It is followed to and fro, and its moves are not reported.
    flaps: bool,
}

impl Registry {
    pub(crate) fn new(settings: RegistrySettings) -> Self {
        Self {
            settings,
            connections: BTreeMap::new(),
            by_sender: HashMap::new(),
            by_stream: BTreeSet::new(),
            by_peer: BTreeMap::new(),
            by_principal: HashMap::new(),
            peer_ids: PeerIds::new(slots(settings.max_sessions), settings.shard),
            sources: Sources::of(settings.max_handshakes),
            leaving: 0,
            deadlines: BTreeSet::new(),
            next_id: 1,
            sweep: None,
            revision: Revision::NONE,
            figures: listing::from_zero(),
            effects: VecDeque::new(),
        }
    }

    /// What is to be done next.
    pub(crate) fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// When [`Registry::handle_timeout`] has something to do, by boot time.
    pub(crate) fn poll_timeout(&self) -> Option<Duration> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// The connection that a control packet from there belongs to.
    pub(crate) fn session_at(
        &self,
        endpoint: &Endpoint,
        client_session: SessionId,
    ) -> Option<ConnectionId> {
        self.by_sender.get(&sender(endpoint, client_session)).copied()
    }

    /// Whether a handshake from there may begin.
    pub(crate) fn has_room(&self, source: IpAddr) -> bool {
        self.sources.has_room(Source::of(source)) && self.leaving < self.settings.max_handshakes
    }

    /// A reset was answered, and nothing is kept of it.
    pub(crate) fn handle_stateless_answer(&mut self) {
        self.figures.stateless_answers += 1;
    }

    /// A connection whose cookie came back. Its task is to be begun under this number.
    pub(crate) fn open(&mut self, endpoint: Endpoint, client_session: SessionId) -> ConnectionId {
        let source = Source::of(endpoint.remote.ip());
        self.make_room(source);
        let id = self.next_id;
        self.next_id += 1;
        self.figures.handshakes_begun += 1;
        if let Some(stream) = endpoint.stream() {
            self.by_stream.insert((stream, id));
            self.effects.push_back(Effect::Stream(stream, StreamOrder::Adopt));
        }
        self.sources.begin(source, id);
        self.by_sender.insert(sender(&endpoint, client_session), id);
        let connection = Connection {
            endpoint,
            client_session,
            source,
            has_place: true,
            asked: None,
            admitted: None,
            ended: false,
        };
        self.connections.insert(id, connection);
        id
    }

    /// Where all places are taken, the one that [`Sources`] names goes.
    fn make_room(&mut self, source: Source) {
        if let Some(id) = self.sources.makes_room(source) {
            let close = ToSession::Close(tunnel::Close::Replaced);
            self.end(id, DisconnectReason::MadeRoom, Some(close));
            if self.leave_place(id) {
                self.leaving += 1;
            }
        }
    }

    /// The connection counts among the handshakes no more; whether it did.
    fn leave_place(&mut self, id: ConnectionId) -> bool {
        let Some(connection) = self.connections.get_mut(&id) else { return false };
        let had_place = std::mem::replace(&mut connection.has_place, false);
        if had_place {
            self.sources.end(connection.source, id);
        }
        had_place
    }

    /// A data worker said something about one of its peers.
    pub(crate) fn handle_notice(&mut self, notice: Notice) {
        match notice {
            Notice::Deleted { peer, .. } => self.deleted(peer),
            Notice::Float { peer, endpoint } => self.float(peer, endpoint),
            Notice::Flapping { peer } => self.flapping(peer),
            Notice::Expired { peer } => self.end_peer(peer, DisconnectReason::PingTimeout),
            Notice::WorkerPanicked { peer } => self.end_peer(peer, DisconnectReason::Panicked),
            Notice::Exit { peer } => {
                self.end_peer(peer, DisconnectReason::Session(tunnel::EndReason::PeerExit));
            }
            Notice::FirstUse { peer, .. } | Notice::KeysNearlyUsedUp { peer, .. } => {
                if let Some(id) = self.by_peer.get(&peer).copied() {
                    self.tell(id, ToSession::Notice(notice));
                }
            }
            Notice::Refused { peer, why } => {
                tracing::debug!(?peer, %why, "a command had no effect");
            }
        }
    }

    /// Its moves are not reported any more.
    fn flapping(&mut self, peer: PeerRef) {
        let id = self.by_peer.get(&peer).copied();
        let connection = id.and_then(|id| self.connections.get_mut(&id));
        let Some(registered) = connection.and_then(|found| found.admitted.as_mut()) else { return };
        registered.flaps = true;
        let number = registered.info.number;
        self.report(Report::Flapping { number });
    }

    fn float(&mut self, peer: PeerRef, endpoint: Endpoint) {
        let Some(id) = self.by_peer.get(&peer).copied() else { return };
        self.forget_sender(id);
        let Some(connection) = self.connections.get_mut(&id) else { return };
        connection.endpoint = endpoint;
        self.by_sender.insert(connection.sender(), id);
        if let Some(registered) = &mut connection.admitted {
            registered.info.source = endpoint.remote;
            let (number, flaps) = (registered.info.number, registered.flaps);
            if !flaps {
                self.report(Report::Floated { number, to: endpoint.remote });
            }
        }
        self.tell(id, ToSession::Moved(endpoint));
    }

    /// Another connection may have come to the same address with the same session id since.
    fn forget_sender(&mut self, id: ConnectionId) {
        let Some(sender) = self.connections.get(&id).map(Connection::sender) else { return };
        if self.by_sender.get(&sender) == Some(&id) {
            self.by_sender.remove(&sender);
        }
    }

    fn live(&self) -> impl Iterator<Item = (ConnectionId, &Registered)> {
        self.connections
            .iter()
            .filter(|(_, connection)| !connection.ended)
            .filter_map(|(id, connection)| Some((*id, connection.admitted.as_ref()?)))
    }

    fn living(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        self.connections.get_mut(&id).filter(|connection| !connection.ended)
    }

    fn registered(&mut self, id: ConnectionId) -> Option<&mut Registered> {
        self.living(id)?.admitted.as_mut()
    }

    fn tell(&mut self, id: ConnectionId, message: ToSession) {
        if self.connections.contains_key(&id) {
            self.effects.push_back(Effect::Tell(id, message));
        }
    }

    fn report(&mut self, report: Report) {
        self.effects.push_back(Effect::Report(report));
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
