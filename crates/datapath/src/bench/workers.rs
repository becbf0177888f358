//! A whole worker. The cipher's own instructions are left out of these counts by the benchmark.

use std::hint::black_box;

use super::rig::{self, NOW, Nowhere, OUTSIDE};
use super::{Case, Run};
use crate::{Datagram, Outbox, Packet};

pub(super) const CASES: [Case; 6] = [
    Case { name: "worker/out-super-packet", unit: "segment", prepare: out_super },
    Case { name: "worker/out-small-one-peer", unit: "packet", prepare: out_one },
    Case { name: "worker/out-small-many-peers", unit: "packet", prepare: out_many },
    Case { name: "worker/in-joined", unit: "datagram", prepare: in_joined },
    Case { name: "worker/in-small-one-peer", unit: "datagram", prepare: in_one },
    Case { name: "worker/in-small-many-peers", unit: "datagram", prepare: in_many },
];

fn out_super() -> (u64, Run) {
    let (mut worker, _) = rig::server(PEERS);
    let (mut packet, header) = rig::tcp(OUTSIDE, rig::inner(7), 46 * 1368, 1368);
    let mut outbox = Outbox::new(1 << 20, 64, 64);
    let run = move || {
        let packet = Packet { bytes: black_box(&mut packet), header };
        worker.handle_packets([packet], NOW, &mut outbox);
        assert_eq!(worker.drops().total(), 0);
    };
    (46, Box::new(run))
}

fn out_one() -> (u64, Run) {
    out_small(|_| 7)
}

fn out_many() -> (u64, Run) {
    out_small(|at| at)
}

fn out_small(whose: fn(u32) -> u32) -> (u64, Run) {
    let (mut worker, _) = rig::server(PEERS);
    let mut packets: Vec<_> =
        (0..BATCH).map(|at| rig::udp(OUTSIDE, rig::inner(whose(at)), 36, 36).0).collect();
    let mut outbox = Outbox::new(1 << 20, BATCH as usize, 64);
    let run = move || {
        for packet in &mut packets {
            worker.handle_packets([Packet::plain(black_box(packet))], NOW, &mut outbox);
        }
        assert_eq!(worker.drops().total(), 0);
    };
    (BATCH.into(), Box::new(run))
}

fn in_joined() -> (u64, Run) {
    let segments = rig::segments(rig::tcp(rig::inner(7), OUTSIDE, 45 * 1368, 1368));
    received(|_| 7, segments, true)
}

fn in_one() -> (u64, Run) {
    let packets = (0..BATCH).map(|_| rig::udp(rig::inner(7), OUTSIDE, 36, 36).0).collect();
    received(|_| 7, packets, false)
}

fn in_many() -> (u64, Run) {
    let packets = (0..BATCH).map(|at| rig::udp(rig::inner(at), OUTSIDE, 36, 36).0).collect();
    received(|at| at, packets, false)
}

fn received(whose: fn(u32) -> u32, packets: Vec<Vec<u8>>, joined: bool) -> (u64, Run) {
    let (mut worker, mut fars) = rig::server(PEERS);
    let mut outbox = Outbox::new(1 << 10, 1, 1);
    // A key's first packet is told to the control plane, which isn't what a packet costs.
    for (far, number) in fars.iter_mut().zip(0..) {
        let mut first = rig::sealed(far, number, &rig::udp(rig::inner(number), OUTSIDE, 36, 36).0);
        let first = Datagram::single(rig::home(number), &mut first);
        worker.handle_datagrams([first], NOW, &mut Nowhere, &mut outbox);
        while worker.poll_notice().is_some() {}
    }
    let count = packets.len() as u64;
    let sealed = packets.iter().zip(0..).map(|(packet, at)| {
        let number = whose(at);
        (number, rig::sealed(&mut fars[number as usize], number, packet))
    });
    let mut datagrams: Vec<(u32, Vec<u8>)> = sealed.collect();
    let mut stride = 0;
    if joined {
        stride = datagrams[0].1.len();
        let all = datagrams.iter().flat_map(|(_, datagram)| datagram).copied().collect();
        datagrams = vec![(datagrams[0].0, all)];
    }
    let run = move || {
        let batch = datagrams.iter_mut().map(|(number, bytes)| Datagram {
            endpoint: rig::home(*number),
            bytes: black_box(bytes),
            stride,
        });
        worker.handle_datagrams(batch, NOW, &mut Nowhere, &mut outbox);
        assert_eq!(worker.drops().total(), 0);
    };
    (count, Box::new(run))
}

const PEERS: u32 = 1000;
const BATCH: u32 = 64;
