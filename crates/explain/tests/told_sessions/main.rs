//! Sessions of our own gateway and client, in memory, told with their key log: what a stock peer, which writes no
//! key log, can't show. Both cores are the real ones; nothing is lost between them.
//!
//! Together with the recordings they tell every entry of the catalogue, which a test holds.

#![allow(clippy::unwrap_used, reason = "what fails in a helper fails the test")]

mod at_the_tls_door;
mod before_tls;
mod captured_twice;
mod closed;
mod cut_short;
mod diff;
mod dropped;
mod ended;
mod gaps;
mod hostile;
mod kept;
mod meeting;
mod not_captured;
mod not_observed;
mod not_renewed;
mod offloaded;
mod one_sided;
mod open_data;
mod our_own;
mod usually;
mod wrapped_otherwise;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use explain::capture::{Known, read};
use explain::kept::Lack;
use explain::live::{Live, Speech};
use explain::story::{Ending, KeyKind, Source, Stories, Story, VERSION};
use explain::{Chunk, KeyLog, Side, catalogue, render};
use testkit::Authority;
use wire::control::ControlPacket;
use wire::{KeyId, MessageId, Opcode, SessionId};

use meeting::{Act, Admit, Lines, Meeting};

#[test]
fn a_session_is_told_from_the_knock_to_the_goodbye() {
    let story =
        Meeting::new(Admit::Yes).run(&[Act::Data, Act::Renew, Act::Data, Act::Leave]).story();
    let told: Vec<&str> = story.steps.iter().map(|step| step.entry.as_str()).collect();
    let wanted = [
        "client_reset",
        "server_reset",
        "cookie_returned",
        "client_hello",
        "server_hello",
        "server_certificate",
        "server_certificate_verify",
        "client_certificate",
        "client_certificate_verify",
        "client_finished",
        "client_key_message",
        "server_key_message",
        "push_reply",
        "data_begins",
        "client_soft_reset",
        "server_soft_reset",
        "exit",
    ];
    for entry in wanted {
        assert!(told.contains(&entry), "{entry} is missing: {told:?}");
    }
    assert_eq!(story.ending, Ending::Done);
    let cipher =
        story.keys.iter().find(|key| key.kind == KeyKind::Data).and_then(|key| key.cipher.clone());
    assert_eq!(cipher.as_deref(), Some("AES-256-GCM"));
    assert!(story.steps.iter().all(|step| {
        step.fields.iter().all(|field| field.name != "proof_is_right" || field.value == "1")
    }));
    assert!(!told.contains(&"sealed"), "everything is read with its key log");
}

#[test]
fn the_keys_of_a_renewed_session_are_made_used_and_replaced_in_order() {
    let story = Meeting::new(Admit::Yes).run(&[Act::Data, Act::Renew, Act::Data]).story();
    let keys: Vec<_> = story.keys.iter().filter(|key| key.kind == KeyKind::Data).collect();
    assert_eq!(keys.iter().map(|key| key.id.as_str()).collect::<Vec<_>>(), ["data0", "data1"]);
    assert_eq!(keys[0].replaced_by.as_deref(), Some("data1"));
    for key in &keys {
        let born = key.born.expect("both key messages were read");
        assert!(key.uses.iter().all(|one| one.first >= born), "{key:?}");
    }
    assert!(keys[1].born > keys[0].born);
    assert!(
        story.keys.iter().any(|key| key.id == "tls1-handshake-server"),
        "a renewal is a new TLS handshake"
    );
}

#[test]
fn a_key_that_no_packet_was_sent_under_is_listed_with_its_birth_and_its_end() {
    let story = Meeting::new(Admit::Yes).run(&[Act::Leave]).story();
    let keys: Vec<_> = story.keys.iter().filter(|key| key.kind == KeyKind::Data).collect();
    let [key] = keys.as_slice() else { panic!("{keys:?}") };
    let at = |entry: &str| story.steps.iter().find(|step| step.entry == entry).map(|step| step.at);
    assert_eq!((key.id.as_str(), key.uses.len()), ("data0", 0));
    assert_eq!((key.born, key.ends), (at("server_key_message"), at("exit")));
    assert!(key.born.is_some() && key.ends.is_some() && key.cipher.is_some(), "{key:?}");
    let stories = Stories { version: VERSION, stories: vec![story], left_out: Vec::new() };
    assert!(render::html(&stories).contains("No packet under it was seen."));
    let refused = Meeting::new(Admit::No).run(&[]).story();
    assert!(refused.keys.iter().all(|key| key.kind != KeyKind::Data), "{:?}", refused.keys);
}

