//! Renewals that somebody forges who has the control channel's key, knows a session's ids and sends from
//! its address: as long as nothing of ours is in TLS, they go through in spite of it; afterwards they cost
//! their generation, and the session goes on with the key it has.
//!
//! Most peers here are stricter than ours: as stock and version 3, they follow no soft reset but that of their
//! next key id.

mod world;

use std::time::Duration;

use rustls::pki_types::ServerName;
use tunnel::{Progress, Session};
use wire::control::{Acks, ControlPacket};
use wire::key_method::{ClientKeyMessage, ClientKeySource};
use wire::{KeyId, MessageId, Opcode, SessionId};
use zeroize::Zeroizing;

use world::{Setup, Who, World, hello};

#[test]
fn a_renewal_that_is_forged_towards_a_server_is_one_with_its_client() {
    for client_as_version_three in [false, true] {
        let mut world = established(Setup { client_as_version_three, ..stock(41) });
        let id = world.client.session.id();
        world.deliver_to_server(&reset(id));
        assert_renewed(world, &format!("as version 3: {client_as_version_three}"));
    }
}

#[test]
fn a_renewal_that_is_forged_towards_a_client_is_one_with_its_server() {
    for server_as_version_three in [false, true] {
        let mut world = established(Setup { server_as_version_three, ..stock(42) });
        let id = world.server().expect("a session").session.id();
        world.deliver_to_client(&reset(id));
        assert_renewed(world, &format!("as version 3: {server_as_version_three}"));
    }
}

#[test]
fn a_renewal_that_is_forged_and_broken_before_the_client_heard_of_it_goes_through() {
    for client_as_version_three in [false, true] {
        for (what, garbage) in kinds_of_garbage() {
            for at_once in [true, false] {
                let mut world = established(Setup { client_as_version_three, ..stock(43) });
                let id = world.client.session.id();
                let forged = [reset(id)].into_iter().chain(messages(id, &garbage));
                for datagram in forged {
                    match at_once {
                        // Before anything of the server's could leave.
                        true => {
                            let now = world.now;
                            let server = world.party(Who::Server(id)).expect("a session");
                            let _forged = server.session.handle_datagram(&datagram, now);
                        }
                        false => world.deliver_to_server(&datagram),
                    }
                }
                let case = format!("{what}, at once: {at_once}, {client_as_version_three}");
                assert_renewed(world, &case);
            }
        }
    }
}

#[test]
fn a_renewal_that_is_forged_and_broken_before_the_server_heard_of_it_goes_through() {
    for server_as_version_three in [false, true] {
        for (what, garbage) in kinds_of_garbage() {
            let mut world = established(Setup { server_as_version_three, ..stock(44) });
            let id = world.server().expect("a session").session.id();
            world.deliver_to_client(&reset(id));
            messages(id, &garbage).for_each(|datagram| world.deliver_to_client(&datagram));
            assert_renewed(world, &format!("{what}, {server_as_version_three}"));
        }
    }
}

#[test]
fn a_renewal_of_the_clients_own_goes_through_garbage_before_its_hello() {
    for (what, garbage) in kinds_of_garbage() {
        let mut world = established(stock(45));
        let id = world.client.session.id();
        world.renegotiate(Who::Client);
        // The reset takes 20 ms to the server, its answer as long, and the hello again.
        world.run_for(Duration::from_millis(30));
        messages(id, &garbage).for_each(|datagram| world.deliver_to_server(&datagram));
        assert_renewed(world, what);
    }
}

#[test]
fn a_forged_reset_of_a_key_id_further_ahead_ends_no_session() {
    for (ahead, client_as_version_three) in [(2, false), (3, false), (2, true)] {
        let setup = Setup { client_as_version_three, server_as_stock: false, ..stock(46) };
        let mut world = established(setup);
        let (id, key_id) = (world.client.session.id(), KeyId::new(ahead).expect("small"));
        let opcode = Opcode::CONTROL_SOFT_RESET_V1;
        let reset = ControlPacket::message(opcode, key_id, id, MessageId(0), Vec::new());
        world.deliver_to_server(&reset.encode());
        assert_renewed(world, &format!("by {ahead}, as version 3: {client_as_version_three}"));
    }
}

