//! A server session's task: moves bytes between the session core, the socket and the data worker.
//!
//! It decides nothing. [`Driver`] drives the core; one turn serves one message or one deadline, so a
//! session can't starve others.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use clock::{Clock, Now};
use datapath::{Endpoint, PeerRef};
use pki::RefusedCertificate;
use tokio::sync::mpsc;
use tunnel::{
    Accepted, Close, DropReason, EndReason, Hello, NotAwaited, Progress, Seed, ServerConfig,
    Session,
};
use wire::wrap::Unwrapped;

use crate::data::{SharedPlane, StreamEnd};
use crate::driver::{Driver, Happened, KeyChange, Surroundings};
use crate::inbox::{Inbox, Message};
use crate::messages::{About, ConnectionId, SessionEvent, ToSession};
use crate::{Admission, AdmissionRequest, Became, Begun, DisconnectReason, Watcher};

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
    pub(crate) data: SharedPlane,
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
        let watcher = self.admission.watch(&self.begun());
        let tunnel = match &watcher {
            None => self.tunnel,
            Some(watcher) => Arc::new(ServerConfig {
                tls: self.tunnel.tls.watched(watcher.secrets()),
                ..ServerConfig::clone(&self.tunnel)
            }),
        };
        let session = Session::server(tunnel, *self.accepted, self.seed, self.at);
        Box::new(SessionTask {
            driver: Driver::new(session),
            side: ServerSide {
                id: self.id,
                endpoint: self.endpoint,
                data: self.data,
                outlet: self.outlet,
                admission: self.admission,
                asked: 0,
                peer: None,
                refused: None,
                heard: Duration::ZERO,
                watcher,
                clock: Arc::clone(&self.clock),
            },
            clock: self.clock,
            inbox: self.inbox,
            drops: self.drops,
        })
    }

    fn begun(&self) -> Begun<'_> {
        Begun {
            number: self.id,
            tcp: self.endpoint.stream().is_some(),
            source: self.endpoint.remote,
            local: self.endpoint.local,
            accepted: &self.accepted,
            wrapping: self.tunnel.check.session_wrap().overhead(),
            at: self.at,
        }
    }
}

/// Everything a session's task works with.
struct SessionTask {
    driver: Driver,
    side: ServerSide,
    clock: Arc<dyn Clock>,
    inbox: Inbox,
    drops: DropTally,
}

impl SessionTask {
    // Boxed: a future holds what it is called with twice.
    async fn run(mut self: Box<Self>) {
        loop {
            self.driver.drain(&mut self.side, || self.clock.now());
            self.side.refused = None;
            let Some(wait) = self.driver.time_left(self.clock.now()) else { break };
            tokio::select! {
                biased;
                message = self.inbox.next() => match message {
                    Some(Message::Order(order)) => self.handle_order(order),
                    Some(Message::Packet(packet)) => self.handle_packets(packet),
                    Some(Message::StreamEnded(why)) => self.end_with_stream(why),
                    None => break,
                },
                () = tokio::time::sleep(wait) => self.driver.handle_timeout(self.clock.now()),
            }
        }
        self.side.became(Became::Gone);
    }

    fn handle_order(&mut self, message: ToSession) {
        let now = self.clock.now();
        match message {
            ToSession::Admitted(peer, grant) => {
                self.side.peer = Some(peer);
                // The data worker counts from the peer's making.
                self.side.heard = now.boot;
                note_late(self.driver.admit(*grant, now));
            }
            ToSession::Refused(refusal) => {
                let close = refusal.close.clone();
                // The session has gone on to another generation; its peer is gone all the same.
                if self.driver.refuse(refusal, now).is_err() {
                    self.driver.close(close, now);
                }
            }
            ToSession::Notice(notice) => self.driver.handle_notice(&notice, now),
            ToSession::Moved(endpoint) => self.side.endpoint = endpoint,
            ToSession::Renegotiate => self.driver.renegotiate(now),
            // Whoever asked may have gone.
            ToSession::Life(answer) => drop(answer.send(self.driver.life())),
            ToSession::Close(how) => self.driver.close(how, now),
        }
    }

    /// Handles a few that came together before anything is answered: one packet acknowledges them all.
    fn handle_packets(&mut self, first: Unwrapped) {
        self.handle_packet(first);
        for _ in 1..TOGETHER {
            let Some(next) = self.inbox.packet() else { return };
            self.handle_packet(next);
        }
    }

