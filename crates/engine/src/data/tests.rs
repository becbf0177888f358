//! Whole data workers on a TUN and sockets in memory: many peers, no kernel in between.
//!
//! Says how much more two workers move than one. They share nothing, so on two free cores it is
//! nearly twice as much; the figure is printed and nothing rests on it:
//! `cargo test --release --package engine --lib -- --nocapture two_workers`.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use clock::{Now, VirtualClock};
use datapath::{
    Command, DataKeys, Endpoint, Header, KeepAlive, MssByUnderlay, Notice, PeerRef, PeerSettings,
    SealKey, Shard, WorkerSettings,
};
use sysio::{
    Packet, Poller, Ready, Received, RecvError, SendError, Transmit, TunIoError, TunOffload,
    VnetHeader,
};
use tokio::sync::mpsc;
use wire::cipher::Cipher;
use wire::data::DataHeader;
use wire::key_material::{KeyMaterial, Role};
use wire::static_key::{KeyDirection, StaticKey};
use wire::stranger::StrangerCheck;
use wire::tls_auth::{AuthDigest, TlsAuth};
use wire::wrap::ControlWrap;
use wire::{KeyId, PeerId};

use super::handoff::{Handoff, HandoffQueues};
use super::newcomers::newcomers;
use super::packet_io::{TunIo, UdpIo};
use super::streams::{StreamSources, Streams};
use super::tun_queues::TunQueues;
use super::worker::DataWorker;
use super::{Common, DataHandle, DataIo, FIRST_SOCKET, FIRST_TUN, Part, WorkerOutputs};
use crate::Offloads;

mod commands;
mod foreign;

#[test]
fn two_workers_hand_each_other_nothing_and_move_nearly_twice_what_one_does() {
    let mut ratios = [(); ROUNDS].map(|()| {
        let (one, two) = (moved(1), moved(2));
        assert!(one > 0 && two > 0);
        two as f64 / one as f64
    });
    ratios.sort_by(f64::total_cmp);
    let [least, .., most] = ratios;
    let median = ratios[ROUNDS / 2];
    println!("FIGURE two workers move {median:.2} ({least:.2}-{most:.2}) times as much as one");
}

#[test]
fn a_packet_does_not_wait_behind_all_of_another_flow() {
    let bulk = || tcp([192, 0, 2, 1], address(0), SUPER);
    let backlog = Backlog::of((0..100).map(|_| bulk()));
    let single = Backlog::of([tcp([192, 0, 2, 2], address(0), 3)]);
    let queues = TunQueues::share(&[Arc::clone(&backlog), Arc::clone(&single)], 0, 1).unwrap();
    let handoffs = HandoffQueues::new([Poller::new().expect("epoll").waker()]);
    let udp = Arc::new(MemoryUdp::new(&[0]));
    let mut worker = Rig::new(Shard::WHOLE, Handoff::new(handoffs, 0), queues, udp).worker;
    let commands = set_up(PeerRef { id: id(0), generation: 1 });
    commands.into_iter().for_each(|command| worker.apply(command));
    let readable = |token| Ready::Fd { token, readable: true, writable: false };
    worker.serve(&[readable(FIRST_TUN), readable(FIRST_TUN + 1)]);
    assert_eq!(single.left(), 0, "the other flow's turn came");
    assert!(backlog.left() > 80, "and a turn ends");
    while backlog.left() > 0 {
        worker.serve(&[readable(FIRST_TUN)]);
    }
    assert_eq!(worker.figures().total.tx_packets, 100 * SEGMENTS as u64 + 1);
}

