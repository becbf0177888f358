//! The control task: drives the session registry, which decides, and carries out what it decides.
//!
//! One task, so that registering a session and sweeping all sessions can't interleave. It waits for
//! nothing but its queues. Everything that it learns goes to the [`Registry`], or first to the gate where
//! it comes from a stranger; and after each message it does what the registry wants done, in order.

use std::collections::HashMap;
use std::ops::ControlFlow::{self, Break, Continue};
use std::sync::Arc;
use std::time::Duration;

use clock::{Clock, Now};
use datapath::{Carrier, Endpoint, Notice, PeerRef};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tunnel::{Accepted, DropReason, Gate, Life, Verdict};

use crate::data::{ControlDatagram, ControlReceiver, SharedPlane, StreamEnded};
use crate::driver::fresh_seed;
use crate::figures::ControlFigures;
use crate::inbox::{Inlet, inbox};
use crate::knocked::Knocked;
use crate::leaving::Leaving;
use crate::messages::{ConnectionId, SessionEvent, ToSession};
use crate::pool::{SessionPool, ThreadSlot};
use crate::registry::{Effect, Registry, RegistrySettings};
use crate::session::{DropTally, SessionSpec};
use crate::{Admission, Identity, Kick, Revision, SessionInfo};

/// What others ask of the control task.
#[derive(Debug)]
pub(crate) enum Request {
    /// Who is connected, without counters.
    Sessions(oneshot::Sender<Vec<(PeerRef, SessionInfo)>>),
    /// What was counted.
    Figures(oneshot::Sender<ControlFigures>),
    /// Close the sessions that match; whose they were.
    Kick(Kick, oneshot::Sender<Vec<Identity>>),
    /// How long the keys of the session of this number live.
    Life(u64, oneshot::Sender<Life>),
    /// Renew everybody's keys.
    RenegotiateAll,
}

/// The queues that the control task waits for.
pub(crate) struct ControlInputs {
    /// Reads datagrams, where the kernel tells them from data packets; else the data workers do.
    pub(crate) receiver: Option<ControlReceiver>,
    pub(crate) datagrams: mpsc::Receiver<ControlDatagram>,
    pub(crate) notices: mpsc::UnboundedReceiver<Notice>,
    pub(crate) ended_streams: mpsc::UnboundedReceiver<StreamEnded>,
    pub(crate) requests: mpsc::Receiver<Request>,
    /// Say goodbye to everybody, end, and answer.
    pub(crate) stop: mpsc::Receiver<oneshot::Sender<()>>,
    pub(crate) revisions: watch::Receiver<Revision>,
}

/// What the control task works with.
pub(crate) struct ControlParts {
    pub(crate) gate: Gate,
    pub(crate) tunnel: Arc<tunnel::ServerConfig>,
    /// The same for sessions over TCP.
    pub(crate) tunnel_tcp: Arc<tunnel::ServerConfig>,
    pub(crate) registry: RegistrySettings,
    pub(crate) data: SharedPlane,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) admission: Arc<dyn Admission>,
    /// Where sessions' tasks run, and this one.
    pub(crate) pool: SessionPool,
}

pub(crate) struct Control {
    parts: ControlParts,
    registry: Registry,
    running: HashMap<ConnectionId, RunningSession>,
    tasks: JoinSet<()>,
    task_ids: HashMap<tokio::task::Id, ConnectionId>,
    outlet: mpsc::UnboundedSender<(ConnectionId, SessionEvent)>,
    events: mpsc::UnboundedReceiver<(ConnectionId, SessionEvent)>,
    drops: DropTally,
    leaving: Leaving,
    knocked: Knocked,
}

/// The way to a session's task.
struct RunningSession {
    inlet: Inlet,
    /// The thread of its task, as long as it shakes hands.
    slot: Option<ThreadSlot>,
}

/// Nobody sweeps without a control task, so nothing is forwarded without it either.
impl Drop for Control {
    fn drop(&mut self) {
        self.leaving.rest().for_each(|report| self.parts.admission.report(report));
        self.parts.data.stop();
    }
}

impl Control {
    pub(crate) fn new(parts: ControlParts) -> Self {
        let (outlet, events) = mpsc::unbounded_channel();
        Self {
            registry: Registry::new(parts.registry),
            parts,
            running: HashMap::new(),
            tasks: JoinSet::new(),
            task_ids: HashMap::new(),
            outlet,
            events,
            drops: DropTally::default(),
            leaving: Leaving::default(),
            knocked: Knocked::new(),
        }
    }

