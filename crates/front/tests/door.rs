//! The door as clients meet it: names, certificates, revocation, sessions that are resumed, backends.

use std::sync::Arc;
use std::time::{Duration, Instant};

use clock::{Clock, SystemClock, VirtualClock};
use front::{
    Clients, Encryption, End, Kick, Listen, Mode, Overheard, OwnCertificate, Protocol,
    ProxyProtocol, Settings, Unmatched, VirtualServer, Wanted,
};
use house::{Backend, House, SOON, ask};
use rustls::client::{
    ClientSessionMemoryCache, ClientSessionStore, Resumption, Tls12ClientSessionValue,
    Tls13ClientSessionValue,
};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::ServerName;
use rustls::version::{TLS12, TLS13};
use rustls::{ALL_VERSIONS, CipherSuite, HandshakeKind, NamedGroup};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

mod house;

#[tokio::test]
async fn each_name_is_answered_by_its_own_server_with_its_own_certificate() {
    let (wiki, files, apps) =
        (Backend::open("wiki").await, Backend::open("files").await, Backend::open("apps").await);
    let settings = settings([
        server("wiki.test", &wiki),
        server("files.test", &files),
        server("*.apps.test", &apps),
    ]);
    let house = House::open(&settings).await;
    let client = house.client(None);
    assert_eq!(client.ask("wiki.test", "hello").await.unwrap(), "wiki: hello");
    assert_eq!(client.ask("FILES.test", "hello").await.unwrap(), "files: hello");
    assert_eq!(client.ask("one.apps.test", "hello").await.unwrap(), "apps: hello");
    for nobody in ["nobody.test", "apps.test", "two.one.apps.test"] {
        let refused = client.ask(nobody, "hello").await.unwrap_err().to_string();
        assert!(refused.contains("UnrecognisedName"), "{nobody}: {refused}");
    }
    assert_eq!(house.refused("unknown_server_name").await, None);
    assert_eq!(wiki.heard().len() + files.heard().len() + apps.heard().len(), 3);
}

#[tokio::test]
async fn a_client_without_a_name_gets_the_default_or_an_alert_as_configured() {
    let wiki = Backend::open("wiki").await;
    let default = VirtualServer { default: true, ..server("wiki.test", &wiki) };
    let mut settings = settings([default]);
    let house = House::open(&settings).await;
    let mut client = house.client(None);
    client.config.enable_sni = false;
    assert_eq!(client.ask("wiki.test", "hello").await.unwrap(), "wiki: hello");
    settings.listen[0].no_name = Unmatched::Refuse;
    house.reload(&settings);
    let refused = client.ask("wiki.test", "hello").await.unwrap_err().to_string();
    assert!(refused.contains("UnrecognisedName"), "{refused}");
}

#[tokio::test]
async fn the_protocol_inside_chooses_among_servers_of_one_name() {
    let (web, mail) = (Backend::open("web").await, Backend::open("mail").await);
    let speaks = |alpn: &str, backend| VirtualServer {
        alpn: vec![alpn.to_owned()],
        ..server("one.test", backend)
    };
    let house = House::open(&settings([speaks("h2", &web), speaks("imap", &mail)])).await;
    let mut client = house.client(None);
    client.config.alpn_protocols = vec![b"imap".to_vec()];
    assert_eq!(client.ask("one.test", "hello").await.unwrap(), "mail: hello");
    client.config.alpn_protocols = vec![b"irc".to_vec()];
    let refused = client.ask("one.test", "hello").await.unwrap_err().to_string();
    assert!(refused.contains("NoApplicationProtocol"), "{refused}");
    assert_eq!(house.refused("no_common_protocol").await, None);
}

#[tokio::test]
async fn a_client_certificate_is_asked_for_under_one_name_alone() {
    let (open, closed) = (Backend::open("open").await, Backend::open("closed").await);
    let settings = settings([server("open.test", &open), required("closed.test", &closed)]);
    let house = House::open(&settings).await;
    let stranger = house.client(None);
    assert_eq!(stranger.ask("open.test", "hello").await.unwrap(), "open: hello");
    assert!(stranger.ask("closed.test", "hello").await.is_err());
    assert_eq!(house.refused("no_certificate").await, None);
    let alice = house.client(Some(house.device("alice")));
    assert_eq!(alice.ask("closed.test", "hello").await.unwrap(), "closed: hello");
    assert_eq!(closed.heard(), ["hello"]);
    let other_ca = testkit::Authority::new("another CA").client("alice/default");
    assert!(house.client(Some(other_ca)).ask("closed.test", "hello").await.is_err());
}

