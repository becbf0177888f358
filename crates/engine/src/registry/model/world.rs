//! Everybody around the registry, at random: strangers, sessions' tasks, the admission, data workers,
//! administrators and the clock.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use clock::Now;
use datapath::{Carrier, Command, Endpoint, Notice, PeerCounters, PeerRef, Shard, StreamId};
use pki::{CertificateId, IssuerId, Refusal, RevocationReason, Serial, Timestamp};
use testkit::Random;
use tunnel::{Close, EndReason};
use wire::SessionId;
use wire::peer_info::PeerInfo;

use super::plane::Plane;
use super::reference::{Expected, Holder, Reference, Said};
use crate::data::{StreamEnd, StreamEnded, StreamOrder};
use crate::grant::DataSettings;
use crate::messages::{About, ConnectionId, SessionEvent, ToSession};
use crate::registry::listing::from_zero;
use crate::registry::sources::Source;
use crate::registry::{Effect, Registry, RegistrySettings};
use crate::{
    Admitted, Credential, Decision, Denied, DisconnectReason, Identity, Kick, Principal, Report,
    Revision,
};

pub(super) struct World {
    registry: Registry,
    random: Random,
    now: Now,
    reference: Reference,
    plane: Plane,
    /// Answers on their way: from whom, to which question.
    answers: Vec<(ConnectionId, u64, Decision)>,
    attempts: u64,
    ports: u16,
    /// The records' revision, the last that took something back, and the last that was handed in.
    revision: u64,
    withdrawn_at: u64,
    handed_in: u64,
    swept: u64,
    /// Established sessions that sweeps have closed, and those of them that were reported.
    closed: Vec<Holder>,
    closed_reported: Vec<Holder>,
    /// Every peer whose session was let in.
    let_in: BTreeMap<PeerRef, Holder>,
    opened: u64,
    is_stopped: bool,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let workers = 1 + random.below(3) as u16;
        let settings = RegistrySettings {
            max_sessions: MAX_SESSIONS as u32,
            max_handshakes: MAX_HANDSHAKES,
            shard: Shard::new(0, workers).expect("workers"),
            data: DataSettings {
                ping: Duration::from_secs(10),
                ping_restart: Duration::from_secs(60),
                mssfix: 1492,
            },
            receive_buffer: None,
        };
        Self {
            registry: Registry::new(settings),
            random,
            now: Now { boot: Duration::from_secs(1000), wall: Duration::from_secs(1_800_000_000) },
            reference: Reference::default(),
            plane: Plane::default(),
            answers: Vec::new(),
            attempts: 0,
            ports: 0,
            revision: 0,
            withdrawn_at: 0,
            handed_in: 0,
            swept: 0,
            closed: Vec::new(),
            closed_reported: Vec::new(),
            let_in: BTreeMap::new(),
            opened: 0,
            is_stopped: false,
        }
    }

    pub(super) fn opened(&self) -> u64 {
        self.opened
    }

    /// Something happens.
    pub(super) fn step(&mut self) {
        match self.random.below(64) {
            0..12 => self.open(),
            12..16 => self.ask(),
            16..20 => self.answer_later(),
            20..30 => self.answer(),
            30..36 => self.establish(),
            36..38 => self.renegotiated(),
            38..41 => self.session_ends(),
            41..46 => self.task_ends(false),
            46..51 => self.confirm(),
            51 => self.float(),
            52 => self.notice_of_an_end(),
            53 => self.worker_panics(),
            54 => self.stream_ends(),
            55..57 => self.revoke(),
            57 => self.revision += 1,
            58..60 => self.hand_in(),
            60 => self.kick(),
            61 => self.time_passes(),
            62 => self.task_ends(true),
            _ => self.rarely(),
        }
        self.drain();
    }

    fn open(&mut self) {
        let source = Ipv4Addr::new(10, self.random.below(3) as u8, 0, self.random.below(4) as u8);
        if self.is_stopped || !self.registry.has_room(source.into()) {
            return;
        }
        if let Some(id) = self.reference.makes_room(Source::of(source.into()), MAX_HANDSHAKES) {
            self.reference.end(id, "made_room");
            self.reference.expected(id).has_place = false;
        }
        self.ports += 1;
        let mut endpoint = Endpoint::new(0, SocketAddr::new(source.into(), self.ports));
        if self.random.below(3) == 0 {
            let worker = self.random.below(self.registry.settings.shard.of().into()) as u16;
            endpoint.carrier = Carrier::Tcp(StreamId { worker, serial: self.ports.into() });
        }
        let client_session =
            SessionId::new([self.random.below(256) as u8 | 1; 8]).expect("not zero");
        let id = self.registry.open(endpoint, client_session);
        let expected = Expected {
            endpoint,
            client_session,
            source: Source::of(source.into()),
            has_place: true,
            proven: false,
            question: None,
            holder: None,
            peer: None,
            established: false,
            ended: false,
            said: Said::default(),
        };
        assert!(self.reference.connections.insert(id, expected).is_none(), "{id} came twice");
    }

    /// A session's task asks, and somebody looks the peer up, whose answer takes its time.
    fn ask(&mut self) {
        let again = self.random.below(8) == 0;
        let Some(id) = self.any(|c| c.question.is_none() || again) else { return };
        self.attempts += 1;
        let (attempt, now) = (self.attempts, self.now);
        let about =
            About { tls: "TLS 1.3", peer_info: PeerInfo::parse("IV_VER=2.6\n"), not_after: None };
        self.hand(id, SessionEvent::Asked { attempt, about });
        let expected = self.reference.expected(id);
        if !expected.ended {
            expected.question = Some((attempt, now.boot + Duration::from_secs(30)));
            expected.proven = true;
        }
        let holder = match expected.holder {
            Some(holder) if self.random.below(8) > 0 => holder,
            _ => (self.random.below(DEVICES) as u8, self.random.below(3) as u8),
        };
        let decision = self.decide(holder);
        self.answers.push((id, attempt, decision));
    }

    fn decide(&mut self, holder: Holder) -> Decision {
        match self.random.below(12) {
            0 => return Decision::Denied(Denied::Undecided),
            // Nothing follows, until the deadline.
            1 => return Decision::Pending { at_most: Duration::from_secs(self.random.below(60)) },
            _ => {}
        }
        match self.records()(&identity(holder)) {
            Ok(()) => Decision::Admitted(Box::new(admitted(holder))),
            Err(denied) => Decision::Denied(denied),
        }
    }

    /// The answer is said to take longer.
    fn answer_later(&mut self) {
        let Some(at) = self.pick(self.answers.len()) else { return };
        let (id, attempt, _) = self.answers[at];
        let at_most = Duration::from_secs(self.random.below(60));
        self.decided(id, attempt, Decision::Pending { at_most });
    }

    fn answer(&mut self) {
        let Some(at) = self.pick(self.answers.len()) else { return };
        let (id, attempt, decision) = self.answers.remove(at);
        self.decided(id, attempt, decision);
    }

    fn decided(&mut self, id: ConnectionId, attempt: u64, decision: Decision) {
        let waits = self.reference.connections.get(&id).and_then(|connection| connection.question);
        if waits.is_some_and(|(waiting, _)| waiting == attempt) {
            match &decision {
                Decision::Pending { at_most } => {
                    let deadline = self.now.boot + *at_most;
                    self.reference.expected(id).question = Some((attempt, deadline));
                }
                Decision::Admitted(admitted) => {
                    let holder = holder(&admitted.identity);
                    self.reference.admitted(id, holder, MAX_SESSIONS);
                }
                Decision::Denied(why) => self.reference.denied(id, why.code()),
            }
        }
        self.hand(id, SessionEvent::Decided { attempt, decision });
    }

    fn establish(&mut self) {
        let ready = |c: &Expected| c.holder.is_some() && !c.established && !c.ended;
        let Some(id) = self.any(ready) else { return };
        self.reference.expected(id).established = true;
        self.opened += 1;
        self.hand(id, SessionEvent::Established(None));
    }

    fn renegotiated(&mut self) {
        let Some(id) = self.any(|connection| connection.established) else { return };
        self.hand(id, SessionEvent::Renegotiated);
    }

    fn session_ends(&mut self) {
        let Some(id) = self.any(|_| true) else { return };
        self.reference.end(id, "peer_exit");
        self.hand(id, SessionEvent::Ended(DisconnectReason::Session(EndReason::PeerExit)));
    }

    /// A task ends once its session has, or, rarely, by a panic.
    fn task_ends(&mut self, by_panic: bool) {
        let Some(id) = self.any(|connection| connection.ended || by_panic) else { return };
        self.reference.end(id, "internal_error");
        self.registry.handle_task_ended(id);
    }

    fn confirm(&mut self) {
        let Some(at) = self.pick(self.plane.unconfirmed.len()) else { return };
        let peer = self.plane.unconfirmed.remove(at);
        if let Some(id) = self.reference.of_peer(peer) {
            self.reference.end(id, "internal_error");
        }
        self.confirmed(peer);
        // Late news about a former owner of a slot, which may have another by now.
        let gone = self.plane.deleted.iter().filter(|peer| self.plane.is_gone(**peer));
        let gone: Vec<_> = gone.copied().collect();
        if self.random.below(4) == 0
            && let Some(at) = self.pick(gone.len())
        {
            self.confirmed(gone[at]);
        }
    }

    fn confirmed(&mut self, peer: PeerRef) {
        let counters = PeerCounters::default();
        self.registry.handle_notice(Notice::Deleted { peer, counters });
    }

    fn float(&mut self) {
        let Some(peer) = self.some_peer() else { return };
        self.ports += 1;
        let to = SocketAddr::new(Ipv4Addr::new(172, 16, 0, 1).into(), self.ports);
        if let Some(id) = self.reference.of_peer(peer) {
            let expected = self.reference.expected(id);
            if expected.endpoint.stream().is_some() {
                return;
            }
            // A peer whose end was confirmed is known no more.
            if !self.plane.is_gone(peer) {
                expected.endpoint.remote = to;
            }
        }
        self.registry.handle_notice(Notice::Float { peer, endpoint: Endpoint::new(0, to) });
    }

    fn notice_of_an_end(&mut self) {
        let Some(peer) = self.some_peer() else { return };
        let (notice, why) = match self.random.below(3) {
            0 => (Notice::Expired { peer }, "ping_timeout"),
            1 => (Notice::Exit { peer }, "peer_exit"),
            _ => (Notice::WorkerPanicked { peer }, "internal_error"),
        };
        if let Some(id) = self.reference.of_peer(peer) {
            self.reference.end(id, why);
        }
        self.registry.handle_notice(notice);
    }

    /// Over a packet of a peer, which it takes away; the news is on its way.
    fn worker_panics(&mut self) {
        let living: Vec<_> = self.plane.living.keys().copied().collect();
        let Some(at) = self.pick(living.len()) else { return };
        self.plane.panic_over(living[at]);
    }

    fn stream_ends(&mut self) {
        let Some(id) = self.any(|connection| connection.endpoint.stream().is_some()) else {
            return;
        };
        let Some(stream) = self.reference.expected(id).endpoint.stream() else { return };
        let why = StreamEnd::PeerClosed;
        self.registry.handle_stream_ended(&StreamEnded { stream, why });
        let effect = self.registry.poll_effect();
        assert!(matches!(effect, Some(Effect::StreamEnded(to, _)) if to == id), "{effect:?}");
    }

    fn revoke(&mut self) {
        self.revision += 1;
        self.withdrawn_at = self.revision;
        let holder = (self.random.below(DEVICES) as u8, self.random.below(3) as u8);
        self.reference.revoked.entry(holder).or_insert(self.revision);
    }

    fn hand_in(&mut self) {
        let before = self.registry.revision().get();
        let may_have_ended = self.withdrawn_at > before;
        self.handed_in = self.revision;
        if may_have_ended {
            for id in self.reference.swept() {
                let expected = self.reference.expected(id);
                if expected.established {
                    self.closed.extend(expected.holder);
                }
            }
        }
        let records = records(self.reference.revoked.keys().copied().collect());
        self.registry.handle_revision(Revision::new(self.revision), may_have_ended, &records);
    }

    fn kick(&mut self) {
        let device = self.random.below(DEVICES) as u8;
        let (user, name) = names(device);
        let number = self.any(|_| true).unwrap_or(0);
        let which = self.random.below(3);
        let kick = match which {
            0 => Kick::Number(number),
            1 => Kick::User(user),
            _ => Kick::Device(user, name),
        };
        let is_meant = |(id, holder): &(ConnectionId, Holder)| match which {
            0 => *id == number,
            1 => holder.0 / 2 == device / 2,
            _ => holder.0 == device,
        };
        let meant: Vec<_> = self.reference.live().filter(is_meant).collect();
        meant.iter().for_each(|(id, _)| self.reference.end(*id, "kicked"));
        let kicked = self.registry.kick(&kick);
        let kicked: Vec<_> = kicked.iter().map(holder).collect();
        assert_eq!(kicked, meant.iter().map(|(_, holder)| *holder).collect::<Vec<_>>());
    }

    fn time_passes(&mut self) {
        self.now = self.now.after(Duration::from_secs(self.random.below(25)));
        let boot = self.now.boot;
        let late = |c: &Expected| c.question.is_some_and(|(_, deadline)| deadline <= boot);
        let late: Vec<_> =
            self.reference.connections.iter().filter(|(_, c)| late(c)).map(|(id, _)| *id).collect();
        late.into_iter().for_each(|id| self.reference.end(id, "admission_undecided"));
        self.registry.handle_timeout(self.now);
    }

    fn rarely(&mut self) {
        match self.random.below(20) {
            0 => {
                self.is_stopped = true;
                let ids: Vec<_> = self.reference.connections.keys().copied().collect();
                ids.into_iter().for_each(|id| self.reference.end(id, "shutdown"));
                self.registry.stop();
            }
            _ => self.registry.renegotiate_all(),
        }
    }

    /// Everybody answers, everything is confirmed, and nothing may be left.
    pub(super) fn come_to_rest(&mut self) {
        self.hand_in();
        self.drain();
        while !self.answers.is_empty() {
            self.answer();
            self.drain();
        }
        while !self.plane.unconfirmed.is_empty() || !self.reference.connections.is_empty() {
            self.task_ends(true);
            self.drain();
            self.confirm();
            self.drain();
            self.check();
        }
        let endings = self.registry.figures().endings;
        assert_eq!(endings.len(), from_zero().endings.len(), "all start from zero");
        assert_eq!(endings.values().sum::<u64>(), self.registry.figures.handshakes_begun, "ends");
        let registry = &self.registry;
        assert_eq!(self.swept, self.handed_in, "the last revision was never said to be swept");
        assert_eq!(self.closed_reported, self.closed, "whose sessions sweeps closed");
        assert!(registry.sweep.is_none() && registry.connections.is_empty());
        assert!(registry.by_sender.is_empty() && registry.by_stream.is_empty());
        assert!(registry.by_peer.is_empty() && registry.by_principal.is_empty());
        assert!(registry.deadlines.is_empty() && registry.poll_timeout().is_none());
        assert_eq!((registry.sources.under_way(), registry.peer_ids.taken()), (0, 0));
        assert!(self.plane.living.is_empty(), "a peer outlived its session");
    }

    /// What must hold after every step.
    pub(super) fn check(&self) {
        let (registry, reference) = (&self.registry, &self.reference);
        let sessions = registry.sessions();
        let listed: Vec<_> =
            sessions.iter().map(|(_, info)| (info.number, holder(&info.identity))).collect();
        assert_eq!(listed, reference.live().collect::<Vec<_>>(), "who is connected");
        for (_, holder) in &listed {
            let revoked = reference.revoked.get(holder);
            assert!(revoked.is_none_or(|at| *at > self.handed_in), "{holder:?} outlives its right");
        }
        assert!(listed.len() <= MAX_SESSIONS);
        assert_eq!(registry.peer_ids.taken(), self.plane.taken(), "slots taken");
        assert_eq!(registry.sources.under_way(), reference.handshakes(None), "handshakes");
        for n in 0..3 {
            let source: IpAddr = Ipv4Addr::new(10, n, 0, 9).into();
            let has_room = reference.has_room(Source::of(source), MAX_HANDSHAKES);
            assert_eq!(registry.has_room(source), has_room, "room for {source}");
        }
        for (id, connection) in &reference.connections {
            let found = registry.session_at(&connection.endpoint, connection.client_session);
            assert_eq!(found, Some(*id), "where a session's packets go");
        }
        let due = reference.connections.values().filter_map(|c| Some(c.question?.1)).min();
        assert_eq!(registry.poll_timeout(), due);
    }

    /// Takes the effects of one step, and compares them with what the reference says.
    fn drain(&mut self) {
        let mut ended = BTreeSet::new();
        let mut granted = BTreeSet::new();
        while let Some(effect) = self.registry.poll_effect() {
            match effect {
                Effect::Data(command) => self.command(command),
                Effect::Stream(stream, order) => self.stream(stream, &order),
                Effect::Tell(id, message) => {
                    if let ToSession::Admitted(peer, _) = &message {
                        assert_eq!(self.reference.expected(id).peer, Some(*peer), "not registered");
                        assert!(granted.insert(id), "{id} was let in twice");
                        self.let_in.extend(self.reference.expected(id).holder.map(|h| (*peer, h)));
                    }
                    self.told(id, &message);
                }
                Effect::HandshakeOver(id) => self.reference.expected(id).said.handshake_over += 1,
                Effect::Report(report) => ended.extend(self.reported(report)),
                Effect::StreamEnded(id, _) => panic!("{id} was told of an end that was not one"),
                Effect::Forget(id) => self.forgotten(id),
            }
        }
        assert_eq!(ended, std::mem::take(&mut self.reference.ends), "who ended, and why");
        assert_eq!(granted, std::mem::take(&mut self.reference.grants), "who was let in");
    }

    fn command(&mut self, command: Command) {
        match command {
            Command::PeerNew { peer, endpoint, settings } => {
                self.plane.add(peer, settings.addresses[0]);
                if let Some(stream) = endpoint.stream() {
                    let owner = self.registry.settings.shard.owner(peer.id.get());
                    assert_eq!(owner, stream.worker, "a peer over TCP belongs to its worker");
                }
                let id = self.reference.at(endpoint.remote).expect("its connection");
                assert_eq!(
                    self.reference.expected(id).peer.replace(peer),
                    None,
                    "registered twice"
                );
            }
            Command::PeerDel { peer } => self.plane.delete(peer),
            other => panic!("{other:?}"),
        }
    }

    fn stream(&mut self, stream: StreamId, order: &StreamOrder) {
        let id = self.reference.of_stream(stream).expect("a connection over it");
        let said = &mut self.reference.expected(id).said;
        match order {
            StreamOrder::Adopt => said.adopt += 1,
            StreamOrder::Expire => said.expire += 1,
            StreamOrder::Close => said.close += 1,
            StreamOrder::Send(_) => panic!("sent by the registry"),
        }
    }

    fn told(&mut self, id: ConnectionId, message: &ToSession) {
        let expected = self.reference.expected(id);
        if let ToSession::Close(_) | ToSession::Refused(_) = message {
            expected.said.last_message += 1;
            let peer = expected.peer;
            let stopped = peer.is_none_or(|peer| self.plane.deleted.contains(&peer));
            assert!(stopped, "{id} was told to end before its data was stopped");
            let quiet = matches!(message, ToSession::Close(Close::Halt(_)));
            assert!(!quiet, "clients may come back");
        }
        assert!(self.reference.expected(id).said.last_message <= 1, "{id} was told to end twice");
    }

    fn reported(&mut self, report: Report) -> Option<(ConnectionId, &'static str)> {
        let (id, why, established) = match report {
            Report::Closed { info, why } => (info.number, why, true),
            Report::Refused { source, why, .. } => {
                (self.reference.at(source).expect("its connection"), why, false)
            }
            Report::Opened(info) => {
                self.reference.expected(info.number).said.opened += 1;
                return None;
            }
            Report::Swept { through, closed } => {
                self.sweep_reported(through.get());
                self.closed_reported.extend(closed.iter().map(holder));
                return None;
            }
            Report::Renegotiated { .. } | Report::Floated { .. } | Report::Flapping { .. } => {
                return None;
            }
        };
        let expected = self.reference.expected(id);
        assert_eq!(expected.established, established, "{id} ended as what it was not");
        expected.said.over += 1;
        Some((id, why.code()))
    }

    fn sweep_reported(&mut self, through: u64) {
        assert!(through >= self.swept, "a sweep went back");
        self.swept = through;
        assert!(through <= self.handed_in, "a revision was swept before it came");
        for (peer, holder) in &self.let_in {
            let revoked = self.reference.revoked.get(holder).is_some_and(|at| *at <= through);
            let is_open = revoked && !self.plane.is_gone(*peer);
            assert!(!is_open, "revision {through} was swept before {peer:?} was confirmed gone");
        }
    }

    fn forgotten(&mut self, id: ConnectionId) {
        let gone = self.reference.connections.remove(&id).expect("forgotten once");
        let by_stream = u32::from(gone.endpoint.stream().is_some());
        let said = &gone.said;
        assert_eq!(said.over, 1, "{id}: its end was reported once");
        assert_eq!(said.handshake_over, 1, "{id}: its handshake was over once");
        assert_eq!(said.opened, u32::from(gone.established), "{id}: its beginning was reported");
        assert_eq!((said.adopt, said.expire, said.close), (by_stream, by_stream, by_stream));
        let stopped = gone.peer.is_none_or(|peer| self.plane.deleted.contains(&peer));
        assert!(stopped, "{id} was forgotten with its peer alive");
    }

    fn hand(&mut self, id: ConnectionId, event: SessionEvent) {
        let records = self.records();
        self.registry.handle_session_event(id, event, self.now, &records);
    }

    fn records(&self) -> impl Fn(&Identity) -> Result<(), Denied> + 'static {
        records(self.reference.revoked.keys().copied().collect())
    }

    /// A connection like that, at random.
    fn any(&mut self, like: impl Fn(&Expected) -> bool) -> Option<ConnectionId> {
        let all = self.reference.connections.iter().filter(|(_, connection)| like(connection));
        let all: Vec<_> = all.map(|(id, _)| *id).collect();
        self.pick(all.len()).map(|at| all[at])
    }

    /// A peer that lives or lived.
    fn some_peer(&mut self) -> Option<PeerRef> {
        let known = self.plane.living.keys().chain(&self.plane.unconfirmed);
        let all: Vec<_> = known.chain(self.plane.deleted.iter().take(3)).copied().collect();
        self.pick(all.len()).map(|at| all[at])
    }

    fn pick(&mut self, of: usize) -> Option<usize> {
        (of > 0).then(|| self.random.below(of as u64) as usize)
    }
}

