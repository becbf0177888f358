//! A session over a UDP socket on loopback, to be tried against a stock `openvpn --dev null`.
//!
//! `blackbox server PORT DIR SECONDS` or `blackbox client PORT DIR SECONDS`; DIR holds `ca.pem`,
//! `leaf.pem`, `leaf.key` and `ta.key`, made by `blackbox make DIR`. Prints events; `renegotiate=N`
//! as the last argument begins a renegotiation after N seconds. A development aid.

#![allow(clippy::unwrap_used, reason = "a development aid may stop at the first surprise")]

use std::collections::BTreeMap;
use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use clock::{Clock, SystemClock};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use testkit::{Authority, Identity};
use tunnel::{
    ClientConfig, Close, Event, Gate, GateSettings, Grant, ServerConfig, Session, Timing, Verdict,
};
use wire::cipher::Cipher;
use wire::push::{PushOption, Topology};
use wire::static_key::{KeyDirection, StaticKey};
use wire::stranger::StrangerCheck;
use wire::tls_auth::{AuthDigest, TlsAuth};
use wire::wrap::ControlWrap;
use wire::{PeerId, SessionId};
use zeroize::Zeroizing;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args[0].as_str() {
        "make" => make(&args[1]),
        role => run(role == "server", &args),
    }
}

fn make(dir: &str) {
    let ca = Authority::new("blackbox CA");
    fs::write(format!("{dir}/ca.pem"), pem("CERTIFICATE", ca.certificate())).unwrap();
    for (name, Identity { chain, key }) in
        [("server", ca.server()), ("client", ca.client("device"))]
    {
        fs::write(format!("{dir}/{name}.pem"), pem("CERTIFICATE", &chain[0])).unwrap();
        fs::write(format!("{dir}/{name}.key"), pem("PRIVATE KEY", key.secret_der())).unwrap();
    }
    let key = StaticKey::from_bytes(&std::array::from_fn(|n| n as u8));
    fs::write(format!("{dir}/ta.key"), key.to_text().as_bytes()).unwrap();
}

fn pem(label: &str, der: &[u8]) -> String {
    let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in der.chunks(3) {
        let bits = chunk.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte))
            << (8 * (3 - chunk.len()));
        for n in 0..4 {
            text.push(if n <= chunk.len() {
                digits[(bits >> (18 - 6 * n) & 63) as usize] as char
            } else {
                '='
            });
        }
    }
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