#[tokio::test]
async fn a_good_certificate_of_somebody_else_is_refused_by_name() {
    let backend = Backend::open("closed").await;
    let users = vec!["alice".parse().unwrap()];
    let one = VirtualServer { users, ..required("closed.test", &backend) };
    let house = House::open(&settings([one])).await;
    let alice = house.client(Some(house.device("alice")));
    assert_eq!(alice.ask("closed.test", "hello").await.unwrap(), "closed: hello");
    let bob = house.client(Some(house.device("bob")));
    let refused = bob.ask("closed.test", "hello").await.unwrap_err().to_string();
    assert!(refused.contains("AccessDenied"), "{refused}");
    assert_eq!(house.refused("not_among_users").await.as_deref(), Some("bob"));
    assert_eq!(backend.heard(), ["hello"]);
}

#[tokio::test]
async fn a_revocation_closes_open_connections_before_it_is_answered_and_refuses_new_ones() {
    let backend = Backend::open("closed").await;
    let house = House::open(&settings([required("closed.test", &backend)])).await;
    let (alice, bob) = (house.device("alice"), house.device("bob"));
    let leaf = alice.chain[0].clone();
    let (alice, bob) = (house.client(Some(alice)), house.client(Some(bob)));
    let mut hers = alice.connect("closed.test").await.unwrap();
    let mut his = bob.connect("closed.test").await.unwrap();
    assert_eq!(ask(&mut hers, "hers").await.unwrap(), "closed: hers");
    assert_eq!(ask(&mut his, "his").await.unwrap(), "closed: his");
    assert_eq!(house.front.connections().len(), 2);

    let begun = Instant::now();
    house.records.revoke(&leaf).await;
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    assert_eq!(house.records.ended(), ["revoked"]);
    assert_eq!(house.front.connections().len(), 1);
    assert!(ask(&mut hers, "hers").await.is_err());
    assert_eq!(ask(&mut his, "again").await.unwrap(), "closed: again");
    assert!(alice.ask("closed.test", "new").await.is_err());
    assert_eq!(house.refused("revoked").await.as_deref(), Some("alice"));
    assert_eq!(backend.heard(), ["hers", "his", "again"]);
}

#[tokio::test]
async fn a_session_of_before_a_revocation_carries_no_byte() {
    for version in [&TLS12, &TLS13] {
        let backend = Backend::open("closed").await;
        let house = House::open(&settings([required("closed.test", &backend)])).await;
        let alice = house.device("alice");
        let leaf = alice.chain[0].clone();
        let alice = house.client_of(Some(alice), &[version]);
        alice.ask("closed.test", "first").await.unwrap();
        let (kind, answer) = alice.ask_again("closed.test").await;
        assert_eq!(kind, Some(HandshakeKind::Resumed), "it would say nothing otherwise");
        assert_eq!(answer.unwrap(), "closed: again");
        house.records.revoke(&leaf).await;
        let (kind, answer) = alice.ask_again("closed.test").await;
        assert_eq!(kind, Some(HandshakeKind::Resumed), "the session was tried");
        assert!(answer.is_err(), "{answer:?}");
        assert_eq!(house.refused("revoked").await.as_deref(), Some("alice"));
        assert_eq!(backend.heard(), ["first", "again"], "{version:?}");
    }
}

#[tokio::test]
async fn a_session_of_before_a_certificate_was_required_carries_no_byte() {
    for version in [&TLS12, &TLS13] {
        let backend = Backend::open("closed").await;
        let settings_before = settings([server("closed.test", &backend)]);
        let house = House::open(&settings_before).await;
        let stranger = house.client_of(None, &[version]);
        stranger.ask("closed.test", "first").await.unwrap();
        let (kind, _) = stranger.ask_again("closed.test").await;
        assert_eq!(kind, Some(HandshakeKind::Resumed));
        house.reload(&settings([required("closed.test", &backend)]));
        let (kind, answer) = stranger.ask_again("closed.test").await;
        assert_ne!(kind, Some(HandshakeKind::Resumed), "its ticket opens nothing");
        assert!(answer.is_err(), "{answer:?}");
        assert_eq!(house.refused("no_certificate").await, None);
        assert_eq!(backend.heard(), ["first", "again"], "{version:?}");
    }
}

