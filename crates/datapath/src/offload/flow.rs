//! The headers of a TCP or UDP packet that can be cut or joined: where they are, and which flow they name.
//!
//! Invariant: what [`Layout::parse`] accepts has whole IP and transport headers within its bytes, no
//! IPv4 options or IPv6 extension headers, and is no fragment.

use super::checksum::{Sum, pseudo_header};

/// The places of a packet's headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) is_v4: bool,
    pub(super) is_tcp: bool,
    /// How long the IP header is: where the transport header begins.
    pub(super) ip: usize,
    /// How long both headers are: where the payload begins.
    pub(super) all: usize,
}

impl Layout {
    pub(super) fn parse(packet: &[u8]) -> Option<Self> {
        let (is_v4, ip, protocol) = match *packet.first()? {
            0x45 => {
                let header: &[u8; V4_LEN] = packet.first_chunk()?;
                let fragment = u16::from_be_bytes([header[6], header[7]]) & MORE_OR_OFFSET;
                (true, V4_LEN, (fragment == 0).then_some(header[9])?)
            }
            first if first >> 4 == 6 => {
                let header: &[u8; V6_LEN] = packet.first_chunk()?;
                (false, V6_LEN, header[6])
            }
            _ => return None,
        };
        let transport = match protocol {
            TCP => usize::from(packet.get(ip + 12)? >> 4) * 4,
            UDP => UDP_LEN,
            _ => return None,
        };
        let all = ip + transport;
        let whole = transport >= UDP_LEN && (protocol == UDP || transport >= TCP_LEN);
        (whole && all <= packet.len()).then_some(Self { is_v4, is_tcp: protocol == TCP, ip, all })
    }

    pub(super) fn protocol(&self) -> u8 {
        if self.is_tcp { TCP } else { UDP }
    }

    /// Both addresses, as they lie.
    pub(super) fn addresses<'p>(&self, packet: &'p [u8]) -> &'p [u8] {
        if self.is_v4 { &packet[12..20] } else { &packet[8..40] }
    }

    /// The offset of the checksum within the transport header.
    pub(super) fn checksum_offset(&self) -> usize {
        if self.is_tcp { 16 } else { 6 }
    }

    /// The sum of the pseudo-header of a packet with this much behind the IP header.
    pub(super) fn pseudo_sum(&self, packet: &[u8], len: usize) -> Sum {
        pseudo_header(self.addresses(packet), self.protocol(), len)
    }

    /// The length that the IP header claims for the whole packet.
    pub(super) fn claimed_len(&self, packet: &[u8]) -> usize {
        if self.is_v4 { word(packet, 2).into() } else { V6_LEN + usize::from(word(packet, 4)) }
    }

    /// Writes lengths for a packet of `len` bytes into its headers; `false` if they can't say it.
    pub(super) fn set_len(&self, header: &mut [u8], len: usize) -> bool {
        let claimed = if self.is_v4 { len } else { len - V6_LEN };
        let (Ok(claimed), Ok(transport)) = (u16::try_from(claimed), u16::try_from(len - self.ip))
        else {
            return false;
        };
        set_word(header, if self.is_v4 { 2 } else { 4 }, claimed);
        if !self.is_tcp {
            set_word(header, self.ip + 4, transport);
        }
        true
    }

    /// Completes the checksum of an IPv4 header; IPv6 has none.
    pub(super) fn set_ip_checksum(&self, header: &mut [u8]) {
        if self.is_v4 {
            set_word(header, 10, 0);
            let sum = Sum::default().add(&header[..V4_LEN]).finish();
            set_word(header, 10, sum);
        }
    }

    /// Writes the transport checksum of a whole packet.
    pub(super) fn set_checksum(&self, packet: &mut [u8]) {
        let at = self.ip + self.checksum_offset();
        set_word(packet, at, 0);
        let len = packet.len() - self.ip;
        let sum = self.pseudo_sum(packet, len).add(&packet[self.ip..]).finish();
        set_word(packet, at, if self.is_tcp { sum } else { udp_sum(sum) });
    }

    /// Whether the IP and transport checksums of a whole packet are there and right.
    pub(super) fn checksums_hold(&self, packet: &[u8]) -> bool {
        if self.is_v4 && Sum::default().add(&packet[..V4_LEN]).fold() != 0xffff {
            return false;
        }
        if !self.is_tcp && word(packet, self.ip + 6) == 0 {
            return false;
        }
        let len = packet.len() - self.ip;
        self.pseudo_sum(packet, len).add(&packet[self.ip..]).fold() == 0xffff
    }
}

