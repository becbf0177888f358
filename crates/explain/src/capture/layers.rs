//! From a frame to what UDP or TCP carries in it.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{IpAddr, SocketAddr};

use etherparse::{IpNumber, LaxNetSlice, LaxSlicedPacket, TcpHeader, TransportSlice};
use pcap_parser::Linktype;

use super::frames::Frame;

/// What stands in front of IP in captures of all interfaces at once.
const COOKED_HEADER: usize = 16;
const COOKED_HEADER_2: usize = 20;
const COOKED_2: Linktype = Linktype(276);
const LOOPBACK_HEADER: usize = 4;

/// One datagram or segment.
pub(super) struct Carried<'a> {
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
    pub(super) kind: Carrier,
    pub(super) payload: &'a [u8],
    /// Where the payload begins in its frame.
    pub(super) offset: u32,
    /// How many bytes behind the payload were sent and not captured.
    pub(super) lacking: u32,
    /// Of a datagram, what its interface, link and hops left add up to: of the same packet elsewhere this differs.
    pub(super) way: u64,
}

/// What carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Carrier {
    Udp,
    Tcp { sequence: u32, acknowledged: Option<u32>, syn: bool, fin: bool, rst: bool },
}

/// Why a frame carries nothing that is read here, where that is worth a word.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Unread {
    /// It has a piece of an IP packet that was cut on its way.
    Fragment,
    /// So little of it was captured that its ports are not there.
    Beheaded,
}

/// Why a frame of which nothing is carried has nothing.
pub(super) fn unread(frame: &Frame<'_>) -> Option<Unread> {
    let net = sliced(frame.link, frame.bytes)?.net?;
    let payload = net.ip_payload_ref()?;
    if payload.fragmented {
        return Some(Unread::Fragment);
    }
    let is_carrier = [IpNumber::UDP, IpNumber::TCP].contains(&payload.ip_number);
    (is_carrier && lacking(&net, frame) > 0).then_some(Unread::Beheaded)
}

/// What a frame carries; none if that is neither UDP nor TCP over IP, or a fragment.
pub(super) fn carried<'a>(frame: &Frame<'a>) -> Option<Carried<'a>> {
    let sliced = sliced(frame.link, frame.bytes)?;
    let net = sliced.net?;
    let lacking = lacking(&net, frame);
    let (source, destination): (IpAddr, IpAddr) = match &net {
        LaxNetSlice::Ipv4(ip) => {
            (ip.header().source_addr().into(), ip.header().destination_addr().into())
        }
        LaxNetSlice::Ipv6(ip) => {
            (ip.header().source_addr().into(), ip.header().destination_addr().into())
        }
        LaxNetSlice::Arp(_) => return None,
    };
    let Some(transport) = sliced.transport else {
        return without_options(&net, (source, destination), lacking);
    };
    let (kind, ports, payload) = match transport {
        TransportSlice::Udp(udp) => {
            (Carrier::Udp, (udp.source_port(), udp.destination_port()), udp.payload())
        }
        TransportSlice::Tcp(tcp) => {
            let (sequence, syn) = (tcp.sequence_number(), tcp.syn());
            let acknowledged = tcp.ack().then(|| tcp.acknowledgment_number());
            let (fin, rst) = (tcp.fin(), tcp.rst());
            let kind = Carrier::Tcp { sequence, acknowledged, syn, fin, rst };
            (kind, (tcp.source_port(), tcp.destination_port()), tcp.payload())
        }
        _ => return None,
    };
    let from = SocketAddr::new(source, ports.0);
    let to = SocketAddr::new(destination, ports.1);
    let offset = offset(frame.bytes, payload);
    let way = if kind == Carrier::Udp { way(&net, frame) } else { 0 };
    Some(Carried { from, to, kind, payload, offset, lacking, way })
}