fn run(is_server: bool, args: &[String]) {
    let (port, dir, seconds) = (&args[1], &args[2], args[3].parse::<u64>().unwrap());
    let renegotiate = args
        .iter()
        .find_map(|arg| arg.strip_prefix("renegotiate="))
        .map(|n| n.parse::<u64>().unwrap());
    let seed = || {
        let mut seed = [0; 32];
        std::io::Read::read_exact(&mut fs::File::open("/dev/urandom").unwrap(), &mut seed).unwrap();
        seed
    };
    let key = StaticKey::parse(&fs::read_to_string(format!("{dir}/ta.key")).unwrap()).unwrap();
    let direction = if is_server { KeyDirection::Normal } else { KeyDirection::Inverse };
    let wrap =
        Arc::new(ControlWrap::TlsAuth(Box::new(TlsAuth::new(&key, direction, AuthDigest::Sha256))));
    let bind = if is_server { format!("127.0.0.1:{port}") } else { "127.0.0.1:0".to_owned() };
    let socket = UdpSocket::bind(bind).unwrap();
    let clock = SystemClock;
    let mut gate =
        Gate::new(StrangerCheck::shared(Arc::clone(&wrap)), seed(), GateSettings::default());
    let mut sessions: BTreeMap<SessionId, (Session, SocketAddr)> = BTreeMap::new();
    let timing = Timing { tran_window: Duration::from_secs(600), ..Timing::default() };
    let name = if is_server { "server" } else { "client" };
    let chain: Vec<_> = CertificateDer::pem_file_iter(format!("{dir}/{name}.pem"))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let leaf = PrivateKeyDer::from_pem_file(format!("{dir}/{name}.key")).unwrap();
    let (tls_server, tls_client) = tls(is_server, dir, chain, leaf);
    let server_config = tls_server.map(|tls| {
        let check = StrangerCheck::shared(Arc::clone(&wrap));
        let (timing, ciphers) = (timing.clone(), Cipher::DEFAULT.to_vec());
        let options = "V4,dev-type tun,link-mtu 1549,tun-mtu 1500,proto UDPv4,keydir 0,auth SHA256,keysize 256,tls-auth,key-method 2,tls-server";
        Arc::new(ServerConfig { tls: tls.into(), check, timing, ciphers, options: options.to_owned() })
    });
    if let Some(tls) = tls_client {
        let config = ClientConfig {
            tls,
            wrap: Arc::clone(&wrap),
            timing,
            ciphers: Cipher::DEFAULT.to_vec(),
            options: "V4,dev-type tun,link-mtu 1549,tun-mtu 1500,proto UDPv4,keydir 1,auth SHA256,keysize 256,tls-auth,key-method 2,tls-client".to_owned(),
            username: String::new(),
            password: Zeroizing::default(),
            version: "0.1.0".to_owned(),
            platform: "linux".to_owned(),
            peer_info: Vec::new(),
        };
        let session = Session::client(Arc::new(config), seed(), clock.now());
        sessions.insert(session.id(), (session, format!("127.0.0.1:{port}").parse().unwrap()));
    }
    let begun = clock.now().boot;
    let (mut renegotiated, mut closed) = (false, false);
    let mut buffer = [0; 2048];
    loop {
        let now = clock.now();
        let age = (now.boot - begun).as_secs();
        for (session, remote) in sessions.values_mut() {
            if renegotiate.is_some_and(|at| age >= at) && !renegotiated {
                renegotiated = session.renegotiate(now).is_ok();
            }
            if age >= seconds && !closed {
                let how = if is_server { Close::Restart(String::new()) } else { Close::Exit };
                closed = session.close(how, now).is_ok();
            }
            session.handle_timeout(now);
            drive(session, *remote, &socket, age);
        }
        if age >= seconds + 2 {
            return;
        }
        socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let Ok((len, from)) = socket.recv_from(&mut buffer) else { continue };
        let (datagram, now) = (&buffer[..len], clock.now());
        let (opcode, _) = wire::split_first_byte(datagram).unwrap();
        if opcode.is_data() {
            println!("{age:>3} data {} bytes", len);
            continue;
        }
        let id = SessionId::new(*datagram[1..].first_chunk().unwrap()).unwrap();
        let known = if is_server { sessions.get_mut(&id) } else { sessions.values_mut().next() };
        if let Some((session, _)) = known {
            if let Err(reason) = session.handle_datagram(datagram, now) {
                println!("{age:>3} dropped: {reason}");
            }
        } else {
            match gate.handle_datagram(from, datagram, now) {
                Verdict::Drop(reason) => println!("{age:>3} gate: {reason}"),
                Verdict::Answer(answer) => drop(socket.send_to(&answer, from)),
                Verdict::Accept(accepted) => {
                    let config = server_config.clone().unwrap();
                    sessions.insert(id, (Session::server(config, *accepted, seed(), now), from));
                }
            }
        }
    }
}

type Tls = (Option<Arc<rustls::ServerConfig>>, Option<Arc<rustls::ClientConfig>>);

fn tls(
    is_server: bool,
    dir: &str,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Tls {
    let ca = CertificateDer::from_pem_file(format!("{dir}/ca.pem")).unwrap();
    let identity = Identity { chain, key };
    let versions = rustls::ALL_VERSIONS;
    if is_server {
        let mut config = testkit::server_config(&ca, identity, versions);
        tunnel::prepare_server(&mut config);
        (Some(Arc::new(config)), None)
    } else {
        let mut config = testkit::client_config(&ca, Some(identity), versions);
        tunnel::prepare_client(&mut config);
        (None, Some(Arc::new(config)))
    }
}

fn drive(session: &mut Session, remote: SocketAddr, socket: &UdpSocket, age: u64) {
    let clock = SystemClock;
    loop {
        let now = clock.now();
        while let Some(datagram) = session.poll_transmit(now) {
            let _sent = socket.send_to(&datagram, remote);
        }
        let Some(event) = session.poll_event() else { return };
        println!("{age:>3} {event:?}");
        match event {
            Event::Admission(hello) => {
                println!("    {:?} {}", hello.options, hello.peer_info.encode().replace('\n', " "));
                let _may_be_late = session.admit(grant(), now);
            }
            Event::KeyReady(key) => drop(session.key_installed(key.key_id, now)),
            _ => {}
        }
    }
}

fn grant() -> Grant {
    let (local, netmask) = ("10.71.0.2".parse().unwrap(), "255.255.0.0".parse().unwrap());
    Grant {
        push: vec![
            PushOption::Topology(Topology::Subnet),
            PushOption::Ifconfig { local, netmask },
            PushOption::Ping(2),
            PushOption::PingRestart(60),
        ],
        peer_id: PeerId::new(5).unwrap(),
        ciphers: Vec::new(),
        not_after: None,
    }
}
