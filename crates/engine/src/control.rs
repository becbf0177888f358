//! The control task: who is connected, who is asking, and who has to go.
//!
//! One task owns the gate, the table of connections and the peer-ids, so that registering a session
//! and sweeping all sessions can't interleave. It waits for nothing but its queues.
//!
//! Order of an end: the data worker is told first, so that a closed peer's traffic stops whatever
//! its session's task does; then the task, which says goodbye and lingers for the last
//! acknowledgements, so that they don't look like a new connection.
//!
//! This file holds the tables and the way in; who is let in is in [`admit`], sweeps in [`sweep`], ends in
//! [`ends`], questions in [`asks`].

mod admit;
mod asks;
mod ends;
mod sweep;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;
use std::ops::ControlFlow::{self, Break, Continue};
use std::sync::Arc;

use clock::{Clock, Now};
use datapath::{Endpoint, Notice, PeerRef, StreamId};
use pki::Refusal;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tunnel::{Accepted, DropReason, Gate, Verdict};
use wire::SessionId;
use wire::control::ControlHeader;

use crate::data::{ControlDatagram, ControlReceiver, DataPlane, StreamEnded, StreamOrder};
use crate::entropy::fresh_seed;
use crate::figures::ControlFigures;
use crate::grant::DataSettings;
use crate::inbox::{Inlet, inbox};
use crate::peers::{PeerIds, slots};
use crate::pool::{Seat, SessionPool};
use crate::server::Kick;
use crate::session::{Birth, ConnectionId, DropTally, FromSession, ToSession};
use crate::sources::{Source, Sources};
use crate::{Admission, Ending, Identity, Report, Revision, SessionInfo};

/// What others ask of the control task.
#[derive(Debug)]
pub(crate) enum Ask {
    /// Who is connected, without counters.
    Sessions(oneshot::Sender<Vec<(PeerRef, SessionInfo)>>),
    /// What was counted.
    Figures(oneshot::Sender<ControlFigures>),
    /// Close the sessions that match; whose they were.
    Kick(Kick, oneshot::Sender<Vec<Identity>>),
    /// Renew everybody's keys.
    RenegotiateAll,
    /// Say goodbye to everybody and end.
    Stop(oneshot::Sender<()>),
}

/// The queues that the control task waits for.
pub(crate) struct Inlets {
    /// Reads datagrams, where the kernel tells them from data packets; else the data workers do.
    pub(crate) passenger: Option<ControlReceiver>,
    pub(crate) datagrams: mpsc::Receiver<ControlDatagram>,
    pub(crate) notices: mpsc::UnboundedReceiver<Notice>,
    pub(crate) ended_streams: mpsc::UnboundedReceiver<StreamEnded>,
    pub(crate) asks: mpsc::Receiver<Ask>,
    pub(crate) revisions: watch::Receiver<Revision>,
}

/// What the control task works with.
pub(crate) struct ControlParts {
    pub(crate) gate: Gate,
    pub(crate) tunnel: Arc<tunnel::ServerConfig>,
    /// The same for sessions over TCP.
    pub(crate) tunnel_tcp: Arc<tunnel::ServerConfig>,
    pub(crate) data_settings: DataSettings,
    pub(crate) data: DataPlane,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) admission: Arc<dyn Admission>,
    pub(crate) max_sessions: u32,
    /// Where sessions' tasks run, and this one.
    pub(crate) pool: SessionPool,
}

pub(crate) struct Control {
    parts: ControlParts,
    connections: BTreeMap<ConnectionId, Connection>,
    by_sender: HashMap<Sender, ConnectionId>,
    by_stream: BTreeSet<(StreamId, ConnectionId)>,
    by_peer: BTreeMap<PeerRef, ConnectionId>,
    by_device: HashMap<(String, String), ConnectionId>,
    peer_ids: PeerIds,
    sources: Sources,
    tasks: JoinSet<()>,
    task_ids: HashMap<tokio::task::Id, ConnectionId>,
    outlet: mpsc::UnboundedSender<(ConnectionId, FromSession)>,
    from_sessions: mpsc::UnboundedReceiver<(ConnectionId, FromSession)>,
    next_id: ConnectionId,
    sweep: Option<Sweep>,
    /// The last revision that was looked at.
    revision: Revision,
    figures: ControlFigures,
    drops: DropTally,
}

/// What tells two connections apart: the TCP connection, if it is one, the address, and the
/// client's session.
type Sender = (Option<StreamId>, SocketAddr, SessionId);

