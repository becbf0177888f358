//! Session tickets, under keys that live for a limited time and never leave this process.
//!
//! Each virtual server has its own, and a change of who is let in there makes them anew: what was taken under one
//! policy or from one server is nothing to another. Sealed by AES-256-GCM; the nonces are random, and what a server hands
//! out in an hour, or a week, is far from the 2^32 tickets that a key may seal so.
//!
//! A resumed session gets a new ticket, and nobody proves a key in it. So each ticket says when that was done last: in
//! the full handshake with which its chain began (`chain` has what a handshake makes of that). Invariant: a ticket is good for two lives of a key at most, a chain of
//! them for its age, and a key that opens nothing any longer is dropped at the next question.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::rand;
use clock::Clock;
use pki::Fingerprint;
use zeroize::Zeroizing;

/// The keys of a virtual server's tickets.
pub(crate) struct Tickets {
    keys: Mutex<Keys>,
    life: Duration,
    /// Of a chain.
    age: Duration,
    clock: Arc<dyn Clock>,
}

/// When a chain began, in seconds since the machine booted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Begun(u64);

/// What a ticket says.
pub(crate) struct Ticket {
    pub(crate) begun: Begun,
    /// The certificate of ours that the chain began with.
    pub(crate) own: Fingerprint,
    /// What the TLS library keeps of the session.
    pub(crate) session: Vec<u8>,
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
    /// Under keys that are replaced after `life`; sessions go on for `age`.
    pub(crate) fn new(life: Duration, age: Duration, clock: Arc<dyn Clock>) -> Self {
        Self { keys: Mutex::default(), life, age, clock }
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

    /// For how long clients may keep one, in seconds.
    pub(crate) fn lifetime(&self) -> u32 {
        u32::try_from(self.life.as_secs()).unwrap_or(u32::MAX)
    }

    /// With the time at which its chain began: now, where there is none.
    pub(crate) fn seal(
        &self,
        begun: Option<Begun>,
        own: &Fingerprint,
        session: &[u8],
    ) -> Option<Vec<u8>> {
        let now = self.clock.now().boot;
        let mut keys = self.keys_at(now);
        if keys.present.is_none() {
            keys.present = Some(Key::new(now)?);
        }
        let begun = begun.unwrap_or(Begun(now.as_secs()));
        let begun = begun.0.to_be_bytes();
        let plain = Zeroizing::new([&begun[..], own.as_bytes(), session].concat());
        keys.present.as_ref()?.seal(&plain)
    }

    /// What is in a ticket whose chain is not over.
    pub(crate) fn open(&self, ticket: &[u8]) -> Option<Ticket> {
        let now = self.clock.now().boot;
        let keys = self.keys_at(now);
        let both = [&keys.present, &keys.former];
        let plain = both.into_iter().flatten().find_map(|key| key.open(ticket))?;
        let (begun, rest) = plain.split_first_chunk()?;
        let (own, session) = rest.split_first_chunk()?;
        let (begun, own) = (Begun(u64::from_be_bytes(*begun)), Fingerprint::from_bytes(*own));
        let age = now.saturating_sub(Duration::from_secs(begun.0));
        (age < self.age).then(|| Ticket { begun, own, session: session.to_vec() })
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

    fn open(&self, ticket: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (name, rest) = ticket.split_first_chunk::<NAME>()?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_LEN>()?;
        if *name != self.name {
            return None;
        }
        let mut sealed = Zeroizing::new(sealed.to_vec());
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let length = self.aead.open_in_place(nonce, Aad::from(name), &mut sealed).ok()?.len();
        sealed.truncate(length);
        Some(sealed)
    }
}

impl fmt::Debug for Tickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Tickets");
        shown.field("life", &self.life).field("age", &self.age).finish_non_exhaustive()
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
        let early = sealed(&tickets, b"early");
        clock.advance(LIFE - SECOND);
        let late = sealed(&tickets, b"late");
        clock.advance(SECOND);
        let next = sealed(&tickets, b"next");
        assert_eq!(opened(&tickets, &early).as_deref(), Some(&b"early"[..]));
        clock.advance(LIFE - SECOND);
        assert_eq!(opened(&tickets, &late).as_deref(), Some(&b"late"[..]));
        clock.advance(SECOND);
        assert_eq!((opened(&tickets, &early), opened(&tickets, &late)), (None, None));
        assert_eq!(opened(&tickets, &next).as_deref(), Some(&b"next"[..]));
        clock.advance(LIFE);
        assert_eq!(opened(&tickets, &next), None, "nobody made one since");
    }

    #[test]
    fn what_somebody_else_made_or_changed_is_no_ticket() {
        let (tickets, _) = tickets();
        let ticket = sealed(&tickets, b"secret");
        assert_eq!(opened(&self::tickets().0, &ticket), None);
        for at in 0..ticket.len() {
            let mut other = ticket.clone();
            other[at] ^= 1;
            assert_eq!(opened(&tickets, &other), None, "byte {at}");
        }
        for end in 0..ticket.len() {
            assert_eq!(opened(&tickets, &ticket[..end]), None, "{end} bytes");
        }
    }

    #[test]
    fn no_two_tickets_are_alike_and_the_keys_age_is_told() {
        let (tickets, clock) = tickets();
        assert_eq!(tickets.key_age(), None);
        assert_ne!(sealed(&tickets, b"x"), sealed(&tickets, b"x"));
        clock.advance(SECOND);
        assert_eq!(tickets.key_age(), Some(SECOND));
    }

    /// By a full handshake.
    fn sealed(tickets: &Arc<Tickets>, session: &[u8]) -> Vec<u8> {
        tickets.seal(None, &own(), session).expect("sealed")
    }

    fn opened(tickets: &Arc<Tickets>, ticket: &[u8]) -> Option<Vec<u8>> {
        let ticket = tickets.open(ticket)?;
        assert_eq!(ticket.own, own());
        Some(ticket.session)
    }

    fn own() -> Fingerprint {
        Fingerprint::from_bytes([7; 32])
    }

    fn tickets() -> (Arc<Tickets>, VirtualClock) {
        let clock = VirtualClock::new(Now { boot: SECOND, wall: SECOND });
        (Arc::new(Tickets::new(LIFE, AGE, Arc::new(clock.clone()))), clock)
    }

    const SECOND: Duration = Duration::from_secs(1);
    const LIFE: Duration = Duration::from_secs(3600);
    const AGE: Duration = Duration::from_secs(3 * 3600);
}
