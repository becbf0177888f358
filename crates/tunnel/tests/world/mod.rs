//! A gate, its sessions and one client on a hostile network, in virtual time.
//!
//! The world plays the driver of both sides: it admits, installs keys after a while, sends data
//! packets that are only a key's id and bytes, and checks after each event what must always hold.

#![allow(dead_code, unreachable_pub, reason = "each test includes it and uses a part")]

mod version3;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use clock::Now;
use testkit::{Authority, Network, Random, Weather};
use tunnel::{
    ClientConfig, Close, DropReason, EndReason, Event, Gate, GateSettings, Grant, Progress,
    Refusal, ServerConfig, Session, SessionState, Timing, Verdict,
};
use wire::cipher::Cipher;
use wire::push::{PushOption, RouteTarget, Topology};
use wire::static_key::{KeyDirection, StaticKey};
use wire::stranger::StrangerCheck;
use wire::tls_auth::{AuthDigest, TlsAuth};
use wire::wrap::ControlWrap;
use wire::{KeyId, Opcode, PeerId, SessionId};
use zeroize::Zeroizing;

use version3::VersionThree;

pub const START: Now =
    Now { boot: Duration::from_secs(1_000), wall: Duration::from_secs(1_790_000_000) };

/// What differs between runs.
#[derive(Clone, Debug)]
pub struct Setup {
    pub seed: u64,
    pub weather: Weather,
    pub timing: Timing,
    pub tls12: bool,
    pub plain: bool,
    pub slow_driver: bool,
    pub client_ciphers: Vec<Cipher>,
    pub refuse: bool,
    /// `IV_VER`.
    pub client_version: &'static str,
    /// `IV_PROTO` of an older client.
    pub client_proto: Option<&'static str>,
    /// The client answers a soft reset as version 3 does.
    pub client_as_version_three: bool,
    /// The server answers a soft reset as version 3 does.
    pub server_as_version_three: bool,
    /// The client begins its own next generation by any soft reset, and follows to no other key id, nor to
    /// any before it has finished a generation, as stock does.
    pub client_as_stock: bool,
    /// The same for the server.
    pub server_as_stock: bool,
    /// When the client's certificate runs out, from the start on.
    pub certificate_life: Option<Duration>,
    /// Further routes in the push.
    pub routes: u32,
    /// The client's certificate is of another CA.
    pub stranger: bool,
    /// Somebody forges acknowledgements or a renewal, which no key prevents where `plain`: a side may seal before
    /// the other can open, and what it sends till then is lost.
    pub forged_acks: bool,
}

impl Setup {
    pub fn fine(seed: u64) -> Self {
        Self {
            seed,
            weather: Weather::FINE,
            timing: Timing::default(),
            tls12: false,
            plain: false,
            slow_driver: false,
            client_ciphers: Cipher::DEFAULT.to_vec(),
            refuse: false,
            client_version: "2.6.14",
            client_proto: None,
            client_as_version_three: false,
            server_as_version_three: false,
            client_as_stock: false,
            server_as_stock: false,
            certificate_life: None,
            routes: 0,
            stranger: false,
            forged_acks: false,
        }
    }
}

/// One side's session and what its data plane knows.
pub struct Party {
    pub session: Session,
    pub keys: BTreeMap<KeyId, Vec<u8>>,
    pub sealing: Option<KeyId>,
    pub end: Option<EndReason>,
    pub established: bool,
    /// It says goodbye, which installs no key any more.
    pub closing: bool,
    pub renegotiated: Vec<KeyId>,
    pub retired: Vec<KeyId>,
    pub pushed: usize,
    pub admissions: usize,
    version_three: Option<VersionThree>,
    as_stock: bool,
    /// The generation of the last packet that it sent.
    pub generation: KeyId,
    seen: Option<KeyId>,
    incarnation: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    Client,
    Server(SessionId),
}

#[derive(Clone)]
enum Parcel {
    ToServer(Vec<u8>),
    ToClient(Vec<u8>),
    Data { to: Who, key_id: KeyId, key: Vec<u8> },
}

enum Task {
    Admit { peer: SessionId, incarnation: u64 },
    Install { who: Who, incarnation: u64, key_id: KeyId, key: Vec<u8> },
}

