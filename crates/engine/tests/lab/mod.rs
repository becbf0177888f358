//! A server on loopback with a TUN made of a socket pair, and a client that is driven step by step.

#![allow(dead_code, reason = "each test program uses its own part")]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use clock::{Clock, SystemClock};
use datapath::{DataKeys, OpenKey, PeerToPeer, SealKey};
use engine::{
    Admission, AdmissionRequest, Admitted, Client, ClientSettings, Credential, DataSettings,
    Denied, Identity, Link, Principal, Report, Revision, Server, ServerIo, ServerSettings,
};
use pki::{CertificateId, Refusal, Timestamp};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use sysio::{Packet, TcpListener, Tun, UdpSocket};
use testkit::Authority;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;
use tunnel::{
    ClientConfig, Close, EndReason, Event, GateSettings, Hello, ServerConfig, Session, Timing,
};
use wire::cipher::Cipher;
use wire::data::DataHeader;
use wire::push::{PushOption, Topology};
use wire::static_key::{KeyDirection, StaticKey};
use wire::stranger::StrangerCheck;
use wire::tls_auth::{AuthDigest, TlsAuth};
use wire::wrap::ControlWrap;
use wire::{KeyId, PeerId};
use zeroize::Zeroizing;

/// When the certificate is revoked.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Flip {
    /// At this datagram of the client's.
    AtStep(usize),
    /// After this admission was granted and before the engine has seen the answer.
    WithinAdmission(usize),
}

/// A server and what it stands on.
pub(crate) struct Lab {
    pub(crate) server: Server,
    /// Where it takes TCP connections.
    pub(crate) tcp: SocketAddr,
    pub(crate) udp: SocketAddr,
    door: Arc<Door>,
    flip: Option<Flip>,
    far: Tun,
    packets: AtomicUsize,
}

impl Lab {
    pub(crate) fn start(flip: Option<Flip>) -> Self {
        Self::start_at(flip, Arc::new(SystemClock))
    }

    pub(crate) fn start_at(flip: Option<Flip>, clock: Arc<dyn Clock>) -> Self {
        let (near, far) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
                .expect("a pair");
        let near = Arc::new(Tun::from_fd(near, "near").expect("a TUN"));
        let far = Tun::from_fd(far, "far").expect("a TUN");
        let socket = UdpSocket::bind("127.0.0.1:0".parse().expect("v4")).expect("a socket");
        let udp = socket.local_addr().expect("bound");
        let listener = TcpListener::bind("127.0.0.1:0".parse().expect("v4")).expect("a listener");
        let tcp = listener.local_addr().expect("bound");
        let io = ServerIo::single(near, vec![Arc::new(socket)], vec![listener]);
        let within = match flip {
            Some(Flip::WithinAdmission(nth)) => nth,
            _ => 0,
        };
        let door = Arc::new(Door::new(within));
        let admission = Arc::clone(&door) as Arc<dyn Admission>;
        let server = Server::start(io, settings(), admission, clock).expect("a server");
        Self { server, tcp, udp, door, flip, far, packets: AtomicUsize::new(0) }
    }

    /// Keeps admissions waiting from here on.
    pub(crate) fn hold_admissions(&self) {
        self.door.holds.store(true, Ordering::Relaxed);
    }

