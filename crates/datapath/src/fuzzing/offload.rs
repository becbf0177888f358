//! Targets for cutting and joining: any header and packet, any sequence of packets.
//!
//! Each checks both directions of "inverse": what was joined is cut into what it was made of, and a
//! flow that was cut is joined into what it was. They copy little, since they run often.

use super::Input;
use crate::offload::{self, Coalescer, Joined, Joining, Segmentation, SuperSink, VirtioHeader};

/// A virtio header and a packet from a TUN device with offload: segments are no longer than was
/// asked for, and those of an ordinary flow are joined into what it was.
pub fn split(bytes: &[u8]) {
    let Some((header, packet)) = bytes.split_first_chunk() else { return };
    let Ok(header) = VirtioHeader::parse(header) else { return };
    let (mut cut, mut all, mut ends) = (packet.to_vec(), Vec::new(), Vec::new());
    let size = header.segmentation.map_or(usize::MAX, Segmentation::size);
    let mut count = 0;
    let outcome = offload::split(&mut cut, &header, |segment| {
        assert!(segment.len() <= size.saturating_add(100));
        count += 1;
        // Thousands of tiny segments show nothing that these don't.
        if count <= MOST_KEPT {
            all.extend_from_slice(segment);
            ends.push(all.len());
        }
    });
    assert!(outcome.is_ok() || count == 0);
    let starts = std::iter::once(&0).chain(&ends);
    let segments: Vec<&[u8]> = starts.zip(&ends).map(|(from, to)| &all[*from..*to]).collect();
    let ordinary = outcome.is_ok() && is_ordinary_flow(&header, packet, count);
    let written = Checked::coalesce(&segments, ordinary.then_some((header, packet)));
    assert!(!ordinary || written == 1, "{written} writes of one flow");
}

/// Packets behind their lengths, some of which continue each other: order and bytes are kept, and
/// what was joined is cut into what it was made of.
pub fn coalesce(bytes: &[u8]) {
    let mut input = Input(bytes);
    let mut packets = Vec::new();
    while !input.0.is_empty() {
        packets.push(input.chunk());
    }
    Checked::coalesce(&packets, None);
}

/// Checks each write of a coalescer against the packets that it was given.
struct Checked<'p> {
    expected: std::slice::Iter<'p, &'p [u8]>,
    /// What the packets were cut from, if they must be joined into it again.
    origin: Option<(VirtioHeader, &'p [u8])>,
    whole: Vec<u8>,
    writes: usize,
}

impl<'p> Checked<'p> {
    /// Joins the packets, and says in how many writes.
    fn coalesce(packets: &'p [&'p [u8]], origin: Option<(VirtioHeader, &'p [u8])>) -> usize {
        let mut checked = Self { expected: packets.iter(), origin, whole: Vec::new(), writes: 0 };
        let mut coalescer = Coalescer::new(Joining::TcpAndUdp);
        packets.iter().for_each(|packet| coalescer.push(packet, &mut checked));
        coalescer.flush(&mut checked);
        assert!(checked.expected.next().is_none(), "packets were kept back");
        checked.writes
    }
}

impl SuperSink for Checked<'_> {
    fn write(&mut self, joined: &Joined<'_, '_>) {
        self.writes += 1;
        for packet in joined.packets {
            assert_eq!(Some(packet), self.expected.next());
        }
        if joined.header.segmentation.is_none() {
            return assert_eq!([joined.first], joined.packets);
        }
        let whole = &mut self.whole;
        whole.clear();
        whole.extend_from_slice(joined.first);
        joined.payloads.iter().for_each(|payload| whole.extend_from_slice(payload));
        if let Some((header, origin)) = &self.origin {
            assert_eq!(joined.header.segmentation, header.segmentation);
            assert_eq!(without_sums(whole), with_lengths(without_sums(origin)));
        }
        let mut packets = joined.packets.iter();
        let check = |segment: &mut [u8]| {
            let packet = packets.next().expect("as many segments as packets");
            assert!(same_but_identification(segment, packet));
        };
        offload::split(whole, &joined.header, check).expect("it can be cut again");
        assert!(packets.next().is_none());
    }
}

/// Whether these segments are of a kind that the kernel's own receive offload would join: several of
/// them, not too many, and in TCP nothing but data.
fn is_ordinary_flow(header: &VirtioHeader, packet: &[u8], segments: usize) -> bool {
    let only_data = |ip: usize| packet[ip + 12] & 15 == 0 && packet[ip + 13] & !0x08 == 0x10;
    let is_data = match header.segmentation {
        None => false,
        Some(Segmentation::Udp(_)) => true,
        Some(Segmentation::Tcp4(_)) => only_data(20),
        Some(Segmentation::Tcp6(_)) => only_data(40),
    };
    is_data && (2..=64).contains(&segments) && packet.len() <= usize::from(u16::MAX)
}

/// A packet with zeros for its checksums.
fn without_sums(packet: &[u8]) -> Vec<u8> {
    let mut packet = packet.to_vec();
    let (sum, _) = places(&packet);
    if packet[0] >> 4 == 4 {
        packet[10..12].fill(0);
    }
    packet[sum..sum + 2].fill(0);
    packet
}

/// A packet whose headers say its true length.
fn with_lengths(mut packet: Vec<u8>) -> Vec<u8> {
    let (_, transport) = places(&packet);
    let len = packet.len();
    let (at, claimed) = if transport == 20 { (2, len) } else { (4, len - transport) };
    packet[at..at + 2].copy_from_slice(&(claimed as u16).to_be_bytes());
    if !is_tcp(&packet) {
        let len = (len - transport) as u16;
        packet[transport + 4..transport + 6].copy_from_slice(&len.to_be_bytes());
    }
    packet
}

/// An IPv4 packet that can't be fragmented may be numbered anew. Sums of zero have two spellings.
fn same_but_identification(a: &[u8], b: &[u8]) -> bool {
    let first = if a[0] >> 4 == 4 { 12 } else { 0 };
    let (sum, _) = places(a);
    a.len() == b.len() && a[first..sum] == b[first..sum] && a[sum + 2..] == b[sum + 2..]
}

/// Where the transport checksum and the transport header are, without options.
fn places(packet: &[u8]) -> (usize, usize) {
    let transport = if packet[0] >> 4 == 4 { 20 } else { 40 };
    (transport + if is_tcp(packet) { 16 } else { 6 }, transport)
}

fn is_tcp(packet: &[u8]) -> bool {
    (if packet[0] >> 4 == 4 { packet[9] } else { packet[6] }) == 6
}

/// Segments that are joined again: several runs of the most that one takes.
const MOST_KEPT: usize = 150;