    fn handle_packet(&mut self, packet: Unwrapped) {
        let now = self.clock.now();
        if let Some(watcher) = &mut self.side.watcher {
            watcher.heard(packet.packet(), packet.stamp(), now);
        }
        let (handled, refused) = pki::refused_within(|| self.driver.handle(packet, now));
        self.side.refused = refused.map(Box::new).or(self.side.refused.take());
        match handled {
            Ok(()) => self.side.heard(self.clock.now()),
            Err(reason) => self.drops.count(reason),
        }
    }

    /// If a goodbye came before, that was the end, and this is not heard.
    fn end_with_stream(&mut self, why: StreamEnd) {
        let turned_away = !self.driver.is_established()
            && self.driver.progress() == Progress::SilentAfterOurCertificate;
        let why = match turned_away && why.is_the_peers_doing() {
            true => DisconnectReason::ClosedAfterOurCertificate,
            false => DisconnectReason::Connection(why),
        };
        self.side.tell(SessionEvent::Ended(why));
        self.driver.close(Close::Replaced, self.clock.now());
    }
}

/// The peer may have begun anew or be gone by the time an admission is decided.
fn note_late(answer: Result<(), NotAwaited>) {
    if let Err(why) = answer {
        tracing::debug!(%why, "an admission was decided too late");
    }
}

/// What a server's session is driven in.
struct ServerSide {
    id: ConnectionId,
    endpoint: Endpoint,
    data: SharedPlane,
    outlet: mpsc::UnboundedSender<(ConnectionId, SessionEvent)>,
    admission: Arc<dyn Admission>,
    /// How often the admission was asked.
    asked: u64,
    peer: Option<PeerRef>,
    /// The certificate that the TLS verifier refused in this turn.
    refused: Option<Box<RefusedCertificate>>,
    /// When the data plane was told last that the peer is alive.
    heard: Duration,
    /// Whoever watches the handshakes.
    watcher: Option<Box<dyn Watcher>>,
    clock: Arc<dyn Clock>,
}

impl Surroundings for ServerSide {
    fn send(&mut self, packets: Vec<Vec<u8>>) {
        let Some(watcher) = &mut self.watcher else {
            return self.data.send_control(&self.endpoint, packets);
        };
        let now = self.clock.now();
        self.data.send_control(&self.endpoint, packets.clone());
        packets.iter().for_each(|packet| watcher.said(packet, now));
    }

    fn change_keys(&mut self, change: KeyChange) {
        if let Some(peer) = self.peer {
            self.data.apply(change.command(peer));
        }
    }

    fn happened(&mut self, what: Happened, session: &mut Session) {
        let (message, became) = match what {
            Happened::Admission(hello) => return self.ask(hello),
            Happened::Established => {
                let cipher = session.negotiated().map(|negotiated| negotiated.cipher);
                (SessionEvent::Established(cipher), Became::Established)
            }
            Happened::Renegotiated => (SessionEvent::Renegotiated, Became::Renegotiated),
            Happened::Ended(reason) => (SessionEvent::Ended(self.why(reason)), Became::Ended),
            Happened::Pushed(_) => return,
        };
        self.tell(message);
        self.became(became);
    }
}

impl ServerSide {
    fn became(&mut self, what: Became) {
        if let Some(watcher) = &mut self.watcher {
            watcher.became(what, self.clock.now());
        }
    }

    /// A valid control packet keeps the peer alive like a data packet does. Saying so wakes a worker,
    /// so it is said once a second at most, which is the unit of every keepalive.
    fn heard(&mut self, now: Now) {
        if let Some(peer) = self.peer
            && now.boot >= self.heard + HEARD
        {
            self.heard = now.boot;
            self.data.heard(peer);
        }
    }

    /// A refusal inside TLS, with the certificate that rustls has no room for.
    fn why(&mut self, reason: EndReason) -> DisconnectReason {
        let in_tls = matches!(reason, EndReason::TlsFailed(rustls::Error::InvalidCertificate(_)));
        match self.refused.take() {
            Some(refused) if in_tls => DisconnectReason::RefusedInTls(refused),
            _ => DisconnectReason::Session(reason),
        }
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

    fn tell(&self, what: SessionEvent) {
        // Without a control task the process is stopping, and the inbox will end the task.
        let _ = self.outlet.send((self.id, what));
    }
}

/// As many as one packet acknowledges.
const TOGETHER: usize = 4;
const HEARD: Duration = Duration::from_secs(1);
