//! The data keys of a session: which ones the data plane opens with, which one it seals with.
//!
//! Sealing moves to a new key when its generation is complete and the peer has used it, or a grace
//! has passed; at once when yet another renegotiation begins. A former key stays for
//! opening until its transition window ends. No key seals beyond its hard end, at which a session that has
//! no newer one is over. Once both sides seal with a key, those before the last
//! one have [`IN_FLIGHT`] left. There is one key for an id, so there are never more than eight.

use std::time::Duration;

use wire::KeyId;
use wire::cipher::Cipher;
use wire::key_material::KeyMaterial;

/// How long a packet may be on its way.
pub(crate) const IN_FLIGHT: Duration = Duration::from_secs(30);

/// All keys that the data plane opens with, oldest first.
#[derive(Default)]
pub(crate) struct Keys {
    pub(crate) held: Vec<HeldKey>,
    pub(crate) sealing: Option<KeyId>,
    pub(crate) switch: Option<Switch>,
    /// What the peer seals with, as far as its packets told.
    seen: Option<KeyId>,
    /// How many were held so far.
    held_so_far: u32,
}

/// One key.
#[derive(Clone)]
pub(crate) struct HeldKey {
    pub(crate) key_id: KeyId,
    pub(crate) cipher: Cipher,
    pub(crate) material: KeyMaterial,
    /// When it stops opening, if a newer generation has begun and it does not seal.
    pub(crate) expires: Option<Duration>,
    /// When it must not seal any more, if keys are renewed by age.
    pub(crate) seals_until: Option<Duration>,
    pub(crate) past: Past,
}

/// What a key has behind it. Of one that was restored the saved state does not tell when.
#[derive(Clone, Copy, Default)]
pub(crate) struct Past {
    /// How many were held before it.
    pub(crate) number: u32,
    pub(crate) made: Option<Duration>,
    /// Since when its generation is complete: both sides have it.
    pub(crate) complete: Option<Duration>,
    /// Since when this side seals with it.
    pub(crate) sealed: Option<Duration>,
    /// When the first packet of the peer's under it was opened.
    pub(crate) opened: Option<Duration>,
    /// Both sides sealed with the key after the next: what is in flight is all that it opens yet.
    pub(crate) superseded: bool,
}

/// A key that will seal.
#[derive(Clone, Copy)]
pub(crate) struct Switch {
    pub(crate) key_id: KeyId,
    pub(crate) at: Duration,
}

impl Keys {
    pub(crate) fn hold(
        &mut self,
        key_id: KeyId,
        cipher: Cipher,
        material: KeyMaterial,
        seals_until: Option<Duration>,
        now: Duration,
    ) {
        let past = Past { made: Some(now), ..Past::default() };
        self.add(HeldKey { key_id, cipher, material, expires: None, seals_until, past });
    }

    /// Holds one in the place of whatever has its id.
    pub(crate) fn add(&mut self, mut key: HeldKey) {
        self.held.retain(|held| held.key_id != key.key_id);
        key.past.number = self.held_so_far;
        self.held_so_far += 1;
        self.held.push(key);
    }

    fn past(&mut self, key_id: KeyId) -> Option<&mut Past> {
        self.held.iter_mut().find(|key| key.key_id == key_id).map(|key| &mut key.past)
    }

    /// The first data packet under this key was opened.
    pub(crate) fn note_seen(&mut self, key_id: KeyId, now: Duration) {
        self.seen = Some(key_id);
        if let Some(past) = self.past(key_id) {
            past.opened.get_or_insert(now);
        }
        self.age_superseded(now);
        if let Some(switch) = &mut self.switch
            && switch.key_id == key_id
        {
            switch.at = Duration::ZERO;
        }
    }

    /// A generation is complete.
    pub(crate) fn complete(&mut self, key_id: KeyId, now: Duration) {
        if let Some(past) = self.past(key_id) {
            past.complete = Some(now);
        }
    }

    /// Seal with the key of a complete generation, at `at` or as soon as the peer does.
    pub(crate) fn schedule(&mut self, key_id: KeyId, at: Duration) {
        let at = if self.seen == Some(key_id) { Duration::ZERO } else { at };
        self.switch = Some(Switch { key_id, at });
    }

