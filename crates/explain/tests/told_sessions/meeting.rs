//! A client and a server of our own in memory, the wire between them, and what is observed there.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use clock::Now;
use datapath::{DataKeys, SealKey};
use explain::live::{Live, Speech};
use explain::story::Story;
use explain::{Chunk, KeyLog, Side};
use testkit::Authority;
use tunnel::{
    ClientConfig, Close, Event, Gate, GateSettings, Grant, NewKey, Refusal, ServerConfig, Session,
    Timing, Verdict,
};
use wire::cipher::Cipher;
use wire::data::DataHeader;
use wire::push::{PushOption, Topology};
use wire::static_key::{KeyDirection, StaticKey};
use wire::stranger::StrangerCheck;
use wire::tls_auth::{AuthDigest, TlsAuth};
use wire::wrap::ControlWrap;
use wire::{KeyId, PeerId, SessionId};
use zeroize::Zeroizing;

/// Whether the server lets the client in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admit {
    Yes,
    No,
}

/// What is done once the session is up.
#[derive(Clone, Copy)]
pub(crate) enum Act {
    /// Both send a data packet under their key.
    Data,
    /// The server renews.
    Renew,
    /// The same while packets flow.
    RenewUnderData,
    /// The server says something that ends the session.
    Tell,
    /// The client leaves.
    Leave,
}

/// A client and a server, and the wire between them.
pub(crate) struct Meeting {
    pub(crate) admit: Admit,
    gate: Gate,
    config: Arc<ServerConfig>,
    client: Session,
    server: Option<Session>,
    pub(crate) now: Now,
    live: Live,
    frame: u32,
    log: Arc<Lines>,
    pub(crate) packets: Vec<(u64, Side, Vec<u8>)>,
    sealing: [Option<KeyId>; 2],
    keys: [Vec<(KeyId, SealKey)>; 2],
    /// What went through the tunnel, before it was sealed.
    pub(crate) carried: Vec<(Side, Vec<u8>)>,
    /// The two session ids, and the number of the packet that brought the cookie back.
    pub(crate) accepted: Option<(SessionId, SessionId, usize)>,
}

impl Meeting {
    pub(crate) fn new(admit: Admit) -> Meeting {
        Self::with_peer_info(admit, Vec::new())
    }

    /// A client that asks for its settings, as those do that know nothing of an early push.
    pub(crate) fn of_an_older_client() -> Meeting {
        Self::with_peer_info(Admit::Yes, vec![("IV_PROTO".to_owned(), "2".to_owned())])
    }

    fn with_peer_info(admit: Admit, peer_info: Vec<(String, String)>) -> Meeting {
        let log = Arc::new(Lines::default());
        let authority = Authority::new("Example CA");
        let mut server = authority.server_config(authority.server(), &[&rustls::version::TLS13]);
        let mut client = authority
            .client_config(Some(authority.client("alice/phone")), &[&rustls::version::TLS13]);
        client.key_log = Arc::clone(&log) as _;
        tunnel::prepare_server(&mut server);
        tunnel::prepare_client(&mut client);
        let check = StrangerCheck::shared(wrap(KeyDirection::Normal));
        let timing = Timing { hand_window: Duration::from_secs(4), ..Timing::default() };
        let config = Arc::new(ServerConfig {
            tls: Arc::new(server).into(),
            check: check.clone(),
            timing: timing.clone(),
            ciphers: Cipher::DEFAULT.to_vec(),
            options: "V4,dev-type tun,tls-server".to_owned(),
        });
        let client = ClientConfig {
            tls: Arc::new(client),
            wrap: wrap(KeyDirection::Inverse),
            timing,
            ciphers: Cipher::DEFAULT.to_vec(),
            options: "V4,dev-type tun,tls-client".to_owned(),
            username: "alice".to_owned(),
            password: Zeroizing::new("s3cret-pass".to_owned()),
            version: "2.6.14".to_owned(),
            platform: "linux".to_owned(),
            peer_info,
        };
        let now =
            Now { boot: Duration::from_secs(1_000), wall: Duration::from_secs(1_790_000_000) };
        Meeting {
            admit,
            gate: Gate::new(check, [9; 32], GateSettings::default()),
            config,
            client: Session::client(Arc::new(client), [1; 32], now),
            server: None,
            now,
            live: Live::new("udp"),
            frame: 0,
            log,
            packets: Vec::new(),
            sealing: [None; 2],
            keys: [Vec::new(), Vec::new()],
            carried: Vec::new(),
            accepted: None,
        }
    }

