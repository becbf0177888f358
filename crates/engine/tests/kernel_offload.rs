//! Our splitting and joining against the kernel's: two namespaces whose TUN interfaces are joined
//! by this test, one with offload and one without. The side without takes our segments one by one
//! and checks every checksum; the side with offload takes what we joined apart. Needs root; says why
//! if it skips.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail their test")]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use datapath::offload::{Coalescer, Joined, Joining, SuperSink, VirtioHeader, split};
use sysio::{Netns, Packet, Received, Transmit, Tun, TunIoError, TunOffload, UdpSocket};

#[test]
fn a_tcp_stream_arrives_whole_both_ways_and_no_checksum_is_wrong() {
    let Some(pair) = Pair::new(TunOffload::TcpAndUdp) else { return };
    for family in [false, true] {
        let [near, far] = pair.addresses(family);
        stream(&pair.near, &pair.far, far);
        stream(&pair.far, &pair.near, near);
    }
    let counts = &pair.counts;
    assert!(counts.read.load(Relaxed) > 20, "super-packets were read");
    assert!(counts.joined.load(Relaxed) > 20, "super-packets were written");
    assert_eq!(counts.refused.load(Relaxed), 0, "the kernel takes what we join");
    for side in [&pair.near, &pair.far] {
        assert_eq!(checksum_errors(side), 0);
    }
}

#[test]
fn joined_udp_datagrams_arrive_as_they_were_sent_both_ways() {
    let Some(pair) = Pair::new(TunOffload::TcpAndUdp) else { return };
    if pair.offload != TunOffload::TcpAndUdp {
        return eprintln!("skipped: this kernel's TUN joins no UDP");
    }
    let bytes = noise(20_500);
    for family in [false, true] {
        let [near, far] = pair.addresses(family);
        assert!(datagrams(&pair.near, &pair.far, far, &bytes) == bytes);
        assert!(datagrams(&pair.far, &pair.near, near, &bytes) == bytes);
    }
    assert!(pair.counts.read.load(Relaxed) > 0);
    assert_eq!(pair.counts.refused.load(Relaxed), 0);
}

#[test]
fn without_udp_offload_a_tcp_stream_is_still_joined() {
    let Some(pair) = Pair::new(TunOffload::Tcp) else { return };
    assert_eq!(pair.offload, TunOffload::Tcp);
    stream(&pair.near, &pair.far, pair.addresses(false)[1]);
    assert!(pair.counts.read.load(Relaxed) > 0);
}

/// Two namespaces and what joins them.
struct Pair {
    near: Netns,
    far: Netns,
    offload: TunOffload,
    counts: Arc<Counts>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Counts {
    read: AtomicUsize,
    joined: AtomicUsize,
    refused: AtomicUsize,
}

impl Pair {
    fn new(offload: TunOffload) -> Option<Self> {
        let (near, far) = match (Netns::create(), Netns::create()) {
            (Ok(near), Ok(far)) => (near, far),
            (Err(error), _) | (_, Err(error)) => {
                eprintln!("skipped: {error}");
                return None;
            }
        };
        let joined = Arc::new(tun(&near, 1, offload));
        let plain = Arc::new(tun(&far, 2, TunOffload::None));
        let mut pair = Self {
            near,
            far,
            offload: joined.offload(),
            counts: Arc::default(),
            stop: Arc::default(),
            threads: Vec::new(),
        };
        pair.spawn({
            let (joined, plain) = (Arc::clone(&joined), Arc::clone(&plain));
            move |counts| pump_out(&joined, &plain, counts)
        });
        pair.spawn(move |counts| pump_in(&plain, &joined, counts));
        Some(pair)
    }

    /// Runs `step` over and over until the pair goes. It says whether it had something to do.
    fn spawn(&mut self, mut step: impl FnMut(&Counts) -> bool + Send + 'static) {
        let (counts, stop) = (Arc::clone(&self.counts), Arc::clone(&self.stop));
        self.threads.push(std::thread::spawn(move || {
            while !stop.load(Relaxed) {
                if !step(&counts) {
                    std::thread::sleep(Duration::from_micros(200));
                }
            }
        }));
    }