pub struct World {
    pub now: Now,
    pub random: Random,
    pub gate: Gate,
    pub client: Party,
    pub servers: BTreeMap<SessionId, Party>,
    pub drops: BTreeMap<DropReason, usize>,
    pub data_sent: usize,
    pub data_opened: usize,
    pub to_server: Vec<Vec<u8>>,
    pub setup: Setup,
    client_config: Arc<ClientConfig>,
    server_config: Arc<ServerConfig>,
    network: Network<Parcel>,
    tasks: BTreeMap<(Duration, u64), Task>,
    counter: u64,
}

impl World {
    pub fn new(setup: Setup) -> Self {
        let mut random = Random::new(setup.seed);
        let (server_config, client_config) = configs(&setup);
        let gate = Gate::new(server_config.check.clone(), random.seed(), GateSettings::default());
        let session = Session::client(Arc::clone(&client_config), random.seed(), START);
        let mut world = Self {
            now: START,
            gate,
            client: Party::new(session, 0),
            servers: BTreeMap::new(),
            drops: BTreeMap::new(),
            data_sent: 0,
            data_opened: 0,
            to_server: Vec::new(),
            network: Network::new(setup.weather, random.bits()),
            setup,
            client_config,
            server_config,
            random,
            tasks: BTreeMap::new(),
            counter: 0,
        };
        world.client.version_three =
            world.setup.client_as_version_three.then(|| world.version_three(Who::Client));
        world.client.as_stock = world.setup.client_as_stock;
        world.drain(Who::Client);
        world
    }

    fn version_three(&self, who: Who) -> VersionThree {
        let server = self.server_config.check.session_wrap();
        let client = Arc::clone(&self.client_config.wrap);
        match who {
            Who::Client => VersionThree::new(client, server),
            Who::Server(_) => VersionThree::new(server, client),
        }
    }

    /// The server's side of the client's present session.
    pub fn server(&self) -> Option<&Party> {
        self.servers.get(&self.client.session.id())
    }

    pub fn party(&mut self, who: Who) -> Option<&mut Party> {
        match who {
            Who::Client => Some(&mut self.client),
            Who::Server(id) => self.servers.get_mut(&id),
        }
    }

    /// Runs until the time, which everything that is due before it has seen.
    pub fn run_for(&mut self, time: Duration) {
        let until = self.now.boot + time;
        let mut steps = 0_u64;
        while let Some(at) = self.next_moment().filter(|at| *at <= until) {
            self.advance_to(at);
            self.deliver();
            self.work();
            self.time_out();
            steps += 1;
            assert!(
                steps < 1_000_000,
                "seed {}: time stands still at {:?}",
                self.setup.seed,
                self.now.boot
            );
        }
        self.advance_to(until);
    }

    /// From here on nothing comes through.
    pub fn cut_the_line(&mut self) {
        self.network = Network::new(Weather { loss: 1.0, ..Weather::FINE }, 0);
    }

    pub fn renegotiate(&mut self, who: Who) {
        let now = self.now;
        if let Some(party) = self.party(who) {
            // It may be in any step.
            let _ = party.session.renegotiate(now);
        }
        self.drain(who);
    }

    pub fn close(&mut self, who: Who, how: Close) {
        let now = self.now;
        if let Some(party) = self.party(who) {
            let _ = party.session.close(how, now);
            party.closing = true;
        }
        self.drain(who);
    }

