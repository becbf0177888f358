//! The data keys of a session: which ones the data plane opens with, which one it seals with.
//!
//! Sealing moves to a new key when its generation is complete and the peer has used it, or a grace
//! has passed; at once when yet another renegotiation begins (sections 4.5). The key before stays
//! for opening until the transition window ends. At most [`MAX_HELD`] keys are held, as a peer that
//! never saw the end of the last renegotiation may still seal with the key before it.

use std::time::Duration;

use wire::KeyId;
use wire::cipher::Cipher;
use wire::key_material::KeyMaterial;

/// Keys that are held at a time: the last three generations.
const MAX_HELD: usize = 3;

/// All keys that the data plane opens with, oldest first.
#[derive(Default)]
pub(crate) struct Keys {
    pub(crate) held: Vec<HeldKey>,
    pub(crate) sealing: Option<KeyId>,
    pub(crate) switch: Option<Switch>,
    seen: Option<KeyId>,
}

/// One key.
#[derive(Clone)]
pub(crate) struct HeldKey {
    pub(crate) key_id: KeyId,
    pub(crate) cipher: Cipher,
    pub(crate) material: KeyMaterial,
    /// When it stops opening, if a newer generation has begun and it does not seal.
    pub(crate) expires: Option<Duration>,
}

/// A key that will seal.
#[derive(Clone, Copy)]
pub(crate) struct Switch {
    pub(crate) key_id: KeyId,
    pub(crate) at: Duration,
}

impl Keys {
    pub(crate) fn hold(&mut self, key_id: KeyId, cipher: Cipher, material: KeyMaterial) {
        self.held.retain(|key| key.key_id != key_id);
        self.held.push(HeldKey { key_id, cipher, material, expires: None });
    }

    /// The first data packet under this key was opened.
    pub(crate) fn note_seen(&mut self, key_id: KeyId) {
        self.seen = Some(key_id);
        if let Some(switch) = &mut self.switch
            && switch.key_id == key_id
        {
            switch.at = Duration::ZERO;
        }
    }

    /// A generation is complete: seal with its key, at `at` or as soon as the peer does.
    pub(crate) fn schedule(&mut self, key_id: KeyId, at: Duration) {
        let at = if self.seen == Some(key_id) { Duration::ZERO } else { at };
        self.switch = Some(Switch { key_id, at });
    }

    /// Seals with the scheduled key if it is time, and says with which.
    pub(crate) fn switch_due(&mut self, now: Duration) -> Option<KeyId> {
        let key_id = self.switch.filter(|switch| switch.at <= now)?.key_id;
        self.switch = None;
        self.sealing = Some(key_id);
        Some(key_id)
    }

    /// Seals with the scheduled key, whether or not it is time.
    pub(crate) fn switch_at_once(&mut self) -> Option<KeyId> {
        self.switch_due(Duration::MAX)
    }

    /// A new generation with this id begins: older keys get their term. Gives those that retire.
    pub(crate) fn begin(&mut self, key_id: KeyId, expires: Duration) -> Vec<KeyId> {
        self.seen = None;
        for key in &mut self.held {
            key.expires.get_or_insert(expires);
        }
        let sealing = self.sealing;
        let mut retired = self.retire(|key| key.key_id == key_id && Some(key.key_id) != sealing);
        while self.held.len() >= MAX_HELD {
            let Some(at) = self.held.iter().position(|key| Some(key.key_id) != sealing) else { break };
            retired.push(self.held.remove(at).key_id);
        }
        retired
    }

    /// Keys whose term is over. The sealing key stays, whatever its term.
    pub(crate) fn expire(&mut self, now: Duration) -> Vec<KeyId> {
        let sealing = self.sealing;
        self.retire(|key| Some(key.key_id) != sealing && key.expires.is_some_and(|at| at <= now))
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
        keys.note_seen(id(2));
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
    fn abandoned_generations_do_not_pile_up_and_the_sealing_key_stays() {
        let mut keys = with_first();
        for n in 1..=7 {
            renew(&mut keys, n);
        }
        assert!(keys.held.len() <= MAX_HELD);
        assert!(keys.held.iter().any(|key| key.key_id == id(0)));
    }

    fn with_first() -> Keys {
        let mut keys = Keys::default();
        keys.hold(id(0), Cipher::Aes256Gcm, material());
        keys.schedule(id(0), Duration::ZERO);
        keys.switch_due(NOW);
        keys
    }

    fn renew(keys: &mut Keys, n: u8) {
        keys.begin(id(n), LATER);
        keys.hold(id(n), Cipher::Aes256Gcm, material());
    }

    fn material() -> KeyMaterial {
        KeyMaterial::from_bytes(&[1; KeyMaterial::LEN]).expect("not zero")
    }

    fn id(n: u8) -> KeyId {
        KeyId::new(n).expect("small")
    }
}