    /// Runs until told to stop. Changes and ends are looked at before new datagrams.
    pub(crate) async fn run(mut self, mut inputs: ControlInputs) {
        self.sweep(*inputs.revisions.borrow_and_update());
        loop {
            let due = self.time_left();
            tokio::select! {
                biased;
                changed = inputs.revisions.changed() => match changed {
                    Ok(()) => self.sweep(*inputs.revisions.borrow_and_update()),
                    Err(_) => return,
                },
                notice = inputs.notices.recv() => match notice {
                    Some(notice) => self.on_notice(notice),
                    // Without the data worker there is nothing to control.
                    None => return,
                },
                Some(ended) = inputs.ended_streams.recv() => {
                    // What came over it before is looked at before.
                    self.take_those_here(&mut inputs.datagrams);
                    self.registry.handle_stream_ended(&ended);
                },
                Some((id, event)) = self.events.recv() => self.on_session_event(id, event),
                Some(ended) = self.tasks.join_next_with_id() => self.reap(&ended),
                Some(done) = inputs.stop.recv() => return Box::pin(self.stop(inputs, done)).await,
                request = inputs.requests.recv() => match request {
                    Some(request) => self.answer(request),
                    None => return,
                },
                () = sleep(due) => self.registry.handle_timeout(self.parts.clock.now()),
                Some(datagram) = inputs.datagrams.recv() => self.take_datagram(datagram),
                Some(turn) = next_turn(&mut inputs.receiver) => match turn {
                    Continue(false) => {}
                    // A flood must not keep this thread from its sessions.
                    Continue(true) => tokio::task::yield_now().await,
                    Break(()) => return,
                },
            }
            self.carry_out();
        }
    }

    fn sweep(&mut self, revision: Revision) {
        let admission = &self.parts.admission;
        let may_have_ended = admission.may_have_ended(self.registry.revision());
        let recheck = |identity: &Identity| admission.recheck(identity);
        self.registry.handle_revision(revision, may_have_ended, &recheck);
        self.carry_out();
    }

    fn on_notice(&mut self, notice: Notice) {
        if let Some(report) = self.leaving.heard(&notice) {
            self.parts.admission.report(report);
        }
        self.registry.handle_notice(notice);
    }

    fn on_session_event(&mut self, id: ConnectionId, event: SessionEvent) {
        let now = self.parts.clock.now();
        let recheck = |identity: &Identity| self.parts.admission.recheck(identity);
        self.registry.handle_session_event(id, event, now, &recheck);
        self.carry_out();
    }

