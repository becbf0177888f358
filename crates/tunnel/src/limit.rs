//! How often strangers are answered: token buckets by source prefix, and the addresses exempt.
//!
//! Both tables have a fixed size. A prefix that finds its set full takes over the fullest bucket,
//! so a stranger who forges many prefixes never makes another one wait; what he gains for each
//! forged prefix is bounded by the number of buckets.

use std::net::IpAddr;
use std::time::Duration;

use aws_lc_rs::hmac;
use sources::Source;

use crate::entropy::Seed;

const SETS: usize = 1024;
const WAYS: usize = 4;
/// How long a source stays exempt after its cookie came back.
const PROVEN_FOR: Duration = Duration::from_secs(3600);

/// Buckets and exempt addresses.
pub(crate) struct Limiter {
    key: hmac::Key,
    per_second: u64,
    at_once: u64,
    buckets: Box<[[Bucket; WAYS]]>,
    proven: Box<[[Proven; WAYS]]>,
}

#[derive(Clone, Copy, Default)]
struct Bucket {
    owner: u64,
    /// Thousandths of an answer.
    tokens: u64,
    filled: Duration,
}

#[derive(Clone, Copy, Default)]
struct Proven {
    owner: u64,
    until: Duration,
}

impl Limiter {
    pub(crate) fn new(secret: &Seed, per_second: u32, at_once: u32) -> Self {
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, secret),
            per_second: u64::from(per_second),
            at_once: u64::from(at_once) * 1000,
            buckets: vec![Default::default(); SETS].into_boxed_slice(),
            proven: vec![Default::default(); SETS].into_boxed_slice(),
        }
    }

    /// True if an answer may go to this source.
    pub(crate) fn allows(&mut self, source: IpAddr, boot: Duration) -> bool {
        self.is_proven(source, boot) || self.take_token(source, boot)
    }

    /// Exempts a source whose cookie came back.
    pub(crate) fn prove(&mut self, source: IpAddr, boot: Duration) {
        let owner = self.hash(b"address", &octets(source));
        let Some(set) = self.proven.get_mut(owner as usize % SETS) else { return };
        let slot = match set.iter().position(|proven| proven.owner == owner) {
            Some(at) => set.get_mut(at),
            None => set.iter_mut().min_by_key(|proven| proven.until),
        };
        if let Some(slot) = slot {
            *slot = Proven { owner, until: boot + PROVEN_FOR };
        }
    }

    fn is_proven(&self, source: IpAddr, boot: Duration) -> bool {
        let owner = self.hash(b"address", &octets(source));
        let set = self.proven.get(owner as usize % SETS);
        set.is_some_and(|set| set.iter().any(|proven| proven.owner == owner && proven.until > boot))
    }

    fn take_token(&mut self, source: IpAddr, boot: Duration) -> bool {
        let owner = self.hash(b"prefix", &Source::network(source).octets());
        let (per_second, at_once) = (self.per_second, self.at_once);
        let Some(set) = self.buckets.get_mut(owner as usize % SETS) else { return false };
        set.iter_mut().for_each(|bucket| bucket.refill(boot, per_second, at_once));
        let bucket = match set.iter().position(|bucket| bucket.owner == owner) {
            Some(at) => set.get_mut(at),
            None => {
                let slot = set.iter_mut().max_by_key(|bucket| bucket.tokens);
                slot.map(|bucket| {
                    *bucket = Bucket { owner, tokens: at_once, filled: boot };
                    bucket
                })
            }
        };
        bucket.is_some_and(Bucket::take)
    }

    fn hash(&self, what: &[u8], bytes: &[u8]) -> u64 {
        let mut mac = hmac::Context::with_key(&self.key);
        mac.update(what);
        mac.update(bytes);
        let tag = mac.sign();
        tag.as_ref().first_chunk().map_or(1, |bytes| u64::from_be_bytes(*bytes)).max(1)
    }
}

impl Bucket {
    fn refill(&mut self, boot: Duration, per_second: u64, at_once: u64) {
        let passed = boot.saturating_sub(self.filled).as_millis().min(u128::from(u32::MAX)) as u64;
        self.tokens = passed.saturating_mul(per_second).saturating_add(self.tokens).min(at_once);
        self.filled = self.filled.max(boot);
    }

    fn take(&mut self) -> bool {
        let Some(rest) = self.tokens.checked_sub(1000) else { return false };
        self.tokens = rest;
        true
    }
}

fn octets(source: IpAddr) -> Vec<u8> {
    match source.to_canonical() {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Duration = Duration::from_secs(50);

    #[test]
    fn a_prefix_gets_its_burst_and_then_its_rate() {
        let mut limiter = limiter();
        let at = |limiter: &mut Limiter, host, boot| limiter.allows(v4([192, 0, 2, host]), boot);
        assert!((0..5).all(|host| at(&mut limiter, host, START)));
        assert!(!at(&mut limiter, 9, START), "the whole /24 shares a bucket");
        assert!(at(&mut limiter, 9, START + Duration::from_millis(500)));
        assert!(!at(&mut limiter, 9, START + Duration::from_millis(500)));
        assert!(limiter.allows(v4([192, 0, 3, 1]), START), "another prefix has its own");
    }

    #[test]
    fn a_proven_source_is_not_limited() {
        let mut limiter = limiter();
        let source = v4([192, 0, 2, 1]);
        limiter.prove(source, START);
        assert!((0..1000).all(|_| limiter.allows(source, START)));
        (0..5).for_each(|_| assert!(limiter.allows(v4([192, 0, 2, 2]), START)));
        assert!(!limiter.allows(v4([192, 0, 2, 2]), START));
        let later = START + PROVEN_FOR;
        (0..5).for_each(|_| assert!(limiter.allows(source, later)));
        assert!(!limiter.allows(source, later));
    }

    #[test]
    fn many_forged_prefixes_make_no_other_prefix_wait() {
        let mut limiter = limiter();
        for n in 0..200_000_u32 {
            limiter.allows(IpAddr::V4((n << 8 | 0x0a00_0001).into()), START);
        }
        assert!(limiter.allows(v4([203, 0, 113, 1]), START));
    }

    #[test]
    fn ipv6_sources_are_counted_by_their_56() {
        let mut limiter = limiter();
        let ip = |text: &str| text.parse::<IpAddr>().expect("an address");
        (0..5).for_each(|_| assert!(limiter.allows(ip("2001:db8:0:100::1"), START)));
        assert!(!limiter.allows(ip("2001:db8:0:1ff::9"), START));
        assert!(limiter.allows(ip("2001:db8:0:200::1"), START));
    }

    fn limiter() -> Limiter {
        Limiter::new(&[4; 32], 2, 5)
    }

    fn v4(octets: [u8; 4]) -> IpAddr {
        octets.into()
    }
}
