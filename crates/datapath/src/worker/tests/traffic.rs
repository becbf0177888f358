//! Packets on their way: found, checked, clamped, switched, counted.

use super::*;
use crate::PeerCounters;
use crate::offload::{Segmentation, VirtioHeader};

#[test]
fn a_packet_crosses_from_tun_to_tun_and_back_between_a_server_and_a_client() {
    let (mut server, fars) = Rig::server(2);
    let mut client = Rig::new(WorkerSettings::client());
    let link = Endpoint::new(0, "203.0.113.1:1194".parse().unwrap());
    let (it, id) = (peer(0, 1), key_id(0));
    client.apply(Command::PeerNew { peer: it, endpoint: link, settings: of_a_client(1) });
    let material = fars[1].material.clone();
    let role = Role::TlsClient;
    client.apply(Command::KeyNew {
        peer: it,
        key_id: id,
        cipher: CIPHER,
        material,
        role,
        fresh: true,
    });
    client.apply(Command::KeySwap { peer: it, key_id: id });

    for (up, down) in [
        (from_peer(1), to_peer(1)),
        (
            Crafted::between("fd00::3", "2001:db8::1").bytes(),
            Crafted::between("2001:db8::1", "fd00::3").bytes(),
        ),
    ] {
        client.tun(&up);
        let sent = client.sent();
        assert_eq!(sent[0].0, link);
        server.udp(home(1), &sent[0].1);
        assert_eq!(server.packets(), [up]);

        server.tun(&down);
        let sent = server.sent();
        assert_eq!(sent[0].0, home(1));
        client.udp(link, &sent[0].1);
        assert_eq!(client.packets(), [down]);
    }
    assert_eq!(server.worker.drops().total() + client.worker.drops().total(), 0);
}

#[test]
fn a_paced_peer_rests_after_a_burst_and_others_do_not() {
    let mut rig = Rig::new(WorkerSettings::server(16));
    rig.add_with(peer(0, 1), PeerSettings { paced: true, ..settings(peer(0, 1).id) });
    rig.add(peer(1, 1));
    let full = |id| {
        let mut crafted = Crafted::between("192.0.2.1", &inner(id));
        crafted.payload.resize(1300, 7);
        crafted.bytes()
    };
    let burst = (1..100).find(|_| {
        rig.tun(&full(0));
        rig.worker.paused_until(rig.now).is_some()
    });
    assert!(burst.is_some_and(|packets| packets > 20), "{burst:?}");
    let until = rig.worker.paused_until(rig.now);
    (0..100).for_each(|_| rig.tun(&full(1)));
    assert_eq!(rig.worker.paused_until(rig.now), None, "the other one may be sent more");
    rig.tun(&full(0));
    assert!(
        rig.worker.paused_until(rig.now) > until,
        "what comes all the same is sent, and counted"
    );
    rig.pass(1);
    assert_eq!(rig.worker.paused_until(rig.now), None);
    assert_eq!(rig.sent().len(), burst.unwrap() + 101);
}

#[test]
fn a_super_packet_leaves_as_segments_in_one_run_and_comes_together_again() {
    let (mut rig, mut fars) = Rig::server(1);
    rig.outbox = Outbox::new(1 << 17, 8, 64);
    let mut crafted = Crafted::tcp("192.0.2.1", &inner(0), ACK, &[]);
    crafted.payload.extend(Dice::new(3).bytes(4500));
    let header = VirtioHeader {
        segmentation: Some(Segmentation::Tcp4(1000)),
        checksum: Some((20, 16)),
        header_len: 40,
    };
    let (whole, mut bytes) = (crafted.bytes(), crafted.bytes());
    let packet = Packet { bytes: &mut bytes, header };
    rig.worker.handle_packets([packet], rig.now, &mut rig.outbox);
    assert_eq!(rig.outbox.runs().len(), 1);
    assert_eq!(rig.worker.peer_counters(peer(0, 1)).unwrap().tx_packets, 5);
    let segments: Vec<_> = rig.sent().iter().map(|(_, sealed)| fars[0].open(sealed)).collect();
    assert!(segments.iter().all(|segment| Crafted::checksum_holds(segment)));
    let payload: Vec<_> = segments.iter().flat_map(|segment| &segment[40..]).copied().collect();
    assert_eq!(payload, whole[40..]);
}

#[test]
fn a_super_packet_of_another_kind_than_its_header_says_is_dropped_and_counted() {
    let (mut rig, _) = Rig::server(1);
    for segmentation in [Segmentation::Tcp4(9), Segmentation::Tcp6(9)] {
        let header = VirtioHeader { segmentation: Some(segmentation), ..VirtioHeader::PLAIN };
        let packet = Packet { bytes: &mut to_peer(0), header };
        rig.worker.handle_packets([packet], rig.now, &mut rig.outbox);
    }
    assert_eq!((rig.sent().len(), rig.drops(DropCause::BadOffload)), (0, 2));
}