#[tokio::test]
async fn a_session_that_is_resumed_while_a_certificate_comes_to_be_required_carries_no_byte() {
    for version in [&TLS12, &TLS13] {
        let backend = Backend::open("closed").await;
        let house = House::open(&settings([server("closed.test", &backend)])).await;
        let stranger = house.client_of(None, &[version]);
        stranger.ask("closed.test", "first").await.unwrap();
        let held = stranger.hold("closed.test").await.unwrap();
        assert_eq!(
            held.ask("held").await.unwrap(),
            "closed: held",
            "it would say nothing otherwise"
        );
        let held = stranger.hold("closed.test").await.unwrap();
        assert_eq!(held.kind(), Some(HandshakeKind::Resumed), "{version:?}");
        house.reload(&settings([required("closed.test", &backend)]));
        let answer = held.ask("late").await;
        assert!(answer.is_err(), "{answer:?}");
        assert_eq!(house.refused("no_certificate").await, None);
        assert_eq!(backend.heard(), ["first", "held"], "{version:?}");
    }
}

#[tokio::test]
async fn what_is_decrypted_here_is_not_sent_where_tls_comes_to_end_behind_us() {
    let backend = Backend::open("wiki").await;
    let house = House::open(&settings([server("wiki.test", &backend)])).await;
    let held = house.client(None).hold("wiki.test").await.unwrap();
    let passed = VirtualServer { passthrough: true, ..server("wiki.test", &backend) };
    house.reload(&settings([passed]));
    let answer = held.ask("late").await;
    assert!(answer.is_err(), "{answer:?}");
    assert_eq!(backend.heard(), [""; 0]);
}

#[tokio::test]
async fn a_session_is_resumed_until_its_full_handshake_is_too_long_ago() {
    for version in [&TLS12, &TLS13] {
        let backend = Backend::open("closed").await;
        let clock = VirtualClock::new(SystemClock.now());
        let for_two_hours =
            VirtualServer { max_age_seconds: 7200, ..required("closed.test", &backend) };
        let house = House::open_by(&settings([for_two_hours]), Arc::new(clock.clone())).await;
        let alice = house.client_of(Some(house.device("alice")), &[version]);
        alice.ask("closed.test", "first").await.unwrap();
        for kind in [HandshakeKind::Resumed, HandshakeKind::Resumed, HandshakeKind::Full] {
            clock.advance(Duration::from_secs(50 * 60));
            let (seen, answer) = alice.ask_again("closed.test").await;
            assert_eq!(seen, Some(kind), "{version:?}");
            assert_eq!(answer.unwrap(), "closed: again");
        }
    }
}

#[tokio::test]
async fn a_session_of_one_server_is_none_of_another() {
    let (open, closed) = (Backend::open("open").await, Backend::open("closed").await);
    let all = settings([server("open.test", &open), required("closed.test", &closed)]);
    let house = House::open(&all).await;
    for version in [&TLS12, &TLS13] {
        let mut stranger = house.client_of(None, &[version]);
        stranger.config.resumption = Resumption::store(Arc::<Careless>::default());
        stranger.ask("open.test", "first").await.unwrap();
        let (kind, answer) = stranger.ask_again("closed.test").await;
        assert_ne!(kind, Some(HandshakeKind::Resumed));
        assert!(answer.is_err(), "{answer:?}");
    }
    assert_eq!(closed.heard(), [""; 0]);
}

#[tokio::test]
async fn a_session_of_one_server_is_none_of_another_with_the_same_name() {
    let (open, closed) = (Backend::open("open").await, Backend::open("closed").await);
    let speaks = |alpn: &str, server| VirtualServer { alpn: vec![alpn.to_owned()], ..server };
    let house = House::open(&settings([
        speaks("irc", server("one.test", &open)),
        speaks("imap", required("one.test", &closed)),
    ]))
    .await;
    for version in [&TLS12, &TLS13] {
        let mut stranger = house.client_of(None, &[version]);
        stranger.config.alpn_protocols = vec![b"irc".to_vec()];
        stranger.ask("one.test", "first").await.unwrap();
        let (kind, _) = stranger.ask_again("one.test").await;
        assert_eq!(kind, Some(HandshakeKind::Resumed), "it would say nothing otherwise");
        stranger.config.alpn_protocols = vec![b"imap".to_vec()];
        let (kind, answer) = stranger.ask_again("one.test").await;
        assert_ne!(kind, Some(HandshakeKind::Resumed), "{version:?}");
        assert!(answer.is_err(), "{answer:?}");
    }
    assert_eq!(closed.heard(), [""; 0]);
}

