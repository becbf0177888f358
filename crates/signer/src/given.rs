//! In which certificates one CA of ours vouched for another lately, so that whoever lost one on the way to the records
//! gets it again.
//!
//! Not here: how many more there may be, which the rates say. Invariant: what is given again is octet for octet what was
//! given, and counted, before; and there is a bounded number of it.

use std::sync::Arc;

use pki::{CrossRequest, KeyId, Serial};
use serde::{Deserialize, Serialize};

/// The last ones, one for each pair of CAs. Clones are cheap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Given(Arc<Vec<Cross>>);

/// A CA's word for another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cross {
    /// Who vouches.
    pub(crate) by: KeyId,
    /// What was asked for, and cut to the time of both.
    pub(crate) request: CrossRequest,
    /// The certificate.
    pub(crate) der: Vec<u8>,
}

impl Given {
    /// Those that were written down, the oldest first.
    pub(crate) fn of(crosses: Vec<Cross>) -> Self {
        Self(Arc::new(crosses))
    }

    /// The oldest first.
    pub(crate) fn all(&self) -> &[Cross] {
        &self.0
    }

    /// What was given to who asked for the same: all but the number and the moment, which are other ones each time.
    pub(crate) fn same(&self, by: &KeyId, asked: &CrossRequest) -> Option<&Cross> {
        self.0.iter().find(|one| one.is(by, &asked.other) && one.says(asked))
    }

    /// Whether this CA vouched for the one of that certificate.
    pub(crate) fn has(&self, by: &KeyId, other: &[u8]) -> bool {
        self.0.iter().any(|one| one.is(by, other))
    }

    /// This one was given.
    pub(crate) fn keep(&mut self, cross: Cross) {
        let all = Arc::make_mut(&mut self.0);
        all.retain(|one| !one.is(&cross.by, &cross.request.other));
        all.push(cross);
        let over = all.len().saturating_sub(MOST);
        all.drain(..over);
    }

    /// A CA whose key is gone vouches for nobody, and nobody for it.
    pub(crate) fn forget(&mut self, ca: &KeyId, certificate: &[u8]) {
        Arc::make_mut(&mut self.0).retain(|one| one.by != *ca && one.request.other != certificate);
    }
}

impl Cross {
    pub(crate) fn serial(&self) -> Serial {
        self.request.serial
    }

    fn is(&self, by: &KeyId, other: &[u8]) -> bool {
        self.by == *by && self.request.other == other
    }

    fn says(&self, asked: &CrossRequest) -> bool {
        let (here, there) = (&self.request.validity, &asked.validity);
        self.request.publishing == asked.publishing
            && here.not_after == there.not_after
            && here.not_before <= there.not_before
    }
}

/// Those of eight rollovers, some kilobytes each.
const MOST: usize = 16;

#[cfg(test)]
mod tests {
    use pki::{Publishing, Timestamp, Validity};

    use super::*;

    #[test]
    fn only_who_asks_for_the_same_gets_it_again() {
        let mut given = Given::default();
        given.keep(cross(1, 2));
        let by = KeyId::from_bytes([1; 32]);
        let asked = CrossRequest { serial: serial(9), ..request(2) };
        assert!(given.same(&by, &asked).is_some_and(|one| one.der == [1, 2]));
        let elsewhere = Publishing { crl_url: Some("http://x".into()), ..Publishing::default() };
        let mut later = asked.clone();
        later.validity.not_before = at(5);
        assert!(given.same(&by, &later).is_some(), "it began before");
        let mut longer = asked.clone();
        longer.validity.not_after = at(101);
        let mut before = asked.clone();
        before.validity.not_before = at(0);
        for other in [
            CrossRequest { publishing: elsewhere, ..asked.clone() },
            CrossRequest { other: vec![3], ..asked.clone() },
            longer,
            before,
        ] {
            assert!(given.same(&by, &other).is_none(), "{other:?}");
        }
        assert!(given.same(&KeyId::from_bytes([3; 32]), &asked).is_none());
    }

    #[test]
    fn there_is_one_for_a_pair_and_a_bounded_number_and_none_of_who_is_gone() {
        let mut given = Given::default();
        for other in (0..200).chain(190..200) {
            given.keep(cross(1, other));
        }
        assert_eq!(given.all().len(), MOST);
        assert!(given.has(&KeyId::from_bytes([1; 32]), &[199]));
        given.keep(cross(7, 1));
        given.forget(&KeyId::from_bytes([7; 32]), &[199]);
        assert!(given.all().iter().all(|one| one.by != KeyId::from_bytes([7; 32])));
        assert!(!given.has(&KeyId::from_bytes([1; 32]), &[199]));
    }

    fn cross(by: u8, other: u8) -> Cross {
        Cross { by: KeyId::from_bytes([by; 32]), request: request(other), der: vec![by, other] }
    }

    fn request(other: u8) -> CrossRequest {
        let validity = Validity { not_before: at(1), not_after: at(100) };
        let publishing = Publishing::default();
        CrossRequest { serial: serial(4), other: vec![other], validity, publishing }
    }

    fn serial(number: u8) -> Serial {
        Serial::from_random([number; 16])
    }

    fn at(second: u64) -> Timestamp {
        Timestamp::from_unix_secs(second)
    }
}
