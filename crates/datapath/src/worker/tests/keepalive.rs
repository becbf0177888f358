//! Pings, expiry, and goodbyes in the data channel.

use super::*;
use crate::TimeoutReason;

#[test]
fn a_ping_leaves_when_nothing_was_sent_for_the_time_of_ping() {
    let (mut rig, mut far) = kept_alive(Some(10), None);
    assert_eq!(due_in(&rig), Some(10));
    rig.pass(9);
    rig.timeout();
    assert!(rig.sent().is_empty());
    rig.pass(1);
    rig.timeout();
    let sent = rig.sent();
    assert_eq!(far.open(&sent[0].1), PING);
    assert_eq!(due_in(&rig), Some(10));
}

#[test]
fn a_busy_peer_gets_no_ping() {
    let (mut rig, _) = kept_alive(Some(10), None);
    for _ in 0..30 {
        rig.pass(5);
        rig.tun(&to_peer(0));
        rig.timeout();
    }
    assert_eq!(rig.sent().len(), 30);
    // One timer, armed lazily: never further away than a period.
    assert!(due_in(&rig).unwrap() <= 10);
}

#[test]
fn a_peer_without_a_sealing_key_gets_no_ping_and_no_timer() {
    let (mut rig, _) = kept_alive(Some(10), None);
    rig.apply(Command::KeyDel { peer: peer(0, 1), key_id: key_id(0) });
    rig.pass(60);
    rig.timeout();
    assert!(rig.sent().is_empty());
    assert_eq!(rig.worker.poll_timeout(), None);
    let header = Header::V2(peer(0, 1).id);
    rig.key(peer(0, 1), key_id(1), header);
    rig.apply(Command::KeySwap { peer: peer(0, 1), key_id: key_id(1) });
    assert_eq!(due_in(&rig), Some(10));
}

#[test]
fn a_ping_that_finds_no_room_is_tried_again_a_period_later() {
    let (mut rig, _) = kept_alive(Some(10), None);
    rig.outbox = Outbox::new(0, 0, 1);
    rig.pass(10);
    rig.timeout();
    assert_eq!(rig.drops(DropCause::SinkFull), 1);
    assert_eq!(due_in(&rig), Some(10));
}

#[test]
fn a_received_ping_is_a_sign_of_life_and_goes_no_further() {
    let (mut rig, mut far) = kept_alive(None, Some(60));
    rig.pass(59);
    let ping = far.seal(&PING);
    rig.udp(home(0), &ping);
    rig.pass(59);
    rig.timeout();
    assert!(rig.packets().is_empty());
    assert!(!rig.notices().contains(&Notice::Expired { peer: peer(0, 1) }));
}

#[test]
fn a_silent_peer_expires_once_and_again_only_after_a_sign_of_life() {
    let (mut rig, mut far) = kept_alive(None, Some(60));
    let expired = Notice::Expired { peer: peer(0, 1) };
    for _ in 0..2 {
        rig.notices();
        rig.pass(60);
        rig.timeout();
        assert_eq!(rig.notices().as_slice(), std::slice::from_ref(&expired));
        rig.pass(600);
        rig.timeout();
        assert_eq!(rig.notices(), []);
        assert_eq!(rig.worker.poll_timeout(), None);
        let hello = far.hello();
        rig.udp(home(0), &hello);
        assert_eq!(due_in(&rig), Some(60));
    }
}

#[test]
fn forged_and_replayed_packets_are_no_sign_of_life_but_a_control_packet_is() {
    let (mut rig, mut far) = kept_alive(None, Some(60));
    let hello = far.hello();
    rig.udp(home(0), &hello);
    rig.notices();
    rig.pass(30);
    rig.worker.heard(peer(0, 1), rig.now);
    rig.pass(45);
    rig.udp(home(0), &hello);
    rig.udp(home(0), &[0x48, 0, 0, 0].repeat(10));
    rig.timeout();
    assert_eq!(rig.notices(), []);
    rig.pass(15);
    rig.timeout();
    assert_eq!(rig.notices(), [Notice::Expired { peer: peer(0, 1) }]);
}

#[test]
fn a_goodbye_is_told_once_and_other_option_messages_are_swallowed() {
    let (mut rig, mut far) = kept_alive(None, None);
    for op in [0, 1, 2, 5, 6, 6, 7] {
        let mut message = wire::data::OCC_MAGIC.to_vec();
        message.push(op);
        let sealed = far.seal(&message);
        rig.udp(home(0), &sealed);
    }
    let bare = far.seal(&wire::data::OCC_MAGIC);
    rig.udp(home(0), &bare);
    let notices = rig.notices();
    let exits = notices.iter().filter(|n| **n == Notice::Exit { peer: peer(0, 1) }).count();
    assert_eq!(exits, 1);
    assert!(rig.packets().is_empty());
    assert_eq!(rig.worker.drops().total(), 0);
}

#[test]
fn a_deleted_peer_leaves_no_timer() {
    let (mut rig, _) = kept_alive(Some(10), Some(60));
    rig.apply(Command::PeerDel { peer: peer(0, 1) });
    assert_eq!(rig.worker.poll_timeout(), None);
}

#[test]
fn absurd_periods_neither_spin_nor_overflow() {
    let (mut rig, _) = kept_alive(Some(0), Some(0));
    rig.pass(1);
    rig.timeout();
    assert!(rig.worker.poll_timeout().unwrap().at > rig.now.boot);
    let (rig, _) = kept_alive(Some(u64::MAX), Some(u64::MAX));
    assert_eq!(rig.worker.poll_timeout(), None);
}

fn kept_alive(ping: Option<u64>, ping_restart: Option<u64>) -> (Rig, Far) {
    let mut rig = Rig::new(WorkerSettings::server(4));
    let keep_alive = KeepAlive {
        ping: ping.map(Duration::from_secs),
        ping_restart: ping_restart.map(Duration::from_secs),
    };
    let far = rig.add_with(peer(0, 1), PeerSettings { keep_alive, ..settings(peer(0, 1).id) });
    rig.notices();
    (rig, far)
}

fn due_in(rig: &Rig) -> Option<u64> {
    let deadline = rig.worker.poll_timeout()?;
    assert_eq!(deadline.why, TimeoutReason::KeepAlive);
    Some(deadline.at.saturating_sub(rig.now.boot).as_secs())
}

#[test]
fn a_ping_that_is_asked_for_leaves_at_once_and_only_to_a_living_peer() {
    let (mut rig, mut far) = kept_alive(None, None);
    rig.send_ping(peer(0, 2));
    assert!(rig.sent().is_empty());
    rig.send_ping(peer(0, 1));
    let sent = rig.sent();
    assert_eq!(far.open(&sent[0].1), wire::data::PING);
}

#[test]
fn a_farewell_leaves_under_the_sealing_key_and_only_to_a_living_peer() {
    let (mut rig, mut far) = kept_alive(None, None);
    rig.send_exit(peer(0, 2));
    assert!(rig.sent().is_empty());
    rig.send_exit(peer(0, 1));
    let sent = rig.sent();
    assert_eq!(far.open(&sent[0].1), wire::data::OCC_EXIT);
}
