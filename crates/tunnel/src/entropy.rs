//! The session's own randomness, expanded from one seed so that a simulation can repeat itself.
//!
//! Output block `n` is HMAC-SHA256 of `n` under the seed. TLS draws its own randomness; a seed fixes
//! session ids, key-message randoms and jitter.

use std::time::Duration;

use aws_lc_rs::hmac;
use wire::SessionId;

/// Bytes from the operating system's generator; fixed in tests only.
pub type Seed = [u8; 32];

/// A stream of bytes that only the holder of the seed can tell from noise.
pub(crate) struct Entropy {
    key: hmac::Key,
    counter: u64,
}

impl Entropy {
    pub(crate) fn new(seed: &Seed) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, seed), counter: 0 }
    }

    pub(crate) fn fill(&mut self, out: &mut [u8]) {
        for chunk in out.chunks_mut(32) {
            let block = hmac::sign(&self.key, &self.counter.to_be_bytes());
            self.counter += 1;
            for (to, from) in chunk.iter_mut().zip(block.as_ref()) {
                *to = *from;
            }
        }
    }

    pub(crate) fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }

    pub(crate) fn session_id(&mut self) -> SessionId {
        loop {
            if let Some(id) = SessionId::new(self.array()) {
                return id;
            }
        }
    }

    /// Evenly from zero to just below `limit`.
    pub(crate) fn duration_below(&mut self, limit: Duration) -> Duration {
        let part = u32::from_be_bytes(self.array());
        limit.mul_f64(f64::from(part) / 4_294_967_296.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_gives_one_stream() {
        let mut first = Entropy::new(&[7; 32]);
        let mut second = Entropy::new(&[7; 32]);
        assert_eq!(first.array::<80>(), second.array::<80>());
        assert_ne!(first.array::<32>(), Entropy::new(&[8; 32]).array::<32>());
    }

    #[test]
    fn a_stream_does_not_repeat_its_blocks() {
        let mut entropy = Entropy::new(&[7; 32]);
        assert_ne!(entropy.array::<32>(), entropy.array::<32>());
    }

    #[test]
    fn durations_stay_below_their_limit() {
        let mut entropy = Entropy::new(&[1; 32]);
        let limit = Duration::from_secs(360);
        assert!((0..1000).all(|_| entropy.duration_below(limit) < limit));
        assert_eq!(entropy.duration_below(Duration::ZERO), Duration::ZERO);
    }
}
