//! The stateless cookie: a server session id that proves an address.
//!
//! It is a MAC over time slot, address and client session id, so nothing is kept until a third
//! packet brings it back.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use aws_lc_rs::hmac;
use wire::SessionId;

use crate::entropy::Seed;

/// Slots back for which a cookie is good: a client has between two and three slots' time.
const SLOTS_BACK: u64 = 2;

/// Makes and checks cookies.
pub(crate) struct CookieJar {
    key: hmac::Key,
    slot_seconds: u64,
}

impl CookieJar {
    pub(crate) fn new(secret: &Seed, hand_window: Duration) -> Self {
        let slot_seconds = hand_window.as_secs().div_ceil(2).max(1);
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, secret), slot_seconds }
    }

    /// The server's session id for this client, address and time.
    pub(crate) fn bake(&self, remote: SocketAddr, client: SessionId, boot: Duration) -> SessionId {
        self.bake_for(self.slot(boot), remote, client)
    }

    /// True for a session id from this slot or the two before.
    pub(crate) fn accepts(
        &self,
        cookie: SessionId,
        remote: SocketAddr,
        client: SessionId,
        boot: Duration,
    ) -> bool {
        let slot = self.slot(boot);
        (slot.saturating_sub(SLOTS_BACK)..=slot)
            .any(|slot| same(self.bake_for(slot, remote, client), cookie))
    }

    /// How long a cookie stays good at most.
    pub(crate) fn lifetime(&self) -> Duration {
        Duration::from_secs((SLOTS_BACK + 1) * self.slot_seconds)
    }

    fn slot(&self, boot: Duration) -> u64 {
        boot.as_secs() / self.slot_seconds
    }

    fn bake_for(&self, slot: u64, remote: SocketAddr, client: SessionId) -> SessionId {
        let mut mac = hmac::Context::with_key(&self.key);
        mac.update(b"cookie");
        mac.update(&slot.to_be_bytes());
        match remote.ip().to_canonical() {
            IpAddr::V4(ip) => mac.update(&ip.octets()),
            IpAddr::V6(ip) => mac.update(&ip.octets()),
        }
        mac.update(&remote.port().to_be_bytes());
        mac.update(client.as_bytes());
        let tag = mac.sign();
        let mut id = [0; SessionId::LEN];
        id.iter_mut().zip(tag.as_ref()).for_each(|(to, from)| *to = *from);
        // One in 2^64 is all zero, which no packet may carry.
        if id == [0; SessionId::LEN] {
            id = [1; SessionId::LEN];
        }
        SessionId::new(id).expect("made different from zero above")
    }
}

fn same(a: SessionId, b: SessionId) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(a.as_bytes(), b.as_bytes()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: [u8; 8] = [9; 8];

    #[test]
    fn a_cookie_is_good_in_its_slot_and_the_two_that_follow() {
        let jar = jar();
        let baked = jar.bake(remote(), client(), secs(60));
        for (at, good) in
            [(59, false), (60, true), (89, true), (90, true), (149, true), (150, false)]
        {
            assert_eq!(jar.accepts(baked, remote(), client(), secs(at)), good, "at {at} s");
        }
    }

    #[test]
    fn a_cookie_is_bound_to_address_port_client_and_secret() {
        let jar = jar();
        let baked = jar.bake(remote(), client(), secs(60));
        let elsewhere = "192.0.2.2:1000".parse().expect("an address");
        let port = "192.0.2.1:1001".parse().expect("an address");
        let other = SessionId::new([8; 8]).expect("not zero");
        assert!(!jar.accepts(baked, elsewhere, client(), secs(60)));
        assert!(!jar.accepts(baked, port, client(), secs(60)));
        assert!(!jar.accepts(baked, remote(), other, secs(60)));
        let foreign = CookieJar::new(&[2; 32], secs(60));
        assert!(!foreign.accepts(baked, remote(), client(), secs(60)));
    }

    #[test]
    fn a_mapped_address_is_the_ipv4_address() {
        let jar = jar();
        let mapped = "[::ffff:192.0.2.1]:1000".parse().expect("an address");
        assert!(jar.accepts(jar.bake(remote(), client(), secs(5)), mapped, client(), secs(5)));
    }

    fn jar() -> CookieJar {
        CookieJar::new(&[1; 32], secs(60))
    }

    fn remote() -> SocketAddr {
        "192.0.2.1:1000".parse().expect("an address")
    }

    fn client() -> SessionId {
        SessionId::new(CLIENT).expect("not zero")
    }

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }
}