    /// Saves, drops and restores a side. Its data plane lives on, or is made new from the events.
    pub fn restore(&mut self, who: Who, keep_data_plane: bool) {
        let (now, seed) = (self.now, self.random.seed());
        let (server_config, client_config) =
            (Arc::clone(&self.server_config), Arc::clone(&self.client_config));
        let Some(party) = self.party(who).filter(|party| party.end.is_none()) else { return };
        let bytes = party.session.save().encode();
        let state = SessionState::decode(&bytes).expect("own bytes");
        party.session = match who {
            Who::Client => Session::restore_client(client_config, state, seed, now),
            Who::Server(_) => Session::restore_server(server_config, state, seed, now),
        };
        party.incarnation += 1;
        if std::env::var_os("HANDFAST_SIM_TRACE").is_some() {
            eprintln!("{:>8.3} {who:?} restored", (now.boot - START.boot).as_secs_f64());
        }
        if !keep_data_plane || !party.session.is_established() {
            party.keys.clear();
            party.sealing = None;
        }
        party.established = party.session.is_established();
        while let Some(event) = party.session.poll_event() {
            match event {
                Event::KeyReady(key) => {
                    assert!(!key.fresh, "nobody knows what was sealed with it");
                    party.keys.insert(key.key_id, key.material.as_bytes().to_vec());
                }
                Event::KeyActive(key_id) => party.sealing = Some(key_id),
                Event::KeyRetired(key_id) => {
                    party.keys.remove(&key_id);
                }
                Event::Ended(reason) => party.end = Some(reason),
                other => panic!("unexpected after a restore: {other:?}"),
            }
        }
        self.drain(who);
    }

    /// Sends one data packet each way, as far as there are keys.
    pub fn exchange_data(&mut self) {
        let id = self.client.session.id();
        let now = self.now.boot;
        if let Some((key_id, key)) = self.client.seal() {
            self.data_sent += 1;
            self.network.send(now, Parcel::Data { to: Who::Server(id), key_id, key });
        }
        if let Some((key_id, key)) = self.server().and_then(Party::seal) {
            self.data_sent += 1;
            self.network.send(now, Parcel::Data { to: Who::Client, key_id, key });
        }
    }

    fn next_moment(&self) -> Option<Duration> {
        let sessions = self.servers.values().chain([&self.client]);
        let deadlines =
            sessions.filter_map(|party| party.session.poll_timeout()).map(|deadline| deadline.at);
        let task = self.tasks.first_key_value().map(|((at, _), _)| *at);
        deadlines.chain(task).chain(self.network.next_arrival()).min()
    }

    fn advance_to(&mut self, at: Duration) {
        self.now = self.now.after(at.saturating_sub(self.now.boot));
    }

    fn deliver(&mut self) {
        while let Some(parcel) = self.network.receive(self.now.boot) {
            match parcel {
                Parcel::ToServer(datagram) => self.deliver_to_server(&datagram),
                Parcel::ToClient(datagram) => self.deliver_to_client(&datagram),
                Parcel::Data { to, key_id, key } => self.open(to, key_id, &key),
            }
        }
    }

    pub fn deliver_to_client(&mut self, datagram: &[u8]) {
        let taken = self.client.take(datagram, self.now);
        self.count(taken);
        self.drain(Who::Client);
    }

    pub fn deliver_to_server(&mut self, datagram: &[u8]) {
        let id =
            SessionId::new(*datagram[1..].first_chunk().expect("long enough")).expect("not zero");
        if let Some(party) = self.servers.get_mut(&id) {
            let taken = party.take(datagram, self.now);
            self.count(taken);
        } else {
            match self.gate.handle_datagram(remote(), datagram, self.now) {
                Verdict::Drop(reason) => self.count(Err(reason)),
                Verdict::Answer(answer) => {
                    assert!(answer.len() <= datagram.len() + 12, "an answer that amplifies");
                    self.network.send(self.now.boot, Parcel::ToClient(answer));
                }
                Verdict::Accept(accepted) => {
                    let (config, seed) = (Arc::clone(&self.server_config), self.random.seed());
                    let session = Session::server(config, *accepted, seed, self.now);
                    self.counter += 1;
                    let mut party = Party::new(session, self.counter << 32);
                    let as_three = self.setup.server_as_version_three;
                    party.as_stock = self.setup.server_as_stock;
                    party.version_three = as_three.then(|| self.version_three(Who::Server(id)));
                    self.servers.insert(id, party);
                }
            }
        }
        self.drain(Who::Server(id));
    }

