//! The door before TLS: clients that begin in the clear with the words of a protocol.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use front::{Clients, Listen, ProxyProtocol, Settings, VirtualServer};
use house::{Client, House, SOON};
use rustls::pki_types::ServerName;
use starttls::{Greeting, Protocol, Step, Upgrade};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

mod house;

#[tokio::test]
async fn a_client_that_asks_for_tls_gets_its_backend_without_a_second_greeting_and_offer() {
    for (protocol, greeting, asks, answer, hears) in [
        (
            "smtp",
            "220 in ESMTP\r\n",
            "EHLO me\r\n",
            "250-in\r\n250-STARTTLS\r\n250 HELP\r\n",
            "250-in\r\n250 HELP\r\n",
        ),
        ("lmtp", "220 in LMTP\r\n", "LHLO me\r\n", "250-in\r\n250 STARTTLS\r\n", "250 in\r\n"),
        (
            "imap",
            "* OK in\r\n",
            "a CAPABILITY\r\n",
            "* CAPABILITY IMAP4rev1 STARTTLS\r\n",
            "* CAPABILITY IMAP4rev1\r\n",
        ),
        ("pop3", "+OK in\r\n", "CAPA\r\n", "+OK\r\nSTLS\r\nUIDL\r\n.\r\n", "+OK\r\nUIDL\r\n.\r\n"),
        ("sieve", "\"STARTTLS\"\r\nOK\r\n", "NOOP\r\n", "OK \"x\"\r\n", "OK\r\nOK \"x\"\r\n"),
        ("nntp", "200 in\r\n", "CAPABILITIES\r\n", "101 x\r\nSTARTTLS\r\n.\r\n", "101 x\r\n.\r\n"),
        ("irc", "", "CAP LS\r\n", ":in CAP * LS :tls sasl\r\n", ":in CAP * LS :sasl\r\n"),
        (
            "xmpp",
            "",
            "<a>\n",
            "<s><features><starttls/><b/></features>",
            "<s><features><b/></features>",
        ),
        ("ldap", "", "0\n", "an answer", "an answer"),
        ("postgresql", "", "0\n", "R", "R"),
    ] {
        let backend = Backend::open(greeting, answer).await;
        let house = House::open(&settings(protocol, server("mail.test", &backend))).await;
        let mut stream = meet(&house.client(None), protocol, "mail.test").await.unwrap();
        stream.write_all(asks.as_bytes()).await.unwrap();
        let mut heard = vec![0; hears.len()];
        timeout(SOON, stream.read_exact(&mut heard)).await.expect("in time").unwrap();
        assert_eq!(String::from_utf8_lossy(&heard), hears, "{protocol}");
        assert_eq!(backend.heard(), asks, "{protocol}");
    }
}

#[tokio::test]
async fn octets_behind_the_command_reach_nobody() {
    let backend = Backend::open("220 in\r\n", "250 in\r\n").await;
    let house = House::open(&settings("smtp", server("mail.test", &backend))).await;
    let mut socket = TcpStream::connect(house.door).await.unwrap();
    socket.write_all(b"EHLO a\r\nSTARTTLS\r\nMAIL FROM:<mallory@x.test>\r\n").await.unwrap();
    let mut said = Vec::new();
    let _ = timeout(SOON, socket.read_to_end(&mut said)).await.expect("in time");
    assert!(!String::from_utf8_lossy(&said).contains("220 2.0.0"), "{said:?}");
    house.refused("injected_before_tls").await;
    assert_eq!(backend.heard(), "");
}

