//! Hooks are started with what happened, some at once, for a limited time, and nobody waits.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clock::{Clock as _, SystemClock, Timestamp};
use pki::{
    CA_LIFETIME, CRL_LIFETIME, CertificateRequest, CrlRequest, KeyType, LocalSigner, NewCa,
    PrivateKey, Profile, Publishing, RevocationReason, SERVER_LIFETIME, Serial, Signer as _,
    Validity,
};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use serde_json::json;
use store::{Actor, EventId, EventKind, Store};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use uplink::Revocation;

use super::runner::AT_ONCE;
use super::{Hooks, Target};
use crate::testing::TempFolder;

#[test]
fn a_hook_gets_the_event_and_has_no_capability() {
    let folder = TempFolder::new();
    let seen = folder.path().join("seen");
    let caps = folder.path().join("caps");
    let (into, to) = (seen.display(), caps.display());
    let script = format!("cat > {into}\ngrep Cap /proc/self/status > {to}.new\nmv {to}.new {to}\n");
    hook(folder.path(), "user_added", &script, 0o700);
    let hooks = Hooks::new(folder.path().to_owned());
    hooks.tell("user_added", || json!({ "what": "user_added", "id": 7 }));
    hooks.tell("user_removed", || json!({ "nobody": "is there" }));
    until(|| fs::read_to_string(&caps).is_ok_and(|text| text.contains("CapBnd")));
    assert_eq!(fs::read_to_string(&seen).expect("told"), "{\"id\":7,\"what\":\"user_added\"}\n");
    let caps = fs::read_to_string(&caps).expect("read");
    for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        let none = format!("{set}:\t0000000000000000");
        assert!(caps.contains(&none), "{caps}");
    }
}

#[test]
fn hooks_that_hang_are_ended_and_keep_nobody_waiting() {
    let folder = TempFolder::new();
    let started = folder.path().join("started");
    let script = format!("echo >> {}\nsleep 600\n", started.display());
    hook(folder.path(), "session_opened", &script, 0o700);
    let hooks = Hooks::new(folder.path().to_owned());
    let begun = Instant::now();
    for number in 0..2_000 {
        hooks.tell("session_opened", || number);
    }
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    let count = || fs::read_to_string(&started).map_or(0, |text| text.lines().count());
    until(|| count() >= AT_ONCE);
    assert_eq!(count(), AT_ONCE, "not more than these at once");
    until(|| count() > AT_ONCE);
}

#[test]
fn strangers_who_are_refused_crowd_out_no_rare_event() {
    let folder = TempFolder::new();
    let seen = folder.path().join("seen");
    hook(folder.path(), "connection_refused", "sleep 600\n", 0o700);
    hook(folder.path(), "certificate_revoked", &format!("cat > {}\n", seen.display()), 0o700);
    let hooks = Hooks::new(folder.path().to_owned());
    for number in 0..5_000 {
        hooks.tell("connection_refused", || number);
    }
    hooks.tell("certificate_revoked", || json!({ "id": 7 }));
    until(|| fs::read_to_string(&seen).is_ok_and(|text| text == "{\"id\":7}\n"));
}

#[test]
fn what_others_may_change_is_not_started() {
    let folder = TempFolder::new();
    let ran = folder.path().join("ran");
    let script = format!("touch {}\n", ran.display());
    hook(folder.path(), "theirs", &script, 0o722);
    hook(folder.path(), "plain", &script, 0o600);
    let last = folder.path().join("last");
    hook(folder.path(), "ours", &format!("touch {}\n", last.display()), 0o700);
    let hooks = Hooks::new(folder.path().to_owned());
    for event in ["theirs", "plain", "ours"] {
        hooks.tell(event, || json!({}));
    }
    until(|| last.exists());
    assert!(!ran.exists());
}