#[test]
fn a_refused_client_hears_it_after_tls_and_the_server_is_named() {
    let story = Meeting::new(Admit::No).run(&[]).story();
    let Ending::Broken(broken) = &story.ending else { panic!("{:?}", story.ending) };
    assert_eq!((broken.code.as_str(), broken.by), ("auth_failed", Some(Side::Server)));
    let step = &story.steps[broken.at_step.unwrap() as usize - 1];
    assert_eq!(step.entry, "auth_failed");
    assert!(story.missing.contains(&"push_reply".to_owned()), "{:?}", story.missing);
}

#[test]
fn a_client_with_a_password_and_a_token_shows_neither() {
    let meeting = Meeting::new(Admit::Yes).run(&[Act::Data]);
    let log = meeting.log_text();
    let story = meeting.story();
    let stories = Stories { version: VERSION, stories: vec![story], left_out: Vec::new() };
    for output in [
        render::json(&stories),
        render::term(&stories, 80),
        render::html(&stories),
        render::svg(&stories),
    ] {
        for secret in ["s3cret-pass", "t0ken-of-the-session"] {
            assert!(!output.contains(secret), "{secret}");
        }
        for secret in log.lines().map(|line| line.split(' ').nth(2).unwrap()) {
            assert!(!output.to_lowercase().contains(secret));
        }
    }
    assert!(render::json(&stories).contains("(sent, and not shown)"));
    assert!(log.lines().count() >= 4);
}

#[test]
fn what_is_said_before_starttls_is_told_and_a_password_in_it_is_not() {
    let story = after_words_in_the_clear();
    let told = entries(&story);
    assert_eq!(told[..4], ["in_the_clear"; 4]);
    assert_eq!(told[4], "client_hello");
    assert_eq!(story.ending, Ending::Done);
    let json =
        render::json(&Stories { version: VERSION, stories: vec![story], left_out: Vec::new() });
    assert!(
        json.contains("220 mail.example.org ESMTP")
            && json.contains("\"AUTH\"")
            && !json.contains("hunter2")
    );
}

#[test]
fn every_entry_of_the_catalogue_is_told_by_a_handshake() {
    let mut told: BTreeSet<String> = BTreeSet::new();
    let meetings = [
        Meeting::new(Admit::Yes).run(&[Act::Data, Act::Renew, Act::Data, Act::Leave]),
        Meeting::new(Admit::Yes).run(&[Act::Tell]),
        Meeting::new(Admit::No).run(&[]),
        Meeting::of_an_older_client().run(&[]),
    ];
    told.extend(meetings.iter().flat_map(|meeting| entries(&meeting.story())));
    for entry in fs::read_dir(captures()).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.extension().is_some_and(|end| end == "pcap") {
            let name = entry.file_stem().unwrap().to_string_lossy().into_owned();
            told.extend(entries(&recorded_with_key(&name)));
        }
    }
    told.extend(entries(&with_a_hole()));
    told.extend(entries(&not_captured::without_a_hello()));
    told.extend(entries(&cut_short::cut_short()));
    told.extend(entries(&not_renewed::offered_anew()));
    told.extend(entries(&wrapped_otherwise::answered_otherwise()));
    told.extend(entries(&with_nonsense()));
    told.extend(entries(&with_what_is_rare()));
    told.extend(entries(&with_a_word_of_the_server()));
    told.extend(entries(&after_words_in_the_clear()));
    told.extend(entries(&without_an_answer()));
    told.extend(dropped::of_each_kind().flat_map(|story| entries(&story)));
    told.extend(entries(&our_own::not_reached()));
    told.extend(entries(&ended::ended("kicked", Some(Side::Server))));
    told.extend(entries(&meetings[2].as_the_gateway_tells_it(Ok(&meetings[2].kept()))));
    told.extend(entries(&meetings[2].as_the_gateway_tells_it(Err(Lack::Unheard))));
    let untold: Vec<&str> =
        catalogue::all().map(|entry| entry.name).filter(|name| !told.contains(*name)).collect();
    assert_eq!(untold, Vec::<&str>::new());
}

