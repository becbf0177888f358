//! Orders at a CA that refuses nonces which it gave, so many in a row whenever it is asked for something.
//!
//! The CA is a thread that speaks just enough of RFC 8555 over TLS: it looks at no signature, and wants no proof.
//! Not here: the nonces that pebble refuses by chance, which `interop` has. Invariant: it refuses as often as it is told.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use clock::SystemClock;
use pki::{KeyType, PrivateKey};
use rustls::{ServerConfig, ServerConnection, StreamOwned, version::TLS13};
use testkit::Authority;
use uplink::Revocation;

use crate::{AcmeError, Ca, Placed, Proof, Stage, Trust};

#[tokio::test]
async fn a_ca_that_refuses_nine_nonces_in_a_row_is_asked_a_tenth_time_whatever_is_asked_for() {
    for what in ["account", "order", "order/1", "finalize", "certificate"] {
        let ca = RefusingCa::start(what, 9);
        assert_eq!(ca.certificate().await.as_deref(), Ok(CHAIN), "{what}");
        assert_eq!(ca.refused(), 9, "{what}");
    }
}

#[tokio::test]
async fn a_ca_that_takes_no_nonce_at_all_is_told_so_and_not_asked_without_end() {
    for what in ["account", "order"] {
        let ca = RefusingCa::start(what, usize::MAX);
        let error = ca.certificate().await.expect_err("nothing was given");
        assert!(matches!(error, AcmeError::NonceRefused { .. }), "{error}");
        assert!((10..=30).contains(&ca.refused()), "{what}: {}", ca.refused());
    }
}

struct RefusingCa {
    directory: String,
    authority: Authority,
    desk: Arc<Desk>,
}

/// What it gives to whoever asks.
struct Desk {
    origin: String,
    /// Asked for this, it refuses the nonce.
    refuses: &'static str,
    /// So often.
    at_most: usize,
    refused: AtomicUsize,
    /// It has been given the request.
    signed: AtomicBool,
}

struct NoStage;

impl RefusingCa {
    fn start(refuses: &'static str, at_most: usize) -> Self {
        let authority = Authority::new("a CA's own root");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let origin = format!("https://127.0.0.1:{}", listener.local_addr().expect("bound").port());
        let directory = format!("{origin}/directory");
        let (refused, signed) = (AtomicUsize::new(0), AtomicBool::new(false));
        let desk = Arc::new(Desk { origin, refuses, at_most, refused, signed });
        let (tls, at_work) = (server(&authority), Arc::clone(&desk));
        // It ends with the tests.
        thread::spawn(move || at_work.serve(&listener, &tls));
        Self { directory, authority, desk }
    }

    async fn certificate(&self) -> Result<String, AcmeError> {
        let roots = vec![self.authority.certificate().clone()];
        let trust =
            Trust { roots, revocation: Revocation::default(), clock: Arc::new(SystemClock) };
        let ca = Ca::new(self.directory.clone(), trust, None, None);
        let (account, _) = ca.account(None).await?;
        let key = PrivateKey::generate(KeyType::P256).expect("a key");
        let mut placed = Placed::on(Arc::new(NoStage));
        account.certificate(&["a.test".to_owned()], &key, &[], &mut placed).await
    }

    fn refused(&self) -> usize {
        self.desk.refused.load(Ordering::Relaxed)
    }
}

impl Desk {
    /// One after the other, a connection for each question.
    fn serve(&self, listener: &TcpListener, tls: &Arc<ServerConfig>) {
        for stream in listener.incoming().map_while(Result::ok) {
            let connection = ServerConnection::new(Arc::clone(tls)).expect("a connection");
            let mut stream = BufReader::new(StreamOwned::new(connection, stream));
            let Some(path) = asked(&mut stream) else { continue };
            let answer = self.answer(path.trim_start_matches('/'));
            let stream = stream.get_mut();
            // Who has gone meanwhile has failed already.
            let _ = stream.write_all(answer.as_bytes());
            stream.conn.send_close_notify();
            let _ = stream.flush();
        }
    }

    fn answer(&self, what: &str) -> String {
        let origin = &self.origin;
        if what == self.refuses && self.refused.load(Ordering::Relaxed) < self.at_most {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return response("400 Bad Request", "", BAD_NONCE);
        }
        self.signed.fetch_or(what == "finalize", Ordering::Relaxed);
        let order = || {
            let status = if self.signed.load(Ordering::Relaxed) { "valid" } else { "ready" };
            format!(
                "{{\"status\":\"{status}\",\"authorizations\":[],\
                 \"finalize\":\"{origin}/finalize\",\"certificate\":\"{origin}/certificate\"}}"
            )
        };
        let place = |what: &str| format!("Location: {origin}/{what}\r\n");
        match what {
            "directory" => response(
                "200 OK",
                "",
                &format!(
                    "{{\"newNonce\":\"{origin}/nonce\",\"newAccount\":\"{origin}/account\",\
                     \"newOrder\":\"{origin}/order\"}}"
                ),
            ),
            "nonce" => response("200 OK", "", ""),
            "account" => response("201 Created", &place("account/1"), "{\"status\":\"valid\"}"),
            "order" => response("201 Created", &place("order/1"), &order()),
            "finalize" | "order/1" => response("200 OK", "", &order()),
            "certificate" => response("200 OK", "", CHAIN),
            _ => response("404 Not Found", "", "{}"),
        }
    }
}

impl Stage for NoStage {
    fn show(&self, _: &Proof) {}

    fn take_down(&self, _: &Proof) {}
}

fn server(authority: &Authority) -> Arc<ServerConfig> {
    let identity = authority.server_named("127.0.0.1");
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let config = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&TLS13])
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(identity.chain, identity.key);
    Arc::new(config.expect("a key that fits"))
}

/// The path that somebody asks for, once the whole question is there.
fn asked(stream: &mut impl BufRead) -> Option<String> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        (stream.read_line(&mut head).ok()? > 0).then_some(())?;
    }
    let length = head.to_ascii_lowercase().lines().find_map(|line| {
        line.strip_prefix("content-length:").and_then(|length| length.trim().parse().ok())
    });
    stream.take(length.unwrap_or(0)).read_to_end(&mut Vec::new()).ok()?;
    head.split(' ').nth(1).map(str::to_owned)
}

fn response(status: &str, more: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nReplay-Nonce: YW5vdGhlcg\r\nConnection: close\r\n{more}\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

const BAD_NONCE: &str =
    r#"{"type":"urn:ietf:params:acme:error:badNonce","detail":"not one of mine","status":400}"#;
/// Nobody looks into it here.
const CHAIN: &str = "a chain";
