//! The headers of a TCP or UDP packet that can be cut or joined: where they are, and nothing else.
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
const TCP: u8 = 6;
const UDP: u8 = 17;
/// IPv4's more-fragments flag and fragment offset.
const MORE_OR_OFFSET: u16 = 0x3fff;
