//! A panic while a packet of one peer is opened, cut or sealed: `current_peer` names that peer and no other,
//! and once it is deleted the worker goes on for all others.
//!
//! Faults wait in one place for the whole test program, so each test has a generation of its own.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::*;
use crate::fault::{self, Place};
use crate::offload::{Joining, Segmentation, VirtioHeader};

#[test]
fn a_panic_while_opening_is_the_end_of_that_peer_alone() {
    let (mut rig, mut fars, [ill, well]) = two_peers(901);
    fault::inject(Place::Open, ill, 1);
    let batch: Vec<_> = (0..6).map(|n| (n % 2, fars[n as usize % 2].hello())).collect();
    let panicked = receive(&mut rig, &batch);
    assert!(panicked && rig.worker.current_peer() == Some(ill));
    assert_eq!(rig.packets(), [from_peer(0), from_peer(1)], "what came before went on");
    only_one_ended(&mut rig, &mut fars, ill, well);
}

#[test]
fn a_panic_while_sealing_is_the_end_of_that_peer_alone_and_gives_its_room_back() {
    let (mut rig, mut fars, [ill, well]) = two_peers(902);
    fault::inject(Place::Seal, ill, 1);
    let panicked = caught(|| [1, 0, 1, 0, 1].into_iter().for_each(|n| rig.tun(&to_peer(n))));
    assert!(panicked && rig.worker.current_peer() == Some(ill));
    let sent: Vec<_> = rig.sent().into_iter().map(|(to, _)| to).collect();
    assert_eq!(sent, [home(1), home(0), home(1)], "whole datagrams, and only those");
    only_one_ended(&mut rig, &mut fars, ill, well);
}

#[test]
fn a_panic_between_segments_is_the_end_of_that_peer_alone() {
    for before in [0, 2] {
        let (mut rig, mut fars, [ill, well]) = two_peers(903 + before);
        fault::inject(Place::Split, ill, before);
        // The peer served last is another one.
        rig.tun(&to_peer(1));
        let mut crafted = Crafted::tcp("192.0.2.1", &inner(0), 0x10, &[]);
        crafted.payload.extend([7; 4000]);
        let segmentation = Some(Segmentation::Tcp4(1000));
        let header = VirtioHeader { segmentation, checksum: Some((20, 16)), header_len: 40 };
        let mut bytes = crafted.bytes();
        let packet = Packet { bytes: &mut bytes, header };
        let panicked = caught(|| rig.worker.handle_packets([packet], rig.now, &mut rig.outbox));
        assert!(panicked && rig.worker.current_peer() == Some(ill));
        let sent = rig.sent();
        assert_eq!(sent.len(), 1 + before as usize);
        only_one_ended(&mut rig, &mut fars, ill, well);
    }
}

#[test]
fn a_panic_while_what_waited_is_written_is_its_owners_end_and_not_that_of_the_next_packets_peer() {
    let (mut rig, mut fars, [ill, well]) = two_peers(920);
    rig.worker.set_joining(Joining::TcpAndUdp);
    fault::inject(Place::Coalesce, ill, 0);
    let batch: Vec<_> = [0, 0, 1].map(|n| (n, fars[n as usize].hello())).into();
    let panicked = receive(&mut rig, &batch);
    assert!(panicked && rig.worker.current_peer() == Some(ill));
    rig.packets();
    only_one_ended(&mut rig, &mut fars, ill, well);
}

#[test]
fn a_panic_while_a_ping_is_sealed_is_the_end_of_that_peer_alone() {
    let mut rig = Rig::new(WorkerSettings::server(16));
    let keep_alive = KeepAlive { ping: Some(Duration::from_secs(10)), ping_restart: None };
    let [ill, _] = [0, 1].map(|id| {
        let peer = peer(id, 910);
        rig.add_with(peer, PeerSettings { keep_alive, ..settings(peer.id) });
        peer
    });
    fault::inject(Place::Seal, ill, 0);
    rig.pass(11);
    assert!(caught(|| rig.timeout()) && rig.worker.current_peer() == Some(ill));
    rig.apply(Command::PeerDel { peer: ill });
    rig.timeout();
    assert_eq!(rig.sent().len(), 1, "the other one is pinged in its time");
}

#[test]
fn before_it_is_known_whose_a_packet_is_no_peer_is_current() {
    let (mut rig, mut fars, [_, well]) = two_peers(912);
    let hello = fars[1].hello();
    rig.udp(home(1), &hello);
    assert_eq!(rig.worker.current_peer(), Some(well));
    rig.udp(home(1), &[0x38; 40]);
    assert_eq!(rig.worker.current_peer(), None);
    rig.tun(&to_peer(1));
    assert_eq!(rig.worker.current_peer(), Some(well));
    rig.tun(&[0x45; 10]);
    assert_eq!(rig.worker.current_peer(), None);
}

/// The peers 0 and 1 of this generation.
fn two_peers(generation: u32) -> (Rig, Vec<Far>, [PeerRef; 2]) {
    let mut rig = Rig::new(WorkerSettings::server(16));
    let peers = [0, 1].map(|id| peer(id, generation));
    let fars = peers.map(|peer| rig.add(peer)).into();
    rig.notices();
    (rig, fars, peers)
}

/// All datagrams as one batch.
fn receive(rig: &mut Rig, datagrams: &[(u32, Vec<u8>)]) -> bool {
    let mut datagrams = datagrams.to_vec();
    let batch = datagrams.iter_mut().map(|(id, bytes)| Datagram::single(home(*id), bytes));
    caught(|| rig.worker.handle_datagrams(batch, rig.now, &mut rig.inward, &mut rig.outbox))
}

fn caught(work: impl FnOnce()) -> bool {
    catch_unwind(AssertUnwindSafe(work)).is_err()
}

/// Deletes the peer whose packet panicked, and sees that the other one lost nothing else.
fn only_one_ended(rig: &mut Rig, fars: &mut [Far], ill: PeerRef, well: PeerRef) {
    rig.apply(Command::PeerDel { peer: ill });
    let deleted = |notice: &Notice| matches!(notice, Notice::Deleted { peer, .. } if *peer == ill);
    assert!(rig.notices().iter().any(deleted));
    for _ in 0..3 {
        let hello = [fars[0].hello(), fars[1].hello()];
        rig.udp(home(0), &hello[0]);
        rig.udp(home(1), &hello[1]);
        assert_eq!(rig.packets(), [from_peer(1)]);
        rig.tun(&to_peer(0));
        rig.tun(&to_peer(1));
        let sent = rig.sent();
        assert_eq!(sent.len(), 1);
        assert_eq!(fars[1].open(&sent[0].1), to_peer(1));
    }
    assert!(rig.worker.peer_counters(well).is_some());
}
