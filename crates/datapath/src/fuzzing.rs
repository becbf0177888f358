//! Entry points for fuzz targets: a worker with peers and keys that is fed any bytes. Not an API.
//!
//! Some targets read a little structure from the bytes, so that what lies behind the authentication
//! is reached: a far end seals what the input holds. Besides never panicking, each checks that
//! nothing leaves for the TUN device but what its sender may send.

mod offload;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use clock::Now;
use wire::cipher::Cipher;
use wire::data::{DataHeader, parse_header};
use wire::key_material::{KeyMaterial, Role};
use wire::{KeyId, PeerId};

use crate::ip::Inner;
use crate::offload::{Joined, SuperSink, VirtioHeader};
use crate::{
    Command, DataKeys, Datagram, Endpoint, Header, IpNet, KeepAlive, Mss, MssByUnderlay, OpenKey,
    Outbox, Packet, PacketSink, PeerRef, PeerSettings, PeerToPeer, SealKey, Side, Worker,
    WorkerSettings, mss,
};

pub use self::offload::{coalesce, split};

/// Takes any bytes.
pub type Target = fn(&[u8]);

/// All of them, by name.
pub const TARGETS: [(&str, Target); 8] = [
    ("datagram", datagram),
    ("sealed", sealed),
    ("packet", packet),
    ("clamp", clamp),
    ("script", script),
    ("virtio", virtio),
    ("split", split),
    ("coalesce", coalesce),
];

/// Received bytes as they are, behind two bytes of stride, as if the kernel had joined them: each piece
/// is either dropped for one cause or the control plane's matter, and none is opened.
pub fn datagram(bytes: &[u8]) {
    let Some((stride, bytes)) = bytes.split_first_chunk() else { return };
    let stride = match u16::from_le_bytes(*stride) {
        u16::MAX => usize::MAX,
        stride => stride.into(),
    };
    let pieces = if stride == 0 { 1 } else { bytes.len().div_ceil(stride) };
    let pieces = if bytes.is_empty() { 0 } else { pieces };
    for side in [Side::Server, Side::Client] {
        let mut rig = Rig::new(side, PeerToPeer::Direct);
        rig.udp(home(0), bytes, stride);
        rig.udp(home(7), bytes, 0);
        assert!(rig.inward.packets.is_empty(), "nobody sealed this");
        let dropped = rig.worker.drops().total() as usize;
        let alone = usize::from(!bytes.is_empty());
        assert_eq!(rig.inward.control + dropped, pieces + alone);
    }
}

/// A payload that is authentic, from a peer of a server and from a client's server.
pub fn sealed(bytes: &[u8]) {
    for (side, way) in [
        (Side::Server, PeerToPeer::Direct),
        (Side::Server, PeerToPeer::ViaKernel),
        (Side::Client, PeerToPeer::Refuse),
    ] {
        let mut rig = Rig::new(side, way);
        rig.udp_sealed(0, home(0), bytes);
        rig.check();
    }
}

/// A packet from the TUN device.
pub fn packet(bytes: &[u8]) {
    for side in [Side::Server, Side::Client] {
        let mut rig = Rig::new(side, PeerToPeer::Direct);
        rig.tun(bytes);
        rig.check();
    }
}

/// A virtio header and a packet from a TUN device with offload, through a worker: what is sealed opens
/// at the far end, is an IP packet, and leaves in order.
pub fn virtio(bytes: &[u8]) {
    let Some((header, packet)) = bytes.split_first_chunk() else { return };
    let Ok(header) = VirtioHeader::parse(header) else { return };
    assert_eq!(VirtioHeader::parse(&header.encode()), Ok(header));
    let mut rig = Rig::new(Side::Server, PeerToPeer::Direct);
    let mut bytes = packet.to_vec();
    let packet = Packet { bytes: &mut bytes, header };
    rig.worker.handle_packets([packet], rig.now, &mut rig.outbox);
    for (endpoint, datagram) in rig.outbox.datagrams() {
        let sealed = parse_header(datagram).expect("only data packets are sealed");
        let number = (0..PEERS).find(|number| home(*number) == endpoint).expect("a peer's home");
        let mut datagram = datagram.to_vec();
        let (_, far) = &mut rig.fars[usize::from(number)];
        let opened = far.open(sealed, &mut datagram).expect("the far end has the key");
        let plain = header.segmentation.is_none();
        assert!(opened.newest && (plain || Inner::parse(opened.plaintext).is_some()));
    }
}

/// The clamping of segment sizes: a checksum that was right stays right, and a second time changes
/// nothing.
pub fn clamp(bytes: &[u8]) {
    let limits = Mss { v4: 1200, v6: 1180 };
    let mut once = bytes.to_vec();
    mss::clamp(&mut once, limits);
    assert_eq!(once.len(), bytes.len());
    let mut twice = once.clone();
    mss::clamp(&mut twice, limits);
    assert_eq!(once, twice);
    // A sum of zero has two spellings, so the comparison is by what the receiver checks.
    if once != bytes && tcp_sum(bytes) == Some(0xffff) {
        assert_eq!(tcp_sum(&once), Some(0xffff));
    }
}