    /// Keeps the control task busy until it is told otherwise: it looks at who may stay, and gets no answer.
    pub(crate) fn keep_control_busy(&self) {
        self.door.is_slow.store(true, Ordering::Relaxed);
        self.door.changes.send_modify(|_| {});
        while !self.door.is_asked.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    pub(crate) fn let_control_go_on(&self) {
        self.door.is_slow.store(false, Ordering::Relaxed);
    }

    /// An admission that waits.
    pub(crate) fn held(&self) -> Option<AdmissionRequest> {
        self.door.held.lock().expect("nobody panics in here").pop()
    }

    /// What an admission would be answered.
    pub(crate) fn decide(&self, request: &AdmissionRequest) -> Result<Admitted, Refusal> {
        self.door.decide(request.hello())
    }

    pub(crate) fn revoke(&self) {
        self.door.revoke();
    }

    pub(crate) fn has_flipped(&self) -> bool {
        *self.door.changes.borrow() > Revision::NONE
    }

    /// Waits until the engine says that the revocation is complete.
    pub(crate) async fn swept(&self) {
        let mut swept = self.door.swept.subscribe();
        let done = swept.wait_for(|through| *through > Revision::NONE);
        let done = tokio::time::timeout(Duration::from_secs(5), done).await;
        done.expect("a sweep ends in time").expect("the server runs");
    }

    /// Packets that left the tunnel until now.
    pub(crate) fn packets_out(&self) -> usize {
        self.packets.fetch_add(self.sources_out().len(), Ordering::Relaxed);
        self.packets.load(Ordering::Relaxed)
    }

    /// The IPv4 sources of the packets that left the tunnel since it was last looked.
    pub(crate) fn sources_out(&self) -> Vec<[u8; 4]> {
        let mut packets: Vec<_> = (0..16).map(|_| Packet::new(0, 2048)).collect();
        let mut sources = Vec::new();
        while let Ok(count @ 1..) = self.far.recv_batch(&mut packets) {
            sources.extend(
                packets[..count].iter().map(|packet| {
                    *packet.content()[12..].first_chunk::<4>().expect("an IPv4 header")
                }),
            );
        }
        sources
    }

    /// A packet for a client, from the network behind the server.
    pub(crate) fn packet_in(&self, to: [u8; 4]) {
        self.far.send(&packet([10, 71, 0, 1], to)).expect("room");
    }

    /// As many full packets for the client, as far as they go at once.
    pub(crate) fn packets_in(&self, count: usize) {
        let mut full = packet([10, 71, 0, 1], [10, 71, 0, 2]);
        full.resize(1400, 0);
        full[2..4].copy_from_slice(&1400u16.to_be_bytes());
        for _ in 0..count {
            // A full queue is somebody's who is slow, as the kernel's would be.
            let _ = self.far.send(&full);
        }
    }

    /// A client of the engine's own with one of the certificates, and the far end of its TUN.
    pub(crate) fn client(&self, device: usize) -> (Client, Tun) {
        self.client_with(device, false)
    }

    /// The same, which holds its data until it is told to let them pass.
    pub(crate) fn client_that_holds(&self, device: usize) -> (Client, Tun) {
        self.client_with(device, true)
    }

    fn client_with(&self, device: usize, holds_data: bool) -> (Client, Tun) {
        let (near, far) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
                .expect("a pair");
        let near = Arc::new(Tun::from_fd(near, "near").expect("a TUN"));
        let far = Tun::from_fd(far, "far").expect("a TUN");
        let link = Link::Udp(Arc::new(UdpSocket::connect(self.udp).expect("a socket")));
        let settings = ClientSettings {
            tunnel: Arc::new(client_config(device)),
            mssfix: 0,
            mssfix_df: 0,
            nice: 0,
            ping_restart: Duration::from_secs(120),
            holds_data,
        };
        let client = Client::start(vec![near], link, self.udp, settings, Arc::new(SystemClock));
        (client.expect("a client"), far)
    }

    async fn step(&self, number: usize) -> bool {
        let now = matches!(self.flip, Some(Flip::AtStep(step)) if step == number);
        if now {
            self.door.revoke();
            self.swept().await;
        }
        now
    }
}

/// Knows every device of its CA, until all are revoked.
#[derive(Debug)]
pub(crate) struct Door {
    changes: watch::Sender<Revision>,
    swept: watch::Sender<Revision>,
    within: usize,
    admissions: AtomicUsize,
    /// Answers wait for [`Lab::held`].
    holds: AtomicBool,
    held: Mutex<Vec<AdmissionRequest>>,
    /// Whoever asks whether somebody may stay waits.
    is_slow: AtomicBool,
    /// Somebody asks that, and waits.
    is_asked: AtomicBool,
    /// In the order of their first admission, which says their addresses.
    devices: Mutex<Vec<CertificateId>>,
}

impl Door {
    pub(crate) fn new(within: usize) -> Self {
        let (changes, _) = watch::channel(Revision::NONE);
        let (swept, _) = watch::channel(Revision::NONE);
        let (admissions, devices, held) = (AtomicUsize::new(0), Mutex::default(), Mutex::default());
        let [holds, is_slow, is_asked] = [false; 3].map(AtomicBool::new);
        Self { changes, swept, within, admissions, holds, held, is_slow, is_asked, devices }
    }

    pub(crate) fn is_swept(&self) -> bool {
        *self.swept.borrow() > Revision::NONE
    }

    pub(crate) fn revoke(&self) {
        self.changes.send_replace(Revision::new(1));
    }

