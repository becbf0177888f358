//! Programs without TLS on one side, services with it on the other.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use clock::SystemClock;
use pki::{PrivateKey, identity};
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{HandshakeKind, NamedGroup, ServerConfig, SupportedProtocolVersion};
use testkit::{Authority, Identity};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use uplink::{Local, LocalError, Pin, ReachError, Revocation, Settings, Target, Uplink};

#[tokio::test]
async fn a_program_without_tls_talks_to_a_service_with_it_and_halves_end_apart() {
    let service = Service::begin(&[&TLS13, &TLS12]).await;
    let local = service.open(service.settings()).await;
    for _ in 0..3 {
        assert_eq!(local.say(b"hello").await, b"HELLO");
    }
    assert_eq!(local.told("connected").await, 3, "{:?}", local.lines());
    assert!(local.told("5 octets there and 5 back").await == 3, "{:?}", local.lines());
}

#[tokio::test]
async fn a_service_of_another_name_ca_or_key_hears_nothing() {
    let service = Service::begin(&[&TLS13, &TLS12]).await;
    let settings = service.settings();
    let other_name = settings.target.clone().with_name("other.test").unwrap();
    let other_ca = vec![Authority::new("another").certificate().clone()];
    let wrong = [
        (Settings { target: other_name, ..settings.clone() }, "not trusted"),
        (Settings { cas: other_ca, ..settings.clone() }, "not trusted"),
        (Settings { pin: Some(Pin::of(b"another")), ..settings.clone() }, "not the pinned one"),
    ];
    for (settings, why) in wrong {
        let local = service.open(settings).await;
        assert_eq!(local.say(b"secret").await, b"");
        assert_eq!(local.told(why).await, 1, "{why}: {:?}", local.lines());
    }
    assert!(service.heard.lock().unwrap().is_empty());
    let key = ParsedCertificate::try_from(&service.certificate).unwrap();
    let pin = Some(Pin::of(key.subject_public_key_info().as_ref()));
    let local = service.open(Settings { pin, ..settings }).await;
    assert_eq!(local.say(b"hello").await, b"HELLO");
}

#[tokio::test]
async fn our_certificate_is_shown_to_a_service_that_asks_and_its_refusal_is_told() {
    for versions in [[&TLS13], [&TLS12]] {
        let service = Service::asking(&versions).await;
        let ours = certified(service.authority.client("alice"));
        let with = Settings { identity: Some(ours), ..service.settings() };
        let local = service.open(with).await;
        assert_eq!(local.say(b"hello").await, b"HELLO");
        let local = service.open(service.settings()).await;
        assert_eq!(local.say(b"hello").await, b"");
        assert_eq!(local.told("wants one").await, 1, "{:?}", local.lines());
        let stranger = certified(Authority::new("another").client("mallory"));
        let local = service.open(Settings { identity: Some(stranger), ..service.settings() }).await;
        assert_eq!(local.say(b"hello").await, b"");
        assert_eq!(local.told("does not take").await, 1, "{:?}", local.lines());
    }
}

#[tokio::test]
async fn a_service_with_the_hybrid_group_or_half_of_it_is_reached_without_another_trip() {
    use NamedGroup::{X25519, X25519MLKEM768, secp256r1};
    let retried = HandshakeKind::FullWithHelloRetryRequest;
    for (versions, group, kind) in [
        (&TLS13, X25519MLKEM768, HandshakeKind::Full),
        (&TLS13, X25519, HandshakeKind::Full),
        (&TLS13, secp256r1, retried),
        (&TLS12, secp256r1, HandshakeKind::Full),
    ] {
        let service = Service::of(group, versions).await;
        let local = service.open(service.settings()).await;
        assert_eq!(local.say(b"hello").await, b"HELLO");
        assert_eq!(*service.met.lock().unwrap(), [(group, kind)]);
    }
}