#[tokio::test]
async fn what_stands_behind_the_command_is_nobodys_in_any_protocol_however_it_is_cut() {
    for (protocol, injected) in INJECTED {
        let backend = Backend::open("", "").await;
        let house = House::open(&settings(protocol, server("mail.test", &backend))).await;
        let said = said_by_a_client(protocol);
        let merged = [&said, injected].concat();
        // In one piece with the command, with its end alone, and behind its answer.
        for (cut, code) in [
            (merged.len(), "injected_before_tls"),
            (said.len() - 1, "injected_before_tls"),
            (said.len(), "not_tls"),
        ] {
            let mut socket = TcpStream::connect(house.door).await.unwrap();
            socket.set_nodelay(true).unwrap();
            socket.write_all(&merged[..cut]).await.unwrap();
            if cut < merged.len() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            let _ = socket.write_all(&merged[cut..]).await;
            let mut heard = Vec::new();
            let _ = timeout(SOON, socket.read_to_end(&mut heard)).await.expect("in time");
            house.refused(code).await;
        }
        assert_eq!(
            (backend.heard(), house.front.connections().len()),
            (String::new(), 0),
            "{protocol}"
        );
    }
}

#[tokio::test]
async fn who_goes_on_in_the_clear_or_leaves_is_told_and_counted() {
    let backend = Backend::open("", "").await;
    for (protocol, says, hears, code) in [
        ("smtp", &b"AUTH PLAIN AGEAYg==\r\nQUIT\r\n"[..], "530 5.7.0", "left_before_tls"),
        ("imap", b"a LOGIN a b\r\nb LOGOUT\r\n", "PRIVACYREQUIRED", "left_before_tls"),
        ("irc", b"NICK a\r\n", "ERROR", "insists_on_plaintext"),
        ("ldap", b"GET / HTTP/1.1\r\n", "", "not_the_protocol"),
        ("postgresql", b"\0\0\0\x0a\0\x03\0\0a\0", "TLS", "insists_on_plaintext"),
    ] {
        let house = House::open(&settings(protocol, server("mail.test", &backend))).await;
        let mut socket = TcpStream::connect(house.door).await.unwrap();
        socket.write_all(says).await.unwrap();
        let mut said = Vec::new();
        let _ = timeout(SOON, socket.read_to_end(&mut said)).await.expect("in time");
        assert!(String::from_utf8_lossy(&said).contains(hears), "{protocol}: {said:?}");
        house.refused(code).await;
    }
    assert_eq!(backend.heard(), "");
}

#[tokio::test]
async fn a_revocation_ends_a_session_that_began_in_the_clear() {
    let backend = Backend::open("* OK in\r\n", "a OK in\r\n").await;
    let closed = VirtualServer { clients: Clients::Required, ..server("mail.test", &backend) };
    let house = House::open(&settings("imap", closed)).await;
    let refused = meet(&house.client(None), "imap", "mail.test").await;
    let refused = match refused {
        Ok(mut stream) => stream.read_u8().await.map(drop),
        Err(error) => Err(error),
    };
    assert!(refused.is_err());
    house.refused("no_certificate").await;
    let alice = house.device("alice");
    let mut stream = meet(&house.client(Some(alice.clone())), "imap", "mail.test").await.unwrap();
    stream.write_all(b"a LOGIN a b\r\n").await.unwrap();
    let mut heard = vec![0; 9];
    timeout(SOON, stream.read_exact(&mut heard)).await.expect("in time").unwrap();
    house.records.revoke(&alice.chain[0]).await;
    assert!(timeout(SOON, stream.read_u8()).await.expect("in time").is_err());
    assert_eq!(house.records.ended(), ["revoked"]);
}

#[tokio::test]
async fn a_stream_of_chat_is_for_the_domain_that_it_names() {
    let backend = Backend::open("", "<s><features/>").await;
    let house = House::open(&settings("xmpp", server("chat.test", &backend))).await;
    let mut client = house.client(None);
    client.config.enable_sni = false;
    let mut stream = meet(&client, "xmpp", "chat.test").await.unwrap();
    stream.write_all(b"<a>\n").await.unwrap();
    timeout(SOON, stream.read_u8()).await.expect("in time").unwrap();
    let nobody = meet(&client, "xmpp", "other.test").await;
    assert!(nobody.is_err());
    house.refused("unknown_server_name").await;
}