/// A connection from its proven cookie to the end of its task.
struct Connection {
    inlet: Inlet,
    remote: SocketAddr,
    client_session: SessionId,
    endpoint: Endpoint,
    /// Where its handshake came from.
    source: Source,
    /// The thread of its task.
    seat: Seat,
    admitted: Option<Registered>,
    ended: bool,
}

impl Connection {
    fn sender(&self) -> Sender {
        (self.endpoint.stream(), self.remote, self.client_session)
    }
}

/// An admitted connection.
struct Registered {
    peer: PeerRef,
    info: SessionInfo,
    established: bool,
}

/// A sweep whose closed peers the data worker has not all confirmed.
struct Sweep {
    through: Revision,
    waiting: BTreeSet<PeerRef>,
    /// Whose sessions it closed.
    closed: Vec<Identity>,
}

/// Nobody sweeps without a control task, so nothing is forwarded without it either.
impl Drop for Control {
    fn drop(&mut self) {
        self.parts.data.stop();
    }
}

impl Control {
    pub(crate) fn new(parts: ControlParts) -> Self {
        let (outlet, from_sessions) = mpsc::unbounded_channel();
        let peer_ids = PeerIds::new(slots(parts.max_sessions), parts.data.shard());
        Self {
            parts,
            connections: BTreeMap::new(),
            by_sender: HashMap::new(),
            by_stream: BTreeSet::new(),
            by_peer: BTreeMap::new(),
            by_device: HashMap::new(),
            peer_ids,
            sources: Sources::of(MAX_HANDSHAKES),
            tasks: JoinSet::new(),
            task_ids: HashMap::new(),
            outlet,
            from_sessions,
            next_id: 1,
            sweep: None,
            revision: Revision::NONE,
            figures: ControlFigures::default(),
            drops: DropTally::default(),
        }
    }

    /// Runs until told to stop. Changes and ends are looked at before new datagrams.
    pub(crate) async fn run(mut self, mut inlets: Inlets) {
        self.sweep(*inlets.revisions.borrow_and_update());
        loop {
            tokio::select! {
                biased;
                changed = inlets.revisions.changed() => match changed {
                    Ok(()) => self.sweep(*inlets.revisions.borrow_and_update()),
                    Err(_) => return,
                },
                notice = inlets.notices.recv() => match notice {
                    Some(notice) => self.take_notice(notice),
                    // Without the data worker there is nothing to control.
                    None => return,
                },
                Some(ended) = inlets.ended_streams.recv() => {
                    // What came over it before is looked at before.
                    self.take_those_here(&mut inlets.datagrams);
                    self.stream_ended(&ended);
                },
                Some((id, what)) = self.from_sessions.recv() => self.hear(id, what),
                Some(ended) = self.tasks.join_next_with_id() => self.bury(ended),
                ask = inlets.asks.recv() => match ask {
                    Some(Ask::Stop(done)) => return self.stop(done).await,
                    Some(ask) => self.answer(ask),
                    None => return,
                },
                Some(datagram) = inlets.datagrams.recv() => self.take_datagram(datagram),
                Some(turn) = ride(&mut inlets.passenger) => match turn {
                    Continue(false) => {}
                    // A flood must not keep this thread from its sessions.
                    Continue(true) => tokio::task::yield_now().await,
                    Break(()) => return,
                },
            }
        }
    }

    /// Takes those that wait now, and none that comes meanwhile.
    fn take_those_here(&mut self, datagrams: &mut mpsc::Receiver<ControlDatagram>) {
        for _ in 0..datagrams.len() {
            let Ok(datagram) = datagrams.try_recv() else { break };
            self.take_datagram(datagram);
        }
    }

    fn take_datagram(&mut self, datagram: ControlDatagram) {
        let Ok(header) = ControlHeader::parse(&datagram.bytes) else {
            return self.count_drop(DropReason::Malformed);
        };
        let endpoint = datagram.endpoint;
        let sender = (endpoint.stream(), endpoint.remote, header.session_id);
        if let Some(connection) =
            self.by_sender.get(&sender).and_then(|id| self.connections.get(id))
        {
            return connection.inlet.datagram(datagram.bytes);
        }
        let source = Source::of(datagram.endpoint.remote.ip());
        if self.handshakes() >= MAX_HANDSHAKES || !self.sources.has_room(source) {
            // Before the gate, which would spend the cookie: the client asks again and comes in later.
            return self.count_drop(DropReason::Busy);
        }
        let now = self.parts.clock.now();
        match self.parts.gate.handle(datagram.endpoint.remote, &datagram.bytes, now) {
            Verdict::Drop(reason) => self.count_drop(reason),
            Verdict::Answer(answer) => {
                self.figures.stateless_answers += 1;
                self.parts.data.send_control(&datagram.endpoint, vec![answer]);
            }
            Verdict::Accept(accepted) => self.open(accepted, datagram.endpoint, now),
        }
    }

