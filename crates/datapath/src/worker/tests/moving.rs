//! Float: a peer is followed only after it proved itself.

use super::*;

const ELSEWHERE: &str = "198.51.100.200:5555";

#[test]
fn a_peer_is_followed_to_a_new_address_and_answered_there() {
    let (mut rig, mut fars) = Rig::server(1);
    let hello = fars[0].hello();
    rig.udp(at(ELSEWHERE), &hello);
    assert_eq!(rig.packets().len(), 1);
    let notices = rig.notices();
    assert!(notices.contains(&Notice::Float { peer: peer(0, 1), endpoint: at(ELSEWHERE) }));
    rig.tun(&to_peer(0));
    assert_eq!(rig.sent()[0].0, at(ELSEWHERE));
}

#[test]
fn neither_a_forged_nor_a_replayed_packet_moves_a_peer() {
    let (mut rig, mut fars) = Rig::server(1);
    let hello = fars[0].hello();
    rig.udp(home(0), &hello);
    rig.notices();
    rig.udp(at(ELSEWHERE), &hello);
    let mut forged = fars[0].hello();
    *forged.last_mut().unwrap() ^= 1;
    rig.udp(at(ELSEWHERE), &forged);
    assert_eq!(rig.notices(), []);
    rig.tun(&to_peer(0));
    assert_eq!(rig.sent()[0].0, home(0));
}

#[test]
fn a_late_packet_from_a_place_that_the_peer_left_does_not_call_it_back() {
    let (mut rig, mut fars) = Rig::server(1);
    let late = fars[0].hello();
    let hello = fars[0].hello();
    rig.udp(at(ELSEWHERE), &hello);
    rig.udp(home(0), &late);
    assert_eq!(rig.packets().len(), 2);
    rig.tun(&to_peer(0));
    assert_eq!(rig.sent()[0].0, at(ELSEWHERE));
}

#[test]
fn an_address_of_another_peer_is_refused_and_the_packet_with_it() {
    let (mut rig, mut fars) = Rig::server(2);
    let hello = fars[0].hello();
    rig.udp(home(1), &hello);
    assert!(rig.packets().is_empty());
    assert_eq!(rig.drops(DropCause::FloatRefused), 1);
    rig.tun(&to_peer(0));
    rig.tun(&to_peer(1));
    let targets: Vec<_> = rig.sent().into_iter().map(|(endpoint, _)| endpoint).collect();
    assert_eq!(targets, [home(0), home(1)]);
}

#[test]
fn an_address_is_free_again_once_its_owner_left_it() {
    let (mut rig, mut fars) = Rig::server(2);
    let hello = fars[1].hello();
    rig.udp(at(ELSEWHERE), &hello);
    let hello = fars[0].hello();
    rig.udp(home(1), &hello);
    rig.tun(&to_peer(0));
    assert_eq!(rig.sent()[0].0, home(1));
}

#[test]
fn a_peer_that_may_not_float_is_heard_at_its_own_address_only() {
    let mut rig = Rig::new(WorkerSettings::server(4));
    let mut far =
        rig.add_with(peer(0, 1), PeerSettings { float: false, ..settings(peer(0, 1).id) });
    for endpoint in [at(ELSEWHERE), home(0)] {
        let hello = far.hello();
        rig.udp(endpoint, &hello);
    }
    assert_eq!(rig.packets().len(), 1);
    assert_eq!(rig.drops(DropCause::FloatRefused), 1);
}

#[test]
fn a_reply_leaves_from_the_address_that_was_asked_last() {
    let (mut rig, mut fars) = Rig::server(1);
    let other_local = Endpoint { local: Some("203.0.113.2".parse().unwrap()), ..home(0) };
    let hello = fars[0].hello();
    rig.udp(other_local, &hello);
    rig.tun(&to_peer(0));
    assert_eq!(rig.sent()[0].0, other_local);
    // A shell that doesn't know is no reason to forget.
    let hello = fars[0].hello();
    rig.udp(Endpoint { local: None, ..home(0) }, &hello);
    rig.tun(&to_peer(0));
    assert_eq!(rig.sent()[0].0, other_local);
}

#[test]
fn a_peer_that_moves_with_every_packet_is_followed_once_a_second() {
    let (mut rig, mut fars) = Rig::server(1);
    let hello = fars[0].hello();
    rig.udp(home(0), &hello);
    rig.notices();
    for port in 1..=100 {
        let hello = fars[0].hello();
        rig.udp(at(&format!("198.51.100.200:{port}")), &hello);
    }
    let endpoint = at("198.51.100.200:1");
    assert_eq!(rig.notices(), [Notice::Float { peer: peer(0, 1), endpoint }]);
    rig.pass(1);
    let hello = fars[0].hello();
    let endpoint = at("198.51.100.200:101");
    rig.udp(endpoint, &hello);
    assert_eq!(rig.notices(), [Notice::Float { peer: peer(0, 1), endpoint }]);
}

