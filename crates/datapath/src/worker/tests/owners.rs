//! Who owns a slot, and whose keys are used: commands and generations.

use super::*;
use crate::CommandRefused;

#[test]
fn a_deleted_peer_neither_opens_nor_seals() {
    let (mut rig, mut fars) = Rig::server(1);
    rig.apply(Command::PeerDel { peer: peer(0, 1) });
    let hello = fars[0].hello();
    rig.udp(home(0), &hello);
    rig.tun(&to_peer(0));
    assert!(rig.packets().is_empty() && rig.sent().is_empty());
    assert_eq!(rig.drops(DropCause::UnknownPeer), 1);
    assert_eq!(rig.drops(DropCause::NoRoute), 1);
}

#[test]
fn commands_for_a_former_owner_have_no_effect_on_a_free_or_a_taken_slot() {
    let (mut rig, mut fars) = Rig::server(1);
    let (old, new) = (peer(0, 1), peer(0, 2));
    rig.apply(Command::PeerDel { peer: old });
    rig.notices();
    for taken in [false, true] {
        if taken {
            rig.apply(Command::PeerNew {
                peer: new,
                endpoint: home(0),
                settings: settings(new.id),
            });
        }
        for command in late_commands(old, &fars[0]) {
            rig.apply(command);
            let why = CommandRefused::NoSuchPeer;
            assert_eq!(rig.notices(), [Notice::Refused { peer: old, why }]);
        }
        let hello = fars[0].hello();
        rig.udp(home(0), &hello);
        rig.tun(&to_peer(0));
        assert!(rig.packets().is_empty() && rig.sent().is_empty());
    }
    assert!(rig.worker.peer_counters(new).is_some());
}

#[test]
fn the_keys_of_a_former_owner_do_not_open_for_its_successor() {
    let (mut rig, mut fars) = Rig::server(1);
    rig.apply(Command::PeerDel { peer: peer(0, 1) });
    let mut successor = rig.add(peer(0, 2));
    let old = fars[0].hello();
    rig.udp(home(0), &old);
    assert_eq!(rig.drops(DropCause::Forged), 1);
    let new = successor.hello();
    rig.udp(home(0), &new);
    assert_eq!(rig.packets().len(), 1);
}

#[test]
fn a_slot_is_given_once_and_only_to_a_later_generation() {
    let (mut rig, _) = Rig::server(1);
    let mut refusal = |peer: PeerRef| {
        rig.apply(Command::PeerNew {
            peer,
            endpoint: home(0),
            settings: settings(PeerId::from_bytes([0; 3])),
        });
        rig.notices().pop()
    };
    let no = |peer, why| Some(Notice::Refused { peer, why });
    assert_eq!(refusal(peer(0, 2)), no(peer(0, 2), CommandRefused::SlotTaken));
    assert_eq!(refusal(peer(16, 1)), no(peer(16, 1), CommandRefused::NoSuchSlot));
    assert_eq!(refusal(peer(0xff_ffff, 1)), no(peer(0xff_ffff, 1), CommandRefused::NoSuchSlot));
    rig.apply(Command::PeerDel { peer: peer(0, 1) });
    rig.notices();
    rig.apply(Command::PeerNew {
        peer: peer(0, 1),
        endpoint: home(0),
        settings: settings(peer(0, 1).id),
    });
    let why = CommandRefused::OldGeneration;
    assert_eq!(rig.notices(), [Notice::Refused { peer: peer(0, 1), why }]);
}

#[test]
fn a_key_opens_at_once_and_seals_only_after_a_swap() {
    let (mut rig, mut fars) = Rig::server(1);
    let it = peer(0, 1);
    let mut next = rig.key(it, key_id(1), fars[0].header);
    assert_eq!(rig.notices(), []);
    for far in [&mut fars[0], &mut next] {
        let hello = far.hello();
        rig.udp(home(0), &hello);
    }
    assert_eq!(rig.packets().len(), 2);
    rig.tun(&to_peer(0));
    fars[0].open(&rig.sent()[0].1);
    rig.apply(Command::KeySwap { peer: it, key_id: key_id(1) });
    rig.tun(&to_peer(0));
    next.open(&rig.sent()[0].1);
}

#[test]
fn first_use_is_told_once_per_key_and_never_for_a_forgery() {
    let (mut rig, mut fars) = Rig::server(1);
    let mut forged = fars[0].hello();
    *forged.last_mut().unwrap() ^= 1;
    rig.udp(home(0), &forged);
    assert_eq!(rig.notices(), []);
    for expected in [vec![Notice::FirstUse { peer: peer(0, 1), key_id: key_id(0) }], vec![]] {
        let hello = fars[0].hello();
        rig.udp(home(0), &hello);
        assert_eq!(rig.notices(), expected);
    }
}

