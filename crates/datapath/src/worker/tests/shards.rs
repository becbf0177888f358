//! Two workers beside each other: what isn't one's own is handed to its owner, and only once.

use super::*;
use crate::{CommandRefused, DatagramSink, RouteChange, Shard};

#[test]
fn a_packet_from_the_tun_device_goes_to_the_worker_that_owns_its_destination() {
    let mut rig = Rig::shared();
    let mut sink = Passing::default();
    let mut bytes = to_peer(1);
    let (packet, now) = (Packet::plain(&mut bytes), rig.now);
    rig.worker.handle_packets([packet], now, &mut sink);
    assert_eq!(sink.packets, [(1, to_peer(1))]);
    assert_eq!(rig.worker.drops().total(), 0);
}

#[test]
fn a_datagram_of_anothers_peer_goes_to_its_owner_as_it_came() {
    let mut rig = Rig::shared();
    let mut far = Far::new(1, Header::V2(peer(1, 1).id), key_id(0), 1);
    let sealed = far.hello();
    rig.udp(home(1), &sealed);
    assert_eq!(rig.inward.handed_off, [(1, home(1), sealed)]);
    assert!(rig.packets().is_empty());
}

#[test]
fn a_datagram_without_a_peer_id_finds_its_owner_by_its_sender() {
    let mut rig = Rig::shared();
    let networks = vec![IpNet::host("10.8.0.5".parse().unwrap())];
    rig.worker.apply_route(RouteChange::New { peer: peer(3, 1), networks, sender: Some(home(3)) });
    let mut far = Far::new(1, Header::V1, key_id(0), 3);
    let sealed = far.hello();
    rig.udp(home(3), &sealed);
    assert_eq!(rig.inward.handed_off, [(1, home(3), sealed.clone())]);
    rig.worker.apply_route(RouteChange::Del { peer: peer(3, 1) });
    rig.udp(home(3), &sealed);
    assert_eq!(rig.inward.handed_off.len(), 1);
    assert_eq!(rig.drops(DropCause::UnknownPeer), 1);
}

#[test]
fn what_nobody_takes_is_counted() {
    let mut rig = Rig::shared();
    rig.tun(&to_peer(1));
    rig.inward.refuses = true;
    let mut far = Far::new(1, Header::V2(peer(1, 1).id), key_id(0), 1);
    let sealed = far.hello();
    rig.udp(home(1), &sealed);
    assert_eq!(rig.drops(DropCause::HandOver), 2);
}

#[test]
fn a_peer_id_beyond_the_table_is_nobodys() {
    let mut rig = Rig::shared();
    let mut far = Far::new(1, Header::V2(PeerId::new(17).unwrap()), key_id(0), 1);
    let sealed = far.hello();
    rig.udp(home(1), &sealed);
    assert!(rig.inward.handed_off.is_empty());
    assert_eq!(rig.drops(DropCause::UnknownPeer), 1);
}

#[test]
fn traffic_between_peers_of_two_workers_is_checked_by_the_senders_and_sealed_by_the_receivers() {
    let mut rig = Rig::shared();
    let mut far = rig.add(peer(0, 1));
    let mut sink = Passing::default();
    let across = Crafted::between(&inner(0), &inner(1)).bytes();
    let forged = Crafted::between(&inner(1), &inner(0)).bytes();
    for inner in [&across, &forged] {
        let mut sealed = far.seal(inner);
        let datagram = Datagram::single(home(0), &mut sealed);
        rig.worker.handle_datagrams([datagram], rig.now, &mut rig.inward, &mut sink);
    }
    assert_eq!(sink.packets, [(1, across)]);
    assert_eq!(rig.drops(DropCause::ForeignSource), 1);
}

#[test]
fn a_route_that_changes_or_goes_takes_its_networks_along() {
    let mut rig = Rig::shared();
    let networks = vec![IpNet::host("10.8.0.99".parse().unwrap())];
    rig.worker.apply_route(RouteChange::New { peer: peer(1, 2), networks, sender: None });
    rig.tun(&to_peer(1));
    assert_eq!(rig.drops(DropCause::NoRoute), 1);
    let moved = Crafted::between("192.0.2.1", "10.8.0.99").bytes();
    rig.tun(&moved);
    assert_eq!(rig.drops(DropCause::HandOver), 1);
    rig.worker.apply_route(RouteChange::Del { peer: peer(1, 2) });
    rig.tun(&moved);
    assert_eq!(rig.drops(DropCause::NoRoute), 2);
}

#[test]
fn a_peer_of_another_share_and_a_route_to_an_own_one_are_refused() {
    let mut rig = Rig::shared();
    let refused = |peer| [Notice::Refused { peer, why: CommandRefused::WrongShard }];
    let (others, own) = (peer(1, 3), peer(0, 3));
    let settings = settings(others.id);
    rig.apply(Command::PeerNew { peer: others, endpoint: home(1), settings });
    assert_eq!(rig.notices(), refused(others));
    rig.worker.apply_route(RouteChange::New { peer: own, networks: vec![], sender: None });
    assert_eq!(rig.notices(), refused(own));
}

impl Rig {
    /// The first of two workers, which knows that peer 1 is the other's.
    fn shared() -> Self {
        let shard = Shard::new(0, 2).unwrap();
        let peer_to_peer = PeerToPeer::Direct;
        let mut rig =
            Self::new(WorkerSettings { shard, peer_to_peer, ..WorkerSettings::server(16) });
        let networks = settings(peer(1, 1).id).nets().collect();
        rig.worker.apply_route(RouteChange::New { peer: peer(1, 1), networks, sender: None });
        rig
    }
}

/// Keeps what is for other workers.
#[derive(Default)]
struct Passing {
    packets: Vec<(u16, Vec<u8>)>,
}

impl DatagramSink for Passing {
    fn room(&mut self, _: &Endpoint, _: usize) -> Option<&mut [u8]> {
        None
    }

    fn commit(&mut self) {}

    fn hand_off(&mut self, owner: u16, packet: &Packet<'_>) -> bool {
        self.packets.push((owner, packet.bytes.to_vec()));
        true
    }
}
