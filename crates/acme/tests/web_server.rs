//! The certificate of a CA's own web server is looked up where it says, before anything is asked of the CA.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use acme::{AcmeError, Ca, Renewal, Trust};
use clock::{Clock, SystemClock, Timestamp, VirtualClock};
use pki::{
    CA_LIFETIME, CRL_LIFETIME, CertificateRequest, CrlRequest, KeyType, LocalSigner, NewCa,
    PrivateKey, Profile, Publishing, RevocationReason, SERVER_LIFETIME, Serial, Signer as _,
    Validity,
};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use uplink::Revocation;

#[tokio::test]
async fn a_ca_whose_own_certificate_was_revoked_is_asked_nothing() {
    for policy in [Revocation::Require, Revocation::Prefer] {
        let ca = WebCa::open(Says::Good).await;
        assert_eq!(ca.asked_by(policy).await, Ok(None));
        assert_eq!(ca.heard(), 1, "it says nothing of renewals");

        let ca = WebCa::open(Says::Revoked).await;
        let refused = ca.asked_by(policy).await.expect_err("revoked");
        assert!(matches!(refused, AcmeError::Revoked { .. }), "{refused:?}");
        assert!(refused.is_of_the_ca() && refused.mend().contains("acme.directory"), "{refused:?}");
        assert!(!refused.mend().contains("acme.ca"), "no root would help: {}", refused.mend());
        assert!(refused.to_string().contains("was revoked on"), "{refused}");
        assert_eq!(ca.heard(), 0);
    }
}

#[tokio::test]
async fn where_nobody_says_whether_it_was_revoked_the_setting_says_what_is_done() {
    let ca = WebCa::open(Says::Nothing).await;
    let refused = ca.asked_by(Revocation::Require).await.expect_err("not known");
    assert!(matches!(refused, AcmeError::NotSettled { .. }), "{refused:?}");
    assert!(refused.mend().contains("acme.revocation prefer"), "{}", refused.mend());
    assert!(refused.is_of_the_ca(), "no other order would fare better");
    assert_eq!(ca.heard(), 0);
    for policy in [Revocation::Prefer, Revocation::Off] {
        assert_eq!(ca.asked_by(policy).await, Ok(None), "{policy:?}");
    }
    assert_eq!(ca.heard(), 2);
}

#[tokio::test]
async fn whoever_said_nothing_is_asked_again_after_some_minutes_where_that_is_passed_over() {
    let web = WebCa::open(Says::Nothing).await;
    let clock = VirtualClock::new(SystemClock.now());
    let ca = web.met_by(Revocation::Prefer, Arc::new(clock.clone()));
    assert_eq!(ca.renewal(&web.leaf).await, Ok(None));
    let asked = web.looked_up();
    assert!(asked > 0);
    for _ in 0..5 {
        assert_eq!(ca.renewal(&web.leaf).await, Ok(None));
    }
    assert_eq!((web.looked_up(), web.heard()), (asked, 6), "an order is of many requests");
    clock.advance(Duration::from_secs(3600));
    assert_eq!(ca.renewal(&web.leaf).await, Ok(None));
    assert_eq!(web.looked_up(), 2 * asked);

    let strict = web.met_by(Revocation::Require, Arc::new(clock));
    for times in 3..5 {
        strict.renewal(&web.leaf).await.expect_err("not known");
        assert_eq!(web.looked_up(), times * asked, "nothing is passed over");
    }
}

/// What is published of the certificate of the CA's web server.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Says {
    Good,
    Revoked,
    Nothing,
}

/// A CA with a web server, whose certificate comes from another CA, which publishes a list.
struct WebCa {
    address: SocketAddr,
    root: CertificateDer<'static>,
    leaf: CertificateDer<'static>,
    heard: Arc<AtomicUsize>,
    looked_up: Arc<AtomicUsize>,
    tasks: [JoinHandle<()>; 2],
}