#[tokio::test]
async fn postgresql_may_begin_with_tls_at_once() {
    let backend = Backend::open("", "R").await;
    let house = House::open(&settings("postgresql", server("db.test", &backend))).await;
    let mut client = house.client(None);
    client.config.alpn_protocols = vec![b"postgresql".to_vec()];
    let mut stream = client.connect("db.test").await.unwrap();
    stream.write_all(b"0\n").await.unwrap();
    assert_eq!(timeout(SOON, stream.read_u8()).await.expect("in time").unwrap(), b'R');
}

#[tokio::test]
async fn a_database_that_greets_first_is_meant_by_clients_that_ask_for_nobody() {
    let backend = Backend::open(MYSQL, "").await;
    let speaks = VirtualServer { alpn: vec!["mysql".to_owned()], ..server("db.test", &backend) };
    let house = House::open(&settings("mysql", speaks)).await;
    let mut client = house.client(None);
    client.config.enable_sni = false;
    let mut stream = meet(&client, "mysql", "db.test").await.unwrap();
    stream.write_all(b"\x03\0\0\x02a\0\n").await.unwrap();
    // It counts without TLS.
    backend.hears("\x03\0\0\x01").await;
}

#[tokio::test]
async fn a_database_that_greets_first_is_reached_by_its_own_policy_alone_whatever_name_is_asked_for()
 {
    let (backend, elsewhere) = (Backend::open(MYSQL, "").await, Backend::open("", "").await);
    let closed = || VirtualServer {
        alpn: vec!["mysql".to_owned()],
        clients: Clients::Required,
        ..server("db.test", &backend)
    };
    let open = |name| VirtualServer { clients: Clients::None, ..server(name, &elsewhere) };
    let mut all = settings("mysql", closed());
    all.server.extend([
        open("git.test"),
        VirtualServer { passthrough: true, ..open("far.test") },
        VirtualServer { alpn: vec!["other".to_owned()], ..open("db.test") },
        VirtualServer { default: true, ..open("any.test") },
    ]);
    let house = House::open(&all).await;
    for (name, alpn, code) in [
        ("git.test", None, "name_not_here"),
        ("far.test", None, "name_not_here"),
        ("any.test", None, "name_not_here"),
        ("db.test", Some("other"), "no_common_protocol"),
        // It is shown the certificate of the one that greeted.
        ("nobody.test", None, "tls_failed"),
        ("", None, "no_certificate"),
    ] {
        let mut client = house.client(None);
        client.config.enable_sni = !name.is_empty();
        client.config.alpn_protocols =
            alpn.iter().map(|alpn: &&str| alpn.as_bytes().to_vec()).collect();
        let name = if name.is_empty() { "db.test" } else { name };
        if let Ok(mut stream) = meet(&client, "mysql", name).await {
            let _ = stream.write_all(b"\x03\0\0\x02a\0\n").await;
            let ended = timeout(SOON, stream.read_u8()).await.expect("in time");
            assert!(ended.is_err(), "{name} {alpn:?}");
        }
        house.refused_anew(code).await;
    }
    assert_eq!((backend.heard(), elsewhere.heard()), (String::new(), String::new()));

    let alice = house.client(Some(house.device("alice")));
    let mut stream = meet(&alice, "mysql", "db.test").await.unwrap();
    stream.write_all(b"\x03\0\0\x02a\0\n").await.unwrap();
    backend.hears("\x03\0\0\x01").await;
    let there = house.front.connections();
    assert_eq!(there.iter().map(|one| one.server.as_str()).collect::<Vec<_>>(), ["db.test"]);
}