/// With `EXPLAIN_RECORD=1` it writes the recordings of which docs/handshakes has pages, and with a name that one.
#[test]
fn sessions_of_our_own_can_be_recorded_and_are_told_alike() {
    for (name, admit, acts) in [
        ("vpn-connect", Admit::Yes, &[Act::Data, Act::Leave][..]),
        ("vpn-renewed", Admit::Yes, &[Act::Data, Act::RenewUnderData, Act::Leave]),
        ("vpn-refused", Admit::No, &[]),
        ("vpn-data", Admit::Yes, &[Act::Data, Act::Renew, Act::Data, Act::Leave]),
    ] {
        let meeting = Meeting::new(admit).run(acts);
        let file = meeting.pcap();
        let log = Arc::new(KeyLog::parse(&meeting.log_text()).unwrap());
        let told = first(read(file.as_slice(), Known { log, ..Known::default() }).unwrap());
        assert_eq!(entries(&told), entries(&meeting.story()), "{name}");
        if std::env::var("EXPLAIN_RECORD").is_ok_and(|which| which == "1" || which == name) {
            fs::write(captures().join(format!("{name}.pcap")), &file).unwrap();
            fs::write(captures().join(format!("{name}.keys")), meeting.log_text()).unwrap();
        }
    }
}

/// A recording whose second segment of the server is gone.
fn with_a_hole() -> Story {
    let bytes = fs::read(captures().join("tls1_3-p256.pcap")).unwrap();
    let mut kept = bytes[..24].to_vec();
    let (mut at, mut large) = (24, 0);
    while at + 16 <= bytes.len() {
        let length = u32::from_le_bytes(bytes[at + 8..at + 12].try_into().unwrap()) as usize;
        large += usize::from(length > 600);
        if !(length > 600 && large == 1) {
            kept.extend_from_slice(&bytes[at..at + 16 + length]);
        }
        at += 16 + length;
    }
    first(read(kept.as_slice(), Known::default()).unwrap())
}

/// A server that answers a hello with something else than TLS.
fn with_nonsense() -> Story {
    let mut live = Live::new("tcp");
    let hello = [22, 3, 1, 0, 5, 99, 0, 0, 1, 0];
    live.push(&Chunk { at: 1, from: Side::Client, frame: 1, offset: 0, bytes: &hello });
    live.push(&Chunk {
        at: 2,
        from: Side::Server,
        frame: 2,
        offset: 0,
        bytes: b"HTTP/1.1 400 Bad Request\r\n\r\n",
    });
    live.story(Speech::Tls, KeyLog::default()).unwrap()
}

/// A client that sends early data, of a server that warns first and whose certificate is compressed.
fn with_what_is_rare() -> Story {
    let record = |kind: u8, content: &[u8]| {
        [&[kind, 3, 3, 0, u8::try_from(content.len()).unwrap()], content].concat()
    };
    let hello =
        [&[1, 0, 0, 47, 3, 3][..], &[1; 32], &[0, 0, 2, 0x13, 0x01, 1, 0, 0, 4, 0, 42, 0, 0]]
            .concat();
    let said = [
        (Side::Client, record(22, &hello)),
        (Side::Client, record(23, &[7; 30])),
        (Side::Server, record(21, &[1, 112])),
        (Side::Server, record(22, &[25, 0, 0, 1, 0])),
    ];
    let mut live = Live::new("tcp");
    for (number, (from, bytes)) in (1..).zip(&said) {
        live.push(&Chunk { at: number.into(), from: *from, frame: number, offset: 0, bytes });
    }
    live.story(Speech::Tls, KeyLog::default()).unwrap()
}

/// A server that says something to its user, which ours doesn't.
fn with_a_word_of_the_server() -> Story {
    let authority = Authority::new("a CA");
    let client =
        authority.client_config(Some(authority.client("device")), &[&rustls::version::TLS13]);
    let server = authority.server_config(authority.server(), &[&rustls::version::TLS13]);
    // Of the key messages only the place counts here.
    openvpn(client, server, &[vec![0; 4], vec![0]], b"INFO,maintenance at noon\0")
}

