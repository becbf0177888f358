//! A worker in its tests: one rig with sinks that keep everything, and far ends with keys of their
//! own.

mod faults;
mod hostile;
mod joining;
mod keepalive;
mod moving;
mod owners;
mod renewal;
mod rules;
mod shards;
mod traffic;

use std::time::Duration;

use clock::Now;
use wire::cipher::Cipher;
use wire::data::{PING, parse_header};
use wire::key_material::{KeyMaterial, Role};
use wire::{KeyId, PeerId};

use super::Worker;
use crate::keys::{DataKeys, OpenKey, SealKey};
use crate::offload::{Joined, SuperSink};
use crate::testing::{Crafted, Dice};
use crate::{
    Carrier, Command, Datagram, DropCause, Endpoint, Header, IpNet, KeepAlive, Mss, MssByUnderlay,
    Notice, Outbox, Packet, PacketSink, PeerRef, PeerSettings, PeerToPeer, StreamId,
    WorkerSettings,
};

/// A worker with its surroundings.
struct Rig {
    worker: Worker,
    now: Now,
    inward: Collected,
    outbox: Outbox,
}

impl Rig {
    fn new(settings: WorkerSettings) -> Self {
        let boot = Duration::from_secs(1000);
        Self {
            worker: Worker::new(settings),
            now: Now { boot, wall: Duration::from_secs(1_800_000_000) },
            inward: Collected::default(),
            outbox: Outbox::new(1 << 20, 1000, 1),
        }
    }

    /// A server with the peers 0, 1, ... of generation 1, each with key 0 in use.
    fn server(peers: u32) -> (Self, Vec<Far>) {
        let mut rig = Self::new(WorkerSettings::server(16));
        let fars = (0..peers).map(|id| rig.add(peer(id, 1))).collect();
        rig.notices();
        (rig, fars)
    }

    /// Adds a peer with a key in use, and returns its far end.
    fn add(&mut self, peer: PeerRef) -> Far {
        self.add_with(peer, settings(peer.id))
    }

    fn add_with(&mut self, peer: PeerRef, settings: PeerSettings) -> Far {
        self.add_at(peer, home(peer.id.get()), settings)
    }

    fn add_at(&mut self, peer: PeerRef, endpoint: Endpoint, settings: PeerSettings) -> Far {
        let header = settings.header;
        self.apply(Command::PeerNew { peer, endpoint, settings });
        let far = self.key(peer, KeyId::FIRST, header);
        self.apply(Command::KeySwap { peer, key_id: KeyId::FIRST });
        far
    }

    /// Installs a key without sealing with it.
    fn key(&mut self, peer: PeerRef, key_id: KeyId, header: Header) -> Far {
        self.key_that_is(true, peer, key_id, header)
    }

    fn key_that_is(&mut self, fresh: bool, peer: PeerRef, key_id: KeyId, header: Header) -> Far {
        let (seed, cipher) = (u64::from(peer.id.get()) << 8 | u64::from(key_id.get()), CIPHER);
        let far = Far::new(seed ^ u64::from(peer.generation) << 40, header, key_id, peer.id.get());
        let material = far.material.clone();
        self.apply(Command::KeyNew {
            peer,
            key_id,
            cipher,
            material,
            role: Role::TlsServer,
            fresh,
        });
        far
    }

    fn apply(&mut self, command: Command) {
        self.worker.apply(command, self.now);
    }

    /// One datagram from the network.
    fn udp(&mut self, endpoint: Endpoint, bytes: &[u8]) {
        self.udp_joined(endpoint, bytes, 0);
    }

    fn udp_joined(&mut self, endpoint: Endpoint, bytes: &[u8], stride: usize) {
        let mut bytes = bytes.to_vec();
        let datagram = Datagram { endpoint, bytes: &mut bytes, stride };
        self.worker.handle_datagrams([datagram], self.now, &mut self.inward, &mut self.outbox);
    }

    /// One packet from the TUN device.
    fn tun(&mut self, packet: &[u8]) {
        let mut bytes = packet.to_vec();
        self.worker.handle_packets([Packet::plain(&mut bytes)], self.now, &mut self.outbox);
    }

    fn pass(&mut self, seconds: u64) {
        self.now = self.now.after(Duration::from_secs(seconds));
    }

    fn timeout(&mut self) {
        self.worker.handle_timeout(self.now, &mut self.outbox);
    }

    fn send_exit(&mut self, peer: PeerRef) {
        self.worker.send_exit(peer, self.now, &mut self.outbox);
    }

    fn send_ping(&mut self, peer: PeerRef) {
        self.worker.send_ping(peer, self.now, &mut self.outbox);
    }

