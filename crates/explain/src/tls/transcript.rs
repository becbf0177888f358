//! What both ends calculate their proofs over.

use super::opening::Hash;

/// The most of a conversation that is kept to calculate proofs from; longer ones are not calculated.
const LONGEST_TRANSCRIPT: usize = 256 * 1024;

/// All messages so far, as both ends calculate over them.
#[derive(Default)]
pub(super) struct Transcript {
    bytes: Vec<u8>,
    too_long: bool,
}

impl Transcript {
    /// One that nothing is calculated over any more.
    pub(super) fn given_up() -> Transcript {
        Transcript { bytes: Vec::new(), too_long: true }
    }

    pub(super) fn add(&mut self, message: &[u8]) {
        self.too_long |= self.bytes.len() + message.len() > LONGEST_TRANSCRIPT;
        if !self.too_long {
            self.bytes.extend_from_slice(message);
        }
    }

    /// A hello that was asked to be made again counts by its hash (RFC 8446, 4.4.1).
    pub(super) fn fold(&mut self, hash: Hash) {
        let digest = hash.digest(&self.bytes);
        self.bytes = [&[254, 0, 0, digest.len() as u8][..], &digest].concat();
    }

    pub(super) fn whole(&self) -> Option<&[u8]> {
        (!self.too_long).then_some(self.bytes.as_slice())
    }
}