#[tokio::test]
async fn silent_strangers_have_few_of_a_databases_connections_and_hold_up_their_own_host_for_seconds_alone()
 {
    let database = Database::open().await;
    let house = House::open(&settings("mysql", database.server())).await;
    let client = house.client(None);
    let mut crowd = Vec::new();
    for _ in 0..12 {
        crowd.push(reach(house.door, 2).await);
    }
    assert_eq!(database.present().await, 8, "eight of a host, and the rest waits");
    let begun = Instant::now();
    let _other = meet_from(&client, 3, "mysql", "db.test").await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    let _same = meet_from(&client, 2, "mysql", "db.test").await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(9), "{:?}", begun.elapsed());
    house.refused("slow_handshake").await;

    for host in 10..40 {
        for _ in 0..4 {
            crowd.push(reach(house.door, host).await);
        }
    }
    let there = database.present().await;
    assert!(there <= 64 + 2, "{there} of 120");
    let begun = Instant::now();
    let _other = meet_from(&client, 4, "mysql", "db.test").await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn who_opens_many_connections_to_a_database_at_once_gets_each_in_its_turn() {
    let database = Database::open().await;
    let house = House::open(&settings("mysql", database.server())).await;
    let pool = (0..60).map(|_| {
        let client = house.client(None);
        tokio::spawn(async move { meet_from(&client, 2, "mysql", "db.test").await })
    });
    let mut there = Vec::new();
    for one in pool.collect::<Vec<_>>() {
        there.push(one.await.unwrap().unwrap());
    }
    assert_eq!((database.present().await, house.front.connections().len()), (60, 60));
}

#[tokio::test]
async fn postfix_hears_whose_mail_it_is() {
    let backend = Backend::scripted(&[
        ("", "220 in\r\n"),
        ("EHLO localhost", "250-in\r\n250 XCLIENT NAME ADDR PORT LOGIN\r\n"),
        ("XCLIENT", "220 in\r\n"),
        ("EHLO me", "250 in\r\n"),
    ])
    .await;
    let told = VirtualServer {
        clients: Clients::Optional,
        proxy: ProxyProtocol::Xclient,
        ..server("mail.test", &backend)
    };
    let house = House::open(&settings("smtp", told)).await;
    let alice = house.device("alice");
    let mut stream = meet(&house.client(Some(alice)), "smtp", "mail.test").await.unwrap();
    stream.write_all(b"EHLO me\r\n").await.unwrap();
    let mut heard = vec![0; 8];
    timeout(SOON, stream.read_exact(&mut heard)).await.expect("in time").unwrap();
    assert_eq!(heard, b"250 in\r\n");
    let said = backend.heard();
    let told = said.lines().nth(1).unwrap();
    assert!(told.starts_with("XCLIENT ADDR=127.0.0.1 NAME=[UNAVAILABLE] PORT="), "{said}");
    assert!(told.ends_with(" LOGIN=alice"), "{said}");
}

#[tokio::test]
async fn whoever_stops_at_any_octet_before_tls_is_let_go_and_leaves_nothing() {
    for protocol in PROTOCOLS {
        let backend = Backend::open("", "R").await;
        let house = House::open(&settings(protocol, server("mail.test", &backend))).await;
        let said = said_by_a_client(protocol);
        for cut in 0..=said.len() {
            let mut half = TcpStream::connect(house.door).await.unwrap();
            half.write_all(&said[..cut]).await.unwrap();
            half.shutdown().await.unwrap();
            let mut heard = Vec::new();
            let ended = timeout(SOON, half.read_to_end(&mut heard)).await;
            ended.unwrap_or_else(|_| panic!("{protocol}: {cut} octets and no end")).ok();
            let mut reset = TcpStream::connect(house.door).await.unwrap();
            reset.write_all(&said[..cut]).await.unwrap();
            reset.set_zero_linger().unwrap();
        }
        assert_eq!(
            (house.front.connections().len(), backend.heard()),
            (0, String::new()),
            "{protocol}"
        );
        let _served = meet(&house.client(None), protocol, "mail.test").await.unwrap();
    }
}