/// TLS of a library in packets without wrapping: both key messages, and what the server says then.
fn openvpn(
    mut client: rustls::ClientConfig,
    server: rustls::ServerConfig,
    key_messages: &[Vec<u8>; 2],
    said: &[u8],
) -> Story {
    let log = Arc::new(Lines::default());
    client.key_log = Arc::clone(&log) as _;
    let nobody = std::net::IpAddr::from([192, 0, 2, 9]).into();
    let mut client =
        rustls::Connection::from(rustls::ClientConnection::new(client.into(), nobody).unwrap());
    let mut server =
        rustls::Connection::from(rustls::ServerConnection::new(server.into()).unwrap());
    let mut wire = PlainWire::new();
    while client.is_handshaking() || server.is_handshaking() {
        wire.carry(Side::Client, &mut client, &mut server);
        wire.carry(Side::Server, &mut server, &mut client);
    }
    let [of_client, of_server] = key_messages;
    client.writer().write_all(of_client).unwrap();
    wire.carry(Side::Client, &mut client, &mut server);
    for message in [of_server, said] {
        server.writer().write_all(message).unwrap();
        wire.carry(Side::Server, &mut server, &mut client);
    }
    let text = log.0.lock().unwrap().clone();
    wire.live.story(Speech::OpenVpn, KeyLog::parse(&text).unwrap()).unwrap()
}

/// A connection of mail that comes to TLS in its middle, of a client that gives its password away before.
fn after_words_in_the_clear() -> Story {
    let (said, log) = mail(&[
        (Side::Server, "220 mail.example.org ESMTP\r\n"),
        (Side::Client, "AUTH PLAIN hunter2\r\n"),
        (Side::Client, "STARTTLS\r\n"),
        (Side::Server, "220 go ahead\r\n"),
    ]);
    let mut live = Live::new("tcp");
    for (number, (from, bytes)) in (1..).zip(&said) {
        live.push(&Chunk { at: number.into(), from: *from, frame: number, offset: 0, bytes });
    }
    let story = live.story(Speech::Tls, KeyLog::parse(&log).unwrap()).unwrap();
    let known = Known { log: Arc::new(KeyLog::parse(&log).unwrap()), ..Known::default() };
    let captured = first(read(tcp_pcap(&said).as_slice(), known).unwrap());
    assert_eq!(entries(&captured), entries(&story), "as a capture it is told alike");
    story
}

/// A web server that is asked for its first page and says nothing.
fn without_an_answer() -> Story {
    let (said, log) = mail_with(&[], b"HEAD / HTTP/1.1\r\n\r\n", b"");
    asked(&said, &log)
}

/// The story of a client that asked over HTTP.
fn asked(said: &[(Side, Vec<u8>)], log: &str) -> Story {
    let mut live = Live::new("tcp");
    for (number, (from, bytes)) in (1..).zip(said) {
        live.push(&Chunk { at: number.into(), from: *from, frame: number, offset: 0, bytes });
    }
    live.asked_over_http(1_000, "the server said nothing within two seconds");
    live.story(Speech::Tls, KeyLog::parse(log).unwrap()).unwrap()
}

#[test]
fn a_page_that_is_asked_for_and_does_not_come_is_a_gap_with_its_reason() {
    let story = without_an_answer();
    let gap = story.steps.last().unwrap();
    assert_eq!((gap.entry.as_str(), gap.source), ("no_answer", Source::Gap));
    assert_eq!(gap.fields[0].value, "the server said nothing within two seconds");
    assert_eq!(story.ending, Ending::Done);
    for (answer, is_known) in [
        ("HTTP/1.1 200 OK\r\n\r\n", true),
        ("HTTP/1.1 200 OK\r\nStrict-Transport-Security: max-age=7\r\n", true),
        ("HTTP/1.1 200 OK\r\nServer: x\r\n", false),
        ("220 mail.test\r\n", false),
    ] {
        let (said, log) = mail_with(&[], b"HEAD / HTTP/1.1\r\n\r\n", answer.as_bytes());
        let story = asked(&said, &log);
        assert_ne!(entries(&story).contains(&"no_answer".to_owned()), is_known, "{answer}");
    }
}