    fn verdict(&self) -> Result<(), Refusal> {
        let reason = pki::RevocationReason::KeyCompromise;
        let at = Timestamp::from_unix_secs(1_790_000_000);
        if *self.changes.borrow() > Revision::NONE {
            Err(Refusal::Revoked { revocation: Some(pki::Revocation { at, reason }) })
        } else {
            Ok(())
        }
    }
}

impl Door {
    fn number_of(&self, id: CertificateId) -> u8 {
        let mut devices = self.devices.lock().expect("nobody panics in here");
        let known = devices.iter().position(|device| *device == id);
        let number = known.unwrap_or_else(|| {
            devices.push(id);
            devices.len() - 1
        });
        number as u8
    }
}

impl Door {
    fn decide(&self, hello: &Hello) -> Result<Admitted, Refusal> {
        self.verdict()?;
        let id = CertificateId::of(hello.chain.first().ok_or(Refusal::NoCertificate)?)?;
        if self.admissions.fetch_add(1, Ordering::Relaxed) + 1 == self.within {
            self.revoke();
        }
        let number = self.number_of(id);
        let local = std::net::Ipv4Addr::from([10, 71, 0, 2 + number]);
        let netmask = "255.255.255.0".parse().expect("v4");
        Ok(Admitted {
            identity: identity(id, number),
            addresses: vec![local.into()],
            push: vec![
                PushOption::Topology(Topology::Subnet),
                PushOption::Ifconfig { local, netmask },
            ],
        })
    }
}

impl Admission for Door {
    fn admit(&self, mut request: AdmissionRequest) {
        if self.holds.load(Ordering::Relaxed) {
            request.pending(Duration::from_secs(20));
            return self.held.lock().expect("nobody panics in here").push(request);
        }
        match self.decide(request.hello()) {
            Ok(admitted) => request.admit(admitted),
            Err(refusal) => request.deny(refusal),
        }
    }

    fn recheck(&self, _: &Identity) -> Result<(), Denied> {
        while self.is_slow.load(Ordering::Relaxed) {
            self.is_asked.store(true, Ordering::Relaxed);
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(self.verdict()?)
    }

    fn revisions(&self) -> watch::Receiver<Revision> {
        self.changes.subscribe()
    }

    fn report(&self, report: Report) {
        if let Report::Swept { through, .. } = report {
            self.swept.send_replace(through);
        }
    }
}

fn identity(id: CertificateId, number: u8) -> Identity {
    let device = DEVICES[usize::from(number)].parse().expect("a name");
    let principal = Principal { user: "alice".parse().expect("a name"), device };
    Identity { principal, credential: Credential::Certificate(id) }
}

/// A client without a TUN, whose every datagram is a step.
pub(crate) struct Subscriber {
    pub(crate) steps: usize,
    pub(crate) established: bool,
    pub(crate) renegotiated: bool,
    /// Packets that it could open.
    pub(crate) opened: usize,
    /// Data packets that it could not open.
    pub(crate) unopened: usize,
    /// What had passed when the sweep was confirmed: to the network, to the client.
    pub(crate) passed: Option<(usize, usize)>,
    pub(crate) ended: bool,
    /// The server asked it to begin anew.
    pub(crate) told_to_restart: bool,
    pub(crate) way: Way,
    session: Session,
    keys: BTreeMap<KeyId, (SealKey, OpenKey)>,
    sealing: Option<KeyId>,
    pub(crate) peer_id: PeerId,
    /// Its own in the tunnel.
    pub(crate) address: [u8; 4],
}

/// How its packets get to the server.
pub(crate) enum Way {
    Udp(tokio::net::UdpSocket),
    /// And what was received of it.
    Tcp(tokio::net::TcpStream, Vec<u8>),
}

impl Way {
    pub(crate) async fn udp(lab: &Lab) -> Self {
        let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
        socket.connect(lab.udp).await.expect("connected");
        Way::Udp(socket)
    }

    pub(crate) async fn tcp(lab: &Lab) -> Self {
        Self::tcp_at(lab.tcp).await
    }

    pub(crate) async fn tcp_at(address: SocketAddr) -> Self {
        let stream = tokio::net::TcpStream::connect(address).await.expect("connected");
        Way::Tcp(stream, Vec::new())
    }

    /// A server that is gone, or that closed the connection, is what some tests are about.
    async fn send(&mut self, packet: &[u8]) {
        let _ = match self {
            Way::Udp(socket) => socket.send(packet).await.map(drop),
            Way::Tcp(stream, _) => {
                let length = wire::stream::length(packet.len()).expect("a short packet");
                stream.write_all(&[&length[..], packet].concat()).await
            }
        };
    }