fn records(revoked: BTreeSet<Holder>) -> impl Fn(&Identity) -> Result<(), Denied> {
    let (at, reason) = (Timestamp::from_unix_secs(1_790_000_000), RevocationReason::KeyCompromise);
    move |identity| match revoked.contains(&holder(identity)) {
        true => Err(Refusal::Revoked { at, reason }.into()),
        false => Ok(()),
    }
}

fn admitted(holder: Holder) -> Admitted {
    let address = Ipv4Addr::new(10, 71, 0, 2 + holder.0);
    Admitted { identity: identity(holder), addresses: vec![address.into()], push: Vec::new() }
}

fn identity((device, certificate): Holder) -> Identity {
    let serial = Serial::from_bytes(&[1 + device, certificate]).expect("a serial");
    let (user, device) = names(device);
    let principal = Principal { user, device };
    let id = CertificateId { issuer: IssuerId::of_name(b"a CA"), serial };
    Identity { principal, credential: Credential::Certificate(id) }
}

fn holder(identity: &Identity) -> Holder {
    match identity.credential.certificate().serial.as_bytes() {
        [device, certificate] => (device - 1, *certificate),
        other => panic!("{other:?}"),
    }
}

/// Two devices for each user.
fn names(device: u8) -> (String, String) {
    (format!("user{}", device / 2), format!("device{device}"))
}

const DEVICES: u64 = 6;
const MAX_SESSIONS: usize = 4;
const MAX_HANDSHAKES: usize = 12;