/// With `EXPLAIN_RECORD=1` it writes the recording that other tests read.
#[test]
fn mail_that_comes_to_tls_can_be_recorded_and_is_told_to_its_end() {
    let (said, log) = mail(&[
        (Side::Server, "220 mail.example.org ESMTP\r\n"),
        (Side::Client, "EHLO client.example.org\r\n"),
        (Side::Server, "250-mail.example.org\r\n250-SIZE 10240000\r\n250 STARTTLS\r\n"),
        (Side::Client, "STARTTLS\r\n"),
        (Side::Server, "220 2.0.0 Ready to start TLS\r\n"),
    ]);
    let file = tcp_pcap(&said);
    let known = Known { log: Arc::new(KeyLog::parse(&log).unwrap()), ..Known::default() };
    let story = first(read(file.as_slice(), known).unwrap());
    assert_eq!(
        entries(&story)[..6],
        [
            "in_the_clear",
            "in_the_clear",
            "in_the_clear",
            "in_the_clear",
            "in_the_clear",
            "client_hello"
        ]
    );
    assert_eq!(story.ending, Ending::Done);
    let offer = &story.steps[2].fields;
    assert_eq!((&*offer[1].name, offer[1].value.as_str()), ("about_tls", "250 STARTTLS"));
    assert_eq!(story.title, "A TLS 1.3 handshake after STARTTLS");
    if std::env::var_os("EXPLAIN_RECORD").is_some() {
        fs::write(captures().join("starttls-smtp.pcap"), &file).unwrap();
        fs::write(captures().join("starttls-smtp.keys"), log).unwrap();
    }
}

/// What a client and a server of mail say, at first in the clear and then in TLS, with its key log.
fn mail(in_the_clear: &[(Side, &str)]) -> (Vec<(Side, Vec<u8>)>, String) {
    mail_with(in_the_clear, b"EHLO client.example.org\r\n", b"250 mail.example.org\r\n")
}

/// The same with other words inside TLS.
fn mail_with(
    in_the_clear: &[(Side, &str)],
    asked: &[u8],
    answered: &[u8],
) -> (Vec<(Side, Vec<u8>)>, String) {
    let log = Arc::new(Lines::default());
    let (mut client, mut server) = mail_peers(Arc::clone(&log));
    let mut said: Vec<(Side, Vec<u8>)> =
        in_the_clear.iter().map(|(from, line)| (*from, line.as_bytes().to_vec())).collect();
    client.writer().write_all(asked).unwrap();
    server.writer().write_all(answered).unwrap();
    while client.wants_write() || server.wants_write() {
        for side in [Side::Client, Side::Server] {
            let (from, to) = if side == Side::Client {
                (&mut client, &mut server)
            } else {
                (&mut server, &mut client)
            };
            let mut bytes = Vec::new();
            while from.wants_write() {
                from.write_tls(&mut bytes).unwrap();
            }
            let mut rest = bytes.as_slice();
            while !rest.is_empty() {
                to.read_tls(&mut rest).unwrap();
                to.process_new_packets().unwrap();
            }
            if !bytes.is_empty() {
                said.push((side, bytes));
            }
        }
    }
    let log = log.0.lock().unwrap().clone();
    (said, log)
}

/// A client that checks the name of the server, which asks nobody who he is.
fn mail_peers(log: Arc<Lines>) -> (rustls::Connection, rustls::Connection) {
    let authority = Authority::new("Example CA");
    let versions = &[&rustls::version::TLS13];
    let mut roots = rustls::RootCertStore::empty();
    roots.add(authority.certificate().clone()).unwrap();
    let mut config = rustls::ClientConfig::builder_with_protocol_versions(versions)
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.key_log = log;
    let name = "mail.example.org".try_into().unwrap();
    let client = rustls::ClientConnection::new(config.into(), name).unwrap();
    let own = authority.server_named("mail.example.org");
    let config = rustls::ServerConfig::builder_with_protocol_versions(versions)
        .with_no_client_auth()
        .with_single_cert(own.chain, own.key)
        .unwrap();
    (client.into(), rustls::ServerConnection::new(config.into()).unwrap().into())
}