#[test]
fn what_waits_for_a_peer_that_was_sent_enough_stays_in_its_queue_and_holds_up_nobody() {
    let to = |slot| Backlog::of((0..10).map(|_| tcp([192, 0, 2, 1], address(slot), SUPER)));
    let (stock, ours) = (to(0), to(1));
    let queues = TunQueues::share(&[Arc::clone(&stock), Arc::clone(&ours)], 0, 1).unwrap();
    let handoffs = HandoffQueues::new([Poller::new().expect("epoll").waker()]);
    let udp = Arc::new(MemoryUdp::new(&[0]));
    let rig = Rig::new(Shard::WHOLE, Handoff::new(handoffs, 0), queues, udp);
    let (mut worker, clock) = (rig.worker, rig.clock);
    for (slot, paced) in [(0, true), (1, false)] {
        let peer = PeerRef { id: id(slot), generation: 1 };
        let settings = PeerSettings { paced, ..settings(peer.id) };
        set_up_with(peer, settings).into_iter().for_each(|command| worker.apply(command));
    }
    let readable = |token| Ready::Fd { token, readable: true, writable: false };
    let both = [readable(FIRST_TUN), readable(FIRST_TUN + 1)];
    worker.serve(&both);
    assert_eq!(stock.left(), 9);
    assert!(ours.left() < 7, "{} of 10 super-packets left", ours.left());
    while ours.left() > 0 {
        worker.serve(&both);
    }
    assert_eq!(stock.left(), 9, "its pause lasts");
    for left in (0..9).rev() {
        clock.advance(Duration::from_micros(200));
        worker.serve(&both);
        assert_eq!(stock.left(), left);
    }
    assert_eq!(worker.figures().total.tx_packets, 20 * SEGMENTS as u64);
}

/// The bytes that so many workers move in a moment, each on a thread of its own.
fn moved(workers: u16) -> u64 {
    let handoffs = HandoffQueues::new((0..workers).map(|_| Poller::new().expect("epoll").waker()));
    let start = Arc::new(Barrier::new(workers.into()));
    let threads: Vec<_> = (0..workers)
        .map(|index| {
            let handoff = Handoff::new(Arc::clone(&handoffs), index.into());
            let start = Arc::clone(&start);
            std::thread::spawn(move || run(index, workers, handoff, &start))
        })
        .collect();
    threads.into_iter().map(|thread| thread.join().expect("a worker")).sum()
}

fn run(index: u16, of: u16, handoff: Handoff, start: &Barrier) -> u64 {
    let shard = Shard::new(index, of).expect("workers");
    let peers: Vec<u32> = (0..PEERS * u32::from(of)).filter(|slot| shard.owns(*slot)).collect();
    let tun = Arc::new(MemoryTun::new(&peers));
    let udp = Arc::new(MemoryUdp::new(&peers));
    let queue = TunQueues::one(Arc::clone(&tun));
    let mut worker = Rig::new(shard, handoff, queue, Arc::clone(&udp)).worker;
    let commands = |slot: &u32| set_up(PeerRef { id: id(*slot), generation: 1 });
    peers.iter().flat_map(commands).for_each(|command| worker.apply(command));
    let readable = |token| Ready::Fd { token, readable: true, writable: false };
    start.wait();
    let until = Instant::now() + MOMENT;
    while Instant::now() < until {
        worker.serve(&[readable(FIRST_TUN), readable(FIRST_SOCKET)]);
    }
    let figures = worker.figures();
    assert_eq!(figures.handed_over, 0);
    assert_eq!(figures.drops.total(), 0, "{:?}", figures.drops);
    assert_eq!(figures.peers.len(), peers.len());
    assert!(tun.written.load(Ordering::Relaxed) > 0 && udp.sent.load(Ordering::Relaxed) > 0);
    figures.total.rx_bytes + figures.total.tx_bytes
}

/// A worker that is not running, and what reaches it and comes from it.
struct Rig<T: TunIo> {
    worker: DataWorker<T, MemoryUdp>,
    orders: DataHandle,
    notices: mpsc::UnboundedReceiver<Notice>,
    clock: VirtualClock,
}