    /// Seals with the scheduled key if it is time, and says with which.
    pub(crate) fn switch_due(&mut self, now: Duration) -> Option<KeyId> {
        let key_id = self.switch.filter(|switch| switch.at <= now)?.key_id;
        self.seal_with(key_id, now);
        Some(key_id)
    }

    /// Seals with the scheduled key, whether or not it is time.
    pub(crate) fn switch_at_once(&mut self, now: Duration) -> Option<KeyId> {
        let key_id = self.switch?.key_id;
        self.seal_with(key_id, now);
        Some(key_id)
    }

    fn seal_with(&mut self, key_id: KeyId, now: Duration) {
        self.switch = None;
        self.sealing = Some(key_id);
        if let Some(past) = self.past(key_id) {
            past.sealed.get_or_insert(now);
        }
        self.age_superseded(now);
    }

    /// A stock peer may go back by one key, so only those before that are superseded.
    fn age_superseded(&mut self, now: Duration) {
        let both = self.sealing.filter(|sealing| self.seen == Some(*sealing));
        let Some(at) = self.held.iter().position(|key| Some(key.key_id) == both) else { return };
        for key in self.held.iter_mut().take(at.saturating_sub(1)) {
            let soon = now + IN_FLIGHT;
            key.expires = Some(key.expires.map_or(soon, |at| at.min(soon)));
            key.past.superseded = true;
        }
    }

    /// A new generation with this id begins: older keys get their term, and the id is freed.
    pub(crate) fn begin(&mut self, key_id: KeyId, expires: Duration) -> Vec<KeyId> {
        for key in &mut self.held {
            key.expires.get_or_insert(expires);
        }
        if self.seen == Some(key_id) {
            self.seen = None;
        }
        self.retire(|key| key.key_id == key_id)
    }

    /// Keys whose term is over. The sealing key stays, whatever its term.
    pub(crate) fn expire(&mut self, now: Duration) -> Vec<KeyId> {
        let sealing = self.sealing;
        self.retire(|key| Some(key.key_id) != sealing && key.expires.is_some_and(|at| at <= now))
    }

    /// The key of the last generation that was finished.
    pub(crate) fn newest(&self) -> Option<KeyId> {
        self.switch.map(|switch| switch.key_id).or(self.sealing)
    }

    /// When the sealing key is too old, whatever became of its renewal.
    pub(crate) fn sealing_ends(&self) -> Option<Duration> {
        self.held.iter().find(|key| Some(key.key_id) == self.sealing)?.seals_until
    }

    pub(crate) fn next_expiry(&self) -> Option<Duration> {
        let old = self.held.iter().filter(|key| Some(key.key_id) != self.sealing);
        old.filter_map(|key| key.expires).min()
    }

