//! The certificates of the virtual servers, and what is stapled to them.
//!
//! Whoever has them made puts them in; handshakes take out what fits the client. Not here: how they are made, and what
//! is stapled. Invariant: what was taken out of service is in no handshake that begins later.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use pki::CertificateId;
use rustls::SignatureScheme;
use rustls::pki_types::CertificateDer;
use rustls::sign::CertifiedKey;

use crate::proofs::Proofs;

/// All certificates, by the server that they are for. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Keyring {
    sites: Arc<Mutex<HashMap<String, Arc<SiteKeys>>>>,
    proofs: Proofs,
}

/// The certificates of one virtual server, the preferred one first.
#[derive(Debug, Default)]
pub(crate) struct SiteKeys(ArcSwap<Held>);

#[derive(Clone, Debug, Default)]
struct Held {
    keys: Vec<Arc<CertifiedKey>>,
    /// Other CAs made them: no records of ours say whether they hold.
    foreign: bool,
}

impl Keyring {
    /// These are a server's certificates from here on. What is stapled to one that stays, stays. Tells whether one is
    /// there that was not before.
    pub fn put(&self, server: &str, keys: Vec<Arc<CertifiedKey>>) -> bool {
        self.put_of(server, keys, false)
    }

    /// The same for certificates that another CA made, which stay until others are put in their place.
    pub fn put_foreign(&self, server: &str, keys: Vec<Arc<CertifiedKey>>) -> bool {
        self.put_of(server, keys, true)
    }

    fn put_of(&self, server: &str, keys: Vec<Arc<CertifiedKey>>, foreign: bool) -> bool {
        let of = self.of(server);
        let former = of.0.load_full();
        let is_new = |key: &Arc<CertifiedKey>| {
            !former.keys.iter().any(|one| one.cert.first() == key.cert.first())
        };
        let news = keys.iter().any(is_new);
        of.put(keys, foreign);
        news
    }

    /// What a CA is shown that asks for a proof that a name is ours.
    pub fn proofs(&self) -> &Proofs {
        &self.proofs
    }

    /// Takes the certificates of servers that are not wanted any longer out of service, and forgets those servers once
    /// none of them is in force: what is put in later is for whoever has them.
    pub fn retain(&self, wanted: impl Fn(&str) -> bool) {
        self.all().retain(|server, keys| {
            let stays = wanted(server);
            if !stays {
                keys.put(Vec::new(), false);
            }
            stays || Arc::strong_count(keys) > 1
        });
    }

    /// Takes those out of service that may not be used, of those that the records know.
    pub fn withdraw(&self, may_be_used: impl Fn(&CertificateId) -> bool) {
        for keys in self.sites() {
            keys.keep(|id| may_be_used(id));
        }
    }

    /// Whether a server has a certificate.
    pub fn has(&self, server: &str) -> bool {
        self.all().get(server).is_some_and(|keys| !keys.0.load().keys.is_empty())
    }

