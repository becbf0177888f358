//! What goes to the TUN device in one piece.

use super::*;
use crate::offload::Joining;

#[test]
fn segments_of_a_batch_that_continue_each_other_are_one_write_where_the_device_takes_it() {
    for (joining, writes) in [(Joining::Nothing, 3), (Joining::Tcp, 1), (Joining::TcpAndUdp, 1)] {
        let (mut rig, mut fars) = Rig::server(1);
        rig.worker.set_joining(joining);
        receive(&mut rig, &mut fars, &[(0, 0), (0, 1), (0, 2)]);
        assert_eq!(rig.inward.writes, writes, "{joining:?}");
        assert_eq!(rig.packets(), [0, 1, 2].map(|number| segment(0, number)));
    }
}

#[test]
fn nothing_waits_for_the_next_batch_and_nothing_of_two_peers_is_joined() {
    let (mut rig, mut fars) = Rig::server(2);
    rig.worker.set_joining(Joining::Tcp);
    receive(&mut rig, &mut fars, &[(0, 0), (0, 1)]);
    receive(&mut rig, &mut fars, &[(0, 2)]);
    assert_eq!(rig.inward.writes, 2);
    receive(&mut rig, &mut fars, &[(0, 3), (1, 4), (0, 4), (0, 5)]);
    assert_eq!(rig.inward.writes, 5, "3 alone, 4 of the other alone, 4 and 5 in one");
    let order = [(0, 0), (0, 1), (0, 2), (0, 3), (1, 4), (0, 4), (0, 5)];
    assert_eq!(rig.packets(), order.map(|(peer, number)| segment(peer, number)));
}

/// One batch: segments by peer and number.
fn receive(rig: &mut Rig, fars: &mut [Far], segments: &[(u32, u32)]) {
    let sealed =
        |(peer, number): &(u32, u32)| (*peer, fars[*peer as usize].seal(&segment(*peer, *number)));
    let mut datagrams: Vec<_> = segments.iter().map(sealed).collect();
    let batch = datagrams.iter_mut().map(|(id, bytes)| Datagram::single(home(*id), bytes));
    rig.worker.handle_datagrams(batch, rig.now, &mut rig.inward, &mut rig.outbox);
}

fn segment(peer: u32, number: u32) -> Vec<u8> {
    Crafted::segment(&inner6(peer), "2001:db8::1", number * 4, b"data").bytes()
}