#[tokio::test]
async fn who_names_nobody_to_ask_is_reached_and_it_is_said() {
    let service = Service::begin(&[&TLS13]).await;
    let clock = Arc::new(SystemClock);
    for (revocation, warned) in
        [(Revocation::Require, true), (Revocation::Prefer, true), (Revocation::Off, false)]
    {
        let settings = Settings { revocation, ..service.settings() };
        let reached = Uplink::new(settings, clock.clone()).unwrap().reach().await.unwrap();
        assert_eq!(reached.warning.is_some(), warned, "{:?}", reached.warning);
    }
}

#[tokio::test]
async fn what_is_no_tls_is_told_from_what_is_not_there() {
    let plain = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = plain.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = plain.accept().await {
            let _ = stream.write_all(b"220 mail.example ESMTP\r\n").await;
            sleep(Duration::from_millis(200)).await;
        }
    });
    let service = Service::begin(&[&TLS13]).await;
    let reach = |address: SocketAddr| {
        let target = target(address);
        let uplink = Uplink::new(Settings { target, ..service.settings() }, Arc::new(SystemClock));
        async move { uplink.unwrap().reach().await.unwrap_err() }
    };
    assert!(matches!(reach(address).await, ReachError::Tls(_)));
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert!(matches!(reach(nobody).await, ReachError::Dial(_)));
}

#[tokio::test]
async fn other_machines_are_not_let_in_to_act_as_this_one() {
    let service = Service::begin(&[&TLS13]).await;
    let uplink = Arc::new(Uplink::new(service.settings(), Arc::new(SystemClock)).unwrap());
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
        let opened = Local::open(address.parse().unwrap(), Arc::clone(&uplink)).await;
        assert!(matches!(opened, Err(LocalError::NotLoopback(_))), "{address}");
    }
}

#[tokio::test]
async fn a_program_that_breaks_off_is_let_go_though_its_service_takes_nothing() {
    let service = Service::deaf().await;
    let local = service.open(service.settings()).await;
    let mut program = TcpStream::connect(local.address).await.unwrap();
    let pause = Duration::from_millis(500);
    while let Ok(written) = timeout(pause, program.write(&[7; 16 * 1024])).await {
        assert!(written.unwrap() > 0);
    }
    program.set_zero_linger().unwrap();
    drop(program);
    let told = async { while local.told("ended, ").await == 0 {} };
    assert!(timeout(Duration::from_secs(20), told).await.is_ok(), "{:?}", local.lines());
}

/// Answers in capitals.
struct Service {
    authority: Authority,
    certificate: CertificateDer<'static>,
    address: SocketAddr,
    heard: Arc<Mutex<Vec<u8>>>,
    /// The group of each handshake, and how it went.
    met: Arc<Mutex<Vec<(NamedGroup, HandshakeKind)>>>,
    task: AbortHandle,
}

impl Service {
    /// One that has this group alone.
    async fn of(group: NamedGroup, version: &'static SupportedProtocolVersion) -> Self {
        let authority = Authority::new("authority");
        let server = authority.server();
        let mut provider = default_provider();
        provider.kx_groups.retain(|one| one.name() == group);
        let config = plain_by(provider, &server, &[version]);
        Self::with(authority, server, config).await
    }