/// Nothing tells a forged hello from the client's own, so that the generation is lost on our side. A client
/// that has not heard of it takes our next reset for the one that it thinks is next, to which we go back.
#[test]
fn a_renewal_that_is_forged_with_a_hello_and_broken_before_the_client_heard_of_it_goes_through() {
    let mut world = established(Setup { server_as_stock: false, ..stock(47) });
    let (id, now) = (world.client.session.id(), world.now);
    let server = &mut world.party(Who::Server(id)).expect("a session").session;
    let ack = acknowledgement(id, server, KeyId::FIRST.next(), 0);
    let chunks = [hello(), vec![0x55; 60]];
    for datagram in [reset(id), ack].into_iter().chain(messages(id, &chunks)) {
        server.handle_datagram(&datagram, now).expect("taken");
        // Lost on its way.
        while server.poll_transmit(now).is_some() {}
    }
    assert_eq!(server.progress(), Progress::StreamBroken);
    assert_renewed(world, "with a hello");
}

#[test]
fn a_renewal_that_is_lost_is_begun_anew_and_goes_through() {
    for (what, chunks) in kinds_of_loss() {
        for millis in [0, 10, 30, 50, 70] {
            let setup = Setup { client_as_stock: false, server_as_stock: false, ..stock(48) };
            let mut world = established(setup);
            let id = world.client.session.id();
            world.renegotiate(Who::Server(id));
            world.run_for(Duration::from_millis(millis));
            messages(id, &chunks).for_each(|datagram| world.deliver_to_server(&datagram));
            let case = format!("{what} after {millis} ms");
            carry_on(&mut world, 30);
            assert_unhurt(&world, &case);
            assert_eq!(world.server().map(|party| party.renegotiated.len()), Some(1), "{case}");
        }
    }
}

/// With his own certificate, another CA's, or none: whoever sees our answers comes that far in TLS.
#[test]
fn who_goes_through_tls_in_a_clients_name_ends_no_session_of_its() {
    let identities = [
        ("no certificate", None),
        ("another CA's", Some(testkit::Authority::new("another CA").client("device"))),
        ("another device's", Some(world::authority().client("another device"))),
    ];
    for (whose, identity) in identities {
        let tls = world::authority().client_config(identity, &[&rustls::version::TLS13]);
        let mut world = established(Setup { server_as_stock: false, ..stock(49) });
        let (id, now) = (world.client.session.id(), world.now);
        let server = &mut world.party(Who::Server(id)).expect("a session").session;
        server.handle_datagram(&reset(id), now).expect("a renewal");
        Impostor::new(tls, good).goes_through(server, id, now);
        assert_eq!(server.progress(), Progress::StreamBroken, "{whose}");
        assert_renewed(world, whose);
    }
}

/// A device's certificate is good for TLS in any other's name: who it is shows in what comes behind it, if it does.
#[test]
fn what_another_device_says_in_place_of_a_key_message_ends_no_session() {
    let said: [(&str, Say); 3] = [
        ("no key message", |tls| write(tls, b"\0\0\0\0\x02and nothing of what it should have")),
        ("a message that is too long", |tls| write(tls, &[0x55; 4_000])),
        ("an alert", reveal_a_false_record),
    ];
    for (what, say) in said {
        let device = world::authority().client("another device");
        let tls = world::authority().client_config(Some(device), &[&rustls::version::TLS13]);
        let mut world = established(Setup { server_as_stock: false, ..stock(51) });
        let (id, now) = (world.client.session.id(), world.now);
        let server = &mut world.party(Who::Server(id)).expect("a session").session;
        server.handle_datagram(&reset(id), now).expect("a renewal");
        Impostor::new(tls, say).goes_through(server, id, now);
        assert_eq!(server.progress(), Progress::StreamBroken, "{what}");
        assert_renewed(world, what);
    }
}