#[tokio::test]
async fn a_revoked_certificate_of_ours_closes_what_it_was_shown_to_and_serves_nobody() {
    let backend = Backend::open("wiki").await;
    let house = House::open(&settings([server("wiki.test", &backend)])).await;
    let client = house.client(None);
    let mut open = client.connect("wiki.test").await.unwrap();
    ask(&mut open, "hello").await.unwrap();
    let own = house.keyring.certificates()[0].clone();
    house.records.revoke(&own).await;
    assert!(ask(&mut open, "hello").await.is_err());
    assert_eq!(house.records.ended(), ["own_certificate_withdrawn"]);
    assert!(client.ask("wiki.test", "new").await.is_err());
    assert_eq!(house.refused("no_server_certificate").await, None);
}

#[tokio::test]
async fn a_revoked_certificate_of_ours_takes_its_sessions_along_whoever_resumed_them() {
    for version in [&TLS12, &TLS13] {
        let backend = Backend::open("wiki").await;
        let house = House::open(&settings([server("wiki.test", &backend)])).await;
        let [former, other] = [(); 2].map(|()| house.key(house.ca.server_named("wiki.test")));
        house.keyring.put("wiki.test", vec![Arc::clone(&former)]);
        let client = house.client_of(None, &[version]);
        client.ask("wiki.test", "first").await.unwrap();
        let mut resumed = client.connect("wiki.test").await.unwrap();
        assert_eq!(resumed.get_ref().1.handshake_kind(), Some(HandshakeKind::Resumed));
        ask(&mut resumed, "hello").await.unwrap();
        house.keyring.put("wiki.test", vec![other, Arc::clone(&former)]);
        let (kind, answer) = client.ask_again("wiki.test").await;
        assert_eq!((kind, answer.is_ok()), (Some(HandshakeKind::Resumed), true), "{version:?}");

        house.records.revoke(&former.cert[0]).await;
        assert!(ask(&mut resumed, "late").await.is_err(), "{version:?}");
        assert_eq!(house.records.ended().last().unwrap(), "own_certificate_withdrawn");
        let (kind, answer) = client.ask_again("wiki.test").await;
        assert_eq!((kind, answer.is_ok()), (Some(HandshakeKind::Full), true), "{version:?}");
    }
}

#[tokio::test]
async fn the_certificate_that_was_shown_is_the_one_whose_revocation_counts() {
    let backend = Backend::open("wiki").await;
    let house = House::open(&settings([server("wiki.test", &backend)])).await;
    let p256 = house.key(house.ca.server_named("wiki.test"));
    house.keyring.put("wiki.test", vec![p256.clone()]);
    // It can read ECDSA, and its suites leave it none.
    let mut provider = default_provider();
    let rsa_alone = CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256;
    provider.cipher_suites.retain(|suite| suite.suite() == rsa_alone);
    let client = house.client_by(provider, None, &[&TLS12]);
    assert!(client.ask("wiki.test", "hello").await.is_err());
    assert_eq!(house.refused("no_server_certificate").await, None);

    let rsa = house.key(house.ca.rsa_server_named("wiki.test"));
    house.keyring.put("wiki.test", vec![p256.clone(), rsa.clone()]);
    let mut open = client.connect("wiki.test").await.unwrap();
    ask(&mut open, "hello").await.unwrap();
    house.records.revoke(&p256.cert[0]).await;
    assert_eq!(ask(&mut open, "still").await.unwrap(), "wiki: still");
    house.records.revoke(&rsa.cert[0]).await;
    assert!(ask(&mut open, "late").await.is_err());
}

#[tokio::test]
async fn the_hybrid_group_is_taken_wherever_a_client_has_it_in_its_list() {
    use NamedGroup::{X25519, X25519MLKEM768, secp256r1};
    let backend = Backend::open("wiki").await;
    let house = House::open(&settings([server("wiki.test", &backend)])).await;
    let retried = HandshakeKind::FullWithHelloRetryRequest;
    for (groups, versions, group, kind) in [
        (&[X25519, secp256r1, X25519MLKEM768][..], ALL_VERSIONS, X25519MLKEM768, retried),
        (&[X25519MLKEM768, X25519], ALL_VERSIONS, X25519MLKEM768, HandshakeKind::Full),
        (&[secp256r1, X25519], ALL_VERSIONS, secp256r1, HandshakeKind::Full),
        (&[X25519, X25519MLKEM768], &[&TLS12], X25519, HandshakeKind::Full),
    ] {
        let mut provider = default_provider();
        let all = std::mem::take(&mut provider.kx_groups);
        let of = |name: &NamedGroup| *all.iter().find(|one| one.name() == *name).unwrap();
        provider.kx_groups = groups.iter().map(of).collect();
        let client = house.client_by(provider, None, versions);
        let mut stream = client.connect("wiki.test").await.unwrap();
        let tls = stream.get_ref().1;
        let agreed = tls.negotiated_key_exchange_group().map(|one| one.name());
        assert_eq!((agreed, tls.handshake_kind()), (Some(group), Some(kind)), "{groups:?}");
        assert_eq!(ask(&mut stream, "hello").await.unwrap(), "wiki: hello");
    }
}

