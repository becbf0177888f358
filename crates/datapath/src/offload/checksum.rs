//! The Internet checksum (RFC 1071), as a running sum that is folded at the end.
//!
//! Sums are kept in native byte order, which the arithmetic bears: the sum of swapped words is the
//! swapped sum. Invariant: everything but the last piece added has an even length.

/// A ones' complement sum.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sum(u64);

impl Sum {
    /// Adds bytes that begin at an even offset.
    pub(super) fn add(self, bytes: &[u8]) -> Self {
        let mut sum = self.0;
        let mut words = bytes.chunks_exact(4);
        // 32-bit words into 64 bits: no carry is lost below 2^32 words, and it vectorises.
        for word in &mut words {
            sum += u64::from(u32::from_ne_bytes([word[0], word[1], word[2], word[3]]));
        }
        let mut rest = words.remainder().chunks_exact(2);
        for word in &mut rest {
            sum += u64::from(u16::from_ne_bytes([word[0], word[1]]));
        }
        if let [last] = rest.remainder() {
            sum += u64::from(u16::from_ne_bytes([*last, 0]));
        }
        Self(sum)
    }

    /// Adds one word as it is on the wire.
    pub(super) fn add_word(self, word: u16) -> Self {
        Self(self.0 + u64::from(word.to_be()))
    }

    /// The 16-bit sum in host order, not complemented.
    pub(super) fn fold(self) -> u16 {
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
            let len = dice.below(100) as usize;
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
    fn a_sum_in_pieces_is_the_sum_of_the_whole() {
        let bytes = Dice::new(1).bytes(1001);
        for cut in (0..1000).step_by(2) {
            let (front, back) = bytes.split_at(cut);
            let pieces = Sum::default().add(front).add(back).fold();
            assert_eq!(pieces, Sum::default().add(&bytes).fold());
        }
    }
}
