//! A VPN gateway that lets everybody of its CA in and writes down its secrets, as none of ours does: so that a test knows
//! what must not be found. It has no tunnel.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use clock::{Clock as _, Now, SystemClock};
use testkit::{Authority, Identity};
use tunnel::{Event, Gate, GateSettings, Grant, ServerConfig, Session, Timing, Verdict};
use wire::PeerId;
use wire::cipher::Cipher;
use wire::push::{PushOption, Topology};
use wire::static_key::{KeyDirection, StaticKey};
use wire::stranger::StrangerCheck;
use wire::tls_auth::{AuthDigest, TlsAuth};
use wire::wrap::ControlWrap;

pub(crate) struct Gateway {
    address: SocketAddr,
    ca: String,
    alice: Identity,
    secrets: Arc<Secrets>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// What must be found nowhere else.
#[derive(Debug, Default)]
struct Secrets {
    log: Mutex<String>,
    /// Of the tunnel's packets.
    keys: Mutex<Vec<Vec<u8>>>,
}

impl rustls::KeyLog for Secrets {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let line = format!("{label} {} {}\n", hex(client_random), hex(secret));
        self.log.lock().unwrap().push_str(&line);
    }
}

impl Gateway {
    pub(crate) fn open(authority: &Authority) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
        let address = socket.local_addr().unwrap();
        let secrets = Arc::new(Secrets::default());
        let over = Arc::new(AtomicBool::new(false));
        let mut tls = authority.server_config(authority.server(), &[&rustls::version::TLS13]);
        tls.key_log = Arc::clone(&secrets) as _;
        tunnel::prepare_server(&mut tls);
        let wrap = TlsAuth::new(&shared_key(), KeyDirection::Normal, AuthDigest::Sha256);
        let check = StrangerCheck::shared(Arc::new(ControlWrap::TlsAuth(Box::new(wrap))));
        let config = Arc::new(ServerConfig {
            tls: Arc::new(tls).into(),
            check: check.clone(),
            timing: Timing::default(),
            ciphers: Cipher::DEFAULT.to_vec(),
            options: "V4,dev-type tun,tls-server".to_owned(),
        });
        let gate = Gate::new(check, [9; 32], GateSettings::default());
        let served = Served { socket, gate, config, secrets: Arc::clone(&secrets), session: None };
        let thread = std::thread::spawn({
            let over = Arc::clone(&over);
            move || served.until(&over)
        });
        Self {
            address,
            ca: testkit::certificate_pem(authority.certificate()),
            alice: authority.client("alice"),
            secrets,
            over,
            thread: Some(thread),
        }
    }

    pub(crate) fn profile(&self) -> String {
        self.profile_of(&self.alice)
    }

    pub(crate) fn profile_of(&self, device: &Identity) -> String {
        let (certificate, key) = device.to_pem();
        format!(
            "client\ndev tun\nproto udp\nremote 127.0.0.1 {}\nauth SHA256\nremote-cert-tls server\n\
             key-direction 1\n<ca>\n{}</ca>\n<cert>\n{certificate}</cert>\n<key>\n{key}</key>\n\
             <tls-auth>\n{}</tls-auth>\n",
            self.address.port(),
            self.ca,
            *shared_key().to_text()
        )
    }

    /// The key log, and the keys of tunnels.
    pub(crate) fn secrets(&self) -> (String, Vec<Vec<u8>>) {
        (self.secrets.log.lock().unwrap().clone(), self.secrets.keys.lock().unwrap().clone())
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// One session at a time.
struct Served {
    socket: UdpSocket,
    gate: Gate,
    config: Arc<ServerConfig>,
    secrets: Arc<Secrets>,
    session: Option<(SocketAddr, Session)>,
}

impl Served {
    fn until(mut self, over: &AtomicBool) {
        let mut packet = [0; 2048];
        while !over.load(Ordering::Relaxed) {
            let heard = self.socket.recv_from(&mut packet);
            let now = SystemClock.now();
            if let Ok((length, from)) = heard {
                self.heard(from, &packet[..length], now);
            }
            self.speak(now);
        }
    }

    fn heard(&mut self, from: SocketAddr, packet: &[u8], now: Now) {
        if let Some((peer, session)) = &mut self.session
            && *peer == from
        {
            let _ = session.handle_datagram(packet, now);
            return;
        }
        match self.gate.handle_datagram(from, packet, now) {
            Verdict::Drop(_) => {}
            Verdict::Answer(answer) => drop(self.socket.send_to(&answer, from)),
            Verdict::Accept(accepted) => {
                let config = Arc::clone(&self.config);
                self.session = Some((from, Session::server(config, *accepted, [2; 32], now)));
            }
        }
    }

    fn speak(&mut self, now: Now) {
        let Some((peer, session)) = &mut self.session else { return };
        session.handle_timeout(now);
        while let Some(event) = session.poll_event() {
            match event {
                Event::Admission(_) => session.admit(grant(), now).unwrap(),
                Event::KeyReady(key) => {
                    self.secrets.keys.lock().unwrap().push(key.material.as_bytes().to_vec());
                    session.key_installed(key.key_id, now).unwrap();
                }
                _ => {}
            }
        }
        while let Some(packet) = session.poll_transmit(now) {
            let _ = self.socket.send_to(&packet, *peer);
        }
    }
}

fn grant() -> Grant {
    let (local, netmask) = ("10.71.0.2".parse().unwrap(), "255.255.0.0".parse().unwrap());
    Grant {
        push: vec![PushOption::Topology(Topology::Subnet), PushOption::Ifconfig { local, netmask }],
        peer_id: PeerId::new(5).unwrap(),
        ciphers: Vec::new(),
        not_after: None,
    }
}

/// No two pieces of it are alike, and none occurs by chance.
fn shared_key() -> StaticKey {
    StaticKey::from_bytes(&std::array::from_fn(|n| (n as u8).wrapping_mul(151).wrapping_add(43)))
}