#[tokio::test]
async fn a_reload_drops_no_connection() {
    let (wiki, files) = (Backend::open("wiki").await, Backend::open("files").await);
    let house = House::open(&settings([server("wiki.test", &wiki)])).await;
    let client = house.client(None);
    let mut open = client.connect("wiki.test").await.unwrap();
    ask(&mut open, "before").await.unwrap();
    house.reload(&settings([server("files.test", &files)]));
    assert_eq!(ask(&mut open, "after").await.unwrap(), "wiki: after");
    assert_eq!(client.ask("files.test", "hello").await.unwrap(), "files: hello");
    assert!(client.ask("wiki.test", "hello").await.is_err());
}

#[tokio::test]
async fn who_would_not_be_let_in_any_longer_is_counted_and_closed_with_the_servers_connections() {
    let (wiki, files) = (Backend::open("wiki").await, Backend::open("files").await);
    let before = [server("wiki.test", &wiki), server("files.test", &files)];
    let house = House::open(&settings(before)).await;
    let stranger = house.client(None);
    let mut early = stranger.connect("wiki.test").await.unwrap();
    let mut elsewhere = stranger.connect("files.test").await.unwrap();
    ask(&mut early, "hello").await.unwrap();
    ask(&mut elsewhere, "hello").await.unwrap();
    assert!(house.front.overstayed().is_empty());
    house.reload(&settings([required("wiki.test", &wiki), server("files.test", &files)]));
    let alice = house.client(Some(house.device("alice")));
    let mut late = alice.connect("wiki.test").await.unwrap();
    ask(&mut late, "hello").await.unwrap();
    assert_eq!(house.front.overstayed(), [("wiki.test".to_owned(), 1)].into());
    let servers = house.front.servers();
    let known: Vec<_> = servers
        .iter()
        .map(|one| (one.settings.label(), one.present.connections, one.present.with_certificate))
        .collect();
    assert_eq!(known, [("files.test", 1, 0), ("wiki.test", 2, 1)]);
    let encryption: Vec<_> = servers[1].present.encryption.iter().collect();
    let [(Encryption { version: "TLSv1.3", group, .. }, 2)] = encryption[..] else {
        panic!("{encryption:?}")
    };
    assert_eq!(group, "X25519MLKEM768");
    assert!(servers[1].present.oldest_keys >= servers[0].present.oldest_keys);
    let shown = &servers[1].certificates[..];
    assert!(matches!(shown, [OwnCertificate { key: "p256", .. }]), "{shown:?}");
    assert_eq!(ask(&mut early, "still").await.unwrap(), "wiki: still");

    let closed = house.front.kick(&Kick::Server("wiki.test".to_owned())).await;
    let known: Vec<_> = closed.iter().map(|info| info.client.is_some()).collect();
    assert_eq!(known, [false, true]);
    assert!(ask(&mut early, "hello").await.is_err() && ask(&mut late, "hello").await.is_err());
    assert_eq!(ask(&mut elsewhere, "still").await.unwrap(), "files: still");
    assert!(house.front.overstayed().is_empty());
}

#[tokio::test]
async fn a_backend_that_is_not_there_is_said() {
    let gone = Backend::open("gone").await;
    let mut one = server("gone.test", &gone);
    one.backend = "tcp:127.0.0.1:1".parse().ok();
    let house = House::open(&settings([one])).await;
    assert!(house.client(None).ask("gone.test", "hello").await.is_err());
    assert_eq!(house.refused("backend_unreachable").await, None);
    assert!(house.front.connections().is_empty());
}

#[tokio::test]
async fn whoever_proved_who_it_is_is_named_where_the_backend_is_not_there() {
    let gone = Backend::open("gone").await;
    let mut one = required("gone.test", &gone);
    one.backend = "tcp:127.0.0.1:1".parse().ok();
    let house = House::open(&settings([one])).await;
    let alice = house.client(Some(house.device("alice")));
    assert!(alice.ask("gone.test", "hello").await.is_err());
    assert_eq!(house.refused("backend_unreachable").await.as_deref(), Some("alice"));
}

