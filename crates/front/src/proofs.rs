//! Certificates that prove to a CA that a name is ours, shown to nobody but whoever asks for that proof (RFC 8737).
//!
//! Not here: who makes them, and the handshake that shows them (`validation`). Invariant: a name without a proof is
//! answered as if there were none at all.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::sign::CertifiedKey;

/// The proofs that are shown at this moment, by name. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Proofs(Arc<Mutex<HashMap<String, Arc<CertifiedKey>>>>);

impl Proofs {
    /// From here on this one is shown for a name, in lower case.
    pub fn show(&self, name: &str, key: Arc<CertifiedKey>) {
        self.all().insert(name.to_owned(), key);
    }

    /// None is shown for it from here on.
    pub fn take_down(&self, name: &str) {
        self.all().remove(name);
    }

    /// What a first message with this name and these protocols asks for. A CA names that one protocol alone.
    pub(crate) fn asked_for(
        &self,
        name: Option<&str>,
        alpn: &[Vec<u8>],
    ) -> Option<Arc<CertifiedKey>> {
        match alpn {
            [only] if only == PROTOCOL => self.all().get(name?).cloned(),
            _ => None,
        }
    }

    fn all(&self) -> MutexGuard<'_, HashMap<String, Arc<CertifiedKey>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The protocol by which a CA asks, RFC 8737 section 6.2.
pub(crate) const PROTOCOL: &[u8] = b"acme-tls/1";
