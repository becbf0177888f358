//! Consecutive segments of a flow into one super-packet, without copying payloads.
//!
//! One flow is joined at a time: bursts arrive flow by flow, and whatever doesn't continue the
//! present run ends it first, so that the order of packets never changes.
//!
//! [`Coalescer::push`] exists once for each kind of sink. What every packet passes in it is put in line by name: with
//! a second kind the compiler leaves it out of line, which costs up to a quarter more instructions for a packet.

use super::flow::{Layout, MOST_HEADERS, sequence, set_word, word};
use super::{Segmentation, VirtioHeader};

/// Takes what comes out of a [`Coalescer`].
pub trait SuperSink {
    /// A packet or several in one, for one write.
    fn write(&mut self, joined: &Joined<'_, '_>);
}

/// One packet, in pieces.
#[derive(Debug)]
pub struct Joined<'a, 'b> {
    /// What the kernel has to do to it.
    pub header: VirtioHeader,
    /// The headers of the super-packet, or the whole of a single packet.
    pub first: &'a [u8],
    /// The payloads behind the headers; none for a single packet.
    pub payloads: &'a [&'b [u8]],
    /// The packets as they came, for a sink that can't write them joined.
    pub packets: &'a [&'b [u8]],
}

impl<'a, 'b> Joined<'a, 'b> {
    /// A packet as it came.
    pub(crate) fn single(packet: &'a &'b [u8]) -> Self {
        let packets = std::slice::from_ref(packet);
        Self { header: VirtioHeader::PLAIN, first: packet, payloads: &[], packets }
    }
}

/// What may be joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Joining {
    /// Nothing: packets pass through.
    Nothing,
    /// TCP segments.
    Tcp,
    /// UDP datagrams as well.
    TcpAndUdp,
}