    fn open(&mut self, to: Who, key_id: KeyId, key: &[u8]) {
        let (now, seed) = (self.now, self.setup.seed);
        let Some(party) = self.party(to).filter(|party| party.is_in_use()) else {
            return;
        };
        match party.keys.get(&key_id) {
            Some(own) => assert_eq!(own, key, "seed {seed}: keys differ for key id {key_id}"),
            None => panic!(
                "seed {seed}: {to:?} cannot open key id {key_id}, has {:?}",
                party.keys.keys()
            ),
        }
        if party.seen != Some(key_id) {
            party.seen = Some(key_id);
            party.session.data_seen(key_id, now);
        }
        self.data_opened += 1;
        self.drain(to);
    }

    fn work(&mut self) {
        while let Some(entry) =
            self.tasks.first_entry().filter(|entry| entry.key().0 <= self.now.boot)
        {
            match entry.remove() {
                Task::Admit { peer, incarnation } => self.admit(peer, incarnation),
                Task::Install { who, incarnation, key_id, key } => {
                    let now = self.now;
                    if let Some(party) =
                        self.party(who).filter(|party| party.incarnation == incarnation)
                    {
                        party.keys.insert(key_id, key);
                        let _may_be_late = party.session.key_installed(key_id, now);
                        self.drain(who);
                    }
                }
            }
        }
    }

    fn admit(&mut self, peer: SessionId, incarnation: u64) {
        let (now, refuse, grant) = (self.now, self.setup.refuse, self.grant());
        let who = Who::Server(peer);
        let Some(party) = self.party(who).filter(|party| party.incarnation == incarnation) else {
            return;
        };
        if refuse {
            let refusal =
                Refusal { code: "device_disabled", close: Close::AuthFailed("no".to_owned()) };
            let _may_be_late = party.session.refuse(refusal, now);
        } else {
            let _may_be_late = party.session.admit(grant, now);
        }
        self.drain(who);
    }

    fn grant(&self) -> Grant {
        let mut grant = grant();
        grant.not_after = self.setup.certificate_life.map(|life| START.wall + life);
        grant.push.extend((0..self.setup.routes).map(|n| PushOption::Route {
            network: RouteTarget::Addr((0x0a00_0000 + n).into()),
            netmask: Some(Ipv4Addr::BROADCAST),
            gateway: None,
            metric: None,
        }));
        grant
    }

    fn time_out(&mut self) {
        let now = self.now;
        let due = |party: &Party| {
            party.session.poll_timeout().is_some_and(|deadline| deadline.at <= now.boot)
        };
        let mut who: Vec<Who> = self
            .servers
            .iter()
            .filter(|(_, party)| due(party))
            .map(|(id, _)| Who::Server(*id))
            .collect();
        if due(&self.client) {
            who.push(Who::Client);
        }
        for who in who {
            if let Some(party) = self.party(who) {
                party.session.handle_timeout(now);
            }
            self.drain(who);
        }
    }

    /// Sends what there is and acts on events.
    fn drain(&mut self, who: Who) {
        let now = self.now;
        loop {
            let Some(party) = self.party(who) else { return };
            if let Some(datagram) = party.next_datagram(now) {
                assert!(
                    datagram.len() + 48 <= 1250,
                    "a control datagram of {} bytes",
                    datagram.len()
                );
                let parcel = match who {
                    Who::Client => {
                        self.to_server.push(datagram.clone());
                        Parcel::ToServer(datagram)
                    }
                    Who::Server(_) => Parcel::ToClient(datagram),
                };
                self.network.send(now.boot, parcel);
                continue;
            }
            match party.session.poll_event() {
                Some(event) => self.handle(who, event),
                None => return,
            }
        }
    }