#[tokio::test]
async fn a_crowd_that_says_little_makes_room_for_itself_and_holds_nobody_up() {
    let backend = Backend::open("220 in\r\n", "250 in\r\n").await;
    let house = House::open(&settings("smtp", server("mail.test", &backend))).await;
    let mut crowd = Vec::new();
    for _ in 0..600 {
        let mut slow = TcpStream::connect(house.door).await.unwrap();
        // One that made room for others is told so by its end.
        let _ = slow.write_all(b"EHLO a\r\nSTART").await;
        crowd.push(slow);
    }
    let begun = Instant::now();
    let mut stream = meet(&house.client(None), "smtp", "mail.test").await.unwrap();
    stream.write_all(b"EHLO me\r\n").await.unwrap();
    timeout(SOON, stream.read_u8()).await.expect("in time").unwrap();
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    let mut gone = 0;
    for mut slow in crowd {
        let mut heard = Vec::new();
        let ended = timeout(Duration::from_millis(1), slow.read_to_end(&mut heard)).await;
        gone += usize::from(ended.is_ok());
    }
    assert!(gone >= 600 - 256, "{gone} of 600 are gone");
}

#[tokio::test]
async fn thousands_that_are_slow_half_closed_or_reset_at_any_step_cost_little_and_hold_nobody_up() {
    let is_long = std::env::var_os("HANDFAST_LONG").is_some_and(|value| value == "1");
    let (count, hosts) = if is_long { (10_000, 60) } else { (1_000, 6) };
    let backend = Backend::open("", "R").await;
    let site = server("mail.test", &backend);
    let mut all = settings("smtp", site);
    let mut doors =
        PROTOCOLS.map(|protocol| settings(protocol, all.server[0].clone()).listen.remove(0));
    for (last, door) in (1..).zip(&mut doors) {
        door.address.set_ip([127, 0, 1, last].into());
    }
    all.listen = doors.to_vec();
    let house = House::open(&all).await;
    let said = PROTOCOLS.map(said_by_a_client);
    let (before, begun) = (resident(), Instant::now());
    let mut kept = Vec::new();
    for number in 0..count {
        let at = number % PROTOCOLS.len();
        let socket = TcpSocket::new_v4().unwrap();
        let host = u8::try_from(2 + number % hosts).unwrap();
        socket.bind(SocketAddr::from(([127, 0, 0, host], 0))).unwrap();
        let mut socket = socket.connect(house.front.addresses()[at]).await.unwrap();
        let cut = (number / PROTOCOLS.len()) % said[at].len();
        // One that made room for others is told so by its end.
        let _ = socket.write_all(&said[at][..cut]).await;
        match number % 3 {
            0 => kept.push(socket),
            1 => {
                let _ = socket.shutdown().await;
                kept.push(socket);
            }
            _ => socket.set_zero_linger().unwrap(),
        }
    }
    let grown = resident().saturating_sub(before);
    println!(
        "FIGURE {count} connections before TLS: {} MiB, {} ms",
        grown >> 20,
        begun.elapsed().as_millis()
    );
    assert!(grown < MOST_GROWN, "{} MiB", grown >> 20);
    for (protocol, address) in PROTOCOLS.into_iter().zip(house.front.addresses()) {
        let mut client = house.client(None);
        client.door = address;
        let asked = Instant::now();
        let _served = meet(&client, protocol, "mail.test").await.unwrap();
        assert!(asked.elapsed() < Duration::from_secs(5), "{protocol}: {:?}", asked.elapsed());
    }
    assert_eq!(backend.heard(), "");
    drop(kept);
}

#[tokio::test]
async fn noise_is_refused_by_every_protocol_and_never_taken_for_tls() {
    let mut seed = 7u64;
    for protocol in PROTOCOLS {
        let backend = Backend::open("", "").await;
        let house = House::open(&settings(protocol, server("mail.test", &backend))).await;
        for _ in 0..20 {
            let noise: Vec<u8> = (0..10_000).map(|_| random(&mut seed)).collect();
            let mut socket = TcpStream::connect(house.door).await.unwrap();
            let _ = socket.write_all(&noise).await;
            let _ = socket.shutdown().await;
            let mut heard = Vec::new();
            let ended = timeout(SOON, socket.read_to_end(&mut heard)).await;
            assert!(ended.is_ok(), "{protocol} goes on");
            assert!(heard.len() < 64 * 1024, "{protocol} says much: {}", heard.len());
        }
        assert_eq!(
            (house.front.connections().len(), backend.heard()),
            (0, String::new()),
            "{protocol}"
        );
    }
}

