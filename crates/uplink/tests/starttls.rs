//! Programs in the clear on one side, services with STARTTLS on the other.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use clock::SystemClock;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use starttls::{Greeting, Protocol, Upgrade};
use testkit::{Authority, Identity};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use uplink::{Local, ReachError, Revocation, Settings, Target, Uplink};

#[tokio::test]
async fn a_program_is_greeted_once_and_what_it_says_goes_inside_tls() {
    for (protocol, says, hears) in [
        (Protocol::Smtp, &b"EHLO me\r\n"[..], &b"220 gateway.test ESMTP\r\nEHLO ME\r\n"[..]),
        (Protocol::Lmtp, b"LHLO me\r\n", b"220 gateway.test LMTP\r\nLHLO ME\r\n"),
        (Protocol::Imap, b"a noop\r\n", b"* OK gateway.test ready\r\nA NOOP\r\n"),
        (Protocol::Pop3, b"quit\r\n", b"+OK gateway.test ready\r\nQUIT\r\n"),
        (Protocol::Sieve, b"logout\r\n", b"LOGOUT\r\n"),
        (Protocol::Nntp, b"date\r\n", b"200 gateway.test ready\r\nDATE\r\n"),
        (Protocol::Ldap, b"a", b"A"),
        (Protocol::Xmpp, b"<a/>", b"<A/>"),
        (Protocol::Irc, b"nick a\r\n", b"NICK A\r\n"),
        (
            Protocol::Postgresql,
            b"\0\0\0\x08\x04\xd2\x16\x2f\0\0\0\x09\0\x03\0\0a",
            b"N\0\0\0\x09\0\x03\0\0A",
        ),
    ] {
        let service = Service::with_tls(protocol).await;
        let local = service.open(service.settings(protocol)).await;
        let heard = local.say(says).await;
        assert_eq!(String::from_utf8_lossy(&heard), String::from_utf8_lossy(hears), "{protocol}");
        assert!(local.told("connected").await, "{:?}", local.lines());
    }
}

#[tokio::test]
async fn a_service_that_offers_no_tls_hears_nothing_of_the_program() {
    let script: &[&[u8]] = &[b"220 mx ESMTP\r\n", b"250-mx\r\n250 8BITMIME\r\n"];
    let service = Service::in_the_clear(script).await;
    let local = service.open(service.settings(Protocol::Smtp)).await;
    assert_eq!(local.say(b"MAIL FROM:<secret@example.org>\r\n").await, b"");
    assert!(local.told("offers no STARTTLS").await, "{:?}", local.lines());
    assert_eq!(service.heard(), "EHLO localhost\r\n");
}

#[tokio::test]
async fn octets_behind_the_go_ahead_end_the_connection() {
    let script: &[&[u8]] = &[
        b"220 mx ESMTP\r\n",
        b"250-mx\r\n250 STARTTLS\r\n",
        b"220 go\r\n250-evil\r\n250 AUTH PLAIN\r\n",
    ];
    let service = Service::in_the_clear(script).await;
    let local = service.open(service.settings(Protocol::Smtp)).await;
    assert_eq!(local.say(b"AUTH PLAIN c2VjcmV0\r\n").await, b"");
    assert!(local.told("octets in the clear").await, "{:?}", local.lines());
    assert_eq!(service.heard(), "EHLO localhost\r\nSTARTTLS\r\n");
}

#[tokio::test]
async fn a_service_of_another_name_or_ca_is_not_trusted_after_its_go_ahead() {
    let service = Service::with_tls(Protocol::Imap).await;
    let settings = service.settings(Protocol::Imap);
    let other = settings.target.clone().with_name("other.test").unwrap();
    let ca = vec![Authority::new("another").certificate().clone()];
    for settings in
        [Settings { target: other, ..settings.clone() }, Settings { cas: ca, ..settings }]
    {
        let uplink = Uplink::new(settings, Arc::new(SystemClock)).unwrap();
        let outcome = uplink.reach().await;
        assert!(matches!(outcome, Err(ReachError::NotTrusted(_))), "{outcome:?}");
    }
}

/// Speaks a protocol as far as TLS, and answers in capitals then; or follows a script.
struct Service {
    authority: Authority,
    address: SocketAddr,
    heard: Arc<Mutex<Vec<u8>>>,
}

impl Service {
    async fn with_tls(protocol: Protocol) -> Self {
        let authority = Authority::new("authority");
        let Identity { chain, key } = authority.server();
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let (listener, address) = listener().await;
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let mut upgrade = Upgrade::server(protocol, &Greeting::of("outer")).unwrap();
                    if upgrade::to_tls(&mut stream, &mut upgrade).await.is_err() {
                        return;
                    }
                    let Ok(mut stream) = acceptor.accept(stream).await else { return };
                    let mut said = Vec::new();
                    let _ = stream.read_to_end(&mut said).await;
                    let _ = stream.write_all(&said.to_ascii_uppercase()).await;
                    let _ = stream.shutdown().await;
                });
            }
        });
        Self { authority, address, heard: Arc::default() }
    }

    /// Says one after the other, each once a line has come.
    async fn in_the_clear(script: &'static [&'static [u8]]) -> Self {
        let (listener, address) = listener().await;
        let heard = Arc::new(Mutex::new(Vec::new()));
        let ears = Arc::clone(&heard);
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            for line in script {
                let _ = stream.write_all(line).await;
                let mut octet = [0];
                while octet != *b"\n" && stream.read_exact(&mut octet).await.is_ok() {
                    ears.lock().unwrap().push(octet[0]);
                }
            }
        });
        Self { authority: Authority::new("authority"), address, heard }
    }

    fn heard(&self) -> String {
        String::from_utf8(self.heard.lock().unwrap().clone()).unwrap()
    }

    fn settings(&self, protocol: Protocol) -> Settings {
        let target: Target = format!("{protocol}://{}", self.address).parse().unwrap();
        Settings {
            target: target.with_name("gateway.test").unwrap(),
            cas: vec![self.authority.certificate().clone()],
            pin: None,
            identity: None,
            revocation: Revocation::Require,
        }
    }

    async fn open(&self, settings: Settings) -> Opened {
        let uplink = Arc::new(Uplink::new(settings, Arc::new(SystemClock)).unwrap());
        let local = Local::open("127.0.0.1:0".parse().unwrap(), uplink).await.unwrap();
        let (address, lines) = (local.address(), Arc::new(Mutex::new(Vec::new())));
        let told = Arc::clone(&lines);
        tokio::spawn(local.run(move |event| told.lock().unwrap().push(event.to_string())));
        Opened { address, lines }
    }
}

async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

struct Opened {
    address: SocketAddr,
    lines: Arc<Mutex<Vec<String>>>,
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

    async fn told(&self, what: &str) -> bool {
        for _ in 0..100 {
            if self.lines().iter().any(|line| line.contains(what)) {
                return true;
            }
            sleep(Duration::from_millis(20)).await;
        }
        false
    }
}