    /// Does what the registry wants done.
    fn carry_out(&mut self) {
        while let Some(effect) = self.registry.poll_effect() {
            match effect {
                Effect::Data(command) => self.parts.data.apply(command),
                Effect::Stream(stream, order) => self.parts.data.stream(stream, order),
                Effect::Report(report) => self.parts.admission.report(report),
                Effect::Closed(peer, info, why) => self.leaving.hold(peer, info, why),
                Effect::Tell(id, message) => {
                    if let Some(session) = self.running.get(&id) {
                        session.inlet.order(message);
                    }
                }
                Effect::StreamEnded(id, why) => {
                    if let Some(session) = self.running.get(&id) {
                        session.inlet.stream_ended(why);
                    }
                }
                Effect::HandshakeOver(id) => {
                    let session = self.running.get_mut(&id);
                    if let Some(slot) = session.and_then(|session| session.slot.take()) {
                        self.parts.pool.end(slot);
                    }
                }
                Effect::Forget(id) => drop(self.running.remove(&id)),
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
        let Some(ControlDatagram { endpoint, unwrapped }) = self.take_of_a_session(datagram) else {
            return;
        };
        if !self.registry.has_room(endpoint.remote.ip()) {
            // Before the gate, which would spend the cookie: the client asks again and comes in later.
            return self.drops.count(DropReason::Busy);
        }
        let now = self.parts.clock.now();
        let gate = &mut self.parts.gate;
        let verdict = match endpoint.carrier {
            Carrier::Tcp(_) => gate.handle_in_order(endpoint.remote, unwrapped, now),
            Carrier::Udp(_) => gate.handle(endpoint.remote, unwrapped, now),
        };
        match verdict {
            Verdict::Drop(reason) => self.drops.count(reason),
            Verdict::Answer(answer) => {
                if endpoint.stream().is_none() {
                    self.knocked.answered(endpoint.remote, now);
                }
                self.parts.data.send_control(&endpoint, vec![answer]);
            }
            Verdict::Accept(accepted) => {
                if endpoint.stream().is_none() {
                    self.knocked.returned(endpoint.remote, now);
                }
                self.open(accepted, endpoint, now);
            }
        }
    }

    /// Hands it to the session that it is of, or back.
    fn take_of_a_session(&self, datagram: ControlDatagram) -> Option<ControlDatagram> {
        let session = datagram.unwrapped.packet().session_id;
        let id = self.registry.session_at(&datagram.endpoint, session);
        match id.and_then(|id| self.running.get(&id)) {
            Some(session) => {
                session.inlet.packet(datagram.unwrapped);
                None
            }
            None => Some(datagram),
        }
    }

    fn open(&mut self, accepted: Box<Accepted>, endpoint: Endpoint, now: Now) {
        let Ok(seed) = fresh_seed() else { return };
        let id = self.registry.open(endpoint, accepted.client_session_id());
        self.carry_out();
        let tunnel = match endpoint.stream() {
            None => &self.parts.tunnel,
            Some(_) => &self.parts.tunnel_tcp,
        };
        let (inlet, inbox) = inbox();
        let spec = SessionSpec {
            id,
            tunnel: Arc::clone(tunnel),
            accepted,
            seed,
            at: now,
            endpoint,
            data: self.parts.data.clone(),
            clock: Arc::clone(&self.parts.clock),
            admission: Arc::clone(&self.parts.admission),
            inbox,
            drops: self.drops.clone(),
            outlet: self.outlet.clone(),
        };
        let (slot, thread) = self.parts.pool.begin();
        let handle = self.tasks.spawn_on(spec.run(), thread);
        self.task_ids.insert(handle.id(), id);
        self.running.insert(id, RunningSession { inlet, slot: Some(slot) });
    }

    /// A session's task is over.
    fn reap(&mut self, ended: &Result<(tokio::task::Id, ()), tokio::task::JoinError>) {
        let task = match ended {
            Ok((task, ())) => *task,
            Err(error) => error.id(),
        };
        let Some(id) = self.task_ids.remove(&task) else { return };
        // What the task said before it ended may not have been heard yet.
        while let Ok((id, event)) = self.events.try_recv() {
            self.on_session_event(id, event);
        }
        self.registry.handle_task_ended(id);
    }

    fn answer(&mut self, request: Request) {
        // Whoever asked may have gone.
        match request {
            Request::Sessions(answer) => drop(answer.send(self.registry.sessions())),
            Request::Figures(answer) => {
                drop(answer.send(self.figures()));
            }
            Request::Kick(whom, answer) => {
                let kicked = self.registry.kick(&whom);
                // Their data has stopped by the time that this is known.
                self.carry_out();
                drop(answer.send(kicked));
            }
            Request::Life(number, answer) => {
                if let Some(session) = self.running.get(&number) {
                    session.inlet.order(ToSession::Life(answer));
                }
            }
            Request::RenegotiateAll => self.registry.renegotiate_all(),
        }
    }

    fn figures(&self) -> ControlFigures {
        ControlFigures {
            control_drops: self.drops.snapshot(),
            knocks: self.knocked.figures(self.parts.clock.now()),
            ..self.registry.figures()
        }
    }

    async fn stop(mut self, mut inputs: ControlInputs, done: oneshot::Sender<()>) {
        self.registry.stop();
        self.carry_out();
        // A peer that does not acknowledge the last message does not hold up the stop.
        let _ = tokio::time::timeout(LAST_MESSAGES, self.last_messages(&mut inputs)).await;
        let _ = tokio::time::timeout(CONFIRMED, self.confirmed(&mut inputs.notices)).await;
        self.leaving.rest().for_each(|report| self.parts.admission.report(report));
        let _ = done.send(());
    }

    /// Until every session has ended. Acknowledgements go on coming in: what is said last to a client that has
    /// just been let in, and that we do not know to be up, leaves only behind them.
    async fn last_messages(&mut self, inputs: &mut ControlInputs) {
        loop {
            tokio::select! {
                biased;
                ended = self.tasks.join_next() => match ended {
                    Some(_) => {}
                    None => return,
                },
                Some(datagram) = inputs.datagrams.recv() => drop(self.take_of_a_session(datagram)),
                Some(turn) = next_turn(&mut inputs.receiver) => match turn {
                    Continue(false) => {}
                    Continue(true) => tokio::task::yield_now().await,
                    Break(()) => inputs.receiver = None,
                },
            }
        }
    }

    /// Until every peer is confirmed gone.
    async fn confirmed(&mut self, notices: &mut mpsc::UnboundedReceiver<Notice>) {
        while !self.leaving.is_empty()
            && let Some(notice) = notices.recv().await
        {
            self.on_notice(notice);
        }
    }

    fn time_left(&self) -> Option<Duration> {
        let due = self.registry.poll_timeout()?;
        Some(due.saturating_sub(self.parts.clock.now().boot))
    }
}

/// The next turn of the control receiver; `None` where there is none.
async fn next_turn(receiver: &mut Option<ControlReceiver>) -> Option<ControlFlow<(), bool>> {
    Some(receiver.as_mut()?.turn().await)
}

async fn sleep(due: Option<Duration>) {
    match due {
        Some(due) => tokio::time::sleep(due).await,
        None => std::future::pending().await,
    }
}

/// So long a stop waits for data workers, which take a moment.
const CONFIRMED: Duration = Duration::from_millis(500);
const LAST_MESSAGES: Duration = Duration::from_secs(2);
/// Connections between cookie and admission.
pub(crate) const MAX_HANDSHAKES: usize = 4096;