/// What somebody between would have said in the client's name.
const INJECTED: [(&str, &[u8]); 13] = [
    ("smtp", b"EHLO mallory\r\nMAIL FROM:<mallory@x.test>\r\n"),
    ("submission", b"AUTH PLAIN AG1hbGxvcnkAc2VjcmV0\r\n"),
    ("lmtp", b"LHLO mallory\r\n"),
    ("imap", b"INJECT NOOP\r\n"),
    ("pop3", b"CAPA\r\n"),
    ("sieve", b"NOOP\r\n"),
    ("nntp", b"CAPABILITIES\r\n"),
    ("ftp", b"USER mallory\r\n"),
    ("ldap", b"\x30\x0c\x02\x01\x02\x60\x07\x02\x01\x03\x04\0\x80\0"),
    ("xmpp", b"<iq type='get'/>"),
    ("xmpp-server", b"<iq type='get'/>"),
    ("postgresql", b"\0\0\0\x09\0\x03\0\0\0"),
    ("irc", b"NICK mallory\r\n"),
];

/// What is in memory, in octets.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("its status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a figure");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a figure") * 1024
}

/// With what thousands of sockets of our own take.
const MOST_GROWN: u64 = 256 << 20;

/// As MariaDB greets.
const MYSQL: &str = "\x1b\0\0\0\x0a10.11\0\x07\0\0\0abcdefgh\0\x7f\x7f\x2d\x02\0\x7f\x01";

/// Those whose greeting is the door's own.
const PROTOCOLS: [&str; 13] = [
    "smtp",
    "submission",
    "lmtp",
    "imap",
    "pop3",
    "sieve",
    "nntp",
    "ftp",
    "ldap",
    "xmpp",
    "xmpp-server",
    "postgresql",
    "irc",
];

/// Everything up to where TLS begins.
fn said_by_a_client(protocol: &str) -> Vec<u8> {
    let protocol: Protocol = protocol.parse().expect("a protocol");
    let mut server = Upgrade::server(protocol, &Greeting::of("mail.test")).expect("it greets");
    let mut client = Upgrade::client(protocol, "mail.test");
    let (mut to_server, mut to_client) = (client.first(), server.first());
    let mut said = to_server.clone();
    for _ in 0..10 {
        let answers =
            [(&mut server, &mut to_server), (&mut client, &mut to_client)].map(|(side, heard)| {
                let heard = std::mem::take(heard);
                let step = if heard.is_empty() { Step::More(heard) } else { side.hear(&heard) };
                match step {
                    Step::More(said) | Step::Begin(said) => said,
                    step => panic!("{step:?}"),
                }
            });
        [to_client, to_server] = answers;
        said.extend(&to_server);
    }
    said
}

/// The next of a row of numbers that look like chance.
fn random(seed: &mut u64) -> u8 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*seed >> 56) as u8
}

/// As a client of the protocol does it.
async fn meet(client: &Client, protocol: &str, name: &str) -> io::Result<TlsStream<TcpStream>> {
    meet_from(client, 1, protocol, name).await
}

/// The same from that host of the loopback.
async fn meet_from(
    client: &Client,
    host: u8,
    protocol: &str,
    name: &str,
) -> io::Result<TlsStream<TcpStream>> {
    let mut socket = reach(client.door, host).await;
    let protocol: Protocol = protocol.parse().expect("a protocol");
    let mut upgrade = Upgrade::client(protocol, name);
    let begun = timeout(SOON, upgrade::to_tls(&mut socket, &mut upgrade)).await.expect("in time");
    begun.map_err(io::Error::other)?;
    let name = ServerName::try_from(name.to_owned()).expect("a name");
    let connector = TlsConnector::from(Arc::new(client.config.clone()));
    timeout(SOON, connector.connect(name, socket)).await.expect("in time")
}