    /// Sends bytes as they are.
    pub(crate) async fn send_raw(&mut self, bytes: &[u8]) {
        match self {
            Way::Udp(socket) => drop(socket.send(bytes).await),
            Way::Tcp(stream, _) => drop(stream.write_all(bytes).await),
        }
    }

    async fn received(&mut self) -> Option<Vec<u8>> {
        let mut buffer = vec![0; 2048];
        match self {
            Way::Udp(socket) => {
                let length = socket.recv(&mut buffer).await.ok()?;
                buffer.truncate(length);
                Some(buffer)
            }
            Way::Tcp(stream, begun) => loop {
                if let Some(whole) = wire::stream::whole_frame(begun) {
                    let packet = begun[wire::stream::LENGTH..whole].to_vec();
                    begun.drain(..whole);
                    return Some(packet);
                }
                match stream.read(&mut buffer).await.ok()? {
                    // Nothing comes any more, as with datagrams.
                    0 => std::future::pending().await,
                    length => begun.extend_from_slice(&buffer[..length]),
                }
            },
        }
    }
}

impl Subscriber {
    pub(crate) fn new(way: Way) -> Self {
        Self::with_certificate(way, 0)
    }

    /// Connects with one of the certificates.
    pub(crate) fn with_certificate(way: Way, device: usize) -> Self {
        Self::of_session(way, client_session(device))
    }

    /// Connects with TLS of its own.
    pub(crate) fn with_tls(way: Way, mut tls: rustls::ClientConfig) -> Self {
        tunnel::prepare_client(&mut tls);
        let config = ClientConfig { tls: Arc::new(tls), ..client_config(0) };
        Self::of_session(way, Session::client(Arc::new(config), seed(), SystemClock.now()))
    }

    fn of_session(way: Way, session: Session) -> Self {
        Self {
            steps: 0,
            established: false,
            renegotiated: false,
            opened: 0,
            unopened: 0,
            passed: None,
            ended: false,
            told_to_restart: false,
            way,
            session,
            keys: BTreeMap::new(),
            sealing: None,
            peer_id: PeerId::new(0).expect("small"),
            address: [0; 4],
        }
    }

    /// Goes on until `done`, its end, or a revocation that leaves it waiting.
    pub(crate) async fn until(&mut self, lab: &Lab, done: impl Fn(&Self) -> bool) {
        while !done(self) && !self.ended && !lab.has_flipped() {
            self.turn(lab, Duration::from_secs(5)).await;
        }
    }

    /// Goes on until it has been shown the server's certificate, which it does not look at.
    pub(crate) async fn until_shown_a_certificate(&mut self, lab: &Lab) {
        self.turn(lab, Duration::from_secs(5)).await;
        while self.received(Duration::from_millis(500)).await.is_some() {}
    }

    /// Goes on until it has its push, of which the server has not heard.
    pub(crate) async fn until_pushed_unheard(&mut self, lab: &Lab) {
        while self.session.negotiated().is_none() && !self.ended {
            self.drain(lab).await;
            if let Some(datagram) = self.received(Duration::from_secs(5)).await {
                self.take(&datagram);
            }
        }
    }

    /// Does what its session says, and sends nothing: what it was pushed is not acknowledged.
    pub(crate) fn take_up_keys(&mut self) {
        while let Some(event) = self.session.poll_event() {
            self.act_on(event);
        }
    }

    /// Takes data until one packet was opened, and sends nothing.
    pub(crate) async fn hears_data(&mut self, limit: Duration) -> bool {
        let listening = async {
            while self.opened == 0 {
                if let Some(datagram) = self.received(limit).await {
                    self.take(&datagram);
                }
            }
        };
        tokio::time::timeout(limit, listening).await.is_ok()
    }

    pub(crate) fn renegotiate(&mut self) {
        if !self.ended {
            self.session.renegotiate(SystemClock.now()).expect("it is up");
        }
    }

    /// Data in both directions, each packet a step.
    pub(crate) async fn talk(&mut self, lab: &Lab) {
        for _ in 0..3 {
            if lab.has_flipped() {
                return;
            }
            self.say(lab).await;
            if !lab.has_flipped() {
                lab.packet_in(self.address);
                self.turn(lab, Duration::from_millis(200)).await;
            }
        }
    }

    /// Takes what comes until so many packets were opened, or for two seconds.
    pub(crate) async fn until_opened(&mut self, lab: &Lab, packets: usize, limit: Duration) {
        let listening = async {
            while self.opened < packets {
                self.turn(lab, Duration::from_millis(50)).await;
            }
        };
        let _ = tokio::time::timeout(limit, listening).await;
    }

