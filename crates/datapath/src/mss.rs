//! Lowers the segment size that a TCP SYN announces (mssfix), so that the
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
        if at.is_multiple_of(2) { (old, most) } else { (old.swap_bytes(), most.swap_bytes()) };
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Crafted, Dice};

    const LIMIT: Mss = Mss { v4: 1400, v6: 1380 };
    const ENDS: [(&str, &str, u16); 2] =
        [("10.8.0.2", "192.0.2.1", 1400), ("fd00::2", "2001:db8::1", 1380)];

    #[test]
    fn a_syn_and_a_syn_ack_that_announce_more_are_lowered_and_keep_their_checksum() {
        for (source, destination, most) in ENDS {
            for flags in [0x02, 0x12] {
                let mut packet = syn(source, destination, flags, &[2, 4, 0x05, 0xb4]);
                clamp(&mut packet, LIMIT);
                assert_eq!(mss_of(&packet), most);
                assert!(Crafted::checksum_holds(&packet));
            }
        }
    }

    #[test]
    fn an_option_at_an_odd_place_is_lowered_with_a_right_checksum() {
        for (source, destination, most) in ENDS {
            let mut packet = syn(source, destination, 2, &[1, 2, 4, 0xff, 0xb4, 1, 1, 1]);
            clamp(&mut packet, LIMIT);
            let at = packet.len() - 5;
            assert_eq!(packet[at..at + 2], most.to_be_bytes());
            assert!(Crafted::checksum_holds(&packet));
        }
    }

    #[test]
    fn an_option_behind_others_is_found() {
        let options = [1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 3, 3, 7, 2, 4, 0x23, 0x00, 0];
        let mut packet = syn("10.8.0.2", "192.0.2.1", 2, &options);
        clamp(&mut packet, LIMIT);
        let at = packet.len() - 3;
        assert_eq!(packet[at..at + 2], 1400u16.to_be_bytes());
        assert!(Crafted::checksum_holds(&packet));
    }

    #[test]
    fn what_is_no_large_syn_keeps_every_byte() {
        let small = [2, 4, 0x05, 0x00];
        let large = [2, 4, 0x05, 0xb4];
        let (source, destination) = ("10.8.0.2", "192.0.2.1");
        let mut fragment = syn(source, destination, 2, &large);
        fragment[6] = 0x20;
        let mut later_fragment = syn(source, destination, 2, &large);
        later_fragment[7] = 1;
        let mut extended = syn("fd00::2", "2001:db8::1", 2, &large);
        extended[6] = 60;
        let untouched = [
            syn(source, destination, 2, &small),
            syn(source, destination, 0x10, &large),
            syn(source, destination, 2, &[]),
            syn(source, destination, 2, &[0, 2, 4, 0x05, 0xb4, 0, 0, 0]),
            syn(source, destination, 2, &[8, 0, 2, 4]),
            syn(source, destination, 2, &[8, 200, 2, 4]),
            syn(source, destination, 2, &[1, 1, 1, 2]),
            Crafted::between(source, destination).bytes(),
            fragment,
            later_fragment,
            extended,
        ];
        for before in untouched {
            let mut after = before.clone();
            clamp(&mut after, LIMIT);
            assert_eq!(after, before);
        }
    }

    #[test]
    fn no_limit_leaves_the_largest_announcement() {
        let mut packet = syn("10.8.0.2", "192.0.2.1", 2, &[2, 4, 0xff, 0xff]);
        clamp(&mut packet, Mss::UNTOUCHED);
        assert_eq!(mss_of(&packet), 0xffff);
    }

    #[test]
    fn random_syns_keep_a_right_checksum_right() {
        for seed in 0..2000 {
            let mut dice = Dice::new(seed);
            let options = dice.bytes(4 * dice_len(seed));
            let (source, destination, _) = ENDS[dice.below(2) as usize];
            let mut packet = syn(source, destination, 2, &options);
            clamp(&mut packet, Mss { v4: dice.next() as u16, v6: dice.next() as u16 });
            assert!(Crafted::checksum_holds(&packet), "seed {seed}");
        }
    }

    #[test]
    fn random_and_cut_off_bytes_are_survived() {
        for seed in 0..20_000 {
            let mut dice = Dice::new(seed);
            let len = dice.below(90) as usize;
            let mut packet = dice.bytes(len);
            if let Some(first) = packet.first_mut() {
                *first = [0x45, 0x46, 0x4f, 0x60][dice.below(4) as usize];
            }
            for at in [6, 9, 20 + 13, 40 + 13] {
                if let Some(byte) = packet.get_mut(at)
                    && dice.below(2) == 0
                {
                    *byte = [TCP, SYN, 0][dice.below(3) as usize];
                }
            }
            clamp(&mut packet, Mss { v4: 0, v6: 0 });
        }
    }

    fn dice_len(seed: u64) -> usize {
        (seed % 11) as usize
    }

    fn syn(source: &str, destination: &str, flags: u8, options: &[u8]) -> Vec<u8> {
        Crafted::tcp(source, destination, flags, options).bytes()
    }

    fn mss_of(packet: &[u8]) -> u16 {
        let (_, value) = packet.split_at(packet.len() - 2);
        u16::from_be_bytes([value[0], value[1]])
    }
}