fn settings(protocol: &str, server: VirtualServer) -> Settings {
    let listen = format!("address = \"127.0.0.1:0\"\nmode = \"starttls:{protocol}\"\n");
    let listen: Listen = toml::from_str(&listen).expect("settings");
    Settings { listen: vec![listen], server: vec![server], client: Vec::new() }
}

fn server(name: &str, backend: &Backend) -> VirtualServer {
    let target = format!("tcp:{}", backend.address);
    VirtualServer::new(name.parse().expect("a name"), target.parse().expect("a backend"))
}

/// A connection from that host of the loopback.
async fn reach(door: SocketAddr, host: u8) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(SocketAddr::from(([127, 0, 0, host], 0))).expect("bound");
    socket.connect(door).await.expect("connected")
}

/// A database that greets, and how many connections it has.
struct Database {
    address: SocketAddr,
    present: Arc<AtomicUsize>,
}

impl Database {
    async fn open() -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = socket.local_addr().expect("bound");
        let present = Arc::<AtomicUsize>::default();
        let count = Arc::clone(&present);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = socket.accept().await {
                let count = Arc::clone(&count);
                tokio::spawn(async move {
                    count.fetch_add(1, Ordering::SeqCst);
                    if stream.write_all(MYSQL.as_bytes()).await.is_ok() {
                        let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
                    }
                    count.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self { address, present }
    }

    fn server(&self) -> VirtualServer {
        let target = format!("tcp:{}", self.address);
        let name = "db.test".parse().expect("a name");
        VirtualServer {
            alpn: vec!["mysql".to_owned()],
            ..VirtualServer::new(name, target.parse().expect("a backend"))
        }
    }

    /// Once nobody is on the way.
    async fn present(&self) -> usize {
        tokio::time::sleep(Duration::from_millis(500)).await;
        self.present.load(Ordering::SeqCst)
    }
}

/// Says what it has to say to each line; and what it heard.
struct Backend {
    address: SocketAddr,
    heard: Arc<Mutex<String>>,
}

impl Backend {
    /// Greets, and answers one line.
    async fn open(greeting: &'static str, answer: &'static str) -> Self {
        Self::scripted(&[("", greeting), ("", answer)]).await
    }

    /// How each line begins, and what is said to it; to the first one before anything is heard.
    async fn scripted(script: &[(&'static str, &'static str)]) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = socket.local_addr().expect("bound");
        let heard = Arc::<Mutex<String>>::default();
        let (ears, script) = (Arc::clone(&heard), script.to_vec());
        tokio::spawn(async move {
            while let Ok((stream, _)) = socket.accept().await {
                tokio::spawn(answer(stream, script.clone(), Arc::clone(&ears)));
            }
        });
        Self { address, heard }
    }

    fn heard(&self) -> String {
        self.heard.lock().expect("whole").clone()
    }

    /// Waits until it hears something, which begins so.
    async fn hears(&self, begins: &str) {
        let heard = async {
            while self.heard().is_empty() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(SOON, heard).await.expect("in time");
        assert!(self.heard().starts_with(begins), "{:?}", self.heard());
    }
}

async fn answer(stream: TcpStream, script: Vec<(&str, &str)>, heard: Arc<Mutex<String>>) {
    let mut stream = BufReader::new(stream);
    for (number, (begins, says)) in script.into_iter().enumerate() {
        let mut line = String::new();
        if number > 0 && !matches!(stream.read_line(&mut line).await, Ok(1..)) {
            return;
        }
        assert!(line.starts_with(begins), "{line}");
        heard.lock().expect("whole").push_str(&line);
        if stream.write_all(says.as_bytes()).await.is_err() {
            return;
        }
    }
    tokio::time::sleep(Duration::from_secs(30)).await;
}
