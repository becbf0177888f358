//! The control task: who is connected, who is asking, and who has to go.
//!
//! One task owns the gate, the table of connections and the peer-ids, so that registering a session
//! and sweeping all sessions can't interleave. It waits for nothing but its queues.
//!
//! Order of an end: the data thread is told first, so that a closed peer's traffic stops whatever
//! its session's task does; then the task, which says goodbye and lingers for the last
//! acknowledgements, so that they don't look like a new connection.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;

use clock::{Clock, Now};
use datapath::{Command, Endpoint, Notice, PeerCounters, PeerRef, StreamId};
use pki::Refusal;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tunnel::{Accepted, Close, DropReason, Gate, Hello, RenegotiateReason, Verdict};
use wire::SessionId;
use wire::control::ControlHeader;
use wire::peer_info::PeerInfo;

use crate::data::{ControlDatagram, DataPlane, StreamEnded, StreamOrder};
use crate::entropy::fresh_seed;
use crate::figures::ControlFigures;
use crate::grant::{DataSettings, grant, peer_settings};
use crate::inbox::{Inlet, inbox};
use crate::peers::{PeerIds, slots};
use crate::pool::{Seat, SessionPool};
use crate::server::Kick;
use crate::session::{Birth, ConnectionId, DropTally, FromSession, ToSession};
use crate::sources::{Source, Sources};
use crate::{Admission, Admitted, Ending, Identity, Report, SessionInfo};

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
    pub(crate) datagrams: mpsc::Receiver<ControlDatagram>,
    pub(crate) notices: mpsc::UnboundedReceiver<Notice>,
    pub(crate) ended_streams: mpsc::UnboundedReceiver<StreamEnded>,
    pub(crate) asks: mpsc::Receiver<Ask>,
    pub(crate) changes: watch::Receiver<i64>,
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
    pub(crate) swept: watch::Sender<i64>,
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
    /// The last change that was looked at.
    change: i64,
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

