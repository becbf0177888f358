//! Our cutting and joining beside the kernel's own, byte by byte: a super-packet is written to a TUN
//! interface with offload, the kernel routes it to one without and cuts it itself, and what comes out
//! there is what `split` makes of the same packet, or what `Coalescer` had joined.
//!
//! ```text
//!   super-packet -> hf0 (offload) -> the namespace's forwarding -> hf1 (none) -> segments
//! ```
//!
//! Needs root; says why if it skips.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail their test")]

use std::process::Command;
use std::time::{Duration, Instant};

use datapath::offload::{Coalescer, Joined, Joining, Segmentation, SuperSink, VirtioHeader, split};
use sysio::{Netns, Packet, Tun, TunOffload};

#[test]
fn segments_are_those_that_the_kernel_cuts() {
    let netns = match Netns::create() {
        Ok(netns) => netns,
        Err(error) => return eprintln!("SKIP segments_are_those_that_the_kernel_cuts: {error}"),
    };
    let [joined, plain] = router(&netns);
    let mut compared = 0;
    for case in cases(joined.offload() == TunOffload::TcpAndUdp) {
        // Its way through the namespace takes one hop.
        let (ours, theirs) = (case.cut_by_us(HOPS - 1), case.cut_by_the_kernel(&joined, &plain));
        assert_eq!(theirs.len(), ours.len(), "{case:?}");
        for (at, (theirs, ours)) in theirs.iter().zip(&ours).enumerate() {
            assert_eq!(theirs, ours, "segment {at} of {case:?}");
        }
        compared += ours.len();
    }
    println!("FIGURE {compared} segments are equal to the kernel's");
}

#[test]
fn the_kernel_cuts_what_we_joined_into_what_it_was() {
    let netns = match Netns::create() {
        Ok(netns) => netns,
        Err(error) => {
            return eprintln!("SKIP the_kernel_cuts_what_we_joined_into_what_it_was: {error}");
        }
    };
    let [joined, plain] = router(&netns);
    let (mut segments, mut writes) = (0, 0);
    for case in cases(joined.offload() == TunOffload::TcpAndUdp) {
        writes += case.join(&joined);
        let (theirs, ours) = (case.arrived(&plain), case.cut_by_us(HOPS - 1));
        assert_eq!(theirs, ours, "{case:?}");
        segments += ours.len();
    }
    println!("FIGURE {segments} segments were joined into {writes} and are what they were");
    assert!(writes < segments / 4, "most of them were joined");
}

/// A flow's super-packet.
#[derive(Clone, Copy, Debug)]
struct Case {
    v4: bool,
    tcp: bool,
    /// TCP's.
    flags: u8,
    /// Bytes of TCP options.
    options: usize,
    payload: usize,
    size: u16,
    traffic_class: u8,
    dont_fragment: bool,
}

/// Both families and protocols; a short last segment and none; every flag that is told apart.
fn cases(udp: bool) -> Vec<Case> {
    let mut cases = Vec::new();
    for v4 in [true, false] {
        for (payload, size) in [(5000, 1000), (5001, 1000), (4999, 1000), (64, 8), (60_000, 1360)] {
            let case = Case {
                v4,
                tcp: true,
                flags: ACK,
                options: 0,
                payload,
                size,
                traffic_class: 0,
                dont_fragment: true,
            };
            let flags = [ACK, ACK | PSH, ACK | FIN, ACK | FIN | PSH, ACK | ECE, ACK | CWR | PSH];
            cases.extend(flags.map(|flags| Case { flags, ..case }));
            cases.push(Case { options: 12, traffic_class: 0x02, ..case });
            cases.push(Case { options: 40, dont_fragment: false, ..case });
            if udp {
                cases.push(Case { tcp: false, ..case });
                cases.push(Case { tcp: false, dont_fragment: false, traffic_class: 0xb9, ..case });
            }
        }
    }
    cases
}

impl Case {
    fn cut_by_us(&self, hops: u8) -> Vec<Vec<u8>> {
        let mut packet = self.packet(hops);
        let mut segments = Vec::new();
        split(&mut packet, &self.header(), |segment| segments.push(segment.to_vec())).unwrap();
        segments
    }

    fn cut_by_the_kernel(&self, joined: &Tun, plain: &Tun) -> Vec<Vec<u8>> {
        let (packet, header) = (self.packet(HOPS), self.header());
        let (headers, payload) = packet.split_at(self.headers());
        joined.send_gathered(&header.encode(), headers, &[payload]).unwrap();
        self.arrived(plain)
    }

    /// Writes the segments as a data worker does, and says in how many pieces.
    fn join(&self, joined: &Tun) -> usize {
        let segments = self.cut_by_us(HOPS);
        let mut device = Device { tun: joined, writes: 0 };
        let mut coalescer = Coalescer::new(Joining::TcpAndUdp);
        segments.iter().for_each(|segment| coalescer.push(segment, &mut device));
        coalescer.flush(&mut device);
        device.writes
    }

    /// All segments of it, as they come out of the other interface.
    fn arrived(&self, plain: &Tun) -> Vec<Vec<u8>> {
        let count = self.payload.div_ceil(self.size.into());
        let mut packets: Vec<_> = (0..64).map(|_| Packet::new(0, 2000)).collect();
        let (mut came, began) = (Vec::new(), Instant::now());
        while came.len() < count && began.elapsed() < Duration::from_secs(5) {
            let read = plain.recv_batch(&mut packets).unwrap_or(0);
            let contents = packets[..read].iter().map(Packet::content);
            // Interfaces talk of themselves.
            let ours = contents.filter(|packet| self.is_of(packet));
            came.extend(ours.map(<[u8]>::to_vec));
            std::thread::sleep(Duration::from_micros(100));
        }
        came
    }

