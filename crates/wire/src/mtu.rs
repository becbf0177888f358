//! MTU arithmetic: what encapsulation costs, and the MSS that follows.
//!
//! All values are derived from the layouts here, on one page.

use crate::data::DataHeader;

/// The IP version of the underlay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Underlay {
    /// IPv4, header without options.
    V4,
    /// IPv6, header without extensions.
    V6,
}

/// What carries the packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// UDP.
    Udp,
    /// TCP, each packet behind its length.
    Tcp,
}

/// Bytes of the outer IP and UDP or TCP headers.
pub const fn outer_overhead(underlay: Underlay, transport: Transport) -> u16 {
    let ip = match underlay {
        Underlay::V4 => 20,
        Underlay::V6 => 40,
    };
    ip + match transport {
        Transport::Udp => 8,
        Transport::Tcp => 20,
    }
}

/// How data is sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// AEAD: a packet id of 4 bytes and a tag of 16.
    Aead,
    /// AEAD with epochs: a packet id of 8 bytes and a tag of 16.
    Epoch,
    /// CBC and HMAC; the packet id is inside.
    Cbc {
        /// The cipher's block, and so the IV.
        block: u16,
        /// The HMAC.
        tag: u16,
    },
}

/// Everything that is wrapped around an inner packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Encapsulation {
    /// True for `DATA_V2` headers.
    pub v2: bool,
    /// How it is sealed.
    pub format: Format,
    /// What carries it.
    pub transport: Transport,
    /// One byte of compression framing.
    pub compression_byte: bool,
}

impl Encapsulation {
    /// AEAD in `DATA_V2` over UDP: the usual one.
    pub const USUAL: Encapsulation = Encapsulation {
        v2: true,
        format: Format::Aead,
        transport: Transport::Udp,
        compression_byte: false,
    };

    /// Bytes around the plaintext, without padding and the outer headers.
    pub const fn overhead(self) -> u16 {
        let header = if self.v2 { DataHeader::V2_LEN } else { DataHeader::V1_LEN } as u16;
        let seal = match self.format {
            Format::Aead => 4 + 16,
            Format::Epoch => 8 + 16,
            Format::Cbc { block, tag } => block + tag,
        };
        let framing = match self.transport {
            Transport::Udp => 0,
            Transport::Tcp => 2,
        };
        header + seal + framing
    }

    const fn payload_overhead(self) -> u16 {
        let packet_id = match self.format {
            Format::Cbc { .. } => 4,
            Format::Aead | Format::Epoch => 0,
        };
        packet_id + if self.compression_byte { 1 } else { 0 }
    }

    /// The largest plaintext of a sealed packet that has at most `limit` bytes.
    const fn target(self, limit: u16) -> u16 {
        let room = limit.saturating_sub(self.overhead());
        match self.format {
            // At least one byte of padding.
            Format::Cbc { block, .. } if block > 0 => (room / block * block).saturating_sub(1),
            _ => room,
        }
    }
}

/// The `mssfix` setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MssFix {
    /// `mssfix n mtu`: the outer packet, IP and UDP headers included, has at most `n` bytes.
    Mtu(u16),
    /// `mssfix n`: the UDP payload has at most `n` bytes.
    Link(u16),
    /// `mssfix n fixed`: the inner packet has at most `n` bytes.
    Fixed(u16),
}

impl MssFix {
    /// The default of OpenVPN 2.6 for a tunnel MTU.
    pub const fn default_for(tun_mtu: u16) -> MssFix {
        if tun_mtu == 1500 { MssFix::Mtu(1492) } else { MssFix::Fixed(tun_mtu) }
    }

    /// The largest MSS that inner TCP connections may announce.
    pub const fn mss(self, encapsulation: Encapsulation, underlay: Underlay) -> Mss {
        let outer = outer_overhead(underlay, encapsulation.transport);
        let inner = match self {
            Self::Mtu(limit) => encapsulation.target_packet(limit.saturating_sub(outer)),
            Self::Link(limit) => encapsulation.target_packet(limit),
            Self::Fixed(limit) => limit,
        };
        Mss { v4: inner.saturating_sub(INNER_V4), v6: inner.saturating_sub(INNER_V6) }
    }
}

