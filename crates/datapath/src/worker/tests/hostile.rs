//! Nonsense from both sides, and random commands under traffic. Failures print the seed.

use std::collections::BTreeMap;

use super::*;
use crate::PeerToPeer;

#[test]
fn random_datagrams_are_dropped_or_handed_on_and_nothing_comes_of_them() {
    for seed in 0..200 {
        println!("seed {seed}");
        let mut dice = Dice::new(seed);
        let (mut rig, _) = Rig::server(3);
        for _ in 0..100 {
            let len = dice.below(120) as usize;
            let mut bytes = dice.bytes(len);
            if let [first, rest @ ..] = &mut bytes[..]
                && dice.below(2) == 0
            {
                *first = [0x48, 0x30][dice.below(2) as usize] | dice.below(8) as u8;
                rest.iter_mut().take(2).for_each(|byte| *byte = 0);
            }
            let stride = dice.below(70) as usize;
            rig.udp_joined(home(dice.below(4)), &bytes, stride);
        }
        assert!(rig.packets().is_empty() && rig.sent().is_empty());
        assert_eq!(rig.notices(), []);
    }
}

#[test]
fn damaged_copies_of_good_datagrams_are_never_taken_for_good() {
    for seed in 0..300 {
        println!("seed {seed}");
        let mut dice = Dice::new(seed);
        let (mut rig, mut fars) = Rig::server(1);
        for _ in 0..50 {
            let mut bytes = fars[0].hello();
            let at = 4 + dice.below(bytes.len() as u32 - 4) as usize;
            match dice.below(3) {
                0 => bytes.truncate(at),
                1 => bytes.extend(dice.bytes(1 + at)),
                _ => bytes[at] ^= 1 << dice.below(8),
            }
            rig.udp(home(0), &bytes);
        }
        assert!(rig.packets().is_empty());
        assert_eq!(rig.worker.drops().total(), 50);
    }
}

#[test]
fn random_packets_inside_good_datagrams_reach_tun_only_with_the_peers_address() {
    for seed in 0..300 {
        println!("seed {seed}");
        let mut dice = Dice::new(seed);
        let mut rig = Rig::new(WorkerSettings {
            peer_to_peer: [PeerToPeer::Direct, PeerToPeer::ViaKernel, PeerToPeer::Refuse]
                [(seed % 3) as usize],
            ..WorkerSettings::server(4)
        });
        let mut far = rig.add(peer(0, 1));
        rig.add(peer(1, 1));
        for _ in 0..50 {
            let plaintext = dice.nearly_ip();
            let sealed = far.seal(&plaintext);
            rig.udp(home(0), &sealed);
        }
        for packet in rig.packets() {
            let source = crate::ip::Inner::parse(&packet).unwrap().source;
            assert!(settings(peer(0, 1).id).addresses.contains(&source));
        }
    }
}

#[test]
fn random_packets_from_tun_are_survived_and_go_only_where_they_are_addressed() {
    for seed in 0..300 {
        println!("seed {seed}");
        let mut dice = Dice::new(seed);
        let (mut rig, mut fars) = Rig::server(2);
        for _ in 0..50 {
            let packet = dice.nearly_ip();
            rig.tun(&packet);
            for (endpoint, datagram) in rig.sent() {
                let far = fars.iter_mut().find(|far| home(far.number) == endpoint).unwrap();
                let number = far.number;
                let opened = far.open(&datagram);
                assert_eq!(opened.len(), packet.len());
                let to = crate::ip::Inner::parse(&opened).unwrap().destination;
                assert!(settings(peer(number, 1).id).addresses.contains(&to));
            }
        }
    }
}

/// The model is the set of living peers with the keys each may use.
#[test]
fn under_random_commands_only_living_peers_with_their_own_keys_are_served() {
    for seed in 0..150 {
        println!("seed {seed}");
        let mut dice = Dice::new(seed);
        let mut rig = Rig::new(WorkerSettings::server(3));
        let mut alive: BTreeMap<u32, (PeerRef, Far)> = BTreeMap::new();
        let mut gone: Vec<(PeerRef, Far)> = Vec::new();
        let mut generation = 0;
        for _ in 0..200 {
            let slot = dice.below(3);
            match dice.below(6) {
                0 if !alive.contains_key(&slot) => {
                    generation += 1;
                    let it = peer(slot, generation);
                    alive.insert(slot, (it, rig.add(it)));
                }
                1 => {
                    if let Some((it, far)) = alive.remove(&slot) {
                        rig.apply(Command::PeerDel { peer: it });
                        gone.push((it, far));
                    }
                }
                2 if !gone.is_empty() => {
                    let (it, far) = &gone[dice.below(gone.len() as u32) as usize];
                    let (peer, key_id, cipher) = (*it, KeyId::FIRST, CIPHER);
                    let (material, role) = (far.material.clone(), Role::TlsServer);
                    rig.apply(Command::KeyNew {
                        peer,
                        key_id,
                        cipher,
                        material,
                        role,
                        fresh: true,
                    });
                    rig.apply(Command::KeySwap { peer, key_id });
                }
                3 if !gone.is_empty() => {
                    let at = dice.below(gone.len() as u32) as usize;
                    let hello = gone[at].1.hello();
                    rig.udp(home(gone[at].1.number), &hello);
                    assert!(rig.packets().is_empty(), "a closed peer was heard");
                }
                4 => {
                    let expected = alive.get_mut(&slot).map(|(_, far)| far.hello());
                    let heard = expected.is_some();
                    rig.udp(home(slot), &expected.unwrap_or_default());
                    assert_eq!(rig.packets().len(), usize::from(heard));
                }
                _ => {
                    rig.tun(&to_peer(slot));
                    let sent = rig.sent();
                    assert_eq!(sent.len(), usize::from(alive.contains_key(&slot)));
                    if let Some((_, far)) = alive.get_mut(&slot) {
                        assert_eq!(far.open(&sent[0].1), to_peer(slot));
                    }
                }
            }
            rig.pass(1);
            rig.timeout();
        }
        let living: Vec<_> = rig.worker.peers().map(|(it, _)| it).collect();
        assert_eq!(living, alive.values().map(|(it, _)| *it).collect::<Vec<_>>());
    }
}

impl Dice {
    /// A packet of a peer or to one, often damaged; or bare noise.
    fn nearly_ip(&mut self) -> Vec<u8> {
        let known = [inner(0), inner(1), inner6(0), inner6(1)];
        let family = 2 * self.below(2) as usize;
        let ends =
            (&known[family + self.below(2) as usize], &known[family + self.below(2) as usize]);
        let mut packet = match self.below(3) {
            0 => Crafted::between(ends.0, ends.1).bytes(),
            1 => Crafted::tcp(ends.0, ends.1, 2, &[2, 4, 0xff, 0xff]).bytes(),
            _ => self.noise(),
        };
        match self.below(4) {
            0 => packet.truncate(1 + self.below(packet.len() as u32) as usize),
            1 => {
                let at = self.below(packet.len() as u32) as usize;
                packet[at] = self.next() as u8;
            }
            2 => packet.extend(self.noise()),
            _ => {}
        }
        packet
    }

    fn noise(&mut self) -> Vec<u8> {
        let len = 1 + self.below(100) as usize;
        self.bytes(len)
    }
}