    fn notices(&mut self) -> Vec<Notice> {
        std::iter::from_fn(|| self.worker.poll_notice()).collect()
    }

    /// What went to the TUN device since the last call.
    fn packets(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.inward.packets)
    }

    /// What went to the network since the last call.
    fn sent(&mut self) -> Vec<(Endpoint, Vec<u8>)> {
        let sent = self.outbox.datagrams().map(|(to, bytes)| (to, bytes.to_vec())).collect();
        self.outbox.clear();
        sent
    }

    fn drops(&self, cause: DropCause) -> u64 {
        self.worker.drops().of(cause)
    }
}

/// Keeps what a worker hands inward.
#[derive(Default)]
struct Collected {
    packets: Vec<Vec<u8>>,
    control: Vec<(Endpoint, Vec<u8>)>,
    handed_off: Vec<(u16, Endpoint, Vec<u8>)>,
    writes: usize,
    refuses: bool,
}

impl SuperSink for Collected {
    fn write(&mut self, joined: &Joined<'_, '_>) {
        self.packets.extend(joined.packets.iter().map(|packet| packet.to_vec()));
        self.writes += 1;
    }
}

impl<'b> PacketSink<'b> for Collected {
    fn control(&mut self, endpoint: &Endpoint, datagram: &'b mut [u8]) {
        self.control.push((*endpoint, datagram.to_vec()));
    }

    fn hand_off(&mut self, owner: u16, endpoint: &Endpoint, datagram: &'b mut [u8]) -> bool {
        if !self.refuses {
            self.handed_off.push((owner, *endpoint, datagram.to_vec()));
        }
        !self.refuses
    }
}

/// The other end of a peer's key.
struct Far {
    material: KeyMaterial,
    seal: SealKey,
    open: OpenKey,
    header: Header,
    key_id: KeyId,
    number: u32,
}

impl Far {
    fn new(seed: u64, header: Header, key_id: KeyId, number: u32) -> Self {
        let mut bytes = [0; 256];
        Dice::new(seed).fill(&mut bytes);
        let material = KeyMaterial::from_bytes(&bytes).unwrap();
        let (seal, open) = DataKeys::derive(CIPHER, &material, Role::TlsClient).unwrap();
        Self { material, seal, open, header, key_id, number }
    }

    fn seal(&mut self, plaintext: &[u8]) -> Vec<u8> {
        let mut out =
            vec![0; SealKey::sealed_len(self.header.with_key(self.key_id), plaintext.len())];
        self.seal.seal(self.header.with_key(self.key_id), plaintext, &mut out).unwrap();
        out
    }

    /// A packet from the peer's own address to somewhere outside.
    fn hello(&mut self) -> Vec<u8> {
        self.seal(&from_peer(self.number))
    }

    fn open(&mut self, datagram: &[u8]) -> Vec<u8> {
        let header = parse_header(datagram).unwrap();
        self.open.open(header, &mut datagram.to_vec()).unwrap().plaintext.to_vec()
    }
}

const CIPHER: Cipher = Cipher::Aes128Gcm;

fn peer(id: u32, generation: u32) -> PeerRef {
    PeerRef { id: PeerId::new(id).unwrap(), generation }
}

fn key_id(id: u8) -> KeyId {
    KeyId::new(id).unwrap()
}

fn settings(id: PeerId) -> PeerSettings {
    PeerSettings {
        header: Header::V2(id),
        addresses: vec![inner(id.get()).parse().unwrap(), inner6(id.get()).parse().unwrap()],
        networks: vec![],
        mss: MssByUnderlay { v4: Mss { v4: 1400, v6: 1380 }, v6: Mss { v4: 1380, v6: 1360 } },
        keep_alive: KeepAlive::default(),
        float: true,
        paced: false,
    }
}

fn inner(id: u32) -> String {
    format!("10.8.0.{}", id + 2)
}

fn inner6(id: u32) -> String {
    format!("fd00::{:x}", id + 2)
}

fn from_peer(id: u32) -> Vec<u8> {
    Crafted::between(&inner(id), "192.0.2.1").bytes()
}

fn to_peer(id: u32) -> Vec<u8> {
    Crafted::between("192.0.2.1", &inner(id)).bytes()
}

/// Where peer `id` lives at first.
fn home(id: u32) -> Endpoint {
    at(&format!("198.51.100.{id}:40000"))
}

fn at(remote: &str) -> Endpoint {
    let local = Some("203.0.113.1".parse().unwrap());
    Endpoint { local, ..Endpoint::new(0, remote.parse().unwrap()) }
}