#[test]
fn a_peer_is_answered_under_the_key_of_its_first_packet_before_the_control_plane_has_heard_of_it() {
    let mut rig = Rig::new(WorkerSettings::server(16));
    let (peer, endpoint, keep_alive) = (peer(0, 1), home(0), ping_after(10));
    let settings = PeerSettings { keep_alive, ..settings(peer.id) };
    let header = settings.header;
    rig.apply(Command::PeerNew { peer, endpoint, settings });
    let mut far = rig.key(peer, key_id(0), header);
    rig.tun(&to_peer(0));
    assert_eq!((rig.sent().len(), rig.drops(DropCause::NoSealKey)), (0, 1), "it may have no key");
    let mut forged = far.hello();
    *forged.last_mut().unwrap() ^= 1;
    rig.udp(home(0), &forged);
    rig.tun(&to_peer(0));
    assert_eq!(
        (rig.sent().len(), rig.drops(DropCause::NoSealKey)),
        (0, 2),
        "a forgery proves none"
    );
    rig.pass(7);
    let hello = far.hello();
    rig.udp(home(0), &hello);
    rig.tun(&to_peer(0));
    assert_eq!(far.open(&rig.sent()[0].1), to_peer(0));
    rig.apply(Command::KeySwap { peer, key_id: key_id(0) });
    let due = rig.worker.poll_timeout().map(|deadline| deadline.at);
    assert_eq!(due, Some(rig.now.boot + Duration::from_secs(10)), "and pinged when it is due");
    rig.tun(&to_peer(0));
    assert_eq!(far.open(&rig.sent()[0].1), to_peer(0), "no packet id comes twice");
}

#[test]
fn a_key_that_has_sealed_elsewhere_seals_only_when_told_so_that_no_nonce_comes_again() {
    let mut rig = Rig::new(WorkerSettings::server(16));
    let (peer, endpoint, settings) = (peer(0, 1), home(0), settings(peer(0, 1).id));
    let header = settings.header;
    rig.apply(Command::PeerNew { peer, endpoint, settings });
    let mut far = rig.key_that_is(false, peer, key_id(0), header);
    let hello = far.hello();
    rig.udp(home(0), &hello);
    rig.tun(&to_peer(0));
    assert_eq!((rig.packets().len(), rig.sent().len()), (1, 0), "it opens");
    assert_eq!(rig.drops(DropCause::NoSealKey), 1);
    let mut next = rig.key(peer, key_id(1), header);
    let hello = next.hello();
    rig.udp(home(0), &hello);
    rig.tun(&to_peer(0));
    assert_eq!(next.open(&rig.sent()[0].1), to_peer(0), "the first fresh one answers");
}

#[test]
fn each_key_opens_until_it_is_deleted_however_many_came_after_it() {
    let (mut rig, mut fars) = Rig::server(1);
    let header = fars[0].header;
    let mut keys: Vec<_> = (1..=7).map(|id| rig.key(peer(0, 1), key_id(id), header)).collect();
    let mut opens = |far: &mut Far| {
        let hello = far.hello();
        rig.udp(home(0), &hello);
        !rig.packets().is_empty()
    };
    assert!(opens(&mut fars[0]));
    assert!(keys.iter_mut().all(opens));
}

#[test]
fn a_deleted_key_is_gone_for_both_directions() {
    let (mut rig, mut fars) = Rig::server(1);
    rig.apply(Command::KeyDel { peer: peer(0, 1), key_id: key_id(0) });
    let hello = fars[0].hello();
    rig.udp(home(0), &hello);
    rig.tun(&to_peer(0));
    assert_eq!(rig.drops(DropCause::UnknownKey), 1);
    assert_eq!(rig.drops(DropCause::NoSealKey), 1);
    for command in [
        Command::KeyDel { peer: peer(0, 1), key_id: key_id(0) },
        Command::KeySwap { peer: peer(0, 1), key_id: key_id(0) },
    ] {
        rig.apply(command);
        let why = CommandRefused::NoSuchKey;
        assert_eq!(rig.notices(), [Notice::Refused { peer: peer(0, 1), why }]);
    }
}

