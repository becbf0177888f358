//! A session's task: moves bytes between the session core, the socket and the data worker.
//!
//! It decides nothing. Its driver loop is the one that `tunnel::Session` documents; one turn serves
//! one message or one deadline, so a session can't starve others.

use std::collections::BTreeMap;
use std::iter;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use clock::{Clock, Now};
use datapath::{Command, Endpoint, Notice, PeerRef};
use tokio::sync::mpsc;
use tunnel::{
    Accepted, Close, DropReason, Event, Hello, NewKey, RenegotiateReason, Seed, ServerConfig,
    Session,
};

use crate::data::{DataPlane, StreamEnd};
use crate::inbox::{Inbox, Message};
use crate::messages::{About, ConnectionId, SessionEvent, ToSession};
use crate::{Admission, AdmissionRequest, Ending};

/// Dropped control datagrams by reason, counted by all session tasks together.
#[derive(Clone, Debug, Default)]
pub(crate) struct DropTally(Arc<Mutex<BTreeMap<&'static str, u64>>>);

impl DropTally {
    pub(crate) fn count(&self, reason: DropReason) {
        *self.lock().entry(reason.code()).or_default() += 1;
    }

    pub(crate) fn snapshot(&self) -> BTreeMap<&'static str, u64> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, u64>> {
        // A count is never left half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a session is made of. It is made by its own task, since the first packet may hold all that a
/// handshake's arithmetic needs, which is nothing for the control task.
pub(crate) struct SessionSpec {
    pub(crate) id: ConnectionId,
    pub(crate) tunnel: Arc<ServerConfig>,
    pub(crate) accepted: Box<Accepted>,
    pub(crate) seed: Seed,
    /// When the gate accepted it.
    pub(crate) at: Now,
    pub(crate) endpoint: Endpoint,
    pub(crate) data: DataPlane,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) admission: Arc<dyn Admission>,
    pub(crate) inbox: Inbox,
    pub(crate) drops: DropTally,
    pub(crate) outlet: mpsc::UnboundedSender<(ConnectionId, SessionEvent)>,
}

impl SessionSpec {
    /// Makes the session and runs it to its end.
    pub(crate) async fn run(self) {
        self.task().run().await;
    }

    fn task(self) -> Box<SessionTask> {
        Box::new(SessionTask {
            id: self.id,
            session: Session::server(self.tunnel, *self.accepted, self.seed, self.at),
            endpoint: self.endpoint,
            data: self.data,
            clock: self.clock,
            admission: self.admission,
            asked: 0,
            inbox: self.inbox,
            drops: self.drops,
            outlet: self.outlet,
            peer: None,
            heard: Duration::ZERO,
        })
    }
}

/// Everything a session's task works with.
struct SessionTask {
    id: ConnectionId,
    session: Session,
    endpoint: Endpoint,
    data: DataPlane,
    clock: Arc<dyn Clock>,
    admission: Arc<dyn Admission>,
    /// How often the admission was asked.
    asked: u64,
    inbox: Inbox,
    drops: DropTally,
    outlet: mpsc::UnboundedSender<(ConnectionId, SessionEvent)>,
    peer: Option<PeerRef>,
    /// When the data plane was told last that the peer is alive.
    heard: Duration,
}

impl SessionTask {
    // Boxed: a future holds what it is called with twice.
    async fn run(mut self: Box<Self>) {
        let mut ended = false;
        loop {
            ended |= self.drain();
            let Some(wait) = self.time_left(ended) else { return };
            tokio::select! {
                biased;
                message = self.inbox.next() => match message {
                    Some(Message::Order(order)) => self.take(order),
                    Some(Message::Datagram(datagram)) => self.take_datagrams(&datagram),
                    Some(Message::StreamEnded(why)) => self.end_with_stream(why),
                    None => return,
                },
                () = tokio::time::sleep(wait) => self.session.handle_timeout(self.clock.now()),
            }
        }
    }

    fn take(&mut self, message: ToSession) {
        let now = self.clock.now();
        match message {
            ToSession::Admitted(peer, grant) => {
                self.peer = Some(peer);
                // The data worker counts from the peer's making.
                self.heard = now.boot;
                self.session.admit(*grant, now);
            }
            ToSession::Refused(refusal) => self.session.refuse(refusal, now),
            ToSession::Notice(notice) => self.take_notice(&notice),
            ToSession::Moved(endpoint) => self.endpoint = endpoint,
            ToSession::Renegotiate(why) => self.session.renegotiate(why, now),
            ToSession::Close(how) => self.session.close(how, now),
        }
    }

    /// Takes a few that came together before anything is answered: one packet acknowledges them all.
    fn take_datagrams(&mut self, first: &[u8]) {
        self.take_datagram(first);
        for _ in 1..TOGETHER {
            let Some(next) = self.inbox.datagram() else { return };
            self.take_datagram(&next);
        }
    }

    /// If a goodbye came before, that was the end, and this is not heard.
    fn end_with_stream(&mut self, why: StreamEnd) {
        self.tell(SessionEvent::Ended(Ending::Connection(why)));
        self.session.close(Close::Replaced, self.clock.now());
    }

    fn take_datagram(&mut self, datagram: &[u8]) {
        match self.session.handle_datagram(datagram, self.clock.now()) {
            Ok(()) => self.heard(),
            Err(reason) => self.drops.count(reason),
        }
    }

    fn take_notice(&mut self, notice: &Notice) {
        let now = self.clock.now();
        match *notice {
            Notice::FirstUse { key_id, .. } => self.session.data_seen(key_id, now),
            Notice::KeysNearlyUsedUp { .. } => {
                self.session.renegotiate(RenegotiateReason::KeyNearlyUsedUp, now);
            }
            _ => {}
        }
    }

    /// A valid control packet keeps the peer alive like a data packet does. Saying so wakes a worker,
    /// so it is said once a second at most, which is the unit of every keepalive.
    fn heard(&mut self) {
        let now = self.clock.now().boot;
        if let Some(peer) = self.peer
            && now >= self.heard + HEARD
        {
            self.heard = now;
            self.data.apply(Command::PeerHeard { peer });
        }
    }

    /// Sends what waits and acts on what happened; says whether the session has ended.
    fn drain(&mut self) -> bool {
        let mut ended = false;
        loop {
            self.send();
            let Some(event) = self.session.poll_event() else { return ended };
            ended |= self.act_on(event);
        }
    }

    fn send(&mut self) {
        let now = self.clock.now();
        let waiting: Vec<_> = iter::from_fn(|| self.session.poll_transmit(now)).collect();
        self.data.send_control(&self.endpoint, waiting);
    }

    fn act_on(&mut self, event: Event) -> bool {
        match event {
            Event::Admission(hello) => self.ask(hello),
            Event::KeyReady(key) => self.install(*key),
            Event::KeyActive(key_id) => self.with_peer(|peer| Command::KeySwap { peer, key_id }),
            Event::KeyRetired(key_id) => self.with_peer(|peer| Command::KeyDel { peer, key_id }),
            Event::Established => {
                let cipher = self.session.negotiated().map(|negotiated| negotiated.cipher);
                self.tell(SessionEvent::Established(cipher));
            }
            Event::Renegotiated(_) => self.tell(SessionEvent::Renegotiated),
            Event::Ended(reason) => {
                self.tell(SessionEvent::Ended(Ending::Session(reason)));
                return true;
            }
            Event::Pushed(_) => {}
        }
        false
    }

    /// Asks on this task's time, and the answer goes to the control task, which registers the session
    /// before this one hears of it.
    fn ask(&mut self, hello: Box<Hello>) {
        self.asked += 1;
        let attempt = self.asked;
        self.tell(SessionEvent::Asked { attempt, about: About::of(&hello) });
        let (id, outlet) = (self.id, self.outlet.clone());
        self.admission.admit(AdmissionRequest::new(hello, move |decision| {
            // Without a control task there is nothing to be let into.
            let _ = outlet.send((id, SessionEvent::Decided { attempt, decision }));
        }));
    }

    fn install(&mut self, key: NewKey) {
        let NewKey { key_id, cipher, material, role } = key;
        self.with_peer(|peer| Command::KeyNew { peer, key_id, cipher, material, role });
        // What the peer sends on being told is looked at after the command.
        self.session.key_installed(key_id, self.clock.now());
    }

    fn with_peer(&self, command: impl FnOnce(PeerRef) -> Command) {
        if let Some(peer) = self.peer {
            self.data.apply(command(peer));
        }
    }

    fn tell(&self, what: SessionEvent) {
        // Without a control task the process is stopping, and the inbox will end this task.
        let _ = self.outlet.send((self.id, what));
    }

    /// How long until the session's next deadline; `None` once it has ended and nothing is due.
    fn time_left(&self, ended: bool) -> Option<Duration> {
        match self.session.poll_timeout() {
            Some(deadline) => Some(deadline.at.saturating_sub(self.clock.now().boot)),
            None if ended => None,
            None => Some(IDLE),
        }
    }
}

/// As many as one packet acknowledges.
const TOGETHER: usize = 4;
const HEARD: Duration = Duration::from_secs(1);
/// A session without a deadline waits for messages only.
const IDLE: Duration = Duration::from_secs(3600);