/// A sweep whose closed peers the data thread has not all confirmed.
struct Sweep {
    change: i64,
    waiting: BTreeSet<PeerRef>,
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
        let peer_ids = PeerIds::new(slots(parts.max_sessions), parts.data.share());
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
            change: 0,
            figures: ControlFigures::default(),
            drops: DropTally::default(),
        }
    }

    /// Runs until told to stop. Changes and ends are looked at before new datagrams.
    pub(crate) async fn run(mut self, mut inlets: Inlets) {
        self.sweep(*inlets.changes.borrow_and_update());
        loop {
            tokio::select! {
                biased;
                changed = inlets.changes.changed() => match changed {
                    Ok(()) => self.sweep(*inlets.changes.borrow_and_update()),
                    Err(_) => return,
                },
                notice = inlets.notices.recv() => match notice {
                    Some(notice) => self.take_notice(notice),
                    // Without the data thread there is nothing to control.
                    None => return,
                },
                Some(ended) = inlets.ended_streams.recv() => self.stream_ended(&ended),
                Some((id, what)) = self.from_sessions.recv() => self.hear(id, what),
                Some(ended) = self.tasks.join_next_with_id() => self.bury(ended),
                ask = inlets.asks.recv() => match ask {
                    Some(Ask::Stop(done)) => return self.stop(done).await,
                    Some(ask) => self.answer(ask),
                    None => return,
                },
                Some(datagram) = inlets.datagrams.recv() => self.take_datagram(datagram),
            }
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

    fn hear(&mut self, id: ConnectionId, what: FromSession) {
        match what {
            FromSession::Admission(hello) => self.admit(id, &hello),
            FromSession::Established(cipher) => {
                self.figures.sessions_opened += 1;
                let Some(registered) = self.registered(id) else { return };
                registered.established = true;
                registered.info.cipher = cipher;
                let info = registered.info.clone();
                self.parts.admission.report(Report::Opened(info));
            }
            FromSession::Renegotiated => {
                self.figures.renegotiations += 1;
                let now = self.parts.clock.now().boot;
                let Some(registered) = self.registered(id) else { return };
                registered.info.renegotiations += 1;
                registered.info.renegotiated_at = Some(now);
                let number = registered.info.number;
                self.parts.admission.report(Report::Renegotiated { number });
            }
            FromSession::Ended(ending) => self.end(id, ending, None),
        }
    }

    fn admit(&mut self, id: ConnectionId, hello: &Hello) {
        let verdict = self.parts.admission.admit(hello);
        let Some(connection) = self.connections.get(&id).filter(|c| !c.ended) else { return };
        match (verdict, &connection.admitted) {
            (Err(refusal), _) => {
                let told = tunnel::Refusal { code: refusal.code(), told: told(&refusal) };
                let message = ToSession::Refused(told);
                self.end(id, Ending::Refused(refusal), Some(message));
            }
            (Ok(admitted), Some(registered)) if registered.info.identity == admitted.identity => {
                let grant = Box::new(grant(&admitted, registered.peer, &connection.endpoint));
                let message = ToSession::Admitted(registered.peer, grant);
                self.tell(id, message);
            }
            // A renewed certificate of the same device connects anew instead.
            (Ok(_), Some(_)) => {
                let close = ToSession::Close(Close::Restart(String::new()));
                self.end(id, Ending::Replaced, Some(close));
            }
            (Ok(admitted), None) => self.register(id, hello, admitted),
        }
    }

    fn register(&mut self, id: ConnectionId, hello: &Hello, admitted: Admitted) {
        self.replace_older(id, &admitted.identity);
        let Some(connection) = self.connections.get(&id) else { return };
        let worker = connection.endpoint.stream().map(|stream| stream.worker);
        // A device has one session, so this counts them; a replaced one's peer-id may still be taken.
        let has_room = self.by_device.len() <= self.parts.max_sessions as usize;
        let Some(peer) = has_room.then(|| self.peer_ids.take(worker)).flatten() else {
            let Identity { user, device, .. } = admitted.identity;
            self.by_device.remove(&(user, device));
            let told = tunnel::Refusal { code: "full", told: "the gateway is full".to_owned() };
            return self.end(id, Ending::Full, Some(ToSession::Refused(told)));
        };
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let settings = peer_settings(
            &admitted,
            peer,
            &hello.peer_info,
            &connection.endpoint,
            &self.parts.data_settings,
        );
        let info = SessionInfo {
            number: id,
            identity: admitted.identity.clone(),
            tcp: connection.endpoint.stream().is_some(),
            source: connection.remote,
            local: connection.endpoint.local,
            addresses: admitted.addresses.clone(),
            cipher: None,
            tls: hello.tls,
            peer_version: client_name(&hello.peer_info),
            since: self.parts.clock.now().boot,
            renegotiations: 0,
            renegotiated_at: None,
            counters: PeerCounters::default(),
        };
        let endpoint = connection.endpoint;
        connection.admitted = Some(Registered { peer, info, established: false });
        self.sources.end(connection.source);
        self.parts.pool.end(connection.seat);
        self.by_peer.insert(peer, id);
        self.parts.data.apply(Command::PeerNew { peer, endpoint, settings });
        // Registered: from here on a sweep finds it. What changed before that is caught now.
        if let Err(refusal) = self.parts.admission.standing(&admitted.identity) {
            let told = tunnel::Refusal { code: refusal.code(), told: told(&refusal) };
            return self.end(id, Ending::Withdrawn(refusal), Some(ToSession::Refused(told)));
        }
        self.tell(id, ToSession::Admitted(peer, Box::new(grant(&admitted, peer, &endpoint))));
    }

    /// A device has one address, so its older session goes when the new one is admitted.
    fn replace_older(&mut self, id: ConnectionId, identity: &Identity) {
        let device = (identity.user.clone(), identity.device.clone());
        if let Some(older) = self.by_device.insert(device, id) {
            self.end(older, Ending::Replaced, Some(ToSession::Close(Close::Replaced)));
        }
    }

    /// Closes every session whose admission a change took back.
    fn sweep(&mut self, change: i64) {
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
        // Peers that were closed for another reason, and that the data thread still has to confirm.
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

    fn finish_sweep(&mut self) {
        if let Some(sweep) = self.sweep.take_if(|sweep| sweep.waiting.is_empty()) {
            self.parts.swept.send_replace(sweep.change);
        }
    }

    fn take_notice(&mut self, notice: Notice) {
        match notice {
            Notice::Deleted { peer, counters } => self.deleted(peer, counters),
            Notice::Float { peer, endpoint } => self.float(peer, endpoint),
            Notice::Expired { peer } => self.end_peer(peer, Ending::PingTimeout),
            Notice::Exit { peer } => {
                self.end_peer(peer, Ending::Session(tunnel::EndReason::PeerExit));
            }
            Notice::KeyInstalled { peer, .. }
            | Notice::FirstUse { peer, .. }
            | Notice::KeysNearlyUsedUp { peer, .. } => {
                if let Some(id) = self.by_peer.get(&peer).copied() {
                    self.tell(id, ToSession::Notice(notice));
                }
            }
            Notice::Refused { peer, why } => {
                tracing::debug!(?peer, %why, "a command had no effect");
            }
        }
    }

    fn end_peer(&mut self, peer: PeerRef, ending: Ending) {
        if let Some(id) = self.by_peer.get(&peer).copied() {
            self.end(id, ending, Some(ToSession::Close(Close::Replaced)));
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

    /// Ends a connection once: data first, then the session's task.
    fn end(&mut self, id: ConnectionId, ending: Ending, message: Option<ToSession>) {
        let Some(connection) = self.connections.get_mut(&id).filter(|c| !c.ended) else { return };
        connection.ended = true;
        if let Some(stream) = connection.endpoint.stream() {
            self.parts.data.stream(stream, StreamOrder::Expire);
        }
        *self.figures.endings.entry(ending.code()).or_default() += 1;
        match &connection.admitted {
            Some(registered) => {
                self.parts.data.apply(Command::PeerDel { peer: registered.peer });
                let info = registered.info.clone();
                let device = (info.identity.user.clone(), info.identity.device.clone());
                if self.by_device.get(&device) == Some(&id) {
                    self.by_device.remove(&device);
                }
                let report = if registered.established {
                    Report::Closed { info, ending }
                } else {
                    Report::Refused { source: connection.remote, ending, whom: Some(info.identity) }
                };
                self.parts.admission.report(report);
            }
            None => {
                let source = connection.remote;
                self.parts.admission.report(Report::Refused { source, ending, whom: None });
            }
        }
        if let Some(message) = message {
            self.tell(id, message);
        }
    }

    /// A TCP connection is gone, and what lived on it with it.
    fn stream_ended(&mut self, ended: &StreamEnded) {
        let of_it = (ended.stream, 0)..=(ended.stream, ConnectionId::MAX);
        let ids: Vec<_> = self.by_stream.range(of_it).map(|(_, id)| *id).collect();
        for id in ids {
            let close = ToSession::Close(Close::Replaced);
            self.end(id, Ending::Connection(ended.why), Some(close));
        }
    }

    fn deleted(&mut self, peer: PeerRef, _counters: PeerCounters) {
        if let Some(id) = self.by_peer.remove(&peer) {
            // The data thread deletes on its own only whom it stumbled over.
            self.end(id, Ending::Panicked, Some(ToSession::Close(Close::Replaced)));
        }
        self.peer_ids.give_back(peer);
        if let Some(sweep) = &mut self.sweep {
            sweep.waiting.remove(&peer);
        }
        self.finish_sweep();
    }

    /// A session's task is over: its last acknowledgements are in, or it panicked.
    fn bury(&mut self, ended: Result<(tokio::task::Id, ()), tokio::task::JoinError>) {
        let task = match &ended {
            Ok((task, ())) => *task,
            Err(error) => error.id(),
        };
        let Some(id) = self.task_ids.remove(&task) else { return };
        // What the task said before it ended may not have been heard yet.
        while let Ok((id, what)) = self.from_sessions.try_recv() {
            self.hear(id, what);
        }
        // Without a word it panicked; and nobody is forgotten whose peer was not deleted.
        self.end(id, Ending::Panicked, None);
        let Some(connection) = self.connections.remove(&id) else { return };
        if connection.admitted.is_none() {
            self.sources.end(connection.source);
            self.parts.pool.end(connection.seat);
        }
        self.by_sender.remove(&connection.sender());
        if let Some(stream) = connection.endpoint.stream() {
            self.by_stream.remove(&(stream, id));
            self.parts.data.stream(stream, StreamOrder::Close);
        }
    }

    fn answer(&mut self, ask: Ask) {
        match ask {
            Ask::Sessions(answer) => {
                let list = self.live().map(|(_, r)| (r.peer, r.info.clone())).collect();
                // Whoever asked may have gone.
                let _ = answer.send(list);
            }
            Ask::Figures(answer) => {
                let mut figures = self.figures.clone();
                figures.control_drops = self.drops.snapshot();
                figures.sessions = self.live().filter(|(_, r)| r.established).count() as u64;
                figures.handshakes_now = self.handshakes() as u64;
                let _ = answer.send(figures);
            }
            Ask::Kick(whom, answer) => {
                let _ = answer.send(self.kick(&whom));
            }
            Ask::RenegotiateAll => {
                let ids: Vec<_> = self.live().map(|(id, _)| id).collect();
                for id in ids {
                    self.tell(id, ToSession::Renegotiate(RenegotiateReason::Requested));
                }
            }
            Ask::Stop(_) => {}
        }
    }

    fn kick(&mut self, whom: &Kick) -> Vec<Identity> {
        let kicked: Vec<_> = self
            .live()
            .filter(|(id, registered)| match whom {
                Kick::Number(number) => id == number,
                Kick::User(user) => registered.info.identity.user == *user,
                Kick::Device(user, device) => {
                    registered.info.identity.user == *user
                        && registered.info.identity.device == *device
                }
            })
            .map(|(id, registered)| (id, registered.info.identity.clone()))
            .collect();
        for (id, _) in &kicked {
            let close = ToSession::Close(Close::Restart("closed by an administrator".to_owned()));
            self.end(*id, Ending::Kicked, Some(close));
        }
        kicked.into_iter().map(|(_, identity)| identity).collect()
    }

    async fn stop(mut self, done: oneshot::Sender<()>) {
        let ids: Vec<_> = self.connections.keys().copied().collect();
        for id in ids {
            let close = ToSession::Close(Close::Restart("the gateway is stopping".to_owned()));
            self.end(id, Ending::Shutdown, Some(close));
        }
        let farewell = async { while self.tasks.join_next().await.is_some() {} };
        // A peer that does not acknowledge the goodbye does not hold up the stop.
        let _ = tokio::time::timeout(FAREWELL, farewell).await;
        let _ = done.send(());
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

/// What a client calls itself: `OpenVPN 2.6.14 linux`.
fn client_name(info: &PeerInfo) -> String {
    let [version, platform] = ["IV_VER", "IV_PLAT"].map(|name| info.get(name).unwrap_or("?"));
    format!("{version} {platform}")
}

/// A refusal as the peer is told it: one line of bounded length.
fn told(refusal: &Refusal) -> String {
    refusal.to_string().chars().filter(|c| !c.is_control()).take(200).collect()
}

/// Connections between cookie and admission.
const MAX_HANDSHAKES: usize = 4096;
const FAREWELL: std::time::Duration = std::time::Duration::from_secs(2);