/// A sequence of everything a worker can meet, each step of at most 255 bytes behind a short head.
pub fn script(bytes: &[u8]) {
    let mut input = Input(bytes);
    let first = input.byte();
    let side = if first & 1 == 0 { Side::Server } else { Side::Client };
    let way = match first >> 1 & 3 {
        0 => PeerToPeer::Direct,
        1 => PeerToPeer::ViaKernel,
        _ => PeerToPeer::Refuse,
    };
    let mut rig = Rig::new(side, way);
    while !input.0.is_empty() {
        rig.step(&mut input);
        rig.check();
    }
}

/// A worker with its surroundings.
struct Rig {
    worker: Worker,
    side: Side,
    now: Now,
    inward: Collected,
    outbox: Outbox,
    fars: Vec<(SealKey, OpenKey)>,
}

/// Peers at the start.
const PEERS: u8 = 3;

impl Rig {
    fn new(side: Side, peer_to_peer: PeerToPeer) -> Self {
        let settings = match side {
            Side::Server => WorkerSettings { peer_to_peer, ..WorkerSettings::server(4) },
            Side::Client => WorkerSettings::client(),
        };
        let mut rig = Self {
            worker: Worker::new(settings),
            side,
            now: Now { boot: Duration::from_secs(9), wall: Duration::from_secs(1_800_000_000) },
            inward: Collected::default(),
            outbox: Outbox::new(1 << 17, 8, 4),
            fars: Vec::new(),
        };
        let peers = if side == Side::Server { PEERS } else { 1 };
        for number in 0..peers {
            rig.peer_new(number, 1);
            let far = rig.key_new(number, 1, 0);
            rig.fars.push(far);
            rig.apply(Command::KeySwap { peer: peer(number, 1), key_id: KeyId::FIRST });
        }
        rig
    }

    fn step(&mut self, input: &mut Input<'_>) {
        let (what, who) = (input.byte(), input.byte());
        let (number, from) = (who & 3, home(who >> 4));
        let (key_id, generation) = (key_id(what >> 4), u32::from(what >> 6));
        let named = peer(number, generation);
        match what & 15 {
            0 | 1 => self.udp_sealed(number, from, input.chunk()),
            2 => {
                let stride = usize::from(input.byte());
                self.udp(from, input.chunk(), stride);
            }
            3 | 4 => self.tun(input.chunk()),
            5 => {
                self.now = self.now.after(Duration::from_secs(u64::from(who)));
                self.worker.handle_timeout(self.now, &mut self.outbox);
            }
            6 => self.peer_new(number, generation),
            7 => self.apply(Command::PeerDel { peer: named }),
            8 => {
                let far = self.key_new(number, generation, key_id.get());
                if let Some(known) = self.fars.get_mut(usize::from(number)) {
                    *known = far;
                }
            }
            9 => self.apply(Command::KeySwap { peer: named, key_id }),
            10 => self.apply(Command::KeyDel { peer: named, key_id }),
            11 => self.worker.heard(named, self.now),
            _ => while self.worker.poll_notice().is_some() {},
        }
    }

    fn apply(&mut self, command: Command) {
        self.worker.apply(command, self.now);
    }

    fn peer_new(&mut self, number: u8, generation: u32) {
        let (peer, endpoint) = (peer(number, generation), home(number));
        let settings = self.settings(number);
        self.apply(Command::PeerNew { peer, endpoint, settings });
    }

    fn settings(&self, number: u8) -> PeerSettings {
        let networks = match self.side {
            Side::Client => vec![IpNet::ALL_V4, IpNet::ALL_V6],
            Side::Server => {
                IpNet::new(Ipv4Addr::new(192, 168, number, 0).into(), 24).into_iter().collect()
            }
        };
        PeerSettings {
            header: if number & 4 == 0 { Header::V2(id(number)) } else { Header::V1 },
            addresses: addresses(number).to_vec(),
            networks,
            mss: MssByUnderlay { v4: Mss { v4: 1200, v6: 1180 }, v6: Mss { v4: 1180, v6: 1160 } },
            keep_alive: KeepAlive {
                ping: Some(Duration::from_secs(10)),
                ping_restart: Some(Duration::from_secs(60)),
            },
            float: number & 1 == 0,
            paced: number & 2 == 0,
        }
    }

    /// Installs a key and returns its far end.
    fn key_new(&mut self, number: u8, generation: u32, key: u8) -> (SealKey, OpenKey) {
        let cipher = [Cipher::Aes256Gcm, Cipher::ChaCha20Poly1305][usize::from(number & 1)];
        let material = KeyMaterial::from_bytes(&[number | 0x10 | key << 5; KeyMaterial::LEN])
            .expect("no key here is all zero");
        let (near, far) = match self.side {
            Side::Server => (Role::TlsServer, Role::TlsClient),
            Side::Client => (Role::TlsClient, Role::TlsServer),
        };
        let both = DataKeys::derive(cipher, &material, far).expect("the length fits");
        let peer = peer(number, generation);
        self.apply(Command::KeyNew {
            peer,
            key_id: key_id(key),
            cipher,
            material,
            role: near,
            fresh: true,
        });
        both
    }