    /// Sends a packet into the network behind the server.
    pub(crate) async fn say(&mut self, lab: &Lab) {
        if let Some(key) = self.sealing {
            self.send_data(lab, key).await;
        }
    }

    /// Tries whatever it still has: its messages, and data under each key that it ever had.
    pub(crate) async fn insist(&mut self, lab: &Lab) {
        for _ in 0..5 {
            let keys: Vec<_> = self.keys.keys().copied().collect();
            for key in keys {
                self.send_data(lab, key).await;
            }
            lab.packet_in(self.address);
            self.turn(lab, Duration::from_millis(20)).await;
        }
    }

    /// Says goodbye and closes the TCP connection, all at once.
    pub(crate) async fn leave(mut self) {
        self.session.close(Close::Exit, SystemClock.now()).expect("it has not ended");
        let packets = std::iter::from_fn(|| self.session.poll_transmit(SystemClock.now()));
        let framed = packets.flat_map(|packet| {
            let length = wire::stream::length(packet.len()).expect("a short packet");
            [&length[..], &packet].concat()
        });
        let last: Vec<u8> = framed.collect();
        self.way.send_raw(&last).await;
    }

    /// Takes everything that comes until nothing comes for a while.
    pub(crate) async fn read_all(&mut self) {
        while let Some(datagram) = self.received(Duration::from_millis(300)).await {
            self.take(&datagram);
        }
    }

    /// Sends what waits, then takes one datagram or one deadline.
    pub(crate) async fn turn(&mut self, lab: &Lab, at_most: Duration) {
        self.drain(lab).await;
        let now = SystemClock.now().boot;
        let due = self.session.poll_timeout().map(|deadline| deadline.at.saturating_sub(now));
        let wait = due.unwrap_or(at_most).min(at_most);
        match self.received(wait).await {
            Some(datagram) => {
                self.take(&datagram);
                self.step(lab).await;
            }
            None => self.session.handle_timeout(SystemClock.now()),
        }
        self.drain(lab).await;
    }

    async fn drain(&mut self, lab: &Lab) {
        loop {
            while let Some(datagram) = self.session.poll_transmit(SystemClock.now()) {
                self.step(lab).await;
                self.way.send(&datagram).await;
            }
            let Some(event) = self.session.poll_event() else { return };
            self.act_on(event);
        }
    }

    fn act_on(&mut self, event: Event) {
        match event {
            Event::Pushed(reply) => {
                for option in &reply.options {
                    match option {
                        PushOption::PeerId(id) => self.peer_id = *id,
                        PushOption::Ifconfig { local, .. } => self.address = local.octets(),
                        _ => {}
                    }
                }
            }
            Event::KeyReady(key) => {
                let pair = DataKeys::derive(key.cipher, &key.material, key.role);
                self.keys.insert(key.key_id, pair.expect("keys"));
                let _may_be_late = self.session.key_installed(key.key_id, SystemClock.now());
            }
            Event::KeyActive(key_id) => self.sealing = Some(key_id),
            Event::Established => self.established = true,
            Event::Renegotiated(_) => self.renegotiated = true,
            Event::Ended(why) => {
                self.ended = true;
                self.told_to_restart = matches!(why, EndReason::PeerRestart { .. });
            }
            Event::KeyRetired(_) | Event::Admission(_) => {}
        }
    }

