//! What a CA says of when a certificate is to be renewed, asked of one that answers as RFC 9773 has it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use acme::{Ca, Trust};
use clock::SystemClock;
use rcgen::{CertificateParams, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::CertificateDer;
use testkit::Authority;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use uplink::Revocation;

#[tokio::test]
async fn a_ca_is_asked_for_the_certificate_by_its_authority_key_and_serial() {
    let window =
        r#"{"suggestedWindow":{"start":"2026-01-02T04:00:00Z","end":"2026-01-03T04:00:00Z"}}"#;
    let ca = Server::open("renewalInfo", window, "Retry-After: 7200\r\n").await;
    let renewal = ca.asks().renewal(&leaf()).await.expect("asked").expect("it says so");
    assert_eq!(renewal.from.to_seconds(), "2026-01-02 04:00:00");
    assert_eq!(renewal.to.to_seconds(), "2026-01-03 04:00:00");
    assert_eq!(renewal.ask_again, Duration::from_secs(7200));
    // The number is 0x87_65_43_21, which its encoding has a zero before; the key's name is 1 to 4.
    assert_eq!(ca.heard(), ["/directory", "/renewal/AQIDBA.AIdlQyE"]);
}

#[tokio::test]
async fn a_ca_that_says_nothing_of_that_is_not_asked_further() {
    let ca = Server::open("newNonce", "{}", "").await;
    assert_eq!(ca.asks().renewal(&leaf()).await, Ok(None));
    assert_eq!(ca.heard(), ["/directory"]);
    let broken = Server::open("renewalInfo", "no JSON", "").await;
    assert!(broken.asks().renewal(&leaf()).await.is_err());
}

/// A certificate whose CA's key is called 01020304.
fn leaf() -> CertificateDer<'static> {
    let key = KeyPair::generate().expect("a key");
    let mut of_ca = CertificateParams::default();
    of_ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    of_ca.key_identifier_method = rcgen::KeyIdMethod::PreSpecified(vec![1, 2, 3, 4]);
    let issuer = Issuer::new(of_ca, key);
    let mut params = CertificateParams::new(vec!["web.test".to_owned()]).expect("a name");
    params.serial_number = Some(vec![0x87, 0x65, 0x43, 0x21].into());
    params.use_authority_key_identifier_extension = true;
    let own = KeyPair::generate().expect("a key");
    params.signed_by(&own, &issuer).expect("signed").der().clone()
}

/// A CA that answers these questions alone.
struct Server {
    address: SocketAddr,
    root: CertificateDer<'static>,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn open(key: &'static str, answer: &'static str, more: &'static str) -> Self {
        let authority = Authority::new("a CA's own root");
        let own = authority.server_named("127.0.0.1");
        let root = authority.certificate().clone();
        let tls = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(own.chain, own.key)
            .expect("they fit");
        let (tls, heard) = (TlsAcceptor::from(Arc::new(tls)), Arc::<Mutex<Vec<String>>>::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let paths = Arc::clone(&heard);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let mut stream = tls.accept(stream).await.expect("TLS");
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    stream.read_buf(&mut request).await.expect("a request");
                }
                let request = String::from_utf8(request).expect("text");
                let path = request.split(' ').nth(1).expect("a path").to_owned();
                let body = match path.as_str() {
                    "/directory" => format!(r#"{{"{key}":"https://{address}/renewal"}}"#),
                    _ => answer.to_owned(),
                };
                paths.lock().expect("whole").push(path);
                let length = body.len();
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n{more}\r\n");
                stream.write_all((head + &body).as_bytes()).await.expect("taken");
                let _ = stream.shutdown().await;
            }
        });
        Self { address, root, heard }
    }

    /// Whoever asks it.
    fn asks(&self) -> Ca {
        let (roots, revocation) = (vec![self.root.clone()], Revocation::default());
        let trust = Trust { roots, revocation, clock: Arc::new(SystemClock) };
        Ca::new(format!("https://{}/directory", self.address), trust, None, None)
    }

    fn heard(&self) -> Vec<String> {
        self.heard.lock().expect("whole").clone()
    }
}