#[test]
fn a_copied_datagram_diverts_a_peer_no_longer_than_until_its_next_own_packet() {
    let (mut rig, mut fars) = Rig::server(1);
    for second in 0..20 {
        // The copy is faster than what it is a copy of.
        let hello = fars[0].hello();
        rig.udp(at(ELSEWHERE), &hello);
        rig.udp(home(0), &hello);
        let hello = fars[0].hello();
        rig.udp(home(0), &hello);
        rig.tun(&to_peer(0));
        assert_eq!(rig.sent()[0].0, home(0), "second {second}");
        rig.pass(1);
    }
    let notices = rig.notices();
    let flapping = Notice::Flapping { peer: peer(0, 1) };
    assert_eq!(notices.iter().filter(|notice| **notice == flapping).count(), 1, "said once");
    assert_eq!(rig.worker.returns(), 20);
}

#[test]
fn a_peer_that_just_moved_is_not_held_at_its_former_address_by_a_copy_from_there() {
    let (mut rig, mut fars) = Rig::server(1);
    let hello = fars[0].hello();
    rig.udp(at(ELSEWHERE), &hello);
    for _ in 0..20 {
        for from in [home(0), at(ELSEWHERE)] {
            let hello = fars[0].hello();
            rig.udp(from, &hello);
        }
        rig.tun(&to_peer(0));
        assert_eq!(rig.sent()[0].0, at(ELSEWHERE));
        rig.pass(1);
    }
}

#[test]
fn a_peer_that_hops_between_two_addresses_is_followed_a_few_times_a_second_and_ends_where_it_was() {
    let (mut rig, mut fars) = Rig::server(1);
    for hop in 0..100 {
        let from = if hop % 2 == 0 { at(ELSEWHERE) } else { home(0) };
        let hello = fars[0].hello();
        rig.udp(from, &hello);
    }
    assert!(rig.worker.returns() < 8, "{}", rig.worker.returns());
    rig.tun(&to_peer(0));
    assert_eq!(rig.sent()[0].0, home(0));
    let float = |notice: &&Notice| matches!(notice, Notice::Float { .. });
    assert_eq!(rig.notices().iter().filter(float).count(), 1, "read once, told once");
}

#[test]
fn the_limit_for_syns_follows_a_peer_between_ipv4_and_ipv6_underneath() {
    let (mut rig, mut fars) = Rig::server(1);
    let limits = |rig: &mut Rig| {
        rig.tun(&Crafted::tcp("192.0.2.1", &inner(0), 2, &[2, 4, 0x05, 0xb4]).bytes());
        rig.sent().pop().expect("sealed").1
    };
    let announced = |packet: Vec<u8>| packet[packet.len() - 2..].to_vec();
    let over_v4 = limits(&mut rig);
    assert_eq!(announced(fars[0].open(&over_v4)), 1400u16.to_be_bytes());
    let hello = fars[0].hello();
    rig.udp(at("[2001:db8::7]:5555"), &hello);
    let over_v6 = limits(&mut rig);
    assert_eq!(announced(fars[0].open(&over_v6)), 1380u16.to_be_bytes());
    let own = fars[0].seal(&Crafted::tcp(&inner(0), "192.0.2.1", 2, &[2, 4, 0x05, 0xb4]).bytes());
    rig.packets();
    rig.udp(at("[2001:db8::7]:5555"), &own);
    assert_eq!(announced(rig.packets().remove(0)), 1380u16.to_be_bytes());
}

#[test]
fn an_ipv4_address_and_its_mapped_form_are_one_sender() {
    let mut rig = Rig::new(WorkerSettings::server(4));
    let v1 = PeerSettings { header: Header::V1, ..settings(peer(0, 1).id) };
    let mut far = rig.add_with(peer(0, 1), v1);
    let hello = far.hello();
    rig.udp(at("[::ffff:198.51.100.0]:40000"), &hello);
    assert_eq!(rig.packets().len(), 1);
}

#[test]
fn a_peer_over_tcp_stays_there_and_none_moves_to_a_connection() {
    let stream = |serial| Endpoint {
        carrier: Carrier::Tcp(StreamId { worker: 0, serial }),
        ..at(ELSEWHERE)
    };
    let mut rig = Rig::new(WorkerSettings::server(4));
    let places = [stream(1), home(1)];
    let mut fars = [0, 1].map(|id| {
        let peer = peer(id, 1);
        rig.add_at(peer, places[id as usize], settings(peer.id))
    });
    for (who, from) in [(0, stream(2)), (0, at(ELSEWHERE)), (0, home(0)), (1, stream(1))] {
        let hello = fars[who].hello();
        rig.udp(from, &hello);
    }
    assert_eq!(rig.drops(DropCause::FloatRefused), 4);
    let hello = fars[0].hello();
    rig.udp(stream(1), &hello);
    assert_eq!(rig.packets().len(), 1);
    rig.tun(&to_peer(0));
    rig.tun(&to_peer(1));
    let to: Vec<_> = rig.sent().into_iter().map(|(to, _)| to).collect();
    assert_eq!(to, [stream(1), home(1)]);
}

#[test]
fn a_client_follows_its_server_only_if_the_profile_says_float() {
    for float in [false, true] {
        let mut rig = Rig::new(WorkerSettings::client());
        let networks = vec![IpNet::ALL_V4, IpNet::ALL_V6];
        let mut far =
            rig.add_with(peer(0, 1), PeerSettings { float, networks, ..settings(peer(0, 1).id) });
        let packet = far.seal(&to_peer(0));
        rig.udp(at(ELSEWHERE), &packet);
        assert_eq!(rig.packets().len(), usize::from(float));
    }
}
