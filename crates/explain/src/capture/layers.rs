//! From a frame to what UDP or TCP carries in it.

use std::net::{IpAddr, SocketAddr};

use etherparse::{LaxNetSlice, LaxSlicedPacket, TransportSlice};
use pcap_parser::Linktype;

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
}

/// What carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Carrier {
    Udp,
    Tcp { sequence: u32, acknowledged: Option<u32>, syn: bool, fin: bool, rst: bool },
}

/// Whether a frame has a piece of an IP packet that was cut on its way.
pub(super) fn is_fragment(link: Linktype, frame: &[u8]) -> bool {
    let net = sliced(link, frame).and_then(|sliced| sliced.net);
    net.and_then(|net| Some(net.ip_payload_ref()?.fragmented)).unwrap_or(false)
}

/// What a frame carries; none if that is neither UDP nor TCP over IP, or a fragment.
pub(super) fn carried(link: Linktype, frame: &[u8]) -> Option<Carried<'_>> {
    let sliced = sliced(link, frame)?;
    let (source, destination): (IpAddr, IpAddr) = match sliced.net? {
        LaxNetSlice::Ipv4(ip) => {
            (ip.header().source_addr().into(), ip.header().destination_addr().into())
        }
        LaxNetSlice::Ipv6(ip) => {
            (ip.header().source_addr().into(), ip.header().destination_addr().into())
        }
        LaxNetSlice::Arp(_) => return None,
    };
    let (kind, ports, payload) = match sliced.transport? {
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
    Some(Carried { from, to, kind, payload, offset: offset(frame, payload) })
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
