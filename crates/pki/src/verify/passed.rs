//! Certificates whose path was good: what of that stays true, so that a device that comes back, or
//! renews its keys, costs no second look at the CA's signature.
//!
//! By the hash of the whole certificate, so what is found here is what was checked, bit for bit. Time
//! and status change and are never remembered. Only certificates of the CA get in, and there is a
//! limit to them.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustls_pki_types::UnixTime;

use super::leaf::Leaf;
use crate::{CertificateId, Fingerprint, Refusal, Timestamp, moment};

/// The certificates that one set of anchors let pass, for one purpose.
#[derive(Debug, Default)]
pub(super) struct Passed(Mutex<BTreeMap<Fingerprint, Facts>>);

/// What is needed of a certificate when it comes again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts {
    pub(super) id: CertificateId,
    not_before: Timestamp,
    not_after: Timestamp,
    ca_not_after: Option<Timestamp>,
}

impl Passed {
    pub(super) fn find(&self, fingerprint: Fingerprint) -> Option<Facts> {
        self.lock().get(&fingerprint).copied()
    }

    /// Remembers one whose path, purpose and time were good. Where too many are known all are
    /// forgotten, which costs each of them one look.
    pub(super) fn insert(&self, fingerprint: Fingerprint, facts: Facts) {
        let mut known = self.lock();
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(fingerprint, facts);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Fingerprint, Facts>> {
        // Nothing is ever half put in.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Facts {
    pub(super) fn of(leaf: &Leaf, ca_not_after: Option<Timestamp>) -> Self {
        let Leaf { not_before, not_after, .. } = *leaf;
        Self { id: leaf.id(), not_before, not_after, ca_not_after }
    }

    /// Whether certificate and CA are in their time.
    ///
    /// # Errors
    /// The same reasons, in the same order, as where the path is looked at.
    pub(super) fn in_time(&self, now: UnixTime) -> Result<(), Refusal> {
        let now = moment::from_unix_time(now);
        if now < self.not_before {
            return Err(Refusal::NotYetValid { at: self.not_before });
        }
        if now > self.not_after {
            return Err(Refusal::Expired { at: self.not_after });
        }
        match self.ca_not_after {
            Some(at) if now > at => Err(Refusal::CaExpired { at }),
            _ => Ok(()),
        }
    }
}

/// About two megabytes of them.
const MOST: usize = 16_384;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_many_are_forgotten_and_not_kept() {
        let passed = Passed::default();
        let at = Timestamp::from_unix_secs;
        let id = id();
        let facts = Facts { id, not_before: at(1), not_after: at(9), ca_not_after: Some(at(8)) };
        let fingerprint = |n: usize| Fingerprint::of(&n.to_be_bytes());
        (0..=MOST).for_each(|n| passed.insert(fingerprint(n), facts));
        assert_eq!(passed.lock().len(), 1);
        assert!(passed.find(fingerprint(MOST)).is_some());
        assert!(passed.find(fingerprint(0)).is_none());
    }

    #[test]
    fn time_is_looked_at_each_time() {
        let at = Timestamp::from_unix_secs;
        let id = id();
        let facts = Facts { id, not_before: at(10), not_after: at(90), ca_not_after: Some(at(80)) };
        let when = |secs| facts.in_time(moment::to_unix_time(at(secs)));
        assert_eq!(when(9), Err(Refusal::NotYetValid { at: at(10) }));
        assert_eq!(when(10), Ok(()));
        assert_eq!(when(80), Ok(()));
        assert_eq!(when(81), Err(Refusal::CaExpired { at: at(80) }));
        assert_eq!(when(91), Err(Refusal::Expired { at: at(90) }));
    }

    fn id() -> CertificateId {
        let serial = crate::Serial::from_bytes(&[7]).unwrap();
        CertificateId { issuer: crate::IssuerId::of_name(b"a CA"), serial }
    }
}
