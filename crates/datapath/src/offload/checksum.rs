//! The Internet checksum (RFC 1071), as a running sum that is folded at the end.
//!
//! Sums are kept in native byte order, which the arithmetic bears: the sum of swapped words is the
//! swapped sum. Invariant: everything but the last piece added has an even length.

/// A ones' complement sum.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sum(u64);

impl Sum {
    /// Adds bytes that begin at an even offset.
    pub(crate) fn add(self, bytes: &[u8]) -> Self {
        let (blocks, rest) = bytes.as_chunks();
        let mut sum = self.0;
        if !blocks.is_empty() {
            sum += sum_of_blocks(blocks);
        }
        let (words, rest) = rest.as_chunks();
        // 32-bit words into 64 bits: no carry is lost below 2^32 words.
        sum += words.iter().map(|word| u64::from(u32::from_ne_bytes(*word))).sum::<u64>();
        let (halves, rest) = rest.as_chunks();
        sum += halves.iter().map(|half| u64::from(u16::from_ne_bytes(*half))).sum::<u64>();
        if let [last] = rest {
            sum += u64::from(u16::from_ne_bytes([*last, 0]));
        }
        Self(sum)
    }

    /// Adds one word as it is on the wire.
    pub(super) fn add_word(self, word: u16) -> Self {
        Self(self.0 + u64::from(word.to_be()))
    }

    /// The 16-bit sum in host order, not complemented.
    pub(crate) fn fold(self) -> u16 {
        let mut sum = self.0;
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        // It fits: the loop says so.
        u16::from_be(sum as u16)
    }

    /// What goes into a checksum field.
    pub(super) fn finish(self) -> u16 {
        !self.fold()
    }
}

/// The sum of the halves of all 32-bit words, lane by lane, in a form that vectorises well.
///
/// `upper` is exact: each block adds less than 2^16 to a lane, and a packet has fewer than 2^16 blocks.
/// So is the sum of the lower halves, which is what `whole`, kept modulo 2^32, has besides `upper`:
/// that spares masking each word.
fn sum_of_blocks(blocks: &[[u8; BLOCK]]) -> u64 {
    let (mut whole, mut upper) = ([0u32; LANES], [0u32; LANES]);
    for block in blocks {
        let (words, _) = block.as_chunks();
        for (lane, word) in words.iter().enumerate() {
            let word = u32::from_ne_bytes(*word);
            whole[lane] = whole[lane].wrapping_add(word);
            upper[lane] = upper[lane].wrapping_add(word >> 16);
        }
    }
    let lower = |(whole, upper): (&u32, &u32)| whole.wrapping_sub(upper << 16);
    let lower: u64 = whole.iter().zip(&upper).map(lower).map(u64::from).sum();
    lower + upper.iter().copied().map(u64::from).sum::<u64>()
}

const LANES: usize = 16;
const BLOCK: usize = 4 * LANES;

/// What a TCP or UDP checksum counts besides the segment: addresses, protocol, length.
pub(super) fn pseudo_header(addresses: &[u8], protocol: u8, len: usize) -> Sum {
    // A super-packet is below 64 KiB, so that the length's upper half is 0.
    Sum::default().add(addresses).add_word(protocol.into()).add_word(len as u16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Dice;

    #[test]
    fn sums_are_those_of_a_naive_computation() {
        for seed in 0..500 {
            let mut dice = Dice::new(seed);
            let len = dice.below(300) as usize;
            let bytes = dice.bytes(len);
            let mut naive = 0u32;
            for pair in bytes.chunks(2) {
                naive += u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or(0));
                naive = (naive & 0xffff) + (naive >> 16);
            }
            assert_eq!(u32::from(Sum::default().add(&bytes).fold()), naive);
        }
    }

    #[test]
    fn the_largest_packet_of_the_largest_words_overflows_nothing() {
        let bytes = [0xff; 65_535];
        assert_eq!(Sum::default().add(&bytes[..65_534]).fold(), 0xffff);
        // A lone last byte counts as the upper half of a word.
        assert_eq!(Sum::default().add(&bytes).fold(), 0xff00);
    }

    #[test]
    fn a_sum_in_pieces_is_the_sum_of_the_whole() {
        let bytes = Dice::new(1).bytes(1001);
        for cut in (0..1000).step_by(2) {
            let (front, back) = bytes.split_at(cut);
            let pieces = Sum::default().add(front).add(back).fold();
            assert_eq!(pieces, Sum::default().add(&bytes).fold());
        }
    }
}