    fn open(&mut self, accepted: Box<Accepted>, endpoint: Endpoint, now: Now) {
        let Ok(seed) = fresh_seed() else { return };
        let id = self.next_id;
        self.next_id += 1;
        self.figures.handshakes_begun += 1;
        let client_session = accepted.client_session_id();
        let tunnel = match endpoint.stream() {
            None => &self.parts.tunnel,
            Some(stream) => {
                self.by_stream.insert((stream, id));
                self.parts.data.stream(stream, StreamOrder::Adopt);
                &self.parts.tunnel_tcp
            }
        };
        let (inlet, inbox) = inbox();
        let birth = Birth {
            id,
            tunnel: Arc::clone(tunnel),
            accepted,
            seed,
            at: now,
            endpoint,
            data: self.parts.data.clone(),
            clock: Arc::clone(&self.parts.clock),
            inbox,
            drops: self.drops.clone(),
            outlet: self.outlet.clone(),
        };
        let (seat, thread) = self.parts.pool.begin();
        let handle = self.tasks.spawn_on(birth.run(), thread);
        self.task_ids.insert(handle.id(), id);
        let remote = endpoint.remote;
        let source = Source::of(remote.ip());
        self.sources.begin(source);
        let connection = Connection {
            inlet,
            remote,
            client_session,
            endpoint,
            source,
            seat,
            admitted: None,
            ended: false,
        };
        self.by_sender.insert(connection.sender(), id);
        self.connections.insert(id, connection);
    }

    fn take_notice(&mut self, notice: Notice) {
        match notice {
            Notice::Deleted { peer, counters } => self.deleted(peer, counters),
            Notice::Float { peer, endpoint } => self.float(peer, endpoint),
            Notice::Expired { peer } => self.end_peer(peer, Ending::PingTimeout),
            Notice::WorkerPanicked { peer } => self.end_peer(peer, Ending::Panicked),
            Notice::Exit { peer } => {
                self.end_peer(peer, Ending::Session(tunnel::EndReason::PeerExit));
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

    fn float(&mut self, peer: PeerRef, endpoint: Endpoint) {
        let Some(id) = self.by_peer.get(&peer).copied() else { return };
        let Some(connection) = self.connections.get_mut(&id) else { return };
        self.by_sender.remove(&connection.sender());
        connection.remote = endpoint.remote;
        connection.endpoint = endpoint;
        self.by_sender.insert(connection.sender(), id);
        if let Some(registered) = &mut connection.admitted {
            registered.info.source = endpoint.remote;
            let number = registered.info.number;
            self.parts.admission.report(Report::Floated { number, to: endpoint.remote });
        }
        self.tell(id, ToSession::Moved(endpoint));
    }

    /// Connections that have not come as far as an admission, or linger after their end.
    fn handshakes(&self) -> usize {
        self.connections.len().saturating_sub(self.by_peer.len())
    }

    fn live(&self) -> impl Iterator<Item = (ConnectionId, &Registered)> {
        self.connections
            .iter()
            .filter(|(_, connection)| !connection.ended)
            .filter_map(|(id, connection)| Some((*id, connection.admitted.as_ref()?)))
    }

    fn registered(&mut self, id: ConnectionId) -> Option<&mut Registered> {
        self.connections.get_mut(&id).filter(|c| !c.ended)?.admitted.as_mut()
    }

    fn tell(&self, id: ConnectionId, order: ToSession) {
        if let Some(connection) = self.connections.get(&id) {
            connection.inlet.order(order);
        }
    }

    fn count_drop(&mut self, reason: DropReason) {
        self.drops.count(reason);
    }
}

/// The passenger's next turn; `None` where there is none.
async fn ride(passenger: &mut Option<ControlReceiver>) -> Option<ControlFlow<(), bool>> {
    Some(passenger.as_mut()?.turn().await)
}

/// A refusal as the peer is told it: one line of bounded length.
fn told(refusal: &Refusal) -> String {
    refusal.to_string().chars().filter(|c| !c.is_control()).take(200).collect()
}

/// Connections between cookie and admission.
const MAX_HANDSHAKES: usize = 4096;
