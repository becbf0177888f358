//! Rules: what they are asked, and what becomes of what they are against.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

use super::*;
use crate::offload::{Segmentation, VirtioHeader};
use crate::{Decision, Direction, PeerRun, Rules};

#[test]
fn a_run_of_one_peer_is_judged_once_and_dropped_whole_and_nobody_elses_is() {
    let (mut rig, mut fars) = Rig::server(2);
    let asked = against(&mut rig, 0);
    let all: Vec<_> =
        [0, 0, 0, 1, 1, 0].map(|from: u32| (from, fars[from as usize].hello())).into();
    receive(&mut rig, &all);
    let len = from_peer(0).len() as u64;
    let runs = [(0, 3), (1, 2), (0, 1)].map(|(from, packets)| PeerRun {
        peer: peer(from, 1),
        direction: Direction::FromPeer,
        packets,
        bytes: packets * len,
    });
    assert_eq!(asked.take(), runs);
    assert_eq!(rig.packets(), [from_peer(1), from_peer(1)]);
    assert_eq!((rig.drops(DropCause::ByRule), rig.worker.drops().total()), (4, 4));
    assert_eq!(rig.worker.peer_counters(peer(0, 1)).unwrap().rx_packets, 4, "they came, though");
}

#[test]
fn what_is_for_a_peer_is_judged_as_it_is_read_with_the_segments_that_it_stands_for() {
    let (mut rig, _) = Rig::server(2);
    let asked = against(&mut rig, 0);
    for to in [0, 1] {
        let mut crafted = Crafted::tcp("192.0.2.1", &inner(to), 0x10, &[]);
        crafted.payload.extend([7; 4100]);
        let segmentation = Some(Segmentation::Tcp4(1000));
        let header = VirtioHeader { segmentation, checksum: Some((20, 16)), header_len: 40 };
        let mut bytes = crafted.bytes();
        let packet = Packet { bytes: &mut bytes, header };
        rig.worker.handle_packets([packet], rig.now, &mut rig.outbox);
        rig.tun(&to_peer(to));
    }
    let asked: Vec<_> =
        asked.take().iter().map(|run| (run.peer.id.get(), run.packets, run.bytes)).collect();
    let plain = to_peer(0).len() as u64;
    assert_eq!(asked, [(0, 5, 4140), (0, 1, plain), (1, 5, 4140), (1, 1, plain)]);
    assert!(rig.sent().iter().all(|(to, _)| *to == home(1)));
    assert_eq!((rig.drops(DropCause::ByRule), rig.worker.drops().total()), (6, 6));
    assert_eq!(rig.worker.peer_counters(peer(1, 1)).unwrap().tx_packets, 6);
}

#[test]
fn what_proves_nothing_and_what_carries_nothing_is_not_judged() {
    let (mut rig, mut fars) = Rig::server(1);
    let asked = against(&mut rig, 0);
    let mut forged = fars[0].hello();
    forged[30] ^= 1;
    let (hello, ping) = (fars[0].hello(), fars[0].seal(&PING));
    let foreign = fars[0].seal(&from_peer(3));
    rig.udp(home(0), &hello);
    for datagram in [&forged, &hello, &ping, &foreign, &vec![0x38; 40]] {
        rig.udp(home(0), datagram);
    }
    rig.tun(&to_peer(9));
    assert_eq!(asked.take().len(), 1, "of the one packet");
    assert_eq!((rig.drops(DropCause::Forged), rig.drops(DropCause::Replayed)), (1, 1));
    assert_eq!((rig.drops(DropCause::ForeignSource), rig.drops(DropCause::ByRule)), (1, 1));
    assert_eq!(rig.inward.control.len(), 1);
}

#[test]
fn between_peers_the_sender_is_judged_and_then_the_receiver() {
    let mut rig =
        Rig::new(WorkerSettings { peer_to_peer: PeerToPeer::Direct, ..WorkerSettings::server(4) });
    let mut fars = [0, 1, 2].map(|id| rig.add(peer(id, 1)));
    let asked = against(&mut rig, 0);
    let mut between = |rig: &mut Rig, from: u32, to: u32| {
        let packet = Crafted::between(&inner(from), &inner(to)).bytes();
        rig.udp(home(from), &fars[from as usize].seal(&packet));
        rig.sent().len()
    };
    assert_eq!(between(&mut rig, 1, 2), 1);
    assert_eq!(between(&mut rig, 0, 2), 0);
    assert_eq!(between(&mut rig, 1, 0), 0);
    let way = |run: &PeerRun| (run.peer.id.get(), run.direction);
    let (from, to) = (Direction::FromPeer, Direction::ToPeer);
    let asked: Vec<_> = asked.take().iter().map(way).collect();
    assert_eq!(asked, [(1, from), (2, to), (0, from), (1, from), (0, to)]);
    assert_eq!(rig.drops(DropCause::ByRule), 2);
}