    async fn begin(versions: &[&'static SupportedProtocolVersion]) -> Self {
        let authority = Authority::new("authority");
        let server = authority.server();
        let config = plain(&server, versions);
        Self::with(authority, server, config).await
    }

    /// One that takes nothing, and stays.
    async fn deaf() -> Self {
        let authority = Authority::new("authority");
        let server = authority.server();
        let acceptor = TlsAcceptor::from(Arc::new(plain(&server, &[&TLS13])));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let _stream = acceptor.accept(stream).await.unwrap();
            std::future::pending::<()>().await;
        });
        let (certificate, task) = (server.chain[0].clone(), task.abort_handle());
        let (heard, met) = Default::default();
        Self { authority, certificate, address, heard, met, task }
    }

    async fn asking(versions: &[&'static SupportedProtocolVersion]) -> Self {
        let authority = Authority::new("authority");
        let server = authority.server();
        let config = authority.server_config(server.clone(), versions);
        Self::with(authority, server, config).await
    }

    async fn with(authority: Authority, server: Identity, config: ServerConfig) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (heard, met) = (Arc::new(Mutex::new(Vec::new())), Arc::default());
        let (all, kinds) = (Arc::clone(&heard), Arc::<Mutex<Vec<_>>>::clone(&met));
        let task = tokio::spawn(async move {
            let acceptor = TlsAcceptor::from(Arc::new(config));
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, heard) = (acceptor.clone(), Arc::clone(&all));
                let kinds = Arc::clone(&kinds);
                tokio::spawn(async move {
                    let Ok(mut stream) = acceptor.accept(stream).await else { return };
                    let tls = stream.get_ref().1;
                    let group = tls.negotiated_key_exchange_group().map(|group| group.name());
                    kinds.lock().unwrap().extend(group.zip(tls.handshake_kind()));
                    let mut said = Vec::new();
                    let _ = stream.read_to_end(&mut said).await;
                    heard.lock().unwrap().extend_from_slice(&said);
                    let _ = stream.write_all(&said.to_ascii_uppercase()).await;
                    let _ = stream.shutdown().await;
                });
            }
        });
        let certificate = server.chain[0].clone();
        Self { authority, certificate, address, heard, met, task: task.abort_handle() }
    }

    fn settings(&self) -> Settings {
        Settings {
            target: target(self.address),
            cas: vec![self.authority.certificate().clone()],
            pin: None,
            identity: None,
            revocation: Revocation::Require,
        }
    }

    async fn open(&self, settings: Settings) -> Opened {
        let uplink = Arc::new(Uplink::new(settings, Arc::new(SystemClock)).unwrap());
        let local = Local::open("127.0.0.1:0".parse().unwrap(), uplink).await.unwrap();
        let address = local.address();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&lines);
        let task =
            tokio::spawn(local.run(move |event| told.lock().unwrap().push(event.to_string())));
        Opened { address, lines, task: task.abort_handle() }
    }
}

/// It asks nobody for a certificate.
fn plain(server: &Identity, versions: &[&'static SupportedProtocolVersion]) -> ServerConfig {
    plain_by(default_provider(), server, versions)
}

fn plain_by(
    provider: CryptoProvider,
    Identity { chain, key }: &Identity,
    versions: &[&'static SupportedProtocolVersion],
) -> ServerConfig {
    ServerConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(versions)
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain.clone(), key.clone_key())
        .unwrap()
}

impl Drop for Service {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Opened {
    address: SocketAddr,
    lines: Arc<Mutex<Vec<String>>>,
    task: AbortHandle,
}

impl Opened {
    /// Says it, ends that half, and what comes back.
    async fn say(&self, octets: &[u8]) -> Vec<u8> {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let _ = stream.write_all(octets).await;
        let _ = stream.shutdown().await;
        let mut heard = Vec::new();
        let _ = timeout(Duration::from_secs(5), stream.read_to_end(&mut heard)).await.unwrap();
        heard
    }

    fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    /// How many lines say so, once that many have come as there are connections.
    async fn told(&self, what: &str) -> usize {
        let count = || self.lines().iter().filter(|line| line.contains(what)).count();
        for _ in 0..50 {
            if count() > 0 {
                sleep(Duration::from_millis(50)).await;
                break;
            }
            sleep(Duration::from_millis(20)).await;
        }
        count()
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn target(address: SocketAddr) -> Target {
    address.to_string().parse::<Target>().unwrap().with_name("gateway.test").unwrap()
}

fn certified(one: Identity) -> Arc<CertifiedKey> {
    let PrivateKeyDer::Pkcs8(key) = one.key else { panic!("a key of another form") };
    let key = PrivateKey::from_pkcs8(key.secret_pkcs8_der()).unwrap();
    identity(one.chain, &key).unwrap()
}