#[test]
fn a_key_is_not_installed_twice_so_that_no_nonce_comes_again() {
    let (mut rig, fars) = Rig::server(1);
    rig.notices();
    rig.key(peer(0, 1), key_id(0), fars[0].header);
    let why = CommandRefused::KeyTaken;
    assert_eq!(rig.notices(), [Notice::Refused { peer: peer(0, 1), why }]);
    rig.tun(&to_peer(0));
    assert_eq!(rig.drops(DropCause::NoSealKey), 0);
}

#[test]
fn keys_nearly_used_up_are_told_at_half_and_each_further_share_for_either_direction() {
    let (mut rig, mut fars) = Rig::server(1);
    let hello = fars[0].hello();
    rig.udp(home(0), &hello);
    rig.notices();
    let notice = Notice::KeysNearlyUsedUp { peer: peer(0, 1), key_id: key_id(0) };
    fars[0].seal.set_next_id(0x8000_0000);
    for expected in [vec![notice.clone()], vec![]] {
        let hello = fars[0].hello();
        rig.udp(home(0), &hello);
        assert_eq!(rig.notices(), expected);
    }
    fars[0].seal.set_next_id(0x8800_0000);
    let hello = fars[0].hello();
    rig.udp(home(0), &hello);
    assert_eq!(rig.notices(), std::slice::from_ref(&notice));

    let (mut rig, _) = Rig::server(1);
    rig.worker.core.table.at(0).unwrap().keys.sealing().unwrap().seal.set_next_id(u32::MAX);
    rig.tun(&to_peer(0));
    assert_eq!(rig.notices(), [notice]);
    rig.sent();
    rig.tun(&to_peer(0));
    assert!(rig.sent().is_empty());
    assert_eq!(rig.drops(DropCause::KeyUsedUp), 1);
}

#[test]
fn an_inner_address_belongs_to_the_latest_claim_until_that_peer_is_gone() {
    let (mut rig, _) = Rig::server(1);
    let again = PeerSettings { header: Header::V2(peer(1, 1).id), ..settings(peer(0, 1).id) };
    rig.add_with(peer(1, 1), again);
    rig.tun(&to_peer(0));
    assert_eq!(rig.sent()[0].0, home(1));
    rig.apply(Command::PeerDel { peer: peer(0, 1) });
    rig.tun(&to_peer(0));
    assert_eq!(rig.sent()[0].0, home(1));
    rig.apply(Command::PeerDel { peer: peer(1, 1) });
    rig.tun(&to_peer(0));
    assert_eq!(rig.drops(DropCause::NoRoute), 1);
}

#[test]
fn an_outer_address_belongs_to_the_latest_peer_that_was_made_there() {
    let mut rig = Rig::new(WorkerSettings::server(4));
    let v1 = |id| PeerSettings { header: Header::V1, ..settings(peer(id, 1).id) };
    let mut old = rig.add_with(peer(0, 1), v1(0));
    let mut new = rig.add_at(peer(1, 1), home(0), v1(1));
    for (far, heard) in [(&mut old, 0), (&mut new, 1)] {
        let hello = far.hello();
        rig.udp(home(0), &hello);
        assert_eq!(rig.packets().len(), heard);
    }
    rig.apply(Command::PeerDel { peer: peer(0, 1) });
    let hello = new.hello();
    rig.udp(home(0), &hello);
    assert_eq!(rig.packets().len(), 1);
}

#[test]
fn the_current_peer_is_known_to_the_shell_that_has_to_end_it() {
    let (mut rig, mut fars) = Rig::server(2);
    let hello = fars[1].hello();
    rig.udp(home(1), &hello);
    assert_eq!(rig.worker.current_peer(), Some(peer(1, 1)));
    rig.tun(&to_peer(0));
    assert_eq!(rig.worker.current_peer(), Some(peer(0, 1)));
}

fn late_commands(old: PeerRef, far: &Far) -> Vec<Command> {
    let (key_id, cipher, material) = (KeyId::FIRST, CIPHER, far.material.clone());
    vec![
        Command::KeyNew { peer: old, key_id, cipher, material, role: Role::TlsServer, fresh: true },
        Command::KeySwap { peer: old, key_id },
        Command::KeyDel { peer: old, key_id },
        Command::PeerDel { peer: old },
    ]
}

#[test]
fn a_worker_can_be_given_to_a_thread() {
    fn given<T: Send>() {}
    given::<Worker>();
    given::<Command>();
    given::<Notice>();
}

fn ping_after(seconds: u64) -> KeepAlive {
    KeepAlive { ping: Some(Duration::from_secs(seconds)), ping_restart: None }
}
