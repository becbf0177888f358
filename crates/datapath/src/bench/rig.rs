//! Packets and workers for the cases: many peers, one key each, and far ends that seal.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use clock::Now;
use wire::cipher::Cipher;
use wire::data::DataHeader;
use wire::key_material::{KeyMaterial, Role};
use wire::{KeyId, PeerId};

use crate::offload::{Joined, Segmentation, SuperSink, VirtioHeader};
use crate::{
    Command, DataKeys, Endpoint, Header, KeepAlive, Mss, MssByUnderlay, OpenKey, PacketSink,
    PeerRef, PeerSettings, SealKey, Worker, WorkerSettings,
};

/// The moment at which everything happens.
pub(super) const NOW: Now =
    Now { boot: Duration::from_secs(1000), wall: Duration::from_secs(1_800_000_000) };

/// A server with this many peers, and what the far end of each seals with.
pub(super) fn server(peers: u32) -> (Worker, Vec<SealKey>) {
    let mut worker = Worker::new(WorkerSettings::server(peers));
    let fars = (0..peers).map(|number| add(&mut worker, number)).collect();
    while worker.poll_notice().is_some() {}
    (worker, fars)
}

fn add(worker: &mut Worker, number: u32) -> SealKey {
    let (peer, endpoint, settings) = (peer(number), home(number), settings(number));
    worker.apply(Command::PeerNew { peer, endpoint, settings }, NOW);
    let (cipher, key_id) = (Cipher::Aes256Gcm, KeyId::FIRST);
    let (material, role) = (material(), Role::TlsServer);
    worker.apply(Command::KeyNew { peer, key_id, cipher, material, role, fresh: true }, NOW);
    worker.apply(Command::KeySwap { peer, key_id }, NOW);
    keys(cipher, Role::TlsClient).0
}

pub(super) fn peer(number: u32) -> PeerRef {
    PeerRef { id: peer_id(number), generation: 1 }
}

pub(super) fn settings(number: u32) -> PeerSettings {
    PeerSettings {
        header: Header::V2(peer_id(number)),
        addresses: vec![inner(number).into()],
        networks: Vec::new(),
        mss: MssByUnderlay { v4: Mss { v4: 1400, v6: 1380 }, v6: Mss { v4: 1380, v6: 1360 } },
        keep_alive: KeepAlive::default(),
        float: true,
        paced: false,
    }
}

/// Both directions of a side.
pub(super) fn keys(cipher: Cipher, role: Role) -> (SealKey, OpenKey) {
    DataKeys::derive(cipher, &material(), role).expect("the material is as long as it should be")
}

fn material() -> KeyMaterial {
    KeyMaterial::from_bytes(&[7; KeyMaterial::LEN]).expect("it isn't all zero")
}

/// A datagram from a peer.
pub(super) fn sealed(far: &mut SealKey, number: u32, packet: &[u8]) -> Vec<u8> {
    let header = header(number);
    let mut out = vec![0; SealKey::sealed_len(header, packet.len())];
    far.seal(header, packet, &mut out).expect("room of the right length");
    out
}

pub(super) fn header(number: u32) -> DataHeader {
    DataHeader::V2 { key_id: KeyId::FIRST, peer_id: peer_id(number) }
}

fn peer_id(number: u32) -> PeerId {
    PeerId::new(number).expect("peers are few")
}

/// Where a peer is.
pub(super) fn home(number: u32) -> Endpoint {
    let [_, a, b, c] = number.to_be_bytes();
    Endpoint {
        local: Some(Ipv4Addr::new(203, 0, 113, 1).into()),
        ..Endpoint::new(0, SocketAddr::from(([100, a, b, c], 1194)))
    }
}

/// A peer's address in the tunnel.
pub(super) fn inner(number: u32) -> Ipv4Addr {
    let [_, a, b, c] = number.to_be_bytes();
    Ipv4Addr::new(10, 64 | a, b, c)
}

/// Somewhere behind the server.
pub(super) const OUTSIDE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

/// A TCP packet with this much payload as the kernel gives it, segments of `size`. Its sequence
/// numbers begin at the payload's place in a stream.
pub(super) fn tcp(
    from: Ipv4Addr,
    to: Ipv4Addr,
    payload: usize,
    size: u16,
) -> (Vec<u8>, VirtioHeader) {
    let mut tcp =
        vec![0x12, 0x34, 1, 0xbb, 0, 0, 0, 0, 0, 0, 0, 1, 0x80, 0x10, 0xff, 0xff, 0, 0, 0, 0];
    tcp.extend([1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8]);
    let header = VirtioHeader {
        checksum: Some((20, 16)),
        segmentation: Some(Segmentation::Tcp4(size)),
        header_len: 52,
    };
    (packet(from, to, 6, &tcp, payload), header)
}

/// A UDP packet.
pub(super) fn udp(
    from: Ipv4Addr,
    to: Ipv4Addr,
    payload: usize,
    size: u16,
) -> (Vec<u8>, VirtioHeader) {
    let len = ((payload + 8) as u16).to_be_bytes();
    let header = VirtioHeader {
        checksum: Some((20, 6)),
        segmentation: Some(Segmentation::Udp(size)),
        header_len: 28,
    };
    (packet(from, to, 17, &[0x12, 0x34, 1, 0xbb, len[0], len[1], 0, 0], payload), header)
}

fn packet(from: Ipv4Addr, to: Ipv4Addr, protocol: u8, transport: &[u8], payload: usize) -> Vec<u8> {
    let len = ((20 + transport.len() + payload) as u16).to_be_bytes();
    let head = [0x45, 0, len[0], len[1], 0, 1, 0x40, 0, 64, protocol, 0, 0];
    let payload: Vec<u8> = (0..payload).map(|at| at as u8).collect();
    [&head[..], &from.octets(), &to.octets(), transport, &payload].concat()
}

/// The segments of a super-packet, one behind the other.
pub(super) fn segments((mut packet, header): (Vec<u8>, VirtioHeader)) -> Vec<Vec<u8>> {
    let mut segments = Vec::new();
    crate::offload::split(&mut packet, &header, |segment| segments.push(segment.to_vec()))
        .expect("it can be cut");
    segments
}

/// Forgets what it is given.
#[derive(Debug, Default)]
pub(super) struct Nowhere;

impl SuperSink for Nowhere {
    fn write(&mut self, joined: &Joined<'_, '_>) {
        std::hint::black_box(joined.first);
    }
}

impl<'b> PacketSink<'b> for Nowhere {
    fn control(&mut self, _: &Endpoint, datagram: &'b mut [u8]) {
        std::hint::black_box(datagram);
    }
}

/// An address as the routes take it.
pub(super) fn address(number: u32) -> IpAddr {
    inner(number).into()
}