impl WebCa {
    async fn open(says: Says) -> Self {
        let vouching = vouching();
        let published = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let base = format!("http://{}", published.local_addr().expect("bound"));
        let publishing = Publishing::at(&base, &vouching.ca().tag()).expect("plain HTTP");
        let key = PrivateKey::generate(KeyType::P256).expect("a key");
        let request = CertificateRequest {
            serial: number(),
            profile: Profile::Server { names: vec!["127.0.0.1".into()] },
            public_key: key.public_key().clone(),
            validity: Validity::starting(now(), SERVER_LIFETIME),
            publishing,
        };
        let leaf = pki::issue(&vouching, request).await.expect("a certificate");
        let list = match says {
            Says::Nothing => None,
            _ => Some(list(&vouching, says == Says::Revoked).await),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let (heard, looked_up) = (Arc::default(), Arc::default());
        let answering = answer(listener, acceptor(&leaf, &key), Arc::clone(&heard));
        let publishing = publish(published, list, Arc::clone(&looked_up));
        let tasks = [tokio::spawn(publishing), tokio::spawn(answering)];
        Self { address, root: vouching.ca().der().clone(), leaf, heard, looked_up, tasks }
    }

    /// Asks it about a certificate, anew each time.
    async fn asked_by(&self, revocation: Revocation) -> Result<Option<Renewal>, AcmeError> {
        self.met_by(revocation, Arc::new(SystemClock)).renewal(&self.leaf).await
    }

    fn met_by(&self, revocation: Revocation, clock: Arc<dyn Clock>) -> Ca {
        let trust = Trust { roots: vec![self.root.clone()], revocation, clock };
        Ca::new(format!("https://{}/directory", self.address), trust, None, None)
    }

    /// How often it was asked whether the certificate holds.
    fn looked_up(&self) -> usize {
        self.looked_up.load(Ordering::Relaxed)
    }

    fn heard(&self) -> usize {
        self.heard.load(Ordering::Relaxed)
    }
}

impl Drop for WebCa {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

fn vouching() -> LocalSigner {
    let serial = Serial::from_random([1; 16]);
    let new = NewCa { key_type: KeyType::P256, serial, now: now(), lifetime: CA_LIFETIME };
    LocalSigner::create(&new).expect("a CA")
}

async fn list(by: &LocalSigner, is_revoked: bool) -> Vec<u8> {
    let why = pki::Revocation { at: now(), reason: RevocationReason::KeyCompromise };
    let request = CrlRequest {
        number: 1,
        this_update: now(),
        next_update: now().after(CRL_LIFETIME),
        revoked: is_revoked.then_some((number(), why)).into_iter().collect(),
    };
    pki::sign_crl(by, request).await.expect("a list").der().to_vec()
}

fn acceptor(leaf: &CertificateDer<'static>, key: &PrivateKey) -> TlsAcceptor {
    let private = PrivateKeyDer::Pkcs8(key.pkcs8().to_vec().into());
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![leaf.clone()], private)
        .expect("they fit");
    TlsAcceptor::from(Arc::new(config))
}

/// A directory without anything in it, to whoever asks.
async fn answer(listener: TcpListener, tls: TlsAcceptor, heard: Arc<AtomicUsize>) {
    while let Ok((stream, _)) = listener.accept().await {
        let Ok(mut stream) = tls.accept(stream).await else { continue };
        if head(&mut stream).await.is_some() {
            heard.fetch_add(1, Ordering::Relaxed);
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";
            let _ = stream.write_all(answer).await;
            let _ = stream.shutdown().await;
        }
    }
}

/// Hands the list out, and nothing else.
async fn publish(listener: TcpListener, list: Option<Vec<u8>>, looked_up: Arc<AtomicUsize>) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let Some(head) = head(&mut stream).await else { continue };
        looked_up.fetch_add(1, Ordering::Relaxed);
        let found = list.as_deref().filter(|_| head.starts_with("GET "));
        let (status, body) = found.map_or(("404 Not Found", &[][..]), |list| ("200 OK", list));
        let length = body.len();
        let head =
            format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
        let _ = stream.write_all(&[head.as_bytes(), body].concat()).await;
    }
}

/// Of a request; nothing where somebody goes without one.
async fn head(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut request = Vec::new();
    while !request.windows(4).any(|four| four == b"\r\n\r\n") {
        (stream.read_buf(&mut request).await.ok()? > 0).then_some(())?;
    }
    Some(String::from_utf8_lossy(&request).into_owned())
}

fn now() -> Timestamp {
    SystemClock.now().into()
}

/// Of the web server's certificate.
fn number() -> Serial {
    Serial::from_random([2; 16])
}