    /// The near and the far side's address.
    fn addresses(&self, v6: bool) -> [SocketAddr; 2] {
        [1, 2].map(|last| match v6 {
            false => (Ipv4Addr::new(10, 9, 0, last), PORT).into(),
            true => (Ipv6Addr::new(0xfd09, 0, 0, 0, 0, 0, 0, last.into()), PORT).into(),
        })
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        self.threads.drain(..).for_each(|thread| drop(thread.join()));
    }
}

/// From the side with offload to the one without: splits.
fn pump_out(joined: &Tun, plain: &Tun, counts: &Counts) -> bool {
    let mut packet = Packet::new(0, 65_575);
    let Ok(Some(header)) = joined.recv(&mut packet) else { return false };
    let header = VirtioHeader::parse(&header).unwrap();
    counts.read.fetch_add(usize::from(header.segmentation.is_some()), Relaxed);
    split(packet.content_mut(), &header, |segment| {
        assert!(segment.len() <= 1500);
        plain.send(segment).unwrap();
    })
    .unwrap();
    true
}

/// From the side without offload to the one with: joins.
fn pump_in(plain: &Tun, joined: &Tun, counts: &Counts) -> bool {
    let mut packets: Vec<_> = (0..64).map(|_| Packet::new(0, 1500)).collect();
    let count = plain.recv_batch(&mut packets).unwrap_or(0);
    let allowed = match joined.offload() {
        TunOffload::TcpAndUdp => Joining::TcpAndUdp,
        _ => Joining::Tcp,
    };
    let mut coalescer = Coalescer::new(allowed);
    let mut sink = Counting { tun: joined, counts };
    packets[..count].iter().for_each(|packet| coalescer.push(packet.content(), &mut sink));
    coalescer.flush(&mut sink);
    count > 0
}

struct Counting<'t> {
    tun: &'t Tun,
    counts: &'t Counts,
}

impl SuperSink for Counting<'_> {
    fn write(&mut self, joined: &Joined<'_, '_>) {
        self.counts.joined.fetch_add(usize::from(joined.packets.len() > 1), Relaxed);
        let header = joined.header.encode();
        match self.tun.send_gathered(&header, joined.first, joined.payloads) {
            Ok(()) => {}
            Err(TunIoError::BadPacket) => _ = self.counts.refused.fetch_add(1, Relaxed),
            Err(error) => panic!("{error}"),
        }
    }
}

/// Sends some megabytes to `address`, where the same must arrive.
fn stream(from: &Netns, to: &Netns, address: SocketAddr) {
    let listener = to.run(|| TcpListener::bind(address).unwrap()).unwrap();
    let reader = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        listener.accept().unwrap().0.read_to_end(&mut bytes).unwrap();
        bytes
    });
    let sent = noise(8 << 20);
    let mut stream = from.run(|| TcpStream::connect(address).unwrap()).unwrap();
    stream.write_all(&sent).unwrap();
    drop(stream);
    let came = reader.join().unwrap();
    assert!(came == sent, "{} of {} bytes", came.len(), sent.len());
}

fn datagrams(from: &Netns, to: &Netns, address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let server = to.run(|| UdpSocket::bind(address).unwrap()).unwrap();
    server.join_received();
    let client = from.run(|| UdpSocket::connect(address).unwrap()).unwrap();
    let transmit =
        Transmit { payload: bytes, remote: address, local: None, ifindex: 0, segment: 1000 };
    client.send(transmit).unwrap();
    let mut slots: Vec<_> = (0..32).map(|_| Received::new(Packet::new(0, 65_535))).collect();
    let (mut came, start) = (Vec::new(), Instant::now());
    while came.len() < bytes.len() && start.elapsed() < Duration::from_secs(5) {
        let count = server.recv_batch(&mut slots).unwrap();
        for slot in &slots[..count] {
            assert!(slot.stride == 0 || slot.stride == 1000, "{}", slot.stride);
            came.extend_from_slice(slot.packet.content());
        }
    }
    came
}

fn tun(netns: &Netns, last: u8, offload: TunOffload) -> Tun {
    let tun = netns.run(|| Tun::create("hf0", 1500, offload)).unwrap().unwrap();
    let addresses = [format!("10.9.0.{last}/24"), format!("fd09::{last}/64 nodad")];
    for address in addresses {
        ip(netns, &format!("addr add {address} dev hf0"));
    }
    ip(netns, "link set hf0 up");
    tun
}

fn ip(netns: &Netns, arguments: &str) {
    let mut command = Command::new("ip");
    command.args(arguments.split_whitespace());
    assert!(netns.output(command).unwrap().status.success(), "{arguments}");
}

/// TCP segments and UDP datagrams that the namespace refused for their checksum.
fn checksum_errors(netns: &Netns) -> u64 {
    let text =
        netns.run(|| std::fs::read_to_string("/proc/thread-self/net/snmp").unwrap()).unwrap();
    let mut sum = 0;
    for table in ["Tcp:", "Udp:"] {
        let mut lines = text.lines().filter(|line| line.starts_with(table));
        let (names, values) = (lines.next().unwrap(), lines.next().unwrap());
        let at = names.split(' ').position(|name| name == "InCsumErrors").unwrap();
        sum += values.split(' ').nth(at).unwrap().parse::<u64>().unwrap();
    }
    sum
}

fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut step = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..len).map(|_| step()).collect()
}

const PORT: u16 = 4242;
