//! The parts of a packet's way, each alone.

use std::hint::black_box;

use wire::cipher::Cipher;
use wire::data::parse_header;
use wire::key_material::Role;

use super::rig::{self, NOW, OUTSIDE};
use super::{Case, Run};
use crate::ip::Inner;
use crate::offload::checksum::Sum;
use crate::offload::{self, Coalescer, Joined, Joining, SuperSink, VirtioHeader};
use crate::peer::Peer;
use crate::routes::Routes;
use crate::table::Table;
use crate::{DatagramSink, IpNet, Mss, OpenKey, Outbox, ReplayWindow, SealKey, mss};

pub(super) const CASES: [Case; 16] = [
    Case { name: "parse/data-header", unit: "datagram", prepare: data_header },
    Case { name: "parse/inner", unit: "packet", prepare: inner },
    Case { name: "clamp/no-syn", unit: "packet", prepare: clamp_no_syn },
    Case { name: "clamp/syn", unit: "packet", prepare: clamp_syn },
    Case { name: "checksum/1400", unit: "packet", prepare: checksum },
    Case { name: "lookup/route-of-1000-peers", unit: "look-up", prepare: route },
    Case { name: "lookup/endpoint-of-1000-peers", unit: "look-up", prepare: endpoint },
    Case { name: "replay/in-order", unit: "packet id", prepare: replay },
    Case { name: "outbox/one-run", unit: "datagram", prepare: outbox },
    Case { name: "split/tcp", unit: "segment", prepare: split_tcp },
    Case { name: "split/udp", unit: "segment", prepare: split_udp },
    Case { name: "coalesce/tcp", unit: "segment", prepare: coalesce_tcp },
    Case { name: "coalesce/udp", unit: "segment", prepare: coalesce_udp },
    Case { name: "coalesce/acknowledgements", unit: "packet", prepare: coalesce_acks },
    Case { name: "coalesce/two-flows", unit: "segment", prepare: coalesce_two },
    Case { name: "virtio/header", unit: "header", prepare: virtio },
];

fn data_header() -> (u64, Run) {
    let datagram = [0x48, 0, 0, 1, 0, 0, 0, 9];
    (TIMES, times(move || _ = black_box(parse_header(black_box(&datagram)))))
}

fn inner() -> (u64, Run) {
    let (packet, _) = rig::tcp(OUTSIDE, rig::inner(1), SEGMENT, SIZE);
    (TIMES, times(move || _ = black_box(Inner::parse(black_box(&packet)))))
}

fn clamp_no_syn() -> (u64, Run) {
    let (mut packet, _) = rig::tcp(OUTSIDE, rig::inner(1), SEGMENT, SIZE);
    (TIMES, times(move || mss::clamp(black_box(&mut packet), MSS)))
}

/// A SYN whose announcement is low enough, as every SYN is once it was lowered.
fn clamp_syn() -> (u64, Run) {
    let (mut packet, _) = rig::tcp(OUTSIDE, rig::inner(1), 0, SIZE);
    packet[33] = 2;
    packet[40..44].copy_from_slice(&[2, 4, 5, 0]);
    (TIMES, times(move || mss::clamp(black_box(&mut packet), MSS)))
}

fn checksum() -> (u64, Run) {
    let bytes = vec![0x5a; 1400];
    (TIMES, times(move || _ = black_box(Sum::default().add(black_box(&bytes)).fold())))
}

fn route() -> (u64, Run) {
    let mut routes = Routes::default();
    (0..PEERS).for_each(|number| routes.insert(IpNet::host(rig::address(number)), number));
    let mut at = 0;
    let run = times(move || {
        at = (at + 37) % PEERS;
        assert_eq!(routes.find(black_box(rig::address(at))), Some(at));
    });
    (TIMES, run)
}

/// What a packet without a peer-id costs, and one that comes from a new address.
fn endpoint() -> (u64, Run) {
    let mut table = Table::new(PEERS);
    for number in 0..PEERS {
        let peer = Peer::new(rig::peer(number), rig::home(number), rig::settings(number), NOW.boot);
        table.insert(peer).expect("its slot is free");
    }
    let mut at = 0;
    let run = times(move || {
        at = (at + 37) % PEERS;
        assert_eq!(table.slot_at(black_box(&rig::home(at))), Some(at));
    });
    (TIMES, run)
}

fn replay() -> (u64, Run) {
    let (mut window, mut id) = (ReplayWindow::new(), 0);
    let run = times(move || {
        id += 1;
        assert_eq!(window.check(id), Ok(()));
        assert_eq!(window.accept(id), Ok(true));
    });
    (TIMES, run)
}

fn outbox() -> (u64, Run) {
    let mut outbox = Outbox::new(1 << 20, 64, 64);
    let to = rig::home(1);
    let run = move || {
        outbox.clear();
        for _ in 0..45 {
            black_box(outbox.room(black_box(&to), 1444));
            outbox.commit();
        }
        assert_eq!(outbox.runs().len(), 1);
    };
    (45, Box::new(run))
}