    async fn send_data(&mut self, lab: &Lab, key_id: KeyId) {
        let header = DataHeader::V2 { key_id, peer_id: self.peer_id };
        let plaintext = packet(self.address, [10, 71, 0, 1]);
        let mut sealed = vec![0; SealKey::sealed_len(header, plaintext.len())];
        let Some((seal, _)) = self.keys.get_mut(&key_id) else { return };
        seal.seal(header, &plaintext, &mut sealed).expect("sealed");
        self.step(lab).await;
        self.way.send(&sealed).await;
        // What this packet leads to has happened before the next one goes.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }

    fn take(&mut self, datagram: &[u8]) {
        let Ok(header) = wire::data::parse_header(datagram) else {
            // A drop is the session's own business.
            let _ = self.session.handle_datagram(datagram, SystemClock.now());
            return;
        };
        let (DataHeader::V1 { key_id } | DataHeader::V2 { key_id, .. }) = header;
        let mut bytes = datagram.to_vec();
        let Some((_, open)) = self.keys.get_mut(&key_id) else { return };
        let opened = open.open(header, &mut bytes).is_ok();
        self.unopened += usize::from(!opened);
        if opened {
            self.opened += 1;
            self.session.data_seen(key_id, SystemClock.now());
        }
    }

    /// Counts; at the revocation, what is already in the socket was sent before.
    async fn step(&mut self, lab: &Lab) {
        self.steps += 1;
        if lab.step(self.steps).await {
            while let Some(datagram) = self.received(Duration::from_millis(1)).await {
                self.take(&datagram);
            }
            self.passed = Some((lab.packets_out(), self.opened));
        }
    }

    async fn received(&mut self, wait: Duration) -> Option<Vec<u8>> {
        tokio::time::timeout(wait, self.way.received()).await.ok()?
    }
}

/// The first packet of a client.
pub(crate) fn first_packet() -> Vec<u8> {
    let mut session = client_session(0);
    session.poll_transmit(SystemClock.now()).expect("a reset")
}

/// An IPv4 packet with a protocol that nobody looks into.
pub(crate) fn packet(from: [u8; 4], to: [u8; 4]) -> Vec<u8> {
    let mut packet = vec![0; 40];
    packet[0] = 0x45;
    packet[3] = 40;
    packet[8] = 64;
    packet[9] = 253;
    packet[12..16].copy_from_slice(&from);
    packet[16..20].copy_from_slice(&to);
    packet
}

pub(crate) fn settings() -> ServerSettings {
    ServerSettings {
        tunnel: Arc::new(server_config()),
        tcp_options: String::new(),
        gate: GateSettings::default(),
        data: DataSettings {
            ping: Duration::from_secs(60),
            ping_restart: Duration::from_secs(120),
            mssfix: 0,
            mssfix_df: 0,
        },
        max_sessions: 4,
        peer_to_peer: PeerToPeer::Refuse,
    }
}

/// The session of a client with one of the certificates.
pub(crate) fn client_session(device: usize) -> Session {
    Session::client(Arc::new(client_config(device)), seed(), SystemClock.now())
}

fn server_config() -> ServerConfig {
    ServerConfig {
        tls: Arc::clone(&tls().0).into(),
        check: StrangerCheck::shared(wrap(KeyDirection::Normal)),
        timing: Timing::default(),
        ciphers: Cipher::DEFAULT.to_vec(),
        options: "V4,dev-type tun,tls-server".to_owned(),
    }
}

fn client_config(device: usize) -> ClientConfig {
    ClientConfig {
        tls: Arc::clone(&tls().1[device]),
        wrap: wrap(KeyDirection::Inverse),
        timing: Timing::default(),
        ciphers: Cipher::DEFAULT.to_vec(),
        options: "V4,dev-type tun,tls-client".to_owned(),
        username: String::new(),
        password: Zeroizing::default(),
        version: "0.1.0".to_owned(),
        platform: "linux".to_owned(),
        peer_info: Vec::new(),
    }
}

/// What the devices are called, and whom their certificates name.
const DEVICES: [&str; 5] = ["phone", "tablet", "laptop", "desktop", "watch"];

type Tls = (Arc<rustls::ServerConfig>, [Arc<rustls::ClientConfig>; DEVICES.len()]);

/// The CA of all the lab's certificates.
pub(crate) fn authority() -> &'static Authority {
    static AUTHORITY: OnceLock<Authority> = OnceLock::new();
    AUTHORITY.get_or_init(|| Authority::new("a CA"))
}

fn tls() -> &'static Tls {
    static TLS: OnceLock<Tls> = OnceLock::new();
    TLS.get_or_init(|| {
        let authority = authority();
        let versions = [&rustls::version::TLS13];
        let mut server = authority.server_config(authority.server(), &versions);
        tunnel::prepare_server(&mut server);
        let clients = DEVICES.map(|device| {
            let mut client = authority.client_config(Some(authority.client(device)), &versions);
            tunnel::prepare_client(&mut client);
            Arc::new(client)
        });
        (Arc::new(server), clients)
    })
}

fn wrap(direction: KeyDirection) -> Arc<ControlWrap> {
    let key = StaticKey::from_bytes(&std::array::from_fn(|n| n as u8));
    Arc::new(ControlWrap::TlsAuth(Box::new(TlsAuth::new(&key, direction, AuthDigest::Sha256))))
}

fn seed() -> tunnel::Seed {
    let mut seed = [0; 32];
    rustix::rand::getrandom(&mut seed, rustix::rand::GetRandomFlags::empty()).expect("randomness");
    seed
}