/// Where a packet was captured, as far as its frame shows.
fn way(net: &LaxNetSlice<'_>, frame: &Frame<'_>) -> u64 {
    let (header, hops) = match net {
        LaxNetSlice::Ipv4(ip) => (ip.header().slice(), ip.header().ttl()),
        LaxNetSlice::Ipv6(ip) => (ip.header().slice(), ip.header().hop_limit()),
        LaxNetSlice::Arp(_) => return 0,
    };
    let link = frame.bytes.get(..offset(frame.bytes, header) as usize);
    let mut hasher = DefaultHasher::new();
    (frame.interface, hops, link).hash(&mut hasher);
    hasher.finish()
}

/// A segment of which so little was captured that it ends within its header's options.
fn without_options<'a>(
    net: &LaxNetSlice<'a>,
    (source, destination): (IpAddr, IpAddr),
    lacking: u32,
) -> Option<Carried<'a>> {
    let behind = net.ip_payload_ref()?;
    if behind.ip_number != IpNumber::TCP || behind.fragmented {
        return None;
    }
    let (header, options) = behind.payload.split_first_chunk::<{ TcpHeader::MIN_LEN }>()?;
    let lacking_options = (TcpHeader::MAX_LEN - TcpHeader::MIN_LEN)
        .min((usize::from(header[12] >> 4) * 4).checked_sub(TcpHeader::MIN_LEN + options.len())?);
    let number = |at: usize| Some(u32::from_be_bytes(header.get(at..at + 4)?.try_into().ok()?));
    let ports = number(0)?;
    let is_set = |flag: u8| header[13] & flag != 0;
    let kind = Carrier::Tcp {
        sequence: number(4)?,
        acknowledged: if is_set(0x10) { number(8) } else { None },
        syn: is_set(0x02),
        fin: is_set(0x01),
        rst: is_set(0x04),
    };
    Some(Carried {
        from: SocketAddr::new(source, (ports >> 16) as u16),
        to: SocketAddr::new(destination, ports as u16),
        kind,
        payload: &[],
        offset: 0,
        lacking: lacking.checked_sub(lacking_options as u32)?,
        way: 0,
    })
}

/// How many bytes of an IP packet its frame lacks: by its own length, which leaves out what fills a short frame up, or by
/// the frame's where a kernel has not written that yet.
fn lacking(net: &LaxNetSlice<'_>, frame: &Frame<'_>) -> u32 {
    let (header, length) = match net {
        LaxNetSlice::Ipv4(ip) => (ip.header().slice(), usize::from(ip.header().total_len())),
        LaxNetSlice::Ipv6(ip) => {
            let (header, behind) = (ip.header().slice(), ip.header().payload_length());
            (header, if behind == 0 { 0 } else { header.len() + usize::from(behind) })
        }
        LaxNetSlice::Arp(_) => return 0,
    };
    let end = match length {
        0 => frame.original,
        length => offset(frame.bytes, header) as usize + length,
    };
    u32::try_from(end.saturating_sub(frame.bytes.len())).unwrap_or(u32::MAX)
}

fn sliced(link: Linktype, frame: &[u8]) -> Option<LaxSlicedPacket<'_>> {
    match link {
        Linktype::ETHERNET => LaxSlicedPacket::from_ethernet(frame).ok(),
        Linktype::RAW | Linktype::IPV4 | Linktype::IPV6 => LaxSlicedPacket::from_ip(frame).ok(),
        Linktype::NULL | Linktype::LOOP => {
            LaxSlicedPacket::from_ip(frame.get(LOOPBACK_HEADER..)?).ok()
        }
        Linktype::LINUX_SLL => LaxSlicedPacket::from_ip(frame.get(COOKED_HEADER..)?).ok(),
        COOKED_2 => LaxSlicedPacket::from_ip(frame.get(COOKED_HEADER_2..)?).ok(),
        _ => None,
    }
}

/// Where a part of a frame begins. An empty part may stand anywhere.
fn offset(frame: &[u8], part: &[u8]) -> u32 {
    let distance = (part.as_ptr() as usize).wrapping_sub(frame.as_ptr() as usize);
    u32::try_from(distance.min(frame.len())).unwrap_or(0)
}