/// A stock client that has begun a generation follows to no other before its window is over, so that a peer
/// may be out of reach for that long.
#[test]
fn generations_are_begun_ever_more_rarely_until_the_key_is_too_old() {
    for (what, chunks, begun) in [
        ("broken", vec![hello(), vec![0x55; 60]], vec![0, 2, 6, 14, 30, 62, 94, 126]),
        ("stalled", vec![hello()], vec![0, 60, 120, 180, 240]),
    ] {
        let mut world = established(Setup { server_as_stock: false, ..stock(50) });
        let (id, mut now) = (world.client.session.id(), world.now);
        let (server, start) = (&mut world.party(Who::Server(id)).expect("a session").session, now);
        server.handle_datagram(&reset(id), now).expect("a renewal");
        let (mut key_id, mut at) = (KeyId::FIRST, Vec::new());
        while at.len() < begun.len() {
            while let Some(datagram) = server.poll_transmit(now) {
                let packet = ControlPacket::parse(&datagram).expect("a packet");
                if packet.opcode != Opcode::CONTROL_SOFT_RESET_V1 || packet.key_id == key_id {
                    continue;
                }
                key_id = packet.key_id;
                at.push((now.boot - start.boot).as_secs_f64().round() as u64);
                let opcode = Opcode::CONTROL_SOFT_RESET_V1;
                let reset = ControlPacket::message(opcode, key_id, id, MessageId(0), Vec::new());
                let begins = [acknowledgement(id, server, key_id, 0), reset.encode()];
                for answer in begins.into_iter().chain(numbered(id, key_id, &chunks)) {
                    server.handle_datagram(&answer, now).expect("taken");
                }
            }
            now = now.after(Duration::from_millis(100));
            server.handle_timeout(now);
            assert!(server.is_established(), "{what} after {at:?}");
        }
        assert_eq!(at, begun, "{what}");
    }
}

/// Somebody in the client's place, with a TLS of his own.
struct Impostor {
    tls: rustls::ClientConnection,
    next: u32,
    say: Say,
}

/// What somebody says once TLS is through.
type Say = fn(&mut rustls::ClientConnection);

fn good(tls: &mut rustls::ClientConnection) {
    write(tls, &key_message().encode().expect("it fits"));
}

fn write(tls: &mut rustls::ClientConnection, message: &[u8]) {
    std::io::Write::write_all(&mut tls.writer(), message).expect("into memory");
}

/// It answers with a fatal alert, under the keys of the finished handshake.
fn reveal_a_false_record(tls: &mut rustls::ClientConnection) {
    // Application data that nobody has sealed.
    let record = [&[23, 3, 3, 0, 40][..], &[0x55; 40]].concat();
    tls.read_tls(&mut record.as_slice()).expect("from memory");
    tls.process_new_packets().expect_err("a false record");
}

impl Impostor {
    fn new(tls: rustls::ClientConfig, say: Say) -> Self {
        let nobody = ServerName::IpAddress(std::net::IpAddr::from([192, 0, 2, 9]).into());
        let tls = rustls::ClientConnection::new(tls.into(), nobody).expect("a client");
        Self { tls, next: 1, say }
    }

    /// Until neither side has anything to say. What the server says reaches nobody else.
    fn goes_through(&mut self, server: &mut Session, id: SessionId, now: clock::Now) {
        let mut said = false;
        loop {
            let mut bytes = Vec::new();
            while self.tls.wants_write() {
                self.tls.write_tls(&mut bytes).expect("into memory");
            }
            for chunk in bytes.chunks(1000) {
                let message = packet(Opcode::CONTROL_V1, id, self.next, chunk.to_vec());
                self.next += 1;
                let _may_be_over = server.handle_datagram(&message, now);
            }
            let heard = self.hears(server, id, now);
            if !self.tls.is_handshaking() && !said {
                said = true;
                (self.say)(&mut self.tls);
            } else if bytes.is_empty() && !heard {
                return;
            }
        }
    }

    fn hears(&mut self, server: &mut Session, id: SessionId, now: clock::Now) -> bool {
        let mut heard = false;
        while let Some(datagram) = server.poll_transmit(now) {
            let packet = ControlPacket::parse(&datagram).expect("a packet");
            let Some(MessageId(number)) = packet.message_id else { continue };
            heard = true;
            let ack = acknowledgement(id, server, packet.key_id, number);
            let _may_be_over = server.handle_datagram(&ack, now);
            self.tls.read_tls(&mut packet.payload.as_slice()).expect("from memory");
            self.tls.process_new_packets().expect("the server's TLS");
        }
        heard
    }
}