#[tokio::test]
async fn what_is_left_at_a_stop_is_told_and_who_hangs_then_is_ended() {
    let folder = TempFolder::new();
    let (seen, late) = (folder.path().join("seen"), folder.path().join("late"));
    let script = format!("sleep 0.3\necho >> {}\n", seen.display());
    hook(folder.path(), "session_closed", &script, 0o700);
    let hooks = Hooks::new(folder.path().to_owned());
    for number in 0..12 {
        hooks.tell("session_closed", || number);
    }
    hooks.finish(EventId::NONE).await;
    assert_eq!(fs::read_to_string(&seen).expect("told").lines().count(), 12, "all, and waited for");

    hook(folder.path(), "hangs", &format!("sleep 600\ntouch {}\n", late.display()), 0o700);
    let hooks = Hooks::new(folder.path().to_owned());
    hooks.tell("hangs", || 1);
    let begun = Instant::now();
    hooks.finish(EventId::NONE).await;
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert!(!late.exists());
}

#[tokio::test]
async fn a_stop_waits_for_nothing_where_there_are_no_hooks() {
    let folder = TempFolder::new();
    let hooks = Hooks::new(folder.path().to_owned());
    hooks.tell("user_added", || 1);
    let begun = Instant::now();
    hooks.finish(EventId::NONE).await;
    assert!(begun.elapsed() < Duration::from_secs(1));
}

