//! Session tickets, under keys that live for a limited time and never leave this process.
//!
//! Each virtual server has its own, and a change of who is let in there makes them anew: what was taken under one
//! policy or from one server is nothing to another. Sealed by AES-256-GCM; the nonces are random, and an hour's tickets
//! are far from the 2^32 that a key may seal so. Invariant: a ticket is good for two lives of a key at most, and a key
//! that opens nothing any longer is dropped at the next question.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::rand;
use clock::Clock;
use rustls::server::ProducesTickets;
use zeroize::Zeroizing;

/// Makes and reads tickets.
pub(crate) struct Tickets {
    keys: Mutex<Keys>,
    life: Duration,
    clock: Arc<dyn Clock>,
}

#[derive(Default)]
struct Keys {
    present: Option<Key>,
    former: Option<Key>,
}

struct Key {
    name: [u8; NAME],
    aead: RandomizedNonceKey,
    /// Since the machine booted.
    made: Duration,
}

impl Tickets {
    /// Under keys that are replaced after `life`.
    pub(crate) fn new(life: Duration, clock: Arc<dyn Clock>) -> Self {
        Self { keys: Mutex::default(), life, clock }
    }

    /// How old the present key is.
    pub(crate) fn key_age(&self) -> Option<Duration> {
        let now = self.clock.now().boot;
        self.keys_at(now).present.as_ref().map(|key| now.saturating_sub(key.made))
    }

    /// The keys as they have to be at this moment.
    fn keys_at(&self, now: Duration) -> MutexGuard<'_, Keys> {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let age = |key: &Key| now.saturating_sub(key.made);
        if keys.present.as_ref().is_some_and(|key| age(key) >= self.life) {
            keys.former = keys.present.take();
        }
        if keys.former.as_ref().is_some_and(|key| age(key) >= self.life * 2) {
            keys.former = None;
        }
        keys
    }

    fn seal(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let now = self.clock.now().boot;
        let mut keys = self.keys_at(now);
        if keys.present.is_none() {
            keys.present = Some(Key::new(now)?);
        }
        keys.present.as_ref()?.seal(plain)
    }
}

impl Key {
    fn new(made: Duration) -> Option<Self> {
        let (mut name, mut secret) = ([0; NAME], Zeroizing::new([0; SECRET]));
        rand::fill(&mut name).ok()?;
        rand::fill(&mut *secret).ok()?;
        Some(Self { name, aead: RandomizedNonceKey::new(&AES_256_GCM, &*secret).ok()?, made })
    }

    /// Name, nonce, what is sealed.
    fn seal(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let mut sealed = plain.to_vec();
        let nonce = self.aead.seal_in_place_append_tag(Aad::from(&self.name), &mut sealed).ok()?;
        Some([&self.name[..], nonce.as_ref(), &sealed].concat())
    }

    fn open(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        let (name, rest) = ticket.split_first_chunk::<NAME>()?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_LEN>()?;
        if *name != self.name {
            return None;
        }
        let mut sealed = sealed.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let plain = self.aead.open_in_place(nonce, Aad::from(name), &mut sealed).ok()?;
        Some(plain.to_vec())
    }
}

impl ProducesTickets for Tickets {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        u32::try_from(self.life.as_secs()).unwrap_or(u32::MAX)
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.seal(plain)
    }

    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        let keys = self.keys_at(self.clock.now().boot);
        let both = [&keys.present, &keys.former];
        both.into_iter().flatten().find_map(|key| key.open(cipher))
    }
}

impl fmt::Debug for Tickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tickets").field("life", &self.life).finish_non_exhaustive()
    }
}

const NAME: usize = 16;
const SECRET: usize = 32;

#[cfg(test)]
mod tests {
    use clock::{Now, VirtualClock};

    use super::*;

    #[test]
    fn a_ticket_is_good_for_two_lives_of_a_key_at_most_and_for_one_at_least() {
        let (tickets, clock) = tickets();
        let early = tickets.encrypt(b"early").unwrap();
        clock.advance(LIFE - SECOND);
        let late = tickets.encrypt(b"late").unwrap();
        clock.advance(SECOND);
        let next = tickets.encrypt(b"next").unwrap();
        assert_eq!(tickets.decrypt(&early).as_deref(), Some(&b"early"[..]));
        clock.advance(LIFE - SECOND);
        assert_eq!(tickets.decrypt(&late).as_deref(), Some(&b"late"[..]));
        clock.advance(SECOND);
        assert_eq!((tickets.decrypt(&early), tickets.decrypt(&late)), (None, None));
        assert_eq!(tickets.decrypt(&next).as_deref(), Some(&b"next"[..]));
        clock.advance(LIFE);
        assert_eq!(tickets.decrypt(&next), None, "nobody made one since");
    }

    #[test]
    fn what_somebody_else_made_or_changed_is_no_ticket() {
        let (tickets, _) = tickets();
        let ticket = tickets.encrypt(b"secret").unwrap();
        assert_eq!(self::tickets().0.decrypt(&ticket), None);
        for at in 0..ticket.len() {
            let mut other = ticket.clone();
            other[at] ^= 1;
            assert_eq!(tickets.decrypt(&other), None, "byte {at}");
        }
        for end in 0..ticket.len() {
            assert_eq!(tickets.decrypt(&ticket[..end]), None, "{end} bytes");
        }
    }

    #[test]
    fn no_two_tickets_are_alike_and_the_keys_age_is_told() {
        let (tickets, clock) = tickets();
        assert_eq!(tickets.key_age(), None);
        assert_ne!(tickets.encrypt(b"x"), tickets.encrypt(b"x"));
        clock.advance(SECOND);
        assert_eq!(tickets.key_age(), Some(SECOND));
    }

    fn tickets() -> (Tickets, VirtualClock) {
        let clock = VirtualClock::new(Now { boot: SECOND, wall: SECOND });
        (Tickets::new(LIFE, Arc::new(clock.clone())), clock)
    }

    const SECOND: Duration = Duration::from_secs(1);
    const LIFE: Duration = Duration::from_secs(3600);
}