    fn handle(&mut self, who: Who, event: Event) {
        let patience = if self.setup.slow_driver { self.random.below(1500) } else { 0 };
        let at = self.now.boot + Duration::from_millis(patience / 5);
        let seed = self.setup.seed;
        self.counter += 1;
        let counter = self.counter;
        if std::env::var_os("HANDFAST_SIM_TRACE").is_some() {
            eprintln!("{:>8.3} {who:?} {event:?}", (self.now.boot - START.boot).as_secs_f64());
        }
        let Some(party) = self.party(who) else { return };
        assert!(party.end.is_none(), "seed {seed}: {who:?}: {event:?} after the end");
        let incarnation = party.incarnation;
        match event {
            Event::Admission(_) => {
                party.admissions += 1;
                let Who::Server(peer) = who else {
                    panic!("seed {seed}: a client is asked for admission")
                };
                let at = self.now.boot + Duration::from_millis(patience);
                self.tasks.insert((at, counter), Task::Admit { peer, incarnation });
            }
            Event::KeyReady(key) => {
                assert!(key.fresh);
                let (key_id, key) = (key.key_id, key.material.as_bytes().to_vec());
                self.tasks.insert((at, counter), Task::Install { who, incarnation, key_id, key });
            }
            Event::KeyActive(key_id) => {
                party.sealing = Some(key_id);
                assert!(
                    party.keys.contains_key(&key_id),
                    "seed {seed}: {who:?} seals with a key it never opened with"
                );
                self.check_agreement(who, key_id);
            }
            Event::KeyRetired(key_id) => {
                assert_ne!(party.sealing, Some(key_id), "seed {seed}: the sealing key retires");
                party.keys.remove(&key_id);
                party.retired.push(key_id);
            }
            Event::Pushed(_) => party.pushed += 1,
            Event::Established => party.established = true,
            Event::Renegotiated(key_id) => party.renegotiated.push(key_id),
            Event::Ended(reason) => party.end = Some(reason),
        }
    }

    /// Whoever seals with a key can rely on the other side to open with it.
    fn check_agreement(&mut self, who: Who, key_id: KeyId) {
        let seed = self.setup.seed;
        let other = match who {
            Who::Client => self.servers.get(&self.client.session.id()),
            Who::Server(id) => Some(&self.client).filter(|client| client.session.id() == id),
        };
        let Some(other) = other.filter(|other| other.end.is_none() && !other.closing) else {
            return;
        };
        let theirs = other.keys.get(&key_id).cloned();
        if theirs.is_none() && self.setup.forged_acks {
            return;
        }
        let ours = self.party(who).and_then(|party| party.keys.get(&key_id)).cloned();
        assert_eq!(ours, theirs, "seed {seed}: {who:?} seals with key id {key_id}");
    }

    fn count(&mut self, taken: Result<(), DropReason>) {
        if let Err(reason) = taken {
            *self.drops.entry(reason).or_default() += 1;
        }
    }
}

impl Party {
    fn new(session: Session, incarnation: u64) -> Self {
        Self {
            session,
            keys: BTreeMap::new(),
            sealing: None,
            end: None,
            established: false,
            closing: false,
            renegotiated: Vec::new(),
            retired: Vec::new(),
            pushed: 0,
            admissions: 0,
            version_three: None,
            as_stock: false,
            generation: KeyId::FIRST,
            seen: None,
            incarnation,
        }
    }

    fn take(&mut self, datagram: &[u8], now: Now) -> Result<(), DropReason> {
        if self.as_stock && !self.would_follow(datagram) {
            // Whatever its id, the reset makes it begin its own next one.
            let _ = self.session.renegotiate(now);
            return Err(DropReason::KeyIdOutOfSync);
        }
        match &mut self.version_three {
            Some(rewriting) => rewriting.hand_in(&mut self.session, datagram, now),
            None => self.session.handle_datagram(datagram, now),
        }
    }

    fn would_follow(&self, datagram: &[u8]) -> bool {
        let finished = self.session.progress() == Progress::Complete;
        let next = if finished { self.generation.next() } else { self.generation };
        match wire::split_first_byte(datagram) {
            Some((Opcode::CONTROL_SOFT_RESET_V1, key_id)) => {
                key_id == next || key_id == self.generation
            }
            _ => true,
        }
    }

    fn next_datagram(&mut self, now: Now) -> Option<Vec<u8>> {
        let datagram = match &mut self.version_three {
            Some(rewriting) => rewriting.hand_out(&mut self.session, now),
            None => self.session.poll_transmit(now),
        }?;
        let (_, key_id) = wire::split_first_byte(&datagram).expect("a packet");
        self.generation = key_id;
        Some(datagram)
    }

    fn is_in_use(&self) -> bool {
        self.end.is_none() && self.established && !self.closing
    }