#[tokio::test]
async fn strangers_are_refused_with_what_they_did() {
    let backend = Backend::open("wiki").await;
    let house = House::open(&settings([server("wiki.test", &backend)])).await;
    let mut http = TcpStream::connect(house.door).await.unwrap();
    http.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    assert_eq!(house.refused("not_tls").await, None);
    drop(TcpStream::connect(house.door).await.unwrap());
    assert_eq!(house.refused("silent").await, None);
    let mut half = TcpStream::connect(house.door).await.unwrap();
    half.write_all(&[22, 3, 1, 2]).await.unwrap();
    drop(half);
    assert_eq!(house.refused("left_early").await, None);
}

#[tokio::test]
async fn a_refusal_brings_what_was_said_where_that_is_wanted_and_was_tls() {
    let (wiki, closed) = (Backend::open("wiki").await, Backend::open("closed").await);
    let mut gone = server("gone.test", &wiki);
    gone.backend = "tcp:127.0.0.1:1".parse().ok();
    let mut passed = VirtualServer { passthrough: true, ..server("passed.test", &wiki) };
    passed.backend.clone_from(&gone.backend);
    let mut settings = settings([required("closed.test", &closed), gone, passed]);
    settings.listen[0].unknown_name = Unmatched::Refuse;
    let house = House::open(&settings).await;
    let client = house.client(None);
    assert!(client.ask("nobody.test", "hello").await.is_err());
    assert!(house.heard_of_refused("unknown_server_name").await.is_none(), "nobody wants it");

    house.records.want(Wanted::Refused);
    let before = SystemClock.now();
    assert!(client.ask("closed.test", "hello").await.is_err());
    let heard = house.heard_of_refused("no_certificate").await.expect("it is wanted");
    assert!(says(&heard, End::Client, b"closed.test"), "{heard:?}");
    let after = SystemClock.now();
    assert!(heard.pieces.iter().all(|piece| before <= piece.at && piece.at <= after));
    assert_eq!((heard.secrets.len(), heard.lacks, heard.passed_on), (3, false, false));
    assert_eq!(heard.pieces.last().map(|piece| piece.by), Some(End::Server), "the alert");
    for (name, passed_on) in [("gone.test", false), ("passed.test", true)] {
        assert!(client.ask(name, "hello").await.is_err());
        let heard = house.heard_of_refused("backend_unreachable").await.expect("it is wanted");
        assert!(says(&heard, End::Client, name.as_bytes()), "{heard:?}");
        assert_eq!((heard.passed_on, heard.secrets.is_empty()), (passed_on, passed_on));
        assert_eq!(says(&heard, End::Server, &[22, 3, 3]), !passed_on, "our answer");
    }
    assert!(client.ask("nobody.test", "hello").await.is_err());
    let heard = house.heard_of_refused("unknown_server_name").await.expect("it is wanted");
    assert_eq!(heard.pieces.last().map(|piece| &piece.bytes[..5]), Some(&[21, 3, 3, 0, 2][..]));
    let mut half = TcpStream::connect(house.door).await.unwrap();
    half.write_all(&[22, 3, 1, 2]).await.unwrap();
    drop(half);
    let heard = house.heard_of_refused("left_early").await.expect("as far as it came");
    assert_eq!(heard.pieces.len(), 1);
    assert_eq!(heard.pieces[0].bytes, [22, 3, 1, 2]);
    let mut http = TcpStream::connect(house.door).await.unwrap();
    http.write_all(b"GET / HTTP/1.1\r\nauthorization: Basic cw==\r\n\r\n").await.unwrap();
    assert!(house.heard_of_refused("not_tls").await.is_none(), "it may be a password");
}

#[tokio::test]
async fn of_whom_is_let_in_both_sides_are_told_where_all_are_wanted_and_nothing_behind_it() {
    let backend = Backend::open("wiki").await;
    let house = House::open(&settings([server("wiki.test", &backend)])).await;
    let client = house.client(None);
    house.records.want(Wanted::Refused);
    client.ask("wiki.test", "hello").await.unwrap();
    house.records.want(Wanted::All);
    client.ask("wiki.test", "what is said inside is nobody's business").await.unwrap();
    let heard = house.heard_of_guest().await;
    assert!(says(&heard, End::Client, b"wiki.test") && says(&heard, End::Server, &[22, 3, 3]));
    assert_eq!((heard.secrets.len(), heard.lacks, heard.after), (3, false, None));
    let length: usize = heard.pieces.iter().map(|piece| piece.bytes.len()).sum();
    let mut stream = client.connect("wiki.test").await.unwrap();
    for _ in 0..50 {
        ask(&mut stream, &"x".repeat(500)).await.unwrap();
    }
    let more: usize = house.heard_of_guest().await.pieces.iter().map(|one| one.bytes.len()).sum();
    assert!(more < length + 1_000, "{length} bytes, and {more} where more follows");
}

