//! Keys renewed every few packets under load in both directions: nothing is lost for reasons of keys.
//!
//! Two workers, each order of the control plane at a random moment between packets, and packets in
//! flight that come late and out of order. What is fixed is what the protocol fixes: a side seals with
//! a key only once the other side has it, and a key goes only when the third one after it comes. No
//! packet is on its way for two whole renewals.

use std::collections::VecDeque;

use super::*;

#[test]
fn keys_renewed_every_few_packets_lose_nothing_in_either_direction() {
    for seed in 0..40 {
        println!("seed {seed}");
        let mut link = Link::new(seed);
        while link.renewals < 200 {
            link.step(Order::AfterTheOther);
        }
        link.drain();
        let drops = link.sides.each_ref().map(|side| side.worker.drops());
        assert_eq!(link.lost(), [0, 0], "{drops:?}");
        assert!(link.sent.iter().all(|sent| *sent > 1500), "{:?}", link.sent);
        for side in &link.sides {
            assert_eq!(side.worker.drops().total(), 0, "{:?}", side.worker.drops());
        }
    }
}

#[test]
fn sealing_before_the_other_side_has_the_key_loses_packets_so_the_test_above_can_fail() {
    let mut link = Link::new(1);
    while link.renewals < 200 {
        link.step(Order::AtOnce);
    }
    link.drain();
    assert!(link.sides.iter().any(|side| side.drops(DropCause::UnknownKey) > 0));
}

/// When a side seals with a new key.
#[derive(Clone, Copy, PartialEq)]
enum Order {
    AfterTheOther,
    AtOnce,
}

/// A server, its client, and what is between them.
struct Link {
    dice: Dice,
    sides: [Rig; 2],
    /// Datagrams on their way from each side, and which of all keys they were sealed with.
    flying: [VecDeque<(u32, Vec<u8>)>; 2],
    sent: [usize; 2],
    came: [usize; 2],
    newest: u32,
    sealing: [u32; 2],
    has: [bool; 2],
    seals: [bool; 2],
    renewals: usize,
    packets_since: usize,
}

impl Link {
    fn new(seed: u64) -> Self {
        let mut server = Rig::new(WorkerSettings::server(4));
        let mut client = Rig::new(WorkerSettings::client());
        let peer = peer(0, 1);
        let of_client =
            PeerSettings { addresses: vec![], networks: vec![IpNet::ALL_V4], ..settings(peer.id) };
        server.apply(Command::PeerNew { peer, endpoint: home(0), settings: settings(peer.id) });
        client.apply(Command::PeerNew { peer, endpoint: gateway(), settings: of_client });
        let mut link = Self {
            dice: Dice::new(seed),
            sides: [server, client],
            flying: Default::default(),
            sent: [0; 2],
            came: [0; 2],
            newest: 0,
            sealing: [0; 2],
            has: [false; 2],
            seals: [false; 2],
            renewals: 0,
            packets_since: 0,
        };
        for side in 0..2 {
            link.install(side);
            link.swap(side);
        }
        link
    }

    /// Mostly a packet of either side, sent or arriving; now and then a step of a renewal.
    fn step(&mut self, order: Order) {
        let side = self.dice.below(2) as usize;
        match self.dice.below(10) {
            0..5 => self.send(side),
            5..8 => self.deliver(side),
            _ => self.renew(side, order),
        }
    }

    fn send(&mut self, side: usize) {
        if self.flying[side].len() < IN_FLIGHT {
            let packet = [to_peer(0), from_peer(0)][side].clone();
            let rig = &mut self.sides[side];
            rig.tun(&packet);
            let sent = rig.sent();
            self.flying[side]
                .extend(sent.into_iter().map(|(_, datagram)| (self.sealing[side], datagram)));
            self.sent[side] += 1;
            self.packets_since += 1;
        }
    }

    /// One of the oldest few arrives.
    fn deliver(&mut self, from: usize) {
        let at = self.dice.below(self.flying[from].len().min(4) as u32) as usize;
        let Some((_, datagram)) = self.flying[from].remove(at) else { return };
        let to = 1 - from;
        self.sides[to].udp([home(0), gateway()][to], &datagram);
        self.came[to] += self.sides[to].packets().len();
    }

    fn renew(&mut self, side: usize, order: Order) {
        if self.has == [true; 2] && self.seals == [true; 2] {
            let late = |(key, _): &(u32, Vec<u8>)| key + 1 < self.newest;
            if self.packets_since >= BETWEEN && !self.flying.iter().flatten().any(late) {
                self.newest += 1;
                self.renewals += 1;
                (self.has, self.seals, self.packets_since) = ([false; 2], [false; 2], 0);
            }
        } else if !self.has[side] {
            self.install(side);
        } else if !self.seals[side] && (self.has[1 - side] || order == Order::AtOnce) {
            self.swap(side);
        }
    }

    fn install(&mut self, side: usize) {
        let mut bytes = [0; 256];
        Dice::new(self.newest.into()).fill(&mut bytes);
        let material = KeyMaterial::from_bytes(&bytes).unwrap();
        let role = [Role::TlsServer, Role::TlsClient][side];
        let (peer, key_id, cipher) = (peer(0, 1), self.key_id(), CIPHER);
        let former = self.newest.checked_sub(3).map(id_of);
        let rig = &mut self.sides[side];
        if let Some(key_id) = former {
            rig.apply(Command::KeyDel { peer, key_id });
        }
        rig.apply(Command::KeyNew { peer, key_id, cipher, material, role, fresh: true });
        let refused = |notice: &Notice| matches!(notice, Notice::Refused { .. });
        assert!(!rig.notices().iter().any(refused));
        self.has[side] = true;
    }

    fn swap(&mut self, side: usize) {
        let (peer, key_id) = (peer(0, 1), self.key_id());
        self.sides[side].apply(Command::KeySwap { peer, key_id });
        (self.seals[side], self.sealing[side]) = (true, self.newest);
    }

    fn key_id(&self) -> KeyId {
        id_of(self.newest)
    }

    fn drain(&mut self) {
        for from in [0, 1] {
            while !self.flying[from].is_empty() {
                self.deliver(from);
            }
        }
    }

    /// By the side that they were sent from.
    fn lost(&self) -> [usize; 2] {
        [self.sent[0] - self.came[1], self.sent[1] - self.came[0]]
    }
}

/// 0 is the first key's alone.
fn id_of(key: u32) -> KeyId {
    (0..key).fold(KeyId::FIRST, |id, _| id.next())
}

fn gateway() -> Endpoint {
    Endpoint::new(0, "203.0.113.1:1194".parse().unwrap())
}

const IN_FLIGHT: usize = 12;
/// Packets of both sides between two renewals.
const BETWEEN: usize = 10;