    fn seal(&self) -> Option<(KeyId, Vec<u8>)> {
        let key_id = self.sealing.filter(|_| self.end.is_none())?;
        Some((key_id, self.keys.get(&key_id)?.clone()))
    }
}

pub fn remote() -> SocketAddr {
    "192.0.2.7:40000".parse().expect("an address")
}

pub fn grant() -> Grant {
    let (local, netmask) = ("10.71.0.2".parse().expect("v4"), "255.255.0.0".parse().expect("v4"));
    Grant {
        push: vec![
            PushOption::Topology(Topology::Subnet),
            PushOption::Ifconfig { local, netmask },
            PushOption::Ping(10),
        ],
        peer_id: PeerId::new(5).expect("small"),
        ciphers: Vec::new(),
        not_after: None,
    }
}

pub fn wrap(direction: KeyDirection) -> Arc<ControlWrap> {
    let key = StaticKey::from_bytes(&std::array::from_fn(|n| n as u8));
    Arc::new(ControlWrap::TlsAuth(Box::new(TlsAuth::new(&key, direction, AuthDigest::Sha256))))
}

/// A ClientHello as any client makes it.
pub fn hello() -> Vec<u8> {
    let client = authority().client_config(None, &[&rustls::version::TLS13]);
    let nobody = std::net::IpAddr::from([192, 0, 2, 9]).into();
    let mut client = rustls::ClientConnection::new(client.into(), nobody).expect("a client");
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).expect("into memory");
    bytes
}

/// One CA for the whole process: its keys are the only slow thing here.
pub fn authority() -> &'static Authority {
    static AUTHORITY: OnceLock<Authority> = OnceLock::new();
    AUTHORITY.get_or_init(|| Authority::new("simulated CA"))
}

pub fn configs(setup: &Setup) -> (Arc<ServerConfig>, Arc<ClientConfig>) {
    static TLS: OnceLock<[(Arc<rustls::ServerConfig>, Arc<rustls::ClientConfig>); 2]> =
        OnceLock::new();
    let pair = |version| {
        let mut server = authority().server_config(authority().server(), &[version]);
        let mut client = authority().client_config(Some(authority().client("device")), &[version]);
        tunnel::prepare_server(&mut server);
        tunnel::prepare_client(&mut client);
        (Arc::new(server), Arc::new(client))
    };
    let both = TLS.get_or_init(|| [pair(&rustls::version::TLS13), pair(&rustls::version::TLS12)]);
    let (server, client) = &both[usize::from(setup.tls12)];
    let wrap_for =
        |direction| if setup.plain { Arc::new(ControlWrap::Plain) } else { wrap(direction) };
    let server = ServerConfig {
        tls: Arc::clone(server).into(),
        check: StrangerCheck::shared(wrap_for(KeyDirection::Normal)),
        timing: setup.timing.clone(),
        ciphers: Cipher::DEFAULT.to_vec(),
        options: "V4,dev-type tun,link-mtu 1549,tun-mtu 1500,proto UDPv4,auth SHA256,keysize 256,tls-auth,key-method 2,tls-server".to_owned(),
    };
    let client = ClientConfig {
        tls: if setup.stranger { stranger() } else { Arc::clone(client) },
        wrap: wrap_for(KeyDirection::Inverse),
        timing: setup.timing.clone(),
        ciphers: setup.client_ciphers.clone(),
        options: "V4,dev-type tun,link-mtu 1549,tun-mtu 1500,proto UDPv4,auth SHA256,keysize 256,tls-auth,key-method 2,tls-client".to_owned(),
        username: String::new(),
        password: Zeroizing::default(),
        version: setup.client_version.to_owned(),
        platform: "linux".to_owned(),
        peer_info: setup.client_proto.map(|proto| ("IV_PROTO".to_owned(), proto.to_owned())).into_iter().collect(),
    };
    (Arc::new(server), Arc::new(client))
}

/// A client that trusts us and has a certificate that we do not trust.
fn stranger() -> Arc<rustls::ClientConfig> {
    let identity = Authority::new("another CA").client("stranger");
    let mut client = authority().client_config(Some(identity), &[&rustls::version::TLS13]);
    tunnel::prepare_client(&mut client);
    Arc::new(client)
}