    fn udp(&mut self, endpoint: Endpoint, bytes: &[u8], stride: usize) {
        let mut bytes = bytes.to_vec();
        let datagram = Datagram { endpoint, bytes: &mut bytes, stride };
        self.worker.handle_datagrams([datagram], self.now, &mut self.inward, &mut self.outbox);
    }

    fn udp_sealed(&mut self, number: u8, endpoint: Endpoint, plaintext: &[u8]) {
        let header = DataHeader::V2 { key_id: KeyId::FIRST, peer_id: id(number) };
        let Some((far, _)) = self.fars.get_mut(usize::from(number)) else { return };
        let mut datagram = vec![0; SealKey::sealed_len(header, plaintext.len())];
        if far.seal(header, plaintext, &mut datagram).is_ok() {
            self.udp(endpoint, &datagram, 0);
        }
    }

    fn tun(&mut self, bytes: &[u8]) {
        let mut bytes = bytes.to_vec();
        self.worker.handle_packets([Packet::plain(&mut bytes)], self.now, &mut self.outbox);
    }

    /// What left may leave.
    fn check(&mut self) {
        for packet in self.inward.packets.drain(..) {
            let inner = Inner::parse(&packet).expect("only IP goes to the TUN device");
            assert!(!inner.is_link_local());
            assert!(self.side == Side::Client || is_inside(inner.source), "{}", inner.source);
        }
        for (_, datagram) in self.outbox.datagrams() {
            assert!(parse_header(datagram).is_ok());
        }
        self.outbox.clear();
    }
}

/// Keeps what a worker hands inward.
#[derive(Default)]
struct Collected {
    packets: Vec<Vec<u8>>,
    control: usize,
}

impl SuperSink for Collected {
    fn write(&mut self, joined: &Joined<'_, '_>) {
        self.packets.extend(joined.packets.iter().map(|packet| packet.to_vec()));
    }
}

impl<'b> PacketSink<'b> for Collected {
    fn control(&mut self, _: &Endpoint, datagram: &'b mut [u8]) {
        assert!(parse_header(datagram).is_err(), "a data packet is not the control plane's matter");
        self.control += 1;
    }
}

/// Reads steps; past the end everything is zero or empty.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn byte(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        *first
    }

    fn chunk(&mut self) -> &'a [u8] {
        let len = usize::from(self.byte()).min(self.0.len());
        let (chunk, rest) = self.0.split_at(len);
        self.0 = rest;
        chunk
    }
}

fn peer(number: u8, generation: u32) -> PeerRef {
    PeerRef { id: id(number), generation }
}

fn id(number: u8) -> PeerId {
    PeerId::new(u32::from(number)).expect("a byte fits into 24 bits")
}

fn key_id(number: u8) -> KeyId {
    KeyId::new(number & 7).expect("three bits make a key id")
}

fn home(number: u8) -> Endpoint {
    Endpoint::new(0, SocketAddr::from(([192, 0, 2, number], 1194)))
}

fn addresses(number: u8) -> [IpAddr; 2] {
    let host = number.wrapping_add(2);
    [
        Ipv4Addr::new(10, 8, 0, host).into(),
        Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, u16::from(host)).into(),
    ]
}

/// Whether any peer could own it.
fn is_inside(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => matches!(v4.octets(), [10, 8, 0, _] | [192, 168, _, _]),
        IpAddr::V6(v6) => v6.segments()[..7] == [0xfd00, 0, 0, 0, 0, 0, 0],
    }
}

/// The sum that a receiver of plain TCP checks, 0xffff if right; `None` for all other packets.
fn tcp_sum(packet: &[u8]) -> Option<u16> {
    let (addresses, segment) = match packet.first()? >> 4 {
        4 if packet.first() == Some(&0x45) && packet.get(9) == Some(&6) => {
            let total = usize::from(u16::from_be_bytes([*packet.get(2)?, *packet.get(3)?]));
            (packet.get(12..20)?, packet.get(20..total)?)
        }
        6 if packet.get(6) == Some(&6) => {
            let len = usize::from(u16::from_be_bytes([*packet.get(4)?, *packet.get(5)?]));
            (packet.get(8..40)?, packet.get(40..40 + len)?)
        }
        _ => return None,
    };
    let len = u16::try_from(segment.len()).ok()?.to_be_bytes();
    let padding: &[u8] = if segment.len() % 2 == 0 { &[] } else { &[0] };
    let all = [addresses, &[0, 6], &len, segment, padding].concat();
    let sum = all.chunks_exact(2).fold(0u64, |sum, pair| match pair {
        [high, low] => sum + u64::from(u16::from_be_bytes([*high, *low])),
        _ => sum,
    });
    Some((1..=4).fold(sum, |sum, _| (sum & 0xffff) + (sum >> 16)) as u16)
}