impl<T: TunIo> Rig<T> {
    fn new(shard: Shard, handoff: Handoff, tun: TunQueues<T>, udp: Arc<MemoryUdp>) -> Self {
        let clock = VirtualClock::new(START);
        let key = StaticKey::from_bytes(&[7; 256]);
        let auth = TlsAuth::new(&key, KeyDirection::Normal, AuthDigest::Sha256);
        let offloads = Offloads {
            tun: TunOffload::TcpAndUdp,
            gso: true,
            gro: true,
            steering: true,
            queues: true,
            affinity: false,
        };
        let common = Common {
            check: StrangerCheck::shared(Arc::new(ControlWrap::TlsAuth(Box::new(auth)))),
            clock: Arc::new(clock.clone()),
            nice: 0,
        };
        let streams = StreamSources::default();
        let (tun, sockets) = (Arc::new(tun), vec![(udp, true)]);
        let io = DataIo { tun, reads_tun: true, sockets, streams, common, offloads };
        let poller = Poller::new().expect("epoll");
        let (control, _) = mpsc::channel(1);
        let (notices_out, notices) = mpsc::unbounded_channel();
        let (ended_streams, _) = mpsc::unbounded_channel();
        let outputs =
            WorkerOutputs { control, notices: notices_out, ended_streams: ended_streams.clone() };
        let streams = Streams::new(0, shard.of(), StreamSources::default(), &poller, ended_streams)
            .expect("no streams");
        let settings = WorkerSettings { shard, ..WorkerSettings::server(1 << 16) };
        let part = Part { index: 0, settings, handoff };
        let (orders, inbox) = channel();
        let (entrance, newcomers) = newcomers();
        let orders = DataHandle { orders, entrance, waker: poller.waker() };
        let worker = DataWorker::new(part, io, streams, outputs, poller, inbox, newcomers);
        Self { worker, orders, notices, clock }
    }
}

/// A peer that is sealed for.
fn set_up(peer: PeerRef) -> [Command; 3] {
    set_up_with(peer, settings(peer.id))
}

fn set_up_with(peer: PeerRef, settings: PeerSettings) -> [Command; 3] {
    let slot = peer.id.get();
    let (key_id, cipher, role) = (KeyId::FIRST, Cipher::Aes256Gcm, Role::TlsServer);
    [
        Command::PeerNew { peer, endpoint: home(slot), settings },
        Command::KeyNew { peer, key_id, cipher, material: material(slot), role, fresh: true },
        Command::KeySwap { peer, key_id },
    ]
}

fn settings(id: PeerId) -> PeerSettings {
    PeerSettings {
        header: Header::V2(id),
        addresses: vec![address(id.get()).into()],
        networks: Vec::new(),
        mss: MssByUnderlay::UNTOUCHED,
        keep_alive: KeepAlive::default(),
        float: true,
        paced: false,
    }
}

fn id(slot: u32) -> PeerId {
    PeerId::new(slot).expect("small")
}

/// Gives one super-packet for one peer after the other, and takes everything.
#[derive(Debug)]
struct MemoryTun {
    frames: Vec<Vec<u8>>,
    read: AtomicUsize,
    written: AtomicU64,
}

impl MemoryTun {
    fn new(peers: &[u32]) -> Self {
        let frames = peers.iter().map(|slot| tcp([192, 0, 2, 1], address(*slot), SUPER)).collect();
        Self { frames, read: AtomicUsize::new(0), written: AtomicU64::new(0) }
    }
}

impl TunIo for MemoryTun {
    /// Between two super-packets there is nothing to read, as with the kernel's.
    fn recv(&self, packet: &mut Packet) -> Result<Option<VnetHeader>, TunIoError> {
        let turn = self.read.fetch_add(1, Ordering::Relaxed);
        if turn % 2 == 1 {
            return Ok(None);
        }
        Ok(Some(fill(packet, &self.frames[turn / 2 % self.frames.len()])))
    }

    fn send_gathered(
        &self,
        _: &VnetHeader,
        first: &[u8],
        more: &[&[u8]],
    ) -> Result<(), TunIoError> {
        let bytes = first.len() + more.iter().map(|piece| piece.len()).sum::<usize>();
        self.written.fetch_add(bytes as u64, Ordering::Relaxed);
        Ok(())
    }
}

/// Gives what it holds, and takes nothing.
#[derive(Debug)]
struct Backlog(std::sync::Mutex<VecDeque<Vec<u8>>>);

impl Backlog {
    fn of(frames: impl IntoIterator<Item = Vec<u8>>) -> Arc<Self> {
        Arc::new(Self(std::sync::Mutex::new(frames.into_iter().collect())))
    }

    fn left(&self) -> usize {
        self.0.lock().expect("one thread").len()
    }
}

impl TunIo for Backlog {
    fn recv(&self, packet: &mut Packet) -> Result<Option<VnetHeader>, TunIoError> {
        let frame = self.0.lock().expect("one thread").pop_front();
        Ok(frame.map(|frame| fill(packet, &frame)))
    }