impl Encapsulation {
    /// The largest inner packet of a sealed one that has at most `limit` bytes.
    pub const fn target_packet(self, limit: u16) -> u16 {
        self.target(limit).saturating_sub(self.payload_overhead())
    }
}

const INNER_V4: u16 = 20 + 20;
const INNER_V6: u16 = 40 + 20;

/// The largest MSS by IP version of the inner packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Mss {
    /// In IPv4.
    pub v4: u16,
    /// In IPv6.
    pub v6: u16,
}

/// The default limit of a control datagram, outer IP and UDP headers included.
pub const MAX_CONTROL_PACKET: u16 = 1250;
/// What is sent in a control packet even if nothing seems to fit.
pub const MIN_CONTROL_PAYLOAD: u16 = 16;

/// How many bytes of TLS fit into a control datagram, given the packet's own overhead (wrapping, header,
/// acks).
pub const fn control_payload(limit: u16, underlay: Underlay, packet_overhead: u16) -> u16 {
    let room = limit
        .saturating_sub(outer_overhead(underlay, Transport::Udp))
        .saturating_sub(packet_overhead);
    if room < MIN_CONTROL_PAYLOAD { MIN_CONTROL_PAYLOAD } else { room }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn default_mss(encapsulation: Encapsulation) -> u16 {
        MssFix::default_for(1500).mss(encapsulation, Underlay::V4).v4
    }

    #[test]
    fn aead_in_data_v2_gives_1400() {
        assert_eq!(default_mss(Encapsulation::USUAL), 1400);
        assert_eq!(Encapsulation::USUAL.overhead(), 24);
    }

    #[test]
    fn aead_in_data_v1_gives_1403() {
        assert_eq!(default_mss(Encapsulation { v2: false, ..Encapsulation::USUAL }), 1403);
    }

    #[test]
    fn a_compression_byte_gives_1399() {
        assert_eq!(
            default_mss(Encapsulation { compression_byte: true, ..Encapsulation::USUAL }),
            1399
        );
    }

    #[test]
    fn aes_cbc_with_sha256_gives_1363() {
        let format = Format::Cbc { block: 16, tag: 32 };
        assert_eq!(default_mss(Encapsulation { format, ..Encapsulation::USUAL }), 1363);
    }

    #[test]
    fn tcp_gives_1386() {
        assert_eq!(
            default_mss(Encapsulation { transport: Transport::Tcp, ..Encapsulation::USUAL }),
            1386
        );
    }

    #[test]
    fn the_epoch_format_gives_1396() {
        let epoch = Encapsulation { format: Format::Epoch, ..Encapsulation::USUAL };
        assert_eq!(default_mss(epoch), 1396);
        assert_eq!(epoch.overhead(), 28);
    }

    #[test]
    fn the_older_default_of_1450_without_outer_headers_gives_more_here_than_in_2_5() {
        // 2.5 takes its worst-case overhead of 49 instead of the real 24: 1450 - 49 - 40 = 1361.
        assert_eq!(MssFix::Link(1450).mss(Encapsulation::USUAL, Underlay::V4).v4, 1361 + 49 - 24);
    }

    #[test]
    fn ipv6_costs_20_bytes_outside_and_20_inside() {
        let mss = MssFix::Mtu(1492).mss(Encapsulation::USUAL, Underlay::V6);
        assert_eq!(mss, Mss { v4: 1380, v6: 1360 });
        assert_eq!(
            MssFix::default_for(1400).mss(Encapsulation::USUAL, Underlay::V6),
            Mss { v4: 1360, v6: 1340 }
        );
    }

    #[test]
    fn control_datagrams_have_1222_or_1202_bytes() {
        assert_eq!(control_payload(MAX_CONTROL_PACKET, Underlay::V4, 0), 1222);
        assert_eq!(control_payload(MAX_CONTROL_PACKET, Underlay::V6, 0), 1202);
        assert_eq!(control_payload(154, Underlay::V6, 200), 16);
    }

    #[test]
    fn tiny_limits_give_zero_and_no_overflow() {
        for limit in 0..200 {
            let _ = MssFix::Mtu(limit).mss(Encapsulation::USUAL, Underlay::V6);
        }
        assert_eq!(MssFix::Mtu(0).mss(Encapsulation::USUAL, Underlay::V4), Mss { v4: 0, v6: 0 });
    }
}
