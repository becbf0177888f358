//! Everybody around the registry, at random: strangers, sessions' tasks, the admission, data workers,
//! administrators and the clock.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use clock::Now;
use datapath::{Carrier, Endpoint, Notice, PeerCounters, PeerRef, Shard, StreamId};
use sources::Source;
use testkit::Random;
use tunnel::EndReason;
use wire::SessionId;
use wire::peer_info::PeerInfo;

use super::devices::{DEVICES, Holder, Records, admitted, holder, identity, names};
use super::reference::{Expected, Said};
use super::view::View;
use crate::data::{StreamEnd, StreamEnded};
use crate::grant::DataSettings;
use crate::messages::{About, ConnectionId, SessionEvent};
use crate::registry::listing::from_zero;
use crate::registry::shares::Room;
use crate::registry::{Effect, Registry, RegistrySettings};
use crate::{Decision, Denied, DisconnectReason, Identity, Kick, Revision};

pub(super) struct World {
    registry: Registry,
    random: Random,
    now: Now,
    records: Records,
    view: View,
    /// Answers on their way: from whom, to which question.
    answers: Vec<(ConnectionId, u64, Decision)>,
    attempts: u64,
    ports: u16,
    /// Established sessions that sweeps have closed.
    closed: Vec<Holder>,
    /// Sessions that came up.
    pub(super) opened: u64,
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
                mssfix_df: 0,
            },
            receive_buffer: None,
        };
        Self {
            registry: Registry::new(settings),
            random,
            now: Now { boot: Duration::from_secs(1000), wall: Duration::from_secs(1_800_000_000) },
            records: Records::default(),
            view: View::new(settings.shard),
            answers: Vec::new(),
            attempts: 0,
            ports: 0,
            closed: Vec::new(),
            opened: 0,
            is_stopped: false,
        }
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
            57 => self.records.revision += 1,
            58..60 => self.hand_in(),
            60 => self.kick(),
            61 => self.time_passes(),
            62 => self.task_ends(true),
            _ => self.rarely(),
        }
        self.drain();
    }

    fn open(&mut self) {
        let mut part = |of| self.random.below(of) as u8;
        let from = IpAddr::from([10 + part(2), part(2), part(2), part(3)]);
        if self.is_stopped || !self.registry.has_room(from) {
            return;
        }
        if let Room::InPlaceOf(id) = self.view.reference.room(from, MAX_HANDSHAKES) {
            self.view.reference.end(id, "made_room");
            self.view.reference.expected(id).has_place = false;
        }
        self.ports += 1;
        let mut endpoint = Endpoint::new(0, SocketAddr::new(from, self.ports));
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
            from,
            has_place: true,
            proven: false,
            question: None,
            holder: None,
            peer: None,
            established: false,
            ended: false,
            said: Said::default(),
        };
        assert!(self.view.reference.connections.insert(id, expected).is_none(), "{id} came twice");
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
        let expected = self.view.reference.expected(id);
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
        match self.records.recheck(&identity(holder)) {
            Ok(()) => Decision::Admitted(Box::new(admitted(holder))),
            Err(denied) => Decision::Denied(denied),
        }
    }

    /// The answer is said to take longer.
    fn answer_later(&mut self) {
        let Some(at) = pick(&mut self.random, self.answers.len()) else { return };
        let (id, attempt, _) = self.answers[at];
        let at_most = Duration::from_secs(self.random.below(60));
        self.decided(id, attempt, Decision::Pending { at_most });
    }

    fn answer(&mut self) {
        let Some(at) = pick(&mut self.random, self.answers.len()) else { return };
        let (id, attempt, decision) = self.answers.remove(at);
        self.decided(id, attempt, decision);
    }

    fn decided(&mut self, id: ConnectionId, attempt: u64, decision: Decision) {
        if self.view.reference.waits(id, attempt) {
            match &decision {
                Decision::Pending { at_most } => {
                    let deadline = self.now.boot + *at_most;
                    self.view.reference.expected(id).question = Some((attempt, deadline));
                }
                Decision::Admitted(admitted) => {
                    let holder = holder(&admitted.identity);
                    self.view.reference.admitted(id, holder, MAX_SESSIONS, &self.records);
                }
                Decision::Denied(why) => self.view.reference.denied(id, why.code()),
            }
        }
        self.hand(id, SessionEvent::Decided { attempt, decision });
    }

    fn establish(&mut self) {
        let ready = |c: &Expected| c.holder.is_some() && !c.established && !c.ended;
        let Some(id) = self.any(ready) else { return };
        let expected = self.view.reference.expected(id);
        expected.established = true;
        let host = Source::host(expected.endpoint.remote.ip());
        self.view.reference.regulars.insert(host);
        self.opened += 1;
        self.hand(id, SessionEvent::Established(None));
    }

    fn renegotiated(&mut self) {
        let Some(id) = self.any(|connection| connection.established) else { return };
        self.hand(id, SessionEvent::Renegotiated);
    }

    fn session_ends(&mut self) {
        let Some(id) = self.any(|_| true) else { return };
        self.view.reference.end(id, "peer_exit");
        self.hand(id, SessionEvent::Ended(DisconnectReason::Session(EndReason::PeerExit)));
    }

    /// A task ends once its session has, or, rarely, by a panic.
    fn task_ends(&mut self, by_panic: bool) {
        let Some(id) = self.any(|connection| connection.ended || by_panic) else { return };
        self.view.reference.end(id, "internal_error");
        self.registry.handle_task_ended(id);
    }

    fn confirm(&mut self) {
        let Some(at) = pick(&mut self.random, self.view.plane.unconfirmed.len()) else { return };
        let peer = self.view.plane.unconfirmed.remove(at);
        if let Some(id) = self.view.reference.of_peer(peer) {
            self.view.reference.end(id, "internal_error");
        }
        self.confirmed(peer);
        // Late news about a former owner of a slot, which may have another by now.
        let gone = self.view.plane.deleted.iter().filter(|peer| self.view.plane.is_gone(**peer));
        let gone: Vec<_> = gone.copied().collect();
        if self.random.below(4) == 0
            && let Some(at) = pick(&mut self.random, gone.len())
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
        if let Some(id) = self.view.reference.of_peer(peer) {
            let expected = self.view.reference.expected(id);
            if expected.endpoint.stream().is_some() {
                return;
            }
            // A peer whose end was confirmed is known no more.
            if !self.view.plane.is_gone(peer) {
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
        if let Some(id) = self.view.reference.of_peer(peer) {
            self.view.reference.end(id, why);
        }
        self.registry.handle_notice(notice);
    }

    /// Over a packet of a peer, which it takes away; the news is on its way.
    fn worker_panics(&mut self) {
        let living: Vec<_> = self.view.plane.living.keys().copied().collect();
        let Some(at) = pick(&mut self.random, living.len()) else { return };
        self.view.plane.panic_over(living[at]);
    }

    fn stream_ends(&mut self) {
        let Some(id) = self.any(|connection| connection.endpoint.stream().is_some()) else {
            return;
        };
        let Some(stream) = self.view.reference.expected(id).endpoint.stream() else { return };
        let why = StreamEnd::PeerClosed;
        self.registry.handle_stream_ended(&StreamEnded { stream, why });
        let effect = self.registry.poll_effect();
        assert!(matches!(effect, Some(Effect::StreamEnded(to, _)) if to == id), "{effect:?}");
    }

    fn revoke(&mut self) {
        let holder = (self.random.below(DEVICES) as u8, self.random.below(3) as u8);
        self.records.revoke(holder);
    }

    fn hand_in(&mut self) {
        let may_have_ended = self.records.withdrawn_at > self.registry.revision().get();
        self.view.handed_in = self.records.revision;
        if may_have_ended {
            for id in self.view.reference.swept(&self.records) {
                let expected = self.view.reference.expected(id);
                if expected.established {
                    self.closed.extend(expected.holder);
                }
            }
        }
        let recheck = |identity: &Identity| self.records.recheck(identity);
        let revision = Revision::new(self.records.revision);
        self.registry.handle_revision(revision, may_have_ended, &recheck);
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
        let meant: Vec<_> = self.view.reference.live().filter(is_meant).collect();
        meant.iter().for_each(|(id, _)| self.view.reference.end(*id, "kicked"));
        let kicked = self.registry.kick(&kick);
        let kicked: Vec<_> = kicked.iter().map(holder).collect();
        assert_eq!(kicked, meant.iter().map(|(_, holder)| *holder).collect::<Vec<_>>());
    }

    fn time_passes(&mut self) {
        self.now = self.now.after(Duration::from_secs(self.random.below(25)));
        let late = self.view.reference.overdue(self.now.boot);
        late.into_iter().for_each(|id| self.view.reference.end(id, "admission_undecided"));
        self.registry.handle_timeout(self.now);
    }

    fn rarely(&mut self) {
        match self.random.below(20) {
            0 => {
                self.is_stopped = true;
                let ids: Vec<_> = self.view.reference.connections.keys().copied().collect();
                ids.into_iter().for_each(|id| self.view.reference.end(id, "shutdown"));
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
        while !self.view.plane.unconfirmed.is_empty() || !self.view.reference.connections.is_empty()
        {
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
        assert_eq!(
            self.view.swept, self.view.handed_in,
            "the last revision was never said to be swept"
        );
        assert_eq!(self.view.closed, self.closed, "whose sessions sweeps closed");
        assert!(registry.sweeps.is_complete() && registry.connections.is_empty());
        assert!(registry.poll_timeout().is_none());
        assert_eq!((registry.places.taken(), registry.peer_ids.taken()), (0, 0));
        assert!(self.view.plane.living.is_empty(), "a peer outlived its session");
    }

    /// What must hold after every step.
    pub(super) fn check(&self) {
        let (registry, reference) = (&self.registry, &self.view.reference);
        let sessions = registry.sessions();
        let listed: Vec<_> =
            sessions.iter().map(|(_, info)| (info.number, holder(&info.identity))).collect();
        assert_eq!(listed, reference.live().collect::<Vec<_>>(), "who is connected");
        for (_, holder) in &listed {
            let revoked = self.records.has_revoked(holder, self.view.handed_in);
            assert!(!revoked, "{holder:?} outlives its right");
        }
        assert!(listed.len() <= MAX_SESSIONS);
        assert_eq!(registry.peer_ids.taken(), self.view.plane.taken(), "slots taken");
        assert_eq!(registry.places.taken(), reference.handshakes(None), "handshakes");
        for from in [[10, 0, 0, 0], [10, 0, 0, 9], [10, 1, 9, 0], [11, 9, 0, 0], [12, 0, 0, 0]] {
            let has_room = reference.has_room(from.into(), MAX_HANDSHAKES);
            assert_eq!(registry.has_room(from.into()), has_room, "room for {from:?}");
        }
        for (id, connection) in &reference.connections {
            let found = registry.session_at(&connection.endpoint, connection.client_session);
            assert_eq!(found, Some(*id), "where a session's packets go");
        }
        let due = reference.connections.values().filter_map(|c| Some(c.question?.1)).min();
        assert_eq!(registry.poll_timeout(), due);
    }

    /// Takes the effects of one step.
    fn drain(&mut self) {
        while let Some(effect) = self.registry.poll_effect() {
            self.view.take(effect, &self.records);
        }
        self.view.settle();
    }

    fn hand(&mut self, id: ConnectionId, event: SessionEvent) {
        let recheck = |identity: &Identity| self.records.recheck(identity);
        self.registry.handle_session_event(id, event, self.now, &recheck);
    }

    /// A connection like that, at random.
    fn any(&mut self, like: impl Fn(&Expected) -> bool) -> Option<ConnectionId> {
        let all = self.view.reference.connections.iter().filter(|(_, connection)| like(connection));
        let all: Vec<_> = all.map(|(id, _)| *id).collect();
        pick(&mut self.random, all.len()).map(|at| all[at])
    }

    /// A peer that lives or lived.
    fn some_peer(&mut self) -> Option<PeerRef> {
        let known = self.view.plane.living.keys().chain(&self.view.plane.unconfirmed);
        let all: Vec<_> = known.chain(self.view.plane.deleted.iter().take(3)).copied().collect();
        pick(&mut self.random, all.len()).map(|at| all[at])
    }
}

fn pick(random: &mut Random, of: usize) -> Option<usize> {
    (of > 0).then(|| random.below(of as u64) as usize)
}

const MAX_SESSIONS: usize = 4;
const MAX_HANDSHAKES: usize = 12;