    /// All certificates in service that the records know.
    pub fn certificates(&self) -> Vec<CertificateDer<'static>> {
        let of = |keys: Arc<SiteKeys>| keys.0.load_full();
        let held: Vec<_> = self.sites().into_iter().map(of).collect();
        held.iter()
            .filter(|held| !held.foreign)
            .flat_map(|held| held.keys.iter())
            .filter_map(|key| key.cert.first().cloned())
            .collect()
    }

    /// Sends this OCSP response along with a certificate from here on, to clients that ask for one; none, and nothing
    /// is sent along.
    pub fn staple(&self, certificate: &CertificateDer<'_>, response: Option<&[u8]>) {
        for keys in self.sites() {
            keys.staple(certificate, response);
        }
    }

    /// A server's own, which others may be put into later.
    pub(crate) fn of(&self, server: &str) -> Arc<SiteKeys> {
        Arc::clone(self.all().entry(server.to_owned()).or_default())
    }

    fn sites(&self) -> Vec<Arc<SiteKeys>> {
        self.all().values().cloned().collect()
    }

    fn all(&self) -> MutexGuard<'_, HashMap<String, Arc<SiteKeys>>> {
        self.sites.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SiteKeys {
    fn put(&self, keys: Vec<Arc<CertifiedKey>>, foreign: bool) {
        self.0.rcu(|former| {
            let keep = |new: &Arc<CertifiedKey>| {
                let same = former.keys.iter().find(|one| one.cert.first() == new.cert.first());
                Arc::clone(same.unwrap_or(new))
            };
            Held { keys: keys.iter().map(keep).collect(), foreign }
        });
    }

    fn keep(&self, stays: impl Fn(&CertificateId) -> bool) {
        let stays = |key: &Arc<CertifiedKey>| id_of(key).is_some_and(|id| stays(&id));
        let held = self.0.load();
        if held.foreign || held.keys.iter().all(stays) {
            return;
        }
        self.0.rcu(|held| match held.foreign {
            true => Held::clone(held),
            false => {
                let keys = held.keys.iter().filter(|key| stays(key)).cloned().collect();
                Held { keys, foreign: false }
            }
        });
    }

    fn staple(&self, certificate: &CertificateDer<'_>, response: Option<&[u8]>) {
        if !self.0.load().keys.iter().any(|key| key.cert.first() == Some(certificate)) {
            return;
        }
        self.0.rcu(|held| {
            let with = |key: &Arc<CertifiedKey>| match key.cert.first() {
                Some(own) if own == certificate => Arc::new(CertifiedKey {
                    cert: key.cert.clone(),
                    key: Arc::clone(&key.key),
                    ocsp: response.map(<[u8]>::to_vec),
                }),
                _ => Arc::clone(key),
            };
            Held { keys: held.keys.iter().map(with).collect(), foreign: held.foreign }
        });
    }

    /// All that are in service.
    pub(crate) fn all(&self) -> Vec<Arc<CertifiedKey>> {
        self.0.load().keys.clone()
    }

    /// The preferred one, whether or not a client can read it.
    pub(crate) fn first(&self) -> Option<Arc<CertifiedKey>> {
        self.0.load().keys.first().cloned()
    }

    /// The first one whose signatures the client can read.
    pub(crate) fn choose(&self, schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.0.load().choose(schemes).cloned()
    }

    /// Which it is in the records, where they know it.
    pub(crate) fn recorded(&self, key: &CertifiedKey) -> Option<CertificateId> {
        match self.0.load().foreign {
            true => None,
            false => id_of(key),
        }
    }
}

impl Held {
    fn choose(&self, schemes: &[SignatureScheme]) -> Option<&Arc<CertifiedKey>> {
        self.keys.iter().find(|key| key.key.choose_scheme(schemes).is_some())
    }
}

/// Which certificate it is.
pub(crate) fn id_of(key: &CertifiedKey) -> Option<CertificateId> {
    CertificateId::of(key.cert.first()?).ok()
}

#[cfg(test)]
mod tests {
    use rustls::crypto::aws_lc_rs::default_provider;
    use testkit::Authority;

    use super::*;

    #[test]
    fn a_server_in_force_that_was_forgotten_has_what_is_put_in_later() {
        let keyring = Keyring::default();
        let in_force = keyring.of(NAME);
        keyring.put(NAME, vec![key()]);
        keyring.retain(|_| false);
        assert!(in_force.first().is_none(), "what is not wanted is out of service");
        keyring.put(NAME, vec![key()]);
        assert!(in_force.first().is_some());
    }

    #[test]
    fn a_server_that_is_gone_is_forgotten() {
        let keyring = Keyring::default();
        drop(keyring.of(NAME));
        keyring.retain(|_| false);
        assert!(keyring.sites().is_empty());
    }

    fn key() -> Arc<CertifiedKey> {
        let one = Authority::new("a CA").server_named(NAME);
        Arc::new(CertifiedKey::from_der(one.chain, one.key, &default_provider()).unwrap())
    }

    const NAME: &str = "wiki.test";
}
