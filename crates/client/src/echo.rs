//! The inner packets: ICMP echo requests, which every server's kernel answers in full length.
//!
//! IPv4 alone, and no fragments. A packet is made once and sent as often as wanted: nobody on the way
//! minds that its sequence number stays the same.

use std::net::Ipv4Addr;

/// An echo request of `size` bytes with its IPv4 header; at least [`SMALLEST`].
pub fn request(from: Ipv4Addr, to: Ipv4Addr, size: u16) -> Vec<u8> {
    let size = size.max(SMALLEST);
    let mut packet = vec![0; usize::from(size)];
    let (ip, icmp) = packet.split_at_mut(IP_HEADER);
    ip[0] = 0x45;
    ip[2..4].copy_from_slice(&size.to_be_bytes());
    ip[8] = 64;
    ip[9] = ICMP;
    ip[12..16].copy_from_slice(&from.octets());
    ip[16..20].copy_from_slice(&to.octets());
    let sum = checksum(ip);
    ip[10..12].copy_from_slice(&sum.to_be_bytes());
    icmp[0] = ECHO_REQUEST;
    let sum = checksum(icmp);
    icmp[2..4].copy_from_slice(&sum.to_be_bytes());
    packet
}

/// Whether this is the answer to a request of that size.
pub fn is_answer(packet: &[u8], size: u16) -> bool {
    packet.len() == usize::from(size.max(SMALLEST))
        && packet.first() == Some(&0x45)
        && packet.get(9) == Some(&ICMP)
        && packet.get(IP_HEADER) == Some(&ECHO_REPLY)
}

/// RFC 1071.
fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|pair| match *pair {
        [high, low] => u32::from(u16::from_be_bytes([high, low])),
        [high] => u32::from(high) << 8,
        _ => 0,
    });
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    // Folded above.
    !(sum as u16)
}

/// IPv4 header and ICMP header.
pub const SMALLEST: u16 = 28;
const IP_HEADER: usize = 20;
const ICMP: u8 = 1;
const ECHO_REQUEST: u8 = 8;
const ECHO_REPLY: u8 = 0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_checksums_add_up() {
        for size in [28, 64, 65, 512, 1300] {
            let packet = request([10, 0, 0, 2].into(), [10, 0, 0, 1].into(), size);
            assert_eq!(packet.len(), usize::from(size));
            assert_eq!(checksum(&packet[..IP_HEADER]), 0);
            assert_eq!(checksum(&packet[IP_HEADER..]), 0);
        }
    }

    #[test]
    fn an_answer_is_told_from_a_request_by_its_type_and_size() {
        let mut packet = request([10, 0, 0, 2].into(), [10, 0, 0, 1].into(), 64);
        assert!(!is_answer(&packet, 64));
        packet[IP_HEADER] = ECHO_REPLY;
        assert!(is_answer(&packet, 64) && !is_answer(&packet, 65));
        assert!(!is_answer(&[], 28));
    }
}