/// What two sides said, as a capture of a TCP connection without Ethernet.
fn tcp_pcap(said: &[(Side, Vec<u8>)]) -> Vec<u8> {
    let mut file =
        vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 101, 0, 0, 0];
    let mut next = [100u32, 900];
    let mut at = 1_790_000_000_000_000u64;
    let mut segment = |from: Side, flags: u8, bytes: &[u8]| {
        at += 10_000;
        let index = usize::from(from == Side::Server);
        let ports = if index == 0 { [[0x9c, 0x40], [0, 25]] } else { [[0, 25], [0x9c, 0x40]] };
        let addresses = if index == 0 {
            [[192, 0, 2, 7], [192, 0, 2, 1]]
        } else {
            [[192, 0, 2, 1], [192, 0, 2, 7]]
        };
        let tcp = [
            &ports.concat()[..],
            &next[index].to_be_bytes(),
            &[0; 4],
            &[0x50, flags, 255, 255, 0, 0, 0, 0],
            bytes,
        ]
        .concat();
        next[index] += bytes.len() as u32 + u32::from(flags & 2 != 0);
        let length = (20 + tcp.len() as u16).to_be_bytes();
        let header =
            [&[0x45, 0][..], &length, &[0, 0, 0, 0, 64, 6, 0, 0], &addresses.concat()].concat();
        let frame = [header, tcp].concat();
        file.extend(
            [
                ((at / 1_000_000) as u32).to_le_bytes(),
                ((at % 1_000_000) as u32).to_le_bytes(),
                (frame.len() as u32).to_le_bytes(),
                (frame.len() as u32).to_le_bytes(),
            ]
            .concat(),
        );
        file.extend(frame);
    };
    segment(Side::Client, 0x02, &[]);
    segment(Side::Server, 0x12, &[]);
    for (from, bytes) in said {
        bytes.chunks(1_000).for_each(|piece| segment(*from, 0x10, piece));
    }
    file
}

/// Control packets without wrapping, each side's in order.
struct PlainWire {
    live: Live,
    next: [u32; 2],
    frame: u32,
}

impl PlainWire {
    fn new() -> PlainWire {
        let mut wire = PlainWire { live: Live::new("udp"), next: [0; 2], frame: 0 };
        wire.packet(Side::Client, Opcode::CONTROL_HARD_RESET_CLIENT_V2, Vec::new());
        wire.packet(Side::Server, Opcode::CONTROL_HARD_RESET_SERVER_V2, Vec::new());
        wire
    }

    fn carry(&mut self, side: Side, from: &mut rustls::Connection, to: &mut rustls::Connection) {
        let mut bytes = Vec::new();
        while from.wants_write() {
            from.write_tls(&mut bytes).unwrap();
        }
        for piece in bytes.chunks(1_000) {
            self.packet(side, Opcode::CONTROL_V1, piece.to_vec());
        }
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            to.read_tls(&mut rest).unwrap();
            to.process_new_packets().unwrap();
        }
    }

    fn packet(&mut self, side: Side, opcode: Opcode, payload: Vec<u8>) {
        let (index, session) = if side == Side::Client { (0, [3; 8]) } else { (1, [4; 8]) };
        let session = SessionId::new(session).unwrap();
        let id = MessageId(self.next[index]);
        self.next[index] += 1;
        self.frame += 1;
        let bytes = ControlPacket::message(opcode, KeyId::FIRST, session, id, payload).encode();
        self.live.push(&Chunk {
            at: u64::from(self.frame),
            from: side,
            frame: self.frame,
            offset: 0,
            bytes: &bytes,
        });
    }
}

fn entries(story: &Story) -> Vec<String> {
    story.steps.iter().map(|step| step.entry.clone()).collect()
}

fn recorded(name: &str) -> Story {
    let log = fs::read_to_string(captures().join(format!("{name}.keys"))).unwrap_or_default();
    let log = Arc::new(KeyLog::parse(&log).unwrap());
    first(
        read(
            File::open(captures().join(format!("{name}.pcap"))).unwrap(),
            Known { log, ..Known::default() },
        )
        .unwrap(),
    )
}

fn recorded_with_key(name: &str) -> Story {
    let log = fs::read_to_string(captures().join(format!("{name}.keys"))).unwrap_or_default();
    let mut known = Known { log: Arc::new(KeyLog::parse(&log).unwrap()), ..Known::default() };
    for file in ["ta.key", "openvpn-udp-sha256-offload.ta"] {
        known.keys.add(&fs::read_to_string(captures().join(file)).unwrap()).unwrap();
    }
    first(read(File::open(captures().join(format!("{name}.pcap"))).unwrap(), known).unwrap())
}

fn first(stories: Stories) -> Story {
    stories.stories.into_iter().next().expect("one story")
}

fn captures() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures")
}