fn split_tcp() -> (u64, Run) {
    split(rig::tcp(OUTSIDE, rig::inner(1), SUPER, SIZE))
}

fn split_udp() -> (u64, Run) {
    split(rig::udp(OUTSIDE, rig::inner(1), SUPER, SIZE))
}

fn split((packet, header): (Vec<u8>, VirtioHeader)) -> (u64, Run) {
    let mut packet = packet;
    let run = move || {
        let each = |segment: &mut [u8]| _ = black_box(segment);
        offload::split(black_box(&mut packet), &header, each).expect("it can be cut");
    };
    (SEGMENTS, Box::new(run))
}

fn coalesce_tcp() -> (u64, Run) {
    coalesce(rig::segments(rig::tcp(rig::inner(1), OUTSIDE, SUPER, SIZE)), 1)
}

fn coalesce_udp() -> (u64, Run) {
    coalesce(rig::segments(rig::udp(rig::inner(1), OUTSIDE, SUPER, SIZE)), 1)
}

/// Nothing to join: each carries no data.
fn coalesce_acks() -> (u64, Run) {
    let (mut ack, header) = rig::tcp(rig::inner(1), OUTSIDE, 1, SIZE);
    ack = rig::segments((ack, header)).remove(0);
    ack.truncate(52);
    ack[3] = 52;
    coalesce(vec![ack; SEGMENTS as usize], SEGMENTS as usize)
}

/// Every packet ends the run of the one before.
fn coalesce_two() -> (u64, Run) {
    let [one, two] =
        [1, 2].map(|number| rig::segments(rig::tcp(rig::inner(number), OUTSIDE, SUPER / 2, SIZE)));
    let mixed: Vec<_> = one.into_iter().zip(two).flat_map(|(one, two)| [one, two]).collect();
    let writes = mixed.len();
    coalesce(mixed, writes)
}

fn coalesce(packets: Vec<Vec<u8>>, writes: usize) -> (u64, Run) {
    let count = packets.len() as u64;
    let run = move || {
        let mut sink = Counting(0);
        let mut coalescer = Coalescer::new(Joining::TcpAndUdp);
        for packet in &packets {
            coalescer.push(black_box(packet), &mut sink);
        }
        coalescer.flush(&mut sink);
        assert_eq!(sink.0, writes);
    };
    (count, Box::new(run))
}

struct Counting(usize);

impl SuperSink for Counting {
    fn write(&mut self, joined: &Joined<'_, '_>) {
        black_box(joined.header.encode());
        black_box(joined.payloads);
        self.0 += 1;
    }
}

fn virtio() -> (u64, Run) {
    let (_, header) = rig::tcp(OUTSIDE, rig::inner(1), SUPER, SIZE);
    let bytes = header.encode();
    (TIMES, times(move || _ = black_box(VirtioHeader::parse(black_box(&bytes)))))
}

fn times(mut once: impl FnMut() + 'static) -> Run {
    Box::new(move || (0..TIMES).for_each(|_| once()))
}

/// The ciphers whose cost is measured by time.
pub const CIPHERS: [Cipher; 3] = [Cipher::Aes256Gcm, Cipher::Aes128Gcm, Cipher::ChaCha20Poly1305];

/// Both ends of one key, for timing: what is sealed is opened.
#[derive(Debug)]
pub struct Pair {
    seal: SealKey,
    open: OpenKey,
    plaintext: Vec<u8>,
    sealed: Vec<Vec<u8>>,
}

impl Pair {
    /// For packets of this many bytes, `batch` at a time.
    pub fn new(cipher: Cipher, len: usize, batch: usize) -> Self {
        let (seal, _) = rig::keys(cipher, Role::TlsClient);
        let (_, open) = rig::keys(cipher, Role::TlsServer);
        let room = vec![0; SealKey::sealed_len(rig::header(1), len)];
        Self { seal, open, plaintext: vec![0x5a; len], sealed: vec![room; batch] }
    }

    /// Seals a batch.
    pub fn seal(&mut self) {
        for room in &mut self.sealed {
            self.seal.seal(rig::header(1), black_box(&self.plaintext), room).expect("room");
        }
    }

    /// Opens what was sealed last, once.
    pub fn open(&mut self) {
        for datagram in &mut self.sealed {
            black_box(self.open.open(rig::header(1), datagram).expect("authentic"));
        }
    }
}

const TIMES: u64 = 1000;
const PEERS: u32 = 1000;
const MSS: Mss = Mss { v4: 1400, v6: 1380 };
/// The payload of a segment that fits a tunnel of MTU 1420 or so.
const SEGMENT: usize = 1368;
const SIZE: u16 = SEGMENT as u16;
const SEGMENTS: u64 = 46;
const SUPER: usize = SEGMENT * SEGMENTS as usize;