#[test]
fn a_long_run_is_judged_in_parts_and_keeps_its_order() {
    let (mut rig, mut fars) = Rig::server(1);
    let asked = against(&mut rig, 9);
    let numbered = |n: u8| {
        let mut crafted = Crafted::between(&inner(0), "192.0.2.1");
        crafted.payload.push(n);
        crafted.bytes()
    };
    let all: Vec<_> = (0..150).map(|n| (0, fars[0].seal(&numbered(n)))).collect();
    receive(&mut rig, &all);
    let parts: Vec<_> = asked.take().iter().map(|run| run.packets).collect();
    assert_eq!(parts, [64, 64, 22]);
    assert_eq!(rig.packets(), (0..150).map(numbered).collect::<Vec<_>>());
}

#[test]
fn rules_that_are_against_nothing_and_none_at_all_change_nothing() {
    let outcome = |rules: bool, unset: bool| {
        let (mut rig, mut fars) = Rig::server(3);
        if rules {
            against(&mut rig, 9);
        }
        if unset {
            rig.worker.set_rules(None);
        }
        let all: Vec<_> = (0..60).map(|n| (n % 3, fars[n as usize % 3].hello())).collect();
        receive(&mut rig, &all);
        (0..60).for_each(|n| rig.tun(&to_peer(n % 4)));
        let counters: Vec<_> = rig.worker.peers().collect();
        (rig.packets(), rig.sent(), rig.notices(), rig.worker.drops(), counters)
    };
    let without = outcome(false, false);
    assert_eq!(outcome(true, false), without);
    assert_eq!(outcome(true, true), without);
}

#[test]
fn a_panic_of_the_rules_is_blamed_on_the_run_that_they_judged() {
    let (mut rig, mut fars) = Rig::server(2);
    rig.worker.set_rules(Some(Box::new(Panicking)));
    let mut all = [(0, fars[0].hello()), (1, fars[1].hello())];
    let batch = all.iter_mut().map(|(id, bytes)| Datagram::single(home(*id), bytes));
    let work = || rig.worker.handle_datagrams(batch, rig.now, &mut rig.inward, &mut rig.outbox);
    assert!(catch_unwind(AssertUnwindSafe(work)).is_err());
    assert_eq!(rig.worker.current_peer(), Some(peer(0, 1)));
    let work = || rig.tun(&to_peer(1));
    assert!(catch_unwind(AssertUnwindSafe(work)).is_err());
    assert_eq!(rig.worker.current_peer(), Some(peer(1, 1)));
}

/// Rules against whatever concerns the peer in this slot, and what they were asked.
fn against(rig: &mut Rig, slot: u32) -> Asked {
    let asked = Asked::default();
    rig.worker.set_rules(Some(Box::new(Against { slot, asked: asked.clone() })));
    asked
}

/// All datagrams as one batch.
fn receive(rig: &mut Rig, datagrams: &[(u32, Vec<u8>)]) {
    let mut datagrams = datagrams.to_vec();
    let batch = datagrams.iter_mut().map(|(id, bytes)| Datagram::single(home(*id), bytes));
    rig.worker.handle_datagrams(batch, rig.now, &mut rig.inward, &mut rig.outbox);
}

#[derive(Clone, Debug, Default)]
struct Asked(Arc<Mutex<Vec<PeerRun>>>);

impl Asked {
    fn take(&self) -> Vec<PeerRun> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

#[derive(Debug)]
struct Against {
    slot: u32,
    asked: Asked,
}

impl Rules for Against {
    fn decide(&mut self, run: &PeerRun, _: Now) -> Decision {
        self.asked.0.lock().unwrap().push(*run);
        if run.peer.id.get() == self.slot { Decision::Drop } else { Decision::Pass }
    }
}

#[derive(Debug)]
struct Panicking;

impl Rules for Panicking {
    fn decide(&mut self, _: &PeerRun, _: Now) -> Decision {
        panic!("a rule's own mistake");
    }
}
