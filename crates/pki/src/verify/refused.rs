//! The certificate behind a refusal inside TLS.
//!
//! rustls has room for a reason and none for whose certificate it was. But it calls the verifier within the
//! call that gives it the peer's bytes, on the same thread, and fails that call: so whoever makes the call
//! makes it through [`refused_within`], and has the certificate beside the error. Invariant: nothing is kept
//! from one call to the next, and nothing outside of such a call.

use std::cell::RefCell;

use rustls_pki_types::CertificateDer;

use super::leaf::LeafName;
use crate::{CertificateId, Fingerprint, Refusal};

/// A certificate of a CA that is trusted here, or one that is on record, which a verifier refused all the same.
///
/// Its holder may be anyone: that it has the key is proved later in the handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedCertificate {
    /// Who issued it, and its number.
    pub id: CertificateId,
    /// Which one it is, bit for bit.
    pub fingerprint: Fingerprint,
    /// The common name in it.
    pub name: Option<String>,
    /// Why it was refused.
    pub refusal: Refusal,
}

impl RefusedCertificate {
    pub(super) fn new(
        id: CertificateId,
        fingerprint: Fingerprint,
        end_entity: &CertificateDer<'_>,
        refusal: Refusal,
    ) -> Self {
        let name = LeafName::read(end_entity).ok().and_then(|name| name.common_name);
        Self { id, fingerprint, name, refusal }
    }
}

/// Does `work`, and gives the certificate that a verifier refused within it, if one did.
pub fn refused_within<T>(work: impl FnOnce() -> T) -> (T, Option<RefusedCertificate>) {
    let outer = SEEN.replace(Seen::Nothing);
    let result = work();
    match SEEN.replace(outer) {
        Seen::Refused(refused) => (result, Some(*refused)),
        Seen::Nothing | Seen::NobodyAsks => (result, None),
    }
}

/// Notes it for whoever asks, if anybody does.
pub(super) fn note(refused: impl FnOnce() -> RefusedCertificate) {
    SEEN.with_borrow_mut(|seen| {
        if !matches!(seen, Seen::NobodyAsks) {
            *seen = Seen::Refused(Box::new(refused()));
        }
    });
}

enum Seen {
    NobodyAsks,
    Nothing,
    Refused(Box<RefusedCertificate>),
}

thread_local! {
    static SEEN: RefCell<Seen> = const { RefCell::new(Seen::NobodyAsks) };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused() -> RefusedCertificate {
        let serial = crate::Serial::from_bytes(&[7]).unwrap();
        RefusedCertificate {
            id: CertificateId { issuer: crate::IssuerId::of_name(b"a CA"), serial },
            fingerprint: Fingerprint::of(b"a certificate"),
            name: Some("alice/phone".to_owned()),
            refusal: Refusal::UserDisabled,
        }
    }

    #[test]
    fn what_was_refused_within_a_call_is_of_that_call_alone() {
        note(refused);
        assert_eq!(refused_within(|| 1), (1, None), "nobody asked before");
        let (inner, outer) = refused_within(|| {
            note(refused);
            refused_within(|| 2)
        });
        assert_eq!(inner, (2, None));
        assert_eq!(outer, Some(refused()));
        assert_eq!(refused_within(|| 3), (3, None));
    }
}
