//! The little that has to be known of an inner packet: its ends, and whether they are local to a
//! link.
//!
//! Invariant: what [`Inner::parse`] accepts has a whole IP header, and isn't longer than its bytes
//! by its own account.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The ends of an inner packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Inner {
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
}

impl Inner {
    /// `None` for anything but a whole IPv4 or IPv6 packet.
    pub(crate) fn parse(packet: &[u8]) -> Option<Self> {
        match packet.first()? >> 4 {
            4 => Self::parse_v4(packet),
            6 => Self::parse_v6(packet),
            _ => None,
        }
    }

    fn parse_v4(packet: &[u8]) -> Option<Self> {
        let header: &[u8; 20] = packet.first_chunk()?;
        let header_len = usize::from(header[0] & 15) * 4;
        let total = usize::from(u16::from_be_bytes([header[2], header[3]]));
        if header_len < 20 || total < header_len || total > packet.len() {
            return None;
        }
        Some(Self {
            source: Ipv4Addr::from(*header[12..16].first_chunk()?).into(),
            destination: Ipv4Addr::from(*header[16..20].first_chunk()?).into(),
        })
    }

    fn parse_v6(packet: &[u8]) -> Option<Self> {
        let header: &[u8; 40] = packet.first_chunk()?;
        let payload = usize::from(u16::from_be_bytes([header[4], header[5]]));
        if payload > packet.len() - 40 {
            return None;
        }
        Some(Self {
            source: Ipv6Addr::from(*header[8..24].first_chunk()?).into(),
            destination: Ipv6Addr::from(*header[24..40].first_chunk()?).into(),
        })
    }

    /// Router solicitations, multicast listener reports and the like: every IPv6 host sends them on
    /// every interface, and none of them can cross a router.
    pub(crate) fn is_link_local(&self) -> bool {
        is_link_local(self.source) || is_link_local(self.destination)
    }
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(_) => false,
        IpAddr::V6(v6) => {
            v6.is_unicast_link_local() || (v6.is_multicast() && v6.octets()[1] & 15 <= 2)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_that_claims_more_than_it_has_is_no_packet() {
        let mut packet = [0; 28];
        packet[0] = 0x45;
        packet[3] = 28;
        assert!(Inner::parse(&packet).is_some());
        packet[3] = 29;
        assert!(Inner::parse(&packet).is_none());
        packet[3] = 28;
        packet[0] = 0x44;
        assert!(Inner::parse(&packet).is_none());
        assert!(Inner::parse(&packet[..19]).is_none());
        assert!(Inner::parse(&[]).is_none());
    }

    #[test]
    fn both_families_give_their_ends() {
        let mut v4 = [0; 20];
        v4[0] = 0x45;
        v4[3] = 20;
        v4[12..20].copy_from_slice(&[10, 8, 0, 2, 192, 0, 2, 1]);
        let ends = Inner::parse(&v4).unwrap();
        assert_eq!((ends.source.to_string(), ends.destination.to_string()).0, "10.8.0.2");
        assert_eq!(ends.destination.to_string(), "192.0.2.1");

        let mut v6 = [0; 40];
        v6[0] = 0x60;
        v6[8] = 0xfd;
        v6[23] = 1;
        v6[24] = 0x20;
        let ends = Inner::parse(&v6).unwrap();
        assert_eq!(ends.source.to_string(), "fd00::1");
        assert_eq!(ends.destination.to_string(), "2000::");
    }

    #[test]
    fn link_local_means_unicast_or_multicast_that_no_router_passes() {
        let local = ["fe80::1", "febf::1", "ff02::2", "ff01::1"];
        let far = ["fec0::1", "2001:db8::1", "ff05::1", "ff0e::1", "169.254.0.1", "::"];
        assert!(local.iter().all(|a| is_link_local(a.parse().unwrap())));
        assert!(!far.iter().any(|a| is_link_local(a.parse().unwrap())));
    }
}