    pub(crate) fn run(mut self, acts: &[Act]) -> Meeting {
        self.talk();
        for act in acts {
            match act {
                Act::Data => self.data(),
                Act::Renew => self.server.as_mut().unwrap().renegotiate(self.now).unwrap(),
                Act::RenewUnderData => {
                    self.server.as_mut().unwrap().renegotiate(self.now).unwrap();
                    self.talk_under_data();
                }
                Act::Tell => self
                    .server
                    .as_mut()
                    .unwrap()
                    .close(Close::Restart(String::new()), self.now)
                    .unwrap(),
                Act::Leave => self.client.close(Close::Exit, self.now).unwrap(),
            }
            self.talk();
        }
        self
    }

    /// Until nobody has anything to say for a while.
    fn talk(&mut self) {
        for _ in 0..200 {
            self.now = self.now.after(Duration::from_millis(50));
            self.client_speaks();
            self.server_speaks();
            self.events();
        }
    }

    /// Both send a packet every half second until they do it under another key.
    fn talk_under_data(&mut self) {
        let before = self.sealing;
        for _ in 0..40 {
            self.data();
            for _ in 0..10 {
                self.now = self.now.after(Duration::from_millis(50));
                self.client_speaks();
                self.server_speaks();
                self.events();
            }
            if self.sealing.iter().zip(&before).all(|(now, before)| now != before) {
                break;
            }
        }
        self.data();
    }

    fn client_speaks(&mut self) {
        self.client.handle_timeout(self.now);
        while let Some(packet) = self.client.poll_transmit(self.now) {
            self.seen(Side::Client, &packet);
            if let Some(server) = &mut self.server {
                let _ = server.handle_datagram(&packet, self.now);
                continue;
            }
            match self.gate.handle_datagram(remote(), &packet, self.now) {
                Verdict::Drop(_) => {}
                Verdict::Answer(answer) => {
                    self.seen(Side::Server, &answer);
                    let _ = self.client.handle_datagram(&answer, self.now);
                }
                Verdict::Accept(accepted) => {
                    let (client, server) = (accepted.client_session_id(), accepted.session_id());
                    self.accepted = Some((client, server, self.packets.len() - 1));
                    self.server = Some(Session::server(
                        Arc::clone(&self.config),
                        *accepted,
                        [2; 32],
                        self.now,
                    ));
                }
            }
        }
    }

    fn server_speaks(&mut self) {
        let Some(mut server) = self.server.take() else { return };
        server.handle_timeout(self.now);
        while let Some(packet) = server.poll_transmit(self.now) {
            self.seen(Side::Server, &packet);
            let _ = self.client.handle_datagram(&packet, self.now);
        }
        self.server = Some(server);
    }

    fn events(&mut self) {
        let now = self.now;
        while let Some(event) = self.client.poll_event() {
            match event {
                Event::KeyReady(key) => {
                    self.keys[0].push(sealing_key(&key));
                    self.client.key_installed(key.key_id, now).unwrap();
                }
                Event::KeyActive(id) => self.sealing[0] = Some(id),
                _ => {}
            }
        }
        let Some(server) = &mut self.server else { return };
        while let Some(event) = server.poll_event() {
            match event {
                Event::Admission(_) if self.admit == Admit::Yes => {
                    server.admit(grant(), now).unwrap()
                }
                Event::Admission(_) => {
                    let close = Close::AuthFailed("device disabled".to_owned());
                    server.refuse(Refusal { code: "device_disabled", close }, now).unwrap();
                }
                Event::KeyReady(key) => {
                    self.keys[1].push(sealing_key(&key));
                    server.key_installed(key.key_id, now).unwrap();
                }
                Event::KeyActive(id) => self.sealing[1] = Some(id),
                _ => {}
            }
        }
    }

    /// A packet of each side.
    fn data(&mut self) {
        for (side, key) in [(Side::Client, self.sealing[0]), (Side::Server, self.sealing[1])] {
            let key = key.expect("it is up").get();
            let packet = bare_ip(self.frame as u8);
            let sealed = self.seal(side, key, &packet);
            self.carried.push((side, packet));
            self.seen(side, &sealed);
            if let (Side::Client, Some(server)) = (side, &mut self.server) {
                server.data_seen(KeyId::new(key).unwrap(), self.now);
            } else {
                self.client.data_seen(KeyId::new(key).unwrap(), self.now);
            }
        }
    }