fn key_message() -> ClientKeyMessage {
    ClientKeyMessage {
        source: ClientKeySource::from_random(&[7; 112]),
        options: String::new(),
        username: String::new(),
        password: Zeroizing::default(),
        peer_info: String::new(),
    }
}

/// What leaves no way back, once it was taken.
fn kinds_of_loss() -> [(&'static str, Vec<Vec<u8>>); 3] {
    [
        ("a hello", vec![hello()]),
        ("a hello and noise", vec![hello(), vec![0x55; 60]]),
        ("noise", vec![vec![0x55; 60]; 4]),
    ]
}

/// What is put in the place of TLS, as messages from the first one on.
fn kinds_of_garbage() -> [(&'static str, Vec<Vec<u8>>); 4] {
    [
        ("noise", vec![vec![0x55; 60]]),
        ("a lot of noise", vec![vec![0x55; 1000]; 11]),
        // A handshake record that says it is longer, and what is none behind it.
        ("half a record", vec![vec![22, 3, 1, 1, 0, 1, 0, 0, 252, 3, 3], vec![0x55; 300]]),
        ("an alert", vec![vec![21, 3, 3, 0, 2, 2, 40]]),
    ]
}

fn reset(sender: SessionId) -> Vec<u8> {
    packet(Opcode::CONTROL_SOFT_RESET_V1, sender, 0, Vec::new())
}

/// As message 1 and on of the next generation, behind a reset.
fn messages(sender: SessionId, chunks: &[Vec<u8>]) -> impl Iterator<Item = Vec<u8>> {
    numbered(sender, KeyId::FIRST.next(), chunks)
}

fn numbered(sender: SessionId, key_id: KeyId, chunks: &[Vec<u8>]) -> impl Iterator<Item = Vec<u8>> {
    let numbered = chunks.iter().zip(1..).map(|(chunk, id)| (chunk.clone(), MessageId(id)));
    numbered.map(move |(chunk, id)| {
        ControlPacket::message(Opcode::CONTROL_V1, key_id, sender, id, chunk).encode()
    })
}

fn acknowledgement(sender: SessionId, of: &Session, key_id: KeyId, number: u32) -> Vec<u8> {
    let acks = Acks::from_iter([MessageId(number)]);
    ControlPacket::ack(key_id, sender, acks, of.id()).encode()
}

fn packet(opcode: Opcode, sender: SessionId, id: u32, payload: Vec<u8>) -> Vec<u8> {
    ControlPacket::message(opcode, KeyId::FIRST.next(), sender, MessageId(id), payload).encode()
}

fn stock(seed: u64) -> Setup {
    let mut setup = Setup {
        plain: true,
        client_as_stock: true,
        server_as_stock: true,
        client_version: "3.11.1",
        ..Setup::fine(seed)
    };
    setup.weather.delay = Duration::from_millis(20);
    setup
}

fn established(setup: Setup) -> World {
    let mut world = World::new(setup);
    world.run_for(Duration::from_secs(3));
    assert!(world.client.established);
    world
}

/// Nobody lost a packet or the session, and it was renewed once.
fn assert_renewed(mut world: World, case: &str) {
    carry_on(&mut world, 70);
    assert_unhurt(&world, case);
    for party in [&world.client, world.server().expect("a session")] {
        assert_eq!(party.renegotiated, [KeyId::FIRST.next()], "{case}");
    }
}

/// A packet each way each second.
fn carry_on(world: &mut World, seconds: u32) {
    for _ in 0..seconds {
        world.run_for(Duration::from_secs(1));
        world.exchange_data();
    }
    world.run_for(Duration::from_secs(1));
}

fn assert_unhurt(world: &World, case: &str) {
    for party in [&world.client, world.server().expect("a session")] {
        assert!(party.end.is_none(), "{case}: {:?}", party.end);
        assert_eq!(party.session.progress(), Progress::Complete, "{case}");
    }
    assert!(world.data_sent >= 60, "{case}");
    assert_eq!(world.data_sent, world.data_opened, "{case}");
}
