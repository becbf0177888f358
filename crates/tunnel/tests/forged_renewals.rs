//! Renewals that somebody forges who has the control channel's key, knows a session's ids and sends from
//! its address: as long as nothing of ours is in TLS, they go through in spite of it.
//!
//! The peers here are stricter than ours: as stock and version 3, they follow no soft reset but that of their
//! next key id, so that a generation which is lost costs them the session.

mod world;

use std::time::Duration;

use tunnel::Progress;
use wire::control::{Acks, ControlPacket};
use wire::{KeyId, MessageId, Opcode, SessionId};

use world::{Setup, Who, World};

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
    let acks = Acks::from_iter([MessageId(0)]);
    let ack = ControlPacket::ack(KeyId::FIRST.next(), id, acks, server.id()).encode();
    let chunks = [hello(), vec![0x55; 60]];
    for datagram in [reset(id), ack].into_iter().chain(messages(id, &chunks)) {
        server.handle_datagram(&datagram, now).expect("taken");
        // Lost on its way.
        while server.poll_transmit(now).is_some() {}
    }
    assert_eq!(server.progress(), Progress::StreamBroken);
    assert_renewed(world, "with a hello");
}

/// A ClientHello as any client makes it.
fn hello() -> Vec<u8> {
    let client = world::authority().client_config(None, &[&rustls::version::TLS13]);
    let nobody = std::net::IpAddr::from([192, 0, 2, 9]).into();
    let mut client = rustls::ClientConnection::new(client.into(), nobody).expect("a client");
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).expect("into memory");
    bytes
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
    let numbered = chunks.iter().zip(1..);
    numbered.map(move |(chunk, id)| packet(Opcode::CONTROL_V1, sender, id, chunk.clone()))
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
    for _ in 0..70 {
        world.run_for(Duration::from_secs(1));
        world.exchange_data();
    }
    world.run_for(Duration::from_secs(1));
    for party in [&world.client, world.server().expect("a session")] {
        assert!(party.end.is_none(), "{case}: {:?}", party.end);
        assert_eq!(party.session.progress(), Progress::Complete, "{case}");
        assert_eq!(party.renegotiated, [KeyId::FIRST.next()], "{case}");
    }
    assert_eq!((world.data_sent, world.data_opened), (140, 140), "{case}");
}