    fn seal(&mut self, side: Side, key: u8, plaintext: &[u8]) -> Vec<u8> {
        let keys = &mut self.keys[usize::from(side == Side::Server)];
        let id = KeyId::new(key).unwrap();
        let (_, sealing) = keys.iter_mut().rfind(|(have, _)| *have == id).unwrap();
        let header = DataHeader::V2 { key_id: id, peer_id: PeerId::new(5).unwrap() };
        let mut sealed = vec![0; SealKey::sealed_len(header, plaintext.len())];
        sealing.seal(header, plaintext, &mut sealed).unwrap();
        sealed
    }

    fn seen(&mut self, from: Side, bytes: &[u8]) {
        self.frame += 1;
        let at = self.now.wall.as_micros() as u64 + u64::from(self.frame);
        self.live.push(&Chunk { at, from, frame: self.frame, offset: 0, bytes });
        self.packets.push((at, from, bytes.to_vec()));
    }

    /// As a capture program would have written it, without Ethernet.
    pub(crate) fn pcap(&self) -> Vec<u8> {
        self.pcap_of(&self.packets)
    }

    /// The same of these packets alone.
    pub(crate) fn pcap_of(&self, packets: &[(u64, Side, Vec<u8>)]) -> Vec<u8> {
        let mut file = vec![
            0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 101, 0, 0, 0,
        ];
        for (at, from, bytes) in packets {
            let ends = [([192, 0, 2, 7], 40_000u16), ([192, 0, 2, 1], 1194)];
            let (source, destination) =
                if *from == Side::Client { (ends[0], ends[1]) } else { (ends[1], ends[0]) };
            let (udp, ip) =
                ((8 + bytes.len() as u16).to_be_bytes(), (28 + bytes.len() as u16).to_be_bytes());
            let header =
                [&[0x45, 0][..], &ip, &[0, 0, 0, 0, 64, 17, 0, 0], &source.0, &destination.0]
                    .concat();
            let ports = [source.1.to_be_bytes(), destination.1.to_be_bytes()].concat();
            let frame = [&header[..], &ports, &udp, &[0, 0], bytes].concat();
            let (seconds, micros) = ((at / 1_000_000) as u32, (at % 1_000_000) as u32);
            let length = frame.len() as u32;
            [seconds, micros, length, length]
                .iter()
                .for_each(|number| file.extend(number.to_le_bytes()));
            file.extend(frame);
        }
        file
    }

    pub(crate) fn log_text(&self) -> String {
        self.log.0.lock().unwrap().clone()
    }

    pub(crate) fn story(&self) -> Story {
        self.live.story(Speech::OpenVpn, KeyLog::parse(&self.log_text()).unwrap()).expect("a story")
    }
}

/// A key log as text.
#[derive(Debug, Default)]
pub(crate) struct Lines(pub(crate) Mutex<String>);

impl rustls::KeyLog for Lines {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let line = format!("{label} {} {}\n", hex(client_random), hex(secret));
        self.0.lock().unwrap().push_str(&line);
    }
}

fn sealing_key(key: &NewKey) -> (KeyId, SealKey) {
    (key.key_id, DataKeys::derive(key.cipher, &key.material, key.role).unwrap().0)
}

/// An IP packet of no protocol, of which each is another.
fn bare_ip(mark: u8) -> Vec<u8> {
    let content = [mark; 20];
    let head = [0x45, 0, 0, 40, 0, 0, 0, 0, 64, 59, 0, 0, 10, 71, 0, 2, 10, 99, 0, 2];
    [&head[..], &content].concat()
}

fn grant() -> Grant {
    let (local, netmask) = ("10.71.0.2".parse().unwrap(), "255.255.0.0".parse().unwrap());
    let token = wire::push::Secret(Zeroizing::new("t0ken-of-the-session".to_owned()));
    Grant {
        push: vec![
            PushOption::Topology(Topology::Subnet),
            PushOption::Ifconfig { local, netmask },
            PushOption::AuthToken(token),
        ],
        peer_id: PeerId::new(5).unwrap(),
        ciphers: Vec::new(),
        not_after: None,
    }
}

pub(crate) fn wrap(direction: KeyDirection) -> Arc<ControlWrap> {
    let key = StaticKey::from_bytes(&std::array::from_fn(|n| n as u8));
    Arc::new(ControlWrap::TlsAuth(Box::new(TlsAuth::new(&key, direction, AuthDigest::Sha256))))
}

pub(crate) fn remote() -> SocketAddr {
    "192.0.2.7:40000".parse().unwrap()
}