fn says(heard: &Overheard, by: End, what: &[u8]) -> bool {
    let of_it = heard.pieces.iter().filter(|piece| piece.by == by);
    of_it.into_iter().any(|piece| piece.bytes.windows(what.len()).any(|part| part == what))
}

#[tokio::test]
async fn a_full_server_says_so_and_has_room_again_when_somebody_leaves() {
    let backend = Backend::open("wiki").await;
    let small = VirtualServer { max_connections: 1, ..server("wiki.test", &backend) };
    let house = House::open(&settings([small])).await;
    let client = house.client(None);
    let mut first = client.connect("wiki.test").await.unwrap();
    ask(&mut first, "hello").await.unwrap();
    assert!(client.ask("wiki.test", "hello").await.is_err());
    assert_eq!(house.refused("too_many_connections").await, None);
    drop(first);
    let begun = Instant::now();
    while client.ask("wiki.test", "again").await.is_err() {
        assert!(begun.elapsed() < SOON, "there is no room again");
    }
}

#[tokio::test]
async fn who_is_there_counts_on_when_an_address_gets_other_settings() {
    let backend = Backend::open("wiki").await;
    let mut settings = settings([server("wiki.test", &backend)]);
    settings.listen[0].max_connections = 1;
    let house = House::open(&settings).await;
    let client = house.client(None);
    let mut first = client.connect("wiki.test").await.unwrap();
    ask(&mut first, "hello").await.unwrap();
    settings.listen[0].no_name = Unmatched::Refuse;
    house.reload(&settings);
    assert!(client.ask("wiki.test", "hello").await.is_err());
    assert_eq!(house.refused("too_many_connections").await, None);
    settings.listen[0].max_connections = 2;
    house.reload(&settings);
    assert!(client.ask("wiki.test", "hello").await.is_ok());
}

#[tokio::test]
async fn tls_that_ends_behind_us_is_passed_on_by_name() {
    let inner_backend = Backend::open("inner").await;
    let inner = House::open(&settings([server("inner.test", &inner_backend)])).await;
    let mut passed = server("inner.test", &inner_backend);
    passed.backend = format!("tcp:{}", inner.door).parse().ok();
    passed.passthrough = true;
    let outer = House::open(&settings([passed])).await;
    let mut client = inner.client(None);
    client.door = outer.door;
    assert_eq!(client.ask("inner.test", "hello").await.unwrap(), "inner: hello");
    assert_eq!(outer.records.ended(), [""; 0]);
}

#[tokio::test]
async fn a_backend_hears_who_the_client_is_before_its_first_byte() {
    let backend = Backend::open("closed").await;
    let told = VirtualServer { proxy: ProxyProtocol::V1, ..required("closed.test", &backend) };
    let house = House::open(&settings([told])).await;
    let alice = house.client(Some(house.device("alice")));
    let mut stream = alice.connect("closed.test").await.unwrap();
    let from = stream.get_ref().0.local_addr().unwrap().port();
    let said = ask(&mut stream, "hello").await.unwrap();
    let to = house.door.port();
    assert_eq!(said, format!("closed: PROXY TCP4 127.0.0.1 127.0.0.1 {from} {to}\r"));
}

#[tokio::test]
async fn an_end_of_one_side_reaches_the_other() {
    let backend = Backend::open("wiki").await;
    let house = House::open(&settings([server("wiki.test", &backend)])).await;
    let mut stream = house.client(None).connect("wiki.test").await.unwrap();
    stream.write_all(b"the last\n").await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = String::new();
    timeout(SOON, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert_eq!(answer, "wiki: the last\n");
}

/// Whatever session there is, it is offered to whomever.
#[derive(Debug)]
struct Careless(ClientSessionMemoryCache);

impl Default for Careless {
    fn default() -> Self {
        Self(ClientSessionMemoryCache::new(32))
    }
}

impl ClientSessionStore for Careless {
    fn set_kx_hint(&self, _: ServerName<'static>, group: NamedGroup) {
        self.0.set_kx_hint(anybody(), group);
    }

    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        self.0.kx_hint(&anybody())
    }

    fn set_tls12_session(&self, _: ServerName<'static>, value: Tls12ClientSessionValue) {
        self.0.set_tls12_session(anybody(), value);
    }

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        self.0.tls12_session(&anybody())
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {
        self.0.remove_tls12_session(&anybody());
    }

    fn insert_tls13_ticket(&self, _: ServerName<'static>, value: Tls13ClientSessionValue) {
        self.0.insert_tls13_ticket(anybody(), value);
    }

    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.0.take_tls13_ticket(&anybody())
    }
}