/// The same for all packets of a flow: of addresses, protocol and ports. A fragment goes without its ports,
/// and so does what has IP options or extension headers. Any bytes have a hash; it isn't keyed, so a sender
/// can choose what it collides with.
pub fn flow_hash(packet: &[u8]) -> u32 {
    let is_v4 = packet.first().is_some_and(|first| first >> 4 == 4);
    let (protocol, addresses) = if is_v4 {
        (packet.get(9), packet.get(12..20))
    } else {
        (packet.get(6), packet.get(8..40))
    };
    let ports = Layout::parse(packet).and_then(|layout| packet.get(layout.ip..layout.ip + 4));
    let words = [addresses, ports].into_iter().flatten().flat_map(|bytes| bytes.as_chunks().0);
    let protocol = protocol.copied().unwrap_or_default();
    let mixed = words.fold(u32::from(protocol), |hash, word| {
        (hash ^ u32::from_be_bytes(*word)).wrapping_mul(MULTIPLIER).rotate_left(15)
    });
    mixed.wrapping_mul(MULTIPLIER) >> 16
}

/// In UDP, 0 means "no checksum", and its other spelling stands for a sum of zero (RFC 768).
pub(super) fn udp_sum(sum: u16) -> u16 {
    if sum == 0 { 0xffff } else { sum }
}

pub(super) fn word(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

pub(super) fn set_word(bytes: &mut [u8], at: usize, value: u16) {
    bytes[at..at + 2].copy_from_slice(&value.to_be_bytes());
}

pub(super) fn sequence(packet: &[u8], layout: &Layout) -> u32 {
    packet[layout.ip + 4..].first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes))
}

/// The most that both headers can take: 40 bytes of IPv6, 60 of TCP.
pub(super) const MOST_HEADERS: usize = V6_LEN + 60;
pub(super) const V4_LEN: usize = 20;
const V6_LEN: usize = 40;
const TCP_LEN: usize = 20;
const UDP_LEN: usize = 8;
/// Odd, with its bits spread: 2^32 divided by the golden ratio.
const MULTIPLIER: u32 = 0x9e37_79b1;
const TCP: u8 = 6;
const UDP: u8 = 17;
/// IPv4's more-fragments flag and fragment offset.
const MORE_OR_OFFSET: u16 = 0x3fff;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flows_spread_over_queues_and_packets_of_one_stay_together() {
        let mut seen = [0; QUEUES];
        for port in 0..8_000 {
            let number = flow_hash(&packet(TCP, port, 5)) as usize % QUEUES;
            assert_eq!(flow_hash(&packet(TCP, port, 5)), flow_hash(&packet(TCP, port, 99)));
            seen[number] += 1;
        }
        assert!(seen.iter().all(|count| (800..1_200).contains(count)), "{seen:?}");
    }

    #[test]
    fn fragments_of_one_datagram_stay_together_behind_the_first() {
        let (mut second, mut third) = (packet(UDP, 7, 1), packet(UDP, 8, 2));
        (second[7], third[7]) = (185, 186);
        assert_eq!(flow_hash(&second), flow_hash(&third));
    }

    #[test]
    fn any_bytes_have_a_hash() {
        for whole in [&packet(UDP, 7, 1)[..], &[0x60; 80]] {
            (0..whole.len()).for_each(|len| {
                flow_hash(&whole[..len]);
            });
        }
    }

    fn packet(protocol: u8, port: u16, content: u8) -> [u8; 40] {
        let mut packet = [content; 40];
        packet[0] = 0x45;
        packet[6..8].fill(0);
        packet[9] = protocol;
        packet[12..20].copy_from_slice(&[10, 71, 0, 1, 10, 71, 0, 2]);
        packet[20..22].copy_from_slice(&5201_u16.to_be_bytes());
        packet[22..24].copy_from_slice(&port.to_be_bytes());
        packet[32] = 0x50;
        packet
    }

    const QUEUES: usize = 8;
}
