//! What one handshake shows and goes on with: a certificate of ours, and perhaps a session of before.
//!
//! A resumed session was shown no certificate: it goes on from a handshake that was. So its ticket says which one that
//! was. Invariant: a session goes on only while the certificate that it began with is in service, so that whatever is
//! revoked takes its sessions along.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pki::Fingerprint;
use rustls::crypto::aws_lc_rs::DEFAULT_CIPHER_SUITES;
use rustls::server::{ClientHello, ProducesTickets, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::certificates::SiteKeys;
use crate::tickets::{Begun, Tickets};

/// One handshake's memory, which the TLS library asks: what it gives out is as old as what it took.
#[derive(Debug)]
pub(crate) struct Chain {
    keys: Arc<SiteKeys>,
    tickets: Option<Arc<Tickets>>,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// What the client was shown, or would have been.
    shown: Option<Arc<CertifiedKey>>,
    /// The session of before.
    resumed: Option<(Begun, Arc<CertifiedKey>)>,
    /// The client has a cipher suite of ours, and there was no certificate for it.
    lacks: bool,
}

impl Chain {
    /// For one handshake.
    pub(crate) fn new(keys: &Arc<SiteKeys>, tickets: Option<&Arc<Tickets>>) -> Self {
        Self { keys: Arc::clone(keys), tickets: tickets.cloned(), seen: Mutex::default() }
    }

    /// The certificate of ours that the connection rests on; `resumed`: it goes on with a session of before.
    pub(crate) fn own(&self, resumed: bool) -> Option<Arc<CertifiedKey>> {
        let seen = self.seen();
        match (resumed, &seen.resumed) {
            (true, Some((_, own))) => Some(Arc::clone(own)),
            _ => seen.shown.clone(),
        }
    }

    /// Whether there was no certificate that the client can read.
    pub(crate) fn lacks(&self) -> bool {
        self.seen().lacks
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ResolvesServerCert for Chain {
    /// With the schemes that the library found the client's cipher suites to leave. A client that shares no suite with us
    /// has no signature to go with one either. With a certificate that it can't use the library gets as far as to tell
    /// it so; with none it would say that access is denied.
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let found = self.keys.choose(hello.signature_schemes());
        let mut seen = self.seen();
        let offered = hello.cipher_suites();
        let shares = || DEFAULT_CIPHER_SUITES.iter().any(|own| offered.contains(&own.suite()));
        seen.lacks = found.is_none() && shares();
        seen.shown = found.or_else(|| self.keys.first());
        seen.shown.clone()
    }
}

impl ProducesTickets for Chain {
    fn enabled(&self) -> bool {
        self.tickets.is_some()
    }

    fn lifetime(&self) -> u32 {
        self.tickets.as_ref().map_or(0, |tickets| tickets.lifetime())
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let (begun, own) = match &*self.seen() {
            Seen { resumed: Some((begun, own)), .. } => (Some(*begun), fingerprint(own)?),
            Seen { shown, .. } => (None, fingerprint(shown.as_ref()?)?),
        };
        self.tickets.as_ref()?.seal(begun, &own, plain)
    }

    /// Of several that a client offers, the last one that is asked for here is the one that is resumed; where none is,
    /// the chain ends sooner than it has to.
    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        let ticket = self.tickets.as_ref()?.open(cipher)?;
        let is_own = |key: &&Arc<CertifiedKey>| fingerprint(key).as_ref() == Some(&ticket.own);
        let own = self.keys.all().iter().find(is_own).cloned()?;
        self.seen().resumed = Some((ticket.begun, own));
        Some(ticket.session)
    }
}

fn fingerprint(key: &Arc<CertifiedKey>) -> Option<Fingerprint> {
    Some(Fingerprint::of(key.cert.first()?))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clock::{Now, VirtualClock};
    use rustls::crypto::aws_lc_rs::default_provider;
    use testkit::Authority;

    use super::*;
    use crate::certificates::Keyring;

    #[test]
    fn a_chain_of_resumed_sessions_ends_at_the_age_of_its_first_handshake() {
        let world = World::new();
        let mut ticket = world.first(b"proved");
        for _ in 0..5 {
            world.clock.advance(LIFE / 2);
            let resumed = world.chain();
            assert_eq!(resumed.decrypt(&ticket).as_deref(), Some(&b"proved"[..]));
            ticket = resumed.encrypt(b"proved").unwrap();
        }
        world.clock.advance(LIFE / 2);
        assert_eq!(world.chain().decrypt(&ticket), None);
        let anew = world.first(b"proved again");
        world.clock.advance(LIFE);
        assert!(world.chain().decrypt(&anew).is_some(), "another chain");
    }

    #[test]
    fn a_session_goes_on_while_the_certificate_that_it_began_with_is_in_service() {
        let world = World::new();
        let ticket = world.first(b"session");
        let resumed = world.chain();
        assert!(resumed.decrypt(&ticket).is_some());
        assert!(Arc::ptr_eq(&resumed.own(true).unwrap(), &world.key));
        let later = resumed.encrypt(b"session").unwrap();
        let other = key(&world.ca);
        world.keyring.put(NAME, vec![Arc::clone(&other), Arc::clone(&world.key)]);
        assert!(Arc::ptr_eq(&world.resumed(&later).unwrap(), &world.key));
        world.keyring.put(NAME, vec![other]);
        assert!(world.resumed(&ticket).is_none() && world.resumed(&later).is_none());
    }

    struct World {
        ca: Authority,
        keyring: Keyring,
        key: Arc<CertifiedKey>,
        tickets: Arc<Tickets>,
        clock: VirtualClock,
    }

    impl World {
        fn new() -> Self {
            let clock = VirtualClock::new(Now { boot: LIFE, wall: LIFE });
            let (ca, keyring) = (Authority::new("a CA"), Keyring::default());
            let key = key(&ca);
            keyring.put(NAME, vec![Arc::clone(&key)]);
            let tickets = Arc::new(Tickets::new(LIFE, LIFE * 3, Arc::new(clock.clone())));
            Self { ca, keyring, key, tickets, clock }
        }

        fn chain(&self) -> Chain {
            Chain::new(&self.keyring.of(NAME), Some(&self.tickets))
        }

        /// A ticket of a full handshake.
        fn first(&self, session: &[u8]) -> Vec<u8> {
            let chain = self.chain();
            chain.seen().shown = Some(Arc::clone(&self.key));
            chain.encrypt(session).unwrap()
        }

        fn resumed(&self, ticket: &[u8]) -> Option<Arc<CertifiedKey>> {
            let chain = self.chain();
            chain.decrypt(ticket)?;
            chain.own(true)
        }
    }

    fn key(ca: &Authority) -> Arc<CertifiedKey> {
        let one = ca.server_named(NAME);
        Arc::new(CertifiedKey::from_der(one.chain, one.key, &default_provider()).unwrap())
    }

    const NAME: &str = "wiki.test";
    const LIFE: Duration = Duration::from_secs(3600);
}