#[tokio::test]
async fn events_are_posted_to_the_address_of_the_settings_over_http_and_nowhere_else() {
    let folder = TempFolder::new();
    let hooks = Hooks::new(folder.path().to_owned());
    hooks.tell("user_added", || json!({ "id": 1 }));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let port = listener.local_addr().expect("bound").port();
    let elsewhere = "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\n\r\n";
    let serving = tokio::spawn(async move {
        let first = answer(listener.accept().await.expect("a connection").0, elsewhere).await;
        let done = "HTTP/1.1 204 No Content\r\n\r\n";
        [first, answer(listener.accept().await.expect("a connection").0, done).await]
    });
    hooks.post_to(at(&format!("http://127.0.0.1:{port}/hook?token=x"), None));
    hooks.tell("user_added", || json!({ "id": 2 }));
    hooks.tell("user_removed", || json!({ "id": 3 }));
    hooks.finish(EventId::NONE).await;
    let [first, second] = serving.await.expect("served");
    assert!(first.starts_with("POST /hook?token=x HTTP/1.1\r\n"), "{first}");
    assert!(first.contains("content-type: application/json\r\n"), "{first}");
    assert!(first.ends_with("\r\n\r\n{\"id\":2}\n"), "{first}");
    assert!(second.ends_with("\r\n\r\n{\"id\":3}\n"), "{second}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_the_log_everything_is_told_in_its_order_however_much_waits() {
    let folder = TempFolder::new();
    let store =
        Store::open(&folder.path().join("records.db"), Arc::new(SystemClock)).expect("opened");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let port = listener.local_addr().expect("bound").port();
    let hooks = Hooks::new(folder.path().to_owned());
    hooks.post_to(at(&format!("http://127.0.0.1:{port}/"), None));
    let _following = hooks.follow(store.clone(), EventId::NONE);
    let mut writing = JoinSet::new();
    for number in 0..EVENTS {
        let store = store.clone();
        let (kind, payload) = (EventKind::SESSION_KICKED, json!({ "number": number }));
        writing.spawn(async move { store.event_append(&Actor::Gateway, kind, payload).await });
    }
    assert!(writing.join_all().await.iter().all(Result::is_ok));
    // Until here nobody took one, and most of them found no room.
    let mut told = Vec::new();
    while told.len() < EVENTS {
        let accepted = timeout(Duration::from_secs(20), listener.accept()).await;
        let (stream, _) = accepted.expect("one more").expect("a connection");
        let request = answer(stream, "HTTP/1.1 204 No Content\r\n\r\n").await;
        let body = request.split("\r\n\r\n").nth(1).expect("a body");
        let event: serde_json::Value = serde_json::from_str(body).expect("JSON");
        told.push(event["id"].as_u64().expect("a number"));
    }
    let all: Vec<_> = (1..=EVENTS as u64).collect();
    assert_eq!(told, all);
    hooks.finish(store.event_latest().await.expect("read")).await;
}

/// More than may wait.
const EVENTS: usize = 1_400;

#[tokio::test]
async fn over_https_only_who_shows_a_certificate_of_a_trusted_ca_hears_of_events() {
    let folder = TempFolder::new();
    for is_trusted in [true, false] {
        let ca = ca();
        let (_, acceptor) = https(&ca, Publishing::default()).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let port = listener.local_addr().expect("bound").port();
        let serving = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.expect("a connection");
            let Ok(stream) = acceptor.accept(stream).await else { return String::new() };
            answer(stream, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await
        });
        let hooks = Hooks::new(folder.path().to_owned());
        hooks.post_to(at(&format!("https://127.0.0.1:{port}/"), is_trusted.then_some(&ca)));
        hooks.tell("user_added", || json!({ "id": 7 }));
        hooks.finish(EventId::NONE).await;
        let heard = serving.await.expect("served");
        assert_eq!(heard.ends_with("{\"id\":7}\n"), is_trusted, "{heard}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_whose_certificate_was_revoked_hears_of_nothing() {
    let folder = TempFolder::new();
    for is_revoked in [false, true] {
        let ca = ca();
        let published = TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let base = format!("http://{}", published.local_addr().expect("bound"));
        let publishing = Publishing::at(&base, &ca.ca().tag()).expect("plain HTTP");
        let (serial, acceptor) = https(&ca, publishing).await;
        let now = Timestamp::from(SystemClock.now());
        let why = pki::Revocation { at: now, reason: RevocationReason::KeyCompromise };
        let request = CrlRequest {
            number: 1,
            this_update: now,
            next_update: now.after(CRL_LIFETIME),
            revoked: is_revoked.then_some((serial, why)).into_iter().collect(),
        };
        let list = pki::sign_crl(&ca, request).await.expect("a list").der().to_vec();
        let publishing = tokio::spawn(publish(published, list));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let port = listener.local_addr().expect("bound").port();
        let serving = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.expect("a connection");
            let Ok(stream) = acceptor.accept(stream).await else { return String::new() };
            answer(stream, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await
        });
        let hooks = Hooks::new(folder.path().to_owned());
        hooks.post_to(at(&format!("https://127.0.0.1:{port}/"), Some(&ca)));
        hooks.tell("user_added", || json!({ "id": 7 }));
        hooks.finish(EventId::NONE).await;
        let heard = serving.await.expect("served");
        assert_eq!(heard.ends_with("{\"id\":7}\n"), !is_revoked, "{heard}");
        publishing.abort();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_a_webhooks_ca_can_not_be_asked_it_is_said_which_key_posts_all_the_same() {
    let folder = TempFolder::new();
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("bound");
    let port_of = |listener: &std::net::TcpListener| listener.local_addr().expect("bound").port();
    let closed = port_of(&std::net::TcpListener::bind("127.0.0.1:0").expect("bound"));
    for port in [port_of(&silent), closed] {
        let ca = ca();
        let publishing = Publishing::at(&format!("http://127.0.0.1:{port}"), &ca.ca().tag());
        let (_, acceptor) = https(&ca, publishing.expect("plain HTTP")).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let url = format!("https://{}/secret", listener.local_addr().expect("bound"));
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(stream) = acceptor.accept(stream).await else { continue };
                answer(stream, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
            }
        });
        let told = async |policy| {
            let hooks = Hooks::new(folder.path().to_owned());
            hooks.post_to(with(&url, Some(&ca), policy));
            assert_eq!(hooks.fault(), None);
            hooks.tell("user_added", || json!({ "id": 7 }));
            hooks.finish(EventId::NONE).await;
            hooks.fault()
        };
        let fault = told(Revocation::Require).await.expect("nothing arrived");
        let (what, mend) = (fault.what, fault.mend);
        assert!(what.contains("whether its certificate was revoked is not known"), "{what}");
        assert!(mend.contains("config set hooks.revocation prefer"), "{mend}");
        assert!(!what.contains("secret"), "{what}");
        assert_eq!(told(Revocation::Prefer).await, None, "it is passed over");
        serving.abort();
    }
}

#[tokio::test]
async fn who_takes_posts_and_never_answers_keeps_nobody_waiting() {
    let folder = TempFolder::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("bound");
    let port = listener.local_addr().expect("bound").port();
    let hooks = Hooks::new(folder.path().to_owned());
    hooks.post_to(at(&format!("http://127.0.0.1:{port}/"), None));
    let begun = Instant::now();
    for number in 0..2_000 {
        hooks.tell("session_opened", || number);
    }
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    hooks.finish(EventId::NONE).await;
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

/// Reads a request with its body, and answers this.
async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin, with: &str) -> String {
    let mut request = Vec::new();
    while !request.ends_with(b"}\n") {
        if stream.read_buf(&mut request).await.unwrap_or_default() == 0 {
            return String::from_utf8(request).expect("text");
        }
    }
    stream.write_all(with.as_bytes()).await.expect("written");
    stream.shutdown().await.expect("ended");
    String::from_utf8(request).expect("text")
}

fn at(url: &str, ca: Option<&LocalSigner>) -> Option<Target> {
    with(url, ca, Revocation::default())
}

fn with(url: &str, ca: Option<&LocalSigner>, revocation: Revocation) -> Option<Target> {
    let url = Some(url.parse().expect("a URL"));
    let settings = crate::config::Hooks { url, revocation };
    Target::new(&settings, ca.map(|ca| ca.ca().der().clone()), Arc::new(SystemClock))
}

fn ca() -> LocalSigner {
    let (serial, now) = (Serial::from_random([1; 16]), SystemClock.now().into());
    let new = NewCa { key_type: KeyType::P256, serial, now, lifetime: CA_LIFETIME };
    LocalSigner::create(&new).expect("a CA")
}

/// A server at 127.0.0.1 with a certificate of this CA, and its number.
async fn https(ca: &LocalSigner, publishing: Publishing) -> (Serial, TlsAcceptor) {
    let key = PrivateKey::generate(KeyType::P256).expect("a key");
    let serial = Serial::from_random([2; 16]);
    let request = CertificateRequest {
        serial,
        profile: Profile::Server { names: vec!["127.0.0.1".into()] },
        public_key: key.public_key().clone(),
        validity: Validity::starting(SystemClock.now().into(), SERVER_LIFETIME),
        publishing,
    };
    let certificate = pki::issue(ca, request).await.expect("a certificate");
    let private = PrivateKeyDer::Pkcs8(key.pkcs8().to_vec().into());
    let config = ServerConfig::builder().with_no_client_auth();
    let config = config.with_single_cert(vec![certificate], private).expect("they fit");
    (serial, TlsAcceptor::from(Arc::new(config)))
}

/// Hands a CA's list out, and nothing else.
async fn publish(listener: TcpListener, list: Vec<u8>) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let mut request = Vec::new();
        while !request.windows(4).any(|four| four == b"\r\n\r\n") {
            if stream.read_buf(&mut request).await.expect("read") == 0 {
                break;
            }
        }
        let is_list = String::from_utf8_lossy(&request).starts_with("GET ");
        let (status, body) =
            if is_list { ("200 OK", &list[..]) } else { ("404 Not Found", &[][..]) };
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        );
        stream.write_all(&[head.as_bytes(), body].concat()).await.expect("written");
    }
}

fn hook(folder: &Path, name: &str, script: &str, mode: u32) {
    let path = folder.join(name);
    fs::write(&path, format!("#!/bin/sh\n{script}")).expect("written");
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("set");
}

fn until(done: impl Fn() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < Duration::from_secs(20), "it does not happen");
        std::thread::sleep(Duration::from_millis(20));
    }
}