    fn is_of(&self, packet: &[u8]) -> bool {
        let source = if self.v4 { packet.get(12..16) } else { packet.get(8..24) };
        let ours = if self.v4 { &V4_SOURCE[..] } else { &V6_SOURCE[..] };
        source == Some(ours)
    }

    fn ip(&self) -> usize {
        if self.v4 { 20 } else { 40 }
    }

    fn headers(&self) -> usize {
        self.ip() + if self.tcp { 20 + self.options } else { 8 }
    }

    fn header(&self) -> VirtioHeader {
        let segmentation = match (self.tcp, self.v4) {
            (true, true) => Segmentation::Tcp4(self.size),
            (true, false) => Segmentation::Tcp6(self.size),
            (false, _) => Segmentation::Udp(self.size),
        };
        VirtioHeader {
            checksum: Some((self.ip() as u16, if self.tcp { 16 } else { 6 })),
            segmentation: Some(segmentation),
            header_len: self.headers() as u16,
        }
    }

    /// The whole, with the sum of the pseudo-header where the checksum goes.
    fn packet(&self, hops: u8) -> Vec<u8> {
        let len = self.headers() - self.ip() + self.payload;
        let mut transport = vec![0x12, 0x34, 0x10, 0x92];
        if self.tcp {
            let offset = (((20 + self.options) / 4) << 4) as u8;
            transport
                .extend([1, 2, 0xff, 0xf0, 5, 6, 7, 8, offset, self.flags, 0x0f, 0xff, 0, 0, 0, 0]);
            transport.extend(std::iter::repeat_n(1, self.options));
        } else {
            transport.extend([(len as u16).to_be_bytes(), [0, 0]].concat());
        }
        let protocol = if self.tcp { 6 } else { 17 };
        let addresses: &[&[u8]] =
            if self.v4 { &[&V4_SOURCE, &V4_DESTINATION] } else { &[&V6_SOURCE, &V6_DESTINATION] };
        let addresses = addresses.concat();
        let pseudo = [&addresses[..], &[0, protocol], &(len as u16).to_be_bytes()].concat();
        let at = if self.tcp { 16 } else { 6 };
        transport[at..at + 2].copy_from_slice(&ones_sum(&pseudo).to_be_bytes());
        let payload = (0..self.payload).map(|n| (n * 7) as u8);
        self.ip_header(hops, protocol, len, &addresses)
            .into_iter()
            .chain(transport)
            .chain(payload)
            .collect()
    }

    fn ip_header(&self, hops: u8, protocol: u8, len: usize, addresses: &[u8]) -> Vec<u8> {
        if !self.v4 {
            let [high, low] = (len as u16).to_be_bytes();
            let class = self.traffic_class;
            let head = [0x60 | class >> 4, class << 4 | 5, 6, 7, high, low, protocol, hops];
            return [&head, addresses].concat();
        }
        let [high, low] = ((len + 20) as u16).to_be_bytes();
        let flags = if self.dont_fragment { 0x40 } else { 0 };
        let head =
            [0x45, self.traffic_class, high, low, 0xff, 0xfe, flags, 0, hops, protocol, 0, 0];
        let mut header = [&head, addresses].concat();
        let sum = !ones_sum(&header);
        header[10..12].copy_from_slice(&sum.to_be_bytes());
        header
    }
}

struct Device<'t> {
    tun: &'t Tun,
    writes: usize,
}

impl SuperSink for Device<'_> {
    fn write(&mut self, joined: &Joined<'_, '_>) {
        self.writes += 1;
        self.tun.send_gathered(&joined.header.encode(), joined.first, joined.payloads).unwrap();
    }
}

/// A namespace that forwards from the first interface to the second.
fn router(netns: &Netns) -> [Tun; 2] {
    let make = |name: &'static str, offload| {
        netns.run(move || Tun::create(name, 1500, offload)).unwrap().unwrap()
    };
    let tuns = [make("hf0", TunOffload::TcpAndUdp), make("hf1", TunOffload::None)];
    for (name, net) in [("hf0", 0), ("hf1", 1)] {
        ip(netns, &format!("addr add 10.9.{net}.1/24 dev {name}"));
        ip(netns, &format!("addr add fd09:0:0:{net}::1/64 dev {name} nodad"));
        ip(netns, &format!("link set {name} up"));
    }
    let forward = |key: &str| std::fs::write(format!("/proc/sys/net/{key}"), "1");
    netns
        .run(|| forward("ipv4/ip_forward").and(forward("ipv6/conf/all/forwarding")))
        .unwrap()
        .unwrap();
    tuns
}

fn ip(netns: &Netns, arguments: &str) {
    let mut command = Command::new("ip");
    command.args(arguments.split_whitespace());
    assert!(netns.output(command).unwrap().status.success(), "{arguments}");
}

/// The sum of big-endian words.
fn ones_sum(bytes: &[u8]) -> u16 {
    let words =
        bytes.chunks(2).map(|w| u64::from(w[0]) << 8 | u64::from(w.get(1).copied().unwrap_or(0)));
    let sum: u64 = words.sum();
    (0..3).fold(sum, |sum, _| (sum & 0xffff) + (sum >> 16)) as u16
}

const V4_SOURCE: [u8; 4] = [10, 9, 0, 2];
const V4_DESTINATION: [u8; 4] = [10, 9, 1, 2];
const V6_SOURCE: [u8; 16] = [0xfd, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];
const V6_DESTINATION: [u8; 16] = [0xfd, 9, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2];
const HOPS: u8 = 64;
const FIN: u8 = 0x01;
const PSH: u8 = 0x08;
const ACK: u8 = 0x10;
const ECE: u8 = 0x40;
const CWR: u8 = 0x80;