/// Holds at most one run of segments. Flush it before the buffers go.
#[derive(Debug)]
pub struct Coalescer<'b> {
    joining: Joining,
    packets: [&'b [u8]; MOST_SEGMENTS],
    payloads: [&'b [u8]; MOST_SEGMENTS],
    /// At least one where there is a run.
    count: usize,
    run: Option<Run>,
}

impl<'b> Coalescer<'b> {
    /// An empty one.
    pub fn new(joining: Joining) -> Self {
        Self {
            joining,
            packets: [&[]; MOST_SEGMENTS],
            payloads: [&[]; MOST_SEGMENTS],
            count: 0,
            run: None,
        }
    }

    /// Takes the next packet in order.
    pub fn push(&mut self, packet: &'b [u8], sink: &mut impl SuperSink) {
        let layout = joinable(packet, self.joining);
        if self.append(packet, layout) {
            return;
        }
        self.flush(sink);
        let Some(layout) = layout else { return sink.write(&Joined::single(&packet)) };
        self.run = Some(Run::start(packet, layout));
        self.packets[0] = packet;
        self.payloads[0] = &packet[layout.all..];
        self.count = 1;
    }

    /// Hands on what waits.
    pub fn flush(&mut self, sink: &mut impl SuperSink) {
        let Some(run) = self.run.take() else { return };
        if self.count == 1 {
            return sink.write(&Joined::single(&self.packets[0]));
        }
        self.write_joined(&run, sink);
    }

    /// Apart from a single packet's way, which is the one that every acknowledgement takes.
    #[inline(never)]
    fn write_joined(&self, run: &Run, sink: &mut impl SuperSink) {
        let packets = &self.packets[..self.count];
        let mut headers = [0; MOST_HEADERS];
        sink.write(&Joined {
            header: run.write_headers(packets[0], &mut headers),
            first: &headers[..run.layout.all],
            payloads: &self.payloads[..self.count],
            packets,
        });
    }

    /// Whether the packet continues the run, and was taken.
    #[inline(always)]
    fn append(&mut self, packet: &'b [u8], layout: Option<Layout>) -> bool {
        let Some(run) = &mut self.run else { return false };
        let fits = self.count < MOST_SEGMENTS && layout == Some(run.layout);
        if !fits || !run.takes(self.packets[0], packet) {
            return false;
        }
        // The sum is read over the whole payload, so it is left to the last.
        if !run.verified && !run.layout.checksums_hold(self.packets[0]) {
            return false;
        }
        run.verified = true;
        if !run.layout.checksums_hold(packet) {
            return false;
        }
        run.add(packet);
        self.packets[self.count] = packet;
        self.payloads[self.count] = &packet[run.layout.all..];
        self.count += 1;
        true
    }
}

/// What is known of the run.
#[derive(Debug)]
struct Run {
    layout: Layout,
    /// The payload of all segments but the last.
    size: usize,
    /// Headers once, payloads of all.
    total: usize,
    /// The sequence number behind the run, in TCP.
    next: u32,
    /// The IPv4 identification behind the run.
    next_id: u16,
    /// Nothing may follow: the last segment was short, or pushed.
    ended: bool,
    pushed: bool,
    /// The first packet's checksums were looked at.
    verified: bool,
}

impl Run {
    #[inline(always)]
    fn start(packet: &[u8], layout: Layout) -> Self {
        let mut run = Self {
            layout,
            size: packet.len() - layout.all,
            total: layout.all,
            next: if layout.is_tcp { sequence(packet, &layout) } else { 0 },
            next_id: 0,
            ended: false,
            pushed: false,
            verified: false,
        };
        run.add(packet);
        run
    }

    #[inline(always)]
    fn add(&mut self, packet: &[u8]) {
        let payload = packet.len() - self.layout.all;
        self.total += payload;
        self.next = self.next.wrapping_add(payload as u32);
        self.next_id = if self.layout.is_v4 { word(packet, 4).wrapping_add(1) } else { 0 };
        self.pushed = self.layout.is_tcp && packet[self.layout.ip + 13] & PSH != 0;
        self.ended = payload < self.size || self.pushed;
    }

    /// Whether a joinable packet of the same layout continues the run.
    #[inline(always)]
    fn takes(&self, first: &[u8], packet: &[u8]) -> bool {
        let payload = packet.len() - self.layout.all;
        !self.ended
            && payload <= self.size
            && self.total + payload <= usize::from(u16::MAX)
            && self.same_ip(first, packet)
            && if self.layout.is_tcp {
                self.same_tcp(first, packet)
            } else {
                self.same_udp(first, packet)
            }
    }

    /// Everything but lengths, checksum and a consecutive identification.
    fn same_ip(&self, first: &[u8], packet: &[u8]) -> bool {
        if !self.layout.is_v4 {
            return first[..4] == packet[..4] && first[6..40] == packet[6..40];
        }
        first[..2] == packet[..2]
            && first[6..10] == packet[6..10]
            && first[12..20] == packet[12..20]
            && (word(packet, 4) == self.next_id || is_atomic(packet))
    }

    /// Everything but sequence number, checksum and PSH.
    fn same_tcp(&self, first: &[u8], packet: &[u8]) -> bool {
        let (ip, all) = (self.layout.ip, self.layout.all);
        let (first, tcp) = (&first[ip..all], &packet[ip..all]);
        sequence(packet, &self.layout) == self.next
            && first[..4] == tcp[..4]
            && first[8..13] == tcp[8..13]
            && first[14..16] == tcp[14..16]
            && first[18..] == tcp[18..]
    }

    fn same_udp(&self, first: &[u8], packet: &[u8]) -> bool {
        let ip = self.layout.ip;
        first[ip..ip + 4] == packet[ip..ip + 4]
    }

    /// The headers of the super-packet, and what the kernel has to do to it.
    fn write_headers(&self, first: &[u8], headers: &mut [u8; MOST_HEADERS]) -> VirtioHeader {
        let layout = self.layout;
        let headers = &mut headers[..layout.all];
        headers.copy_from_slice(&first[..layout.all]);
        // `takes` keeps the total below what headers can say.
        layout.set_len(headers, self.total);
        layout.set_ip_checksum(headers);
        if self.pushed {
            headers[layout.ip + 13] |= PSH;
        }
        let sum = layout.pseudo_sum(headers, self.total - layout.ip).fold();
        set_word(headers, layout.ip + layout.checksum_offset(), sum);
        // A packet is shorter than 64 KiB.
        let size = self.size as u16;
        VirtioHeader {
            checksum: Some((layout.ip as u16, layout.checksum_offset() as u16)),
            segmentation: Some(match (layout.is_tcp, layout.is_v4) {
                (true, true) => Segmentation::Tcp4(size),
                (true, false) => Segmentation::Tcp6(size),
                (false, _) => Segmentation::Udp(size),
            }),
            header_len: layout.all as u16,
        }
    }
}

/// The layout of a packet of a kind that is joined, with a payload.
#[inline(always)]
fn joinable(packet: &[u8], joining: Joining) -> Option<Layout> {
    if joining == Joining::Nothing {
        return None;
    }
    let layout = Layout::parse(packet)?;
    let wanted = if layout.is_tcp { Joining::Tcp } else { Joining::TcpAndUdp };
    let fits = joining >= wanted && packet.len() > layout.all && is_whole(packet, &layout);
    fits.then_some(layout)
}

/// Whether the packet is as long as its headers say, and a TCP segment only carries data on.
#[inline(always)]
fn is_whole(packet: &[u8], layout: &Layout) -> bool {
    let transport_fits = if layout.is_tcp {
        packet[layout.ip + 12] & 15 == 0 && packet[layout.ip + 13] & !PSH == ACK
    } else {
        usize::from(word(packet, layout.ip + 4)) == packet.len() - layout.ip
    };
    transport_fits && layout.claimed_len(packet) == packet.len()
}

/// An IPv4 packet that no router may fragment, so that its identification means nothing (RFC 6864).
fn is_atomic(packet: &[u8]) -> bool {
    packet[6] & DONT_FRAGMENT != 0
}

/// As many as one run of received datagrams has, and half of what newer kernels take.
const MOST_SEGMENTS: usize = 64;
const ACK: u8 = 0x10;
const PSH: u8 = 0x08;
const DONT_FRAGMENT: u8 = 0x40;