#[test]
fn a_peer_without_a_peer_id_is_found_by_its_address() {
    for header in [Header::V1, Header::V2(PeerId::UNSET)] {
        let mut rig = Rig::new(WorkerSettings::server(4));
        let mut far =
            rig.add_with(peer(2, 1), PeerSettings { header, ..settings(PeerId::new(2).unwrap()) });
        let hello = far.hello();
        rig.udp(home(2), &hello);
        assert_eq!(rig.packets(), [from_peer(2)]);
        rig.tun(&to_peer(2));
        assert_eq!(far.open(&rig.sent()[0].1), to_peer(2));
        let hello = far.hello();
        rig.udp(at("198.51.100.99:1"), &hello);
        assert_eq!(rig.drops(DropCause::UnknownPeer), 1);
    }
}

#[test]
fn what_is_no_data_packet_is_handed_to_the_control_plane_untouched() {
    let (mut rig, _) = Rig::server(1);
    for first in (0..=255).filter(|first| ![6, 9].contains(&(first >> 3))) {
        rig.udp(home(0), &[first, 1, 2, 3]);
        assert_eq!(rig.inward.control.pop(), Some((home(0), vec![first, 1, 2, 3])));
    }
    assert_eq!(rig.worker.drops().total(), 0);
}

#[test]
fn joined_datagrams_are_taken_apart_whatever_they_are() {
    let (mut rig, mut fars) = Rig::server(1);
    let mut far = rig.add_at(peer(1, 1), home(7), settings(peer(1, 1).id));
    let mut joined = fars[0].hello();
    let stride = joined.len();
    joined.extend([0x20].repeat(stride));
    joined.extend(far.seal(&Crafted::between("10.8.0.3", "192.0.2.1").bytes()));
    joined.extend(fars[0].seal(b"\x45short"));
    rig.udp_joined(home(0), &joined, stride);
    assert_eq!(rig.packets(), [from_peer(0)]);
    assert_eq!(rig.inward.control, [(home(0), [0x20].repeat(stride))]);
    // Peer 1 isn't at peer 0's address, and five bytes are no packet.
    assert_eq!(rig.drops(DropCause::FloatRefused), 1);
    assert_eq!(rig.drops(DropCause::NotIp), 1);
}

#[test]
fn a_source_that_is_not_the_peers_goes_no_further() {
    let (mut rig, mut fars) = Rig::server(2);
    for (source, destination) in
        [("10.8.0.3", "192.0.2.1"), ("10.99.0.1", "192.0.2.1"), ("fd00::3", "2001:db8::1")]
    {
        let packet = fars[0].seal(&Crafted::between(source, destination).bytes());
        rig.udp(home(0), &packet);
    }
    assert!(rig.packets().is_empty());
    assert_eq!(rig.drops(DropCause::ForeignSource), 3);
}

#[test]
fn a_network_behind_a_peer_may_be_its_source_but_for_a_longer_prefix_of_another() {
    let mut rig = Rig::new(WorkerSettings::server(4));
    let net = IpNet::new("10.8.0.0".parse().unwrap(), 16).unwrap();
    let mut wide =
        rig.add_with(peer(0, 1), PeerSettings { networks: vec![net], ..settings(id(0)) });
    rig.add(peer(1, 1));
    for (source, passes) in [("10.8.77.1", true), ("10.8.0.3", false), ("10.9.0.1", false)] {
        let packet = Crafted::between(source, "192.0.2.1").bytes();
        let sealed = wide.seal(&packet);
        rig.udp(home(0), &sealed);
        assert_eq!(rig.packets(), if passes { vec![packet] } else { vec![] }, "{source}");
    }
}

#[test]
fn link_local_chatter_is_dropped_under_its_own_name_both_ways() {
    let (mut rig, mut fars) = Rig::server(1);
    let chatter = Crafted::between("fe80::1", "ff02::2").bytes();
    let sealed = fars[0].seal(&chatter);
    rig.udp(home(0), &sealed);
    rig.tun(&chatter);
    assert!(rig.packets().is_empty() && rig.sent().is_empty());
    assert_eq!(rig.drops(DropCause::LinkLocal), 2);
    assert_eq!(rig.worker.drops().total(), 2);
}