    fn send_gathered(&self, _: &VnetHeader, _: &[u8], _: &[&[u8]]) -> Result<(), TunIoError> {
        Err(TunIoError::BadPacket)
    }
}

/// A frame as the kernel gives it: joined if it is longer than a segment.
fn fill(packet: &mut Packet, frame: &[u8]) -> VnetHeader {
    packet.room()[..frame.len()].copy_from_slice(frame);
    packet.filled(frame.len());
    // NEEDS_CSUM, TCPV4, 40 bytes of headers, the segment's size, the checksum's place.
    let size = (SEGMENT as u16).to_ne_bytes();
    match frame.len() > 40 + SEGMENT {
        true => [1, 1, 40, 0, size[0], size[1], 20, 0, 16, 0],
        false => [1, 0, 0, 0, 0, 0, 20, 0, 16, 0],
    }
}

/// Gives joined datagrams of one peer after the other, sealed on the spot, and takes everything.
#[derive(Debug)]
struct MemoryUdp {
    far: std::sync::Mutex<Vec<Far>>,
    turn: AtomicUsize,
    sent: AtomicU64,
}

#[derive(Debug)]
struct Far {
    slot: u32,
    seal: SealKey,
    packet: Vec<u8>,
}

impl MemoryUdp {
    fn new(peers: &[u32]) -> Self {
        let far = |slot: &u32| {
            let keys = DataKeys::derive(Cipher::Aes256Gcm, &material(*slot), Role::TlsClient);
            let packet = tcp(address(*slot), [192, 0, 2, 1], SEGMENT);
            Far { slot: *slot, seal: keys.expect("keys").0, packet }
        };
        let far = std::sync::Mutex::new(peers.iter().map(far).collect());
        Self { far, turn: AtomicUsize::new(0), sent: AtomicU64::new(0) }
    }
}

impl UdpIo for MemoryUdp {
    fn recv_batch(&self, slots: &mut [Received]) -> Result<usize, RecvError> {
        let mut far = self.far.lock().expect("one thread");
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % far.len();
        let Far { slot, seal, packet } = &mut far[turn];
        let header = DataHeader::V2 { key_id: KeyId::FIRST, peer_id: id(*slot) };
        let len = SealKey::sealed_len(header, packet.len());
        let received = &mut slots[0];
        for room in received.packet.room().chunks_exact_mut(len).take(SEGMENTS) {
            seal.seal(header, packet, room).expect("sealed");
        }
        received.packet.filled(len * SEGMENTS);
        received.stride = len;
        received.remote = home(*slot).remote;
        Ok(1)
    }

    fn send(&self, datagrams: Transmit<'_>) -> Result<(), SendError> {
        self.sent.fetch_add(datagrams.payload.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    fn joins_sent(&self) -> bool {
        true
    }
}

fn material(slot: u32) -> KeyMaterial {
    let mut bytes = [0x5a; 256];
    bytes[..4].copy_from_slice(&slot.to_be_bytes());
    KeyMaterial::from_bytes(&bytes).expect("256 bytes")
}

fn home(slot: u32) -> Endpoint {
    let [.., high, low] = slot.to_be_bytes();
    Endpoint::new(0, ([198, 51, high, low], 1194).into())
}

fn address(slot: u32) -> [u8; 4] {
    let [.., high, low] = slot.to_be_bytes();
    [10, 71, high, low]
}

/// A TCP packet with so much payload, whose checksums nobody has completed.
fn tcp(from: [u8; 4], to: [u8; 4], payload: usize) -> Vec<u8> {
    let mut packet = vec![0; 40 + payload];
    packet[0] = 0x45;
    packet[2..4].copy_from_slice(&(40 + payload as u16).to_be_bytes());
    (packet[8], packet[9]) = (64, 6);
    packet[12..16].copy_from_slice(&from);
    packet[16..20].copy_from_slice(&to);
    (packet[32], packet[33]) = (0x50, 0x10);
    packet
}

const START: Now =
    Now { boot: Duration::from_secs(1_000), wall: Duration::from_secs(1_800_000_000) };
const ROUNDS: usize = 5;
const MOMENT: Duration = Duration::from_millis(200);
const PEERS: u32 = 50;
const SEGMENT: usize = 1360;
const SEGMENTS: usize = 40;
const SUPER: usize = SEGMENT * SEGMENTS;