    fn retire(&mut self, old: impl Fn(&HeldKey) -> bool) -> Vec<KeyId> {
        let retired = self.held.iter().filter(|key| old(key)).map(|key| key.key_id).collect();
        self.held.retain(|key| !old(key));
        retired
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(10);
    const LATER: Duration = Duration::from_secs(3610);

    #[test]
    fn sealing_moves_after_the_grace_or_with_the_first_packet() {
        let mut keys = with_first();
        renew(&mut keys, 1);
        keys.schedule(id(1), NOW);
        assert_eq!(keys.switch_due(NOW - Duration::from_millis(1)), None);
        assert_eq!(keys.switch_due(NOW), Some(id(1)));
        renew(&mut keys, 2);
        keys.note_seen(id(2), NOW);
        keys.schedule(id(2), LATER);
        assert_eq!(keys.switch_due(NOW), Some(id(2)));
    }

    #[test]
    fn an_old_key_opens_until_its_term_and_the_sealing_key_always() {
        let mut keys = with_first();
        renew(&mut keys, 1);
        assert_eq!((keys.next_expiry(), keys.expire(LATER)), (None, vec![]), "it still seals");
        keys.schedule(id(1), NOW);
        keys.switch_due(NOW);
        assert_eq!(keys.next_expiry(), Some(LATER));
        assert_eq!(keys.expire(LATER), [id(0)]);
    }

    #[test]
    fn keys_that_neither_side_seals_with_go_once_nothing_is_in_flight() {
        let mut keys = with_first();
        for n in 1..=3 {
            renew(&mut keys, n);
        }
        keys.schedule(id(3), NOW);
        keys.switch_due(NOW);
        assert_eq!(keys.expire(NOW + IN_FLIGHT), [], "the peer may still seal with an older one");
        keys.note_seen(id(3), NOW);
        assert_eq!(keys.expire(NOW + IN_FLIGHT), [id(0), id(1)]);
        assert_eq!(keys.next_expiry(), Some(LATER));
    }

    #[test]
    fn of_an_old_key_it_is_told_that_the_key_after_the_next_may_end_it_sooner() {
        let mut keys = with_first();
        let told = |keys: &Keys, at: usize| {
            let key = &keys.lives()[at];
            (key.opens_until, key.in_flight)
        };
        assert_eq!(told(&keys, 0), (None, None));
        keys.note_seen(id(0), NOW);
        for n in 1..=2 {
            renew(&mut keys, n);
            keys.schedule(id(n), NOW);
            keys.note_seen(id(n), NOW);
            assert_eq!(told(&keys, 0), (Some(LATER), Some(IN_FLIGHT)), "until both seal with {n}");
            keys.switch_due(NOW);
        }
        assert_eq!(told(&keys, 0), (Some(NOW + IN_FLIGHT), None), "nothing ends it sooner");
        assert_eq!(told(&keys, 1), (Some(LATER), Some(IN_FLIGHT)));
        assert_eq!(told(&keys, 2), (None, None));
    }

    #[test]
    fn of_each_key_its_making_and_the_first_use_of_both_sides_stay_known() {
        let mut keys = with_first();
        keys.note_seen(id(0), NOW + IN_FLIGHT);
        keys.note_seen(id(0), LATER);
        renew(&mut keys, 1);
        assert!(keys.lives()[0].seals_until.is_some(), "it seals, whatever comes of the next");
        keys.schedule(id(1), LATER);
        assert_eq!(keys.lives()[1].complete, None);
        keys.complete(id(1), NOW + IN_FLIGHT);
        assert_eq!(keys.lives()[1].complete, Some(NOW + IN_FLIGHT));
        let life = |keys: &Keys, at: usize| {
            let key = &keys.lives()[at];
            (key.number, key.made, key.sealed_since, key.opened_since)
        };
        assert_eq!(life(&keys, 0), (0, Some(NOW), Some(NOW), Some(NOW + IN_FLIGHT)));
        assert_eq!(life(&keys, 1), (1, Some(NOW), None, None));
        let lives = keys.lives();
        assert_eq!((lives[0].seals_until, lives[1].seals_from), (None, Some(LATER)));
        keys.switch_due(LATER);
        assert_eq!(life(&keys, 1), (1, Some(NOW), Some(LATER), None));
        let lives = keys.lives();
        assert!(lives[0].seals_until.is_none() && lives[1].seals_until.is_some(), "{lives:?}");
    }

    #[test]
    fn there_is_one_key_for_an_id_and_the_sealing_key_stays() {
        let mut keys = with_first();
        for n in (1..=7).chain(1..=3) {
            renew(&mut keys, n);
        }
        assert_eq!(keys.held.len(), 8);
        assert!(keys.held.iter().any(|key| key.key_id == id(0)));
    }

    #[test]
    fn the_sealing_key_has_a_hard_end_that_no_unfinished_renewal_moves() {
        let mut keys = with_first();
        assert_eq!(keys.sealing_ends(), Some(LATER));
        (1..=3).for_each(|n| renew(&mut keys, n));
        assert_eq!(keys.sealing_ends(), Some(LATER));
        keys.schedule(id(3), NOW);
        keys.switch_due(NOW);
        assert_eq!(keys.sealing_ends(), Some(LATER + Duration::from_secs(3)));
    }

    fn with_first() -> Keys {
        let mut keys = Keys::default();
        keys.hold(id(0), Cipher::Aes256Gcm, material(), Some(LATER), NOW);
        keys.schedule(id(0), Duration::ZERO);
        keys.switch_due(NOW);
        keys
    }

    fn renew(keys: &mut Keys, n: u8) {
        keys.begin(id(n), LATER);
        keys.hold(
            id(n),
            Cipher::Aes256Gcm,
            material(),
            Some(LATER + Duration::from_secs(n.into())),
            NOW,
        );
    }

    fn material() -> KeyMaterial {
        KeyMaterial::from_bytes(&[1; KeyMaterial::LEN]).expect("not zero")
    }

    fn id(n: u8) -> KeyId {
        KeyId::new(n).expect("small")
    }
}