#[test]
fn a_packet_from_tun_goes_to_the_longest_prefix_or_nowhere() {
    let mut rig = Rig::new(WorkerSettings::server(4));
    let net = |text: &str, bits| IpNet::new(text.parse().unwrap(), bits).unwrap();
    let wide = PeerSettings { networks: vec![net("172.16.0.0", 12)], ..settings(id(0)) };
    let narrow = PeerSettings { networks: vec![net("172.16.5.0", 24)], ..settings(id(1)) };
    rig.add_with(peer(0, 1), wide);
    rig.add_with(peer(1, 1), narrow);
    let mut target = |to: &str| {
        rig.tun(&Crafted::between("192.0.2.1", to).bytes());
        rig.sent().pop().map(|(endpoint, _)| endpoint)
    };
    assert_eq!(target("172.16.4.1"), Some(home(0)));
    assert_eq!(target("172.16.5.1"), Some(home(1)));
    assert_eq!(target("172.32.0.1"), None);
    assert_eq!(rig.drops(DropCause::NoRoute), 1);
}

#[test]
fn traffic_between_peers_is_switched_left_to_the_kernel_or_refused() {
    for peer_to_peer in [PeerToPeer::Direct, PeerToPeer::ViaKernel, PeerToPeer::Refuse] {
        let mut rig = Rig::new(WorkerSettings { peer_to_peer, ..WorkerSettings::server(4) });
        let mut one = rig.add(peer(0, 1));
        let mut other = rig.add(peer(1, 1));
        let packet = Crafted::between("10.8.0.2", "10.8.0.3").bytes();
        let sealed = one.seal(&packet);
        rig.udp(home(0), &sealed);
        let outside = one.hello();
        rig.udp(home(0), &outside);
        let (inward, sent) = (rig.packets(), rig.sent());
        match peer_to_peer {
            PeerToPeer::Direct => {
                assert_eq!(inward, [from_peer(0)]);
                assert_eq!(sent[0].0, home(1));
                assert_eq!(other.open(&sent[0].1), packet);
            }
            PeerToPeer::ViaKernel => {
                assert_eq!(inward, [packet, from_peer(0)]);
                assert!(sent.is_empty());
            }
            PeerToPeer::Refuse => {
                assert_eq!(inward, [from_peer(0)]);
                assert!(sent.is_empty());
                assert_eq!(rig.drops(DropCause::PeerToPeer), 1);
            }
        }
    }
}

#[test]
fn a_syn_is_clamped_in_both_directions() {
    let (mut rig, mut fars) = Rig::server(1);
    let option = [2, 4, 0x05, 0xb4];
    for (mine, far, most) in
        [("10.8.0.2", "192.0.2.1", 1400u16), ("fd00::2", "2001:db8::1", 1380u16)]
    {
        let sealed = fars[0].seal(&Crafted::tcp(mine, far, 2, &option).bytes());
        rig.udp(home(0), &sealed);
        rig.tun(&Crafted::tcp(far, mine, 0x12, &option).bytes());
        let outward = fars[0].open(&rig.sent()[0].1);
        for packet in [&rig.packets()[0], &outward] {
            assert!(packet.ends_with(&most.to_be_bytes()));
            assert!(Crafted::checksum_holds(packet));
        }
    }
}

#[test]
fn counters_hold_whole_datagrams_of_both_directions_and_outlive_the_peer_in_a_notice() {
    let (mut rig, mut fars) = Rig::server(1);
    let hello = fars[0].hello();
    rig.udp(home(0), &hello);
    rig.udp(home(0), &hello);
    rig.tun(&to_peer(0));
    let len = hello.len() as u64;
    let counters = PeerCounters { rx_packets: 1, rx_bytes: len, tx_packets: 1, tx_bytes: len };
    assert_eq!(rig.worker.peer_counters(peer(0, 1)), Some(counters));
    assert_eq!(rig.worker.peers().collect::<Vec<_>>(), [(peer(0, 1), counters)]);
    assert_eq!(rig.drops(DropCause::Replayed), 1);
    rig.notices();
    rig.apply(Command::PeerDel { peer: peer(0, 1) });
    assert_eq!(rig.notices(), [Notice::Deleted { peer: peer(0, 1), counters }]);
    assert_eq!(rig.worker.peer_counters(peer(0, 1)), None);
}

#[test]
fn a_full_sink_drops_the_packet_and_keeps_its_id() {
    let (mut rig, mut fars) = Rig::server(1);
    rig.outbox = Outbox::new(10, 1, 1);
    rig.tun(&to_peer(0));
    assert_eq!(rig.drops(DropCause::SinkFull), 1);
    rig.outbox = Outbox::new(1000, 1, 1);
    rig.tun(&to_peer(0));
    let sent = rig.sent();
    assert_eq!(sent[0].1[4..8], 1u32.to_be_bytes());
    assert_eq!(fars[0].open(&sent[0].1), to_peer(0));
}

fn id(id: u32) -> PeerId {
    PeerId::new(id).unwrap()
}

fn of_a_client(wire_id: u32) -> PeerSettings {
    PeerSettings {
        header: Header::V2(id(wire_id)),
        addresses: vec![],
        networks: vec![IpNet::ALL_V4, IpNet::ALL_V6],
        ..settings(id(0))
    }
}

const ACK: u8 = 0x10;