fn anybody() -> ServerName<'static> {
    ServerName::try_from("anybody.test").expect("valid")
}

#[tokio::test]
async fn a_listed_proxy_says_whose_connection_it_is_and_nobody_else_may() {
    let backend = Backend::open("wiki").await;
    let told = VirtualServer { proxy: ProxyProtocol::V1, ..server("wiki.test", &backend) };
    let mut settings = settings([told]);
    settings.listen[0].proxies = vec!["127.0.0.0/8".parse().unwrap()];
    let house = House::open(&settings).await;
    let client = house.client(None);
    let line = b"PROXY TCP4 192.0.2.7 203.0.113.1 4000 443\r\n";
    let mut stream = client.connect_behind("wiki.test", line).await.unwrap();
    let said = ask(&mut stream, "hello").await.unwrap();
    assert_eq!(said, "wiki: PROXY TCP4 192.0.2.7 203.0.113.1 4000 443\r");
    assert_eq!(house.front.connections()[0].source, "192.0.2.7:4000".parse().unwrap());
    assert!(client.ask("wiki.test", "hello").await.is_err());
    house.refused("bad_proxy_header").await;

    settings.listen[0].proxies = vec!["192.0.2.0/24".parse().unwrap()];
    house.reload(&settings);
    assert!(client.connect_behind("wiki.test", line).await.is_err());
    house.refused("proxy_not_listed").await;
    assert!(client.ask("wiki.test", "hello").await.is_ok());
}

#[tokio::test]
async fn behind_a_listed_proxy_a_crowd_of_one_host_pushes_no_other_out() {
    let backend = Backend::open("wiki").await;
    let mut settings = settings([server("wiki.test", &backend)]);
    settings.listen[0].proxies = vec!["127.0.0.0/8".parse().unwrap()];
    let house = House::open(&settings).await;
    let mut quiet = slow(&house, "192.0.2.1").await;
    let mut crowd = Vec::new();
    for _ in 0..300 {
        crowd.push(slow(&house, "198.51.100.7").await);
    }
    let pushed_out = timeout(Duration::from_secs(5), crowd[0].read(&mut [0])).await;
    assert!(matches!(pushed_out, Ok(Ok(0) | Err(_))), "its host has its share");
    assert!(timeout(Duration::from_millis(100), quiet.read(&mut [0])).await.is_err());
}

/// Somebody behind a proxy who does not get on with the handshake.
async fn slow(house: &House, from: &str) -> TcpStream {
    let mut stream = TcpStream::connect(house.door).await.expect("connected");
    let line = format!("PROXY TCP4 {from} 203.0.113.1 4000 443\r\n\x16\x03\x01");
    stream.write_all(line.as_bytes()).await.expect("sent");
    stream
}

#[tokio::test]
async fn one_host_without_certificates_leaves_half_of_a_server_to_others() {
    let backend = Backend::open("wiki").await;
    let asked = VirtualServer {
        max_connections: 4,
        clients: Clients::Optional,
        ..server("wiki.test", &backend)
    };
    let house = House::open(&settings([asked])).await;
    let client = house.client(None);
    let mut open = Vec::new();
    for _ in 0..2 {
        let mut stream = client.connect("wiki.test").await.unwrap();
        ask(&mut stream, "hello").await.unwrap();
        open.push(stream);
    }
    assert!(client.ask("wiki.test", "hello").await.is_err());
    assert_eq!(house.refused("too_many_connections").await, None);
    let alice = house.client(Some(house.device("alice")));
    assert_eq!(alice.ask("wiki.test", "hello").await.unwrap(), "wiki: hello");
}

fn settings(servers: impl IntoIterator<Item = VirtualServer>) -> Settings {
    let listen = Listen {
        address: "127.0.0.1:0".parse().expect("valid"),
        mode: Mode::Implicit,
        protocols: Protocol::ALL.to_vec(),
        unknown_name: Unmatched::Default,
        no_name: Unmatched::Default,
        max_connections: 1000,
        proxies: Vec::new(),
        passive_ports: None,
        passive_address: None,
    };
    Settings { listen: vec![listen], server: servers.into_iter().collect(), client: Vec::new() }
}

fn server(name: &str, backend: &Backend) -> VirtualServer {
    VirtualServer::new(
        name.parse().expect("valid"),
        format!("tcp:{}", backend.address).parse().expect("valid"),
    )
}

fn required(name: &str, backend: &Backend) -> VirtualServer {
    VirtualServer { clients: Clients::Required, ..server(name, backend) }
}
