//! Lowers the segment size that a TCP SYN announces (protocol section 12, mssfix), so that the
//! segments fit the tunnel without fragments.
//!
//! Invariant: a packet that isn't a whole, unfragmented TCP SYN with a larger MSS keeps every byte,
//! and one that is keeps a right checksum right and a wrong one wrong.

use crate::Mss;

/// Lowers the MSS option if the packet is a SYN that announces more.
pub(crate) fn clamp(packet: &mut [u8], most: Mss) {
    let Some((start, most)) = tcp_start(packet, most) else { return };
    let Some(tcp) = packet.get_mut(start..) else { return };
    if !is_syn(tcp) {
        return;
    }
    let Some(at) = mss_value_at(tcp) else { return };
    lower(tcp, at, most);
}

/// Where the TCP header begins, and the limit of that family.
fn tcp_start(packet: &[u8], most: Mss) -> Option<(usize, u16)> {
    match packet.first()? >> 4 {
        4 => {
            let header: &[u8; 20] = packet.first_chunk()?;
            let fragment = u16::from_be_bytes([header[6], header[7]]) & MORE_OR_OFFSET != 0;
            let len = usize::from(header[0] & 15) * 4;
            (header[9] == TCP && !fragment && len >= 20).then_some((len, most.v4))
        }
        6 => {
            let header: &[u8; 40] = packet.first_chunk()?;
            (header[6] == TCP).then_some((40, most.v6))
        }
        _ => None,
    }
}

fn is_syn(tcp: &[u8]) -> bool {
    tcp.len() >= TCP_HEADER && tcp[13] & SYN != 0
}

/// The place of the MSS option's value within the TCP header.
fn mss_value_at(tcp: &[u8]) -> Option<usize> {
    let end = usize::from(tcp.get(12)? >> 4) * 4;
    let options = tcp.get(..end)?;
    let mut at = TCP_HEADER;
    loop {
        match *options.get(at)? {
            OPTION_END => return None,
            OPTION_NOP => at += 1,
            kind => {
                let len = usize::from(*options.get(at + 1)?);
                if len < 2 || at + len > end {
                    return None;
                }
                if kind == OPTION_MSS && len == 4 {
                    return Some(at + 2);
                }
                at += len;
            }
        }
    }
}

fn lower(tcp: &mut [u8], at: usize, most: u16) {
    let old = u16::from_be_bytes([tcp[at], tcp[at + 1]]);
    if old <= most {
        return;
    }
    tcp[at..at + 2].copy_from_slice(&most.to_be_bytes());
    let sum = u16::from_be_bytes([tcp[16], tcp[17]]);
    // The checksum adds words at even offsets; a value at an odd one counts with its bytes swapped.
    let (old, new) =
        if at % 2 == 0 { (old, most) } else { (old.swap_bytes(), most.swap_bytes()) };
    tcp[16..18].copy_from_slice(&updated(sum, old, new).to_be_bytes());
}

/// RFC 1624, equation 3: HC' = ~(~HC + ~m + m').
fn updated(sum: u16, old: u16, new: u16) -> u16 {
    let mut folded = u32::from(!sum) + u32::from(!old) + u32::from(new);
    folded = (folded & 0xffff) + (folded >> 16);
    folded = (folded & 0xffff) + (folded >> 16);
    // Folded twice it fits 16 bits.
    !(folded as u16)
}

const TCP: u8 = 6;
const TCP_HEADER: usize = 20;
const SYN: u8 = 0x02;
/// IPv4's more-fragments flag and fragment offset.
const MORE_OR_OFFSET: u16 = 0x3fff;
const OPTION_END: u8 = 0;
const OPTION_NOP: u8 = 1;
const OPTION_MSS: u8 = 2;
