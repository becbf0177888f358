//! A virtual server as it is at a moment: its settings, what it shows, and how many are there.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use clock::Timestamp;
use pki::{CertificateId, leaf_not_after};
use rustls::sign::CertifiedKey;
use rustls::{SignatureAlgorithm, SignatureScheme};

use crate::certificates::id_of;
use crate::registry::{Info, Secured};
use crate::settings::VirtualServer;
use crate::site::Site;
use crate::sums::{Failed, Failures};
use crate::upstreams::BackendState;

/// A virtual server at a moment.
#[derive(Clone, Debug)]
pub struct ServerState {
    /// Its settings.
    pub settings: VirtualServer,
    /// What it shows, the preferred one first.
    pub certificates: Vec<OwnCertificate>,
    /// How old the present key is under which its clients keep their sessions.
    pub ticket_key_age: Option<Duration>,
    /// Who is there.
    pub present: Present,
    /// What became of requests to it, or to others of the same first name.
    pub failed: Failed,
    /// The backends, as they are.
    pub backends: Vec<BackendState>,
}

/// A certificate of ours.
#[derive(Clone, Debug)]
pub struct OwnCertificate {
    /// Which it is.
    pub id: CertificateId,
    /// Of what key: `p256`, `p384`, `p521`, `rsa`, `ed25519`.
    pub key: &'static str,
    /// Its last second.
    pub until: Timestamp,
}

/// How many connections go to a server, or to others of the same first name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Present {
    /// All of them.
    pub connections: usize,
    /// Those of somebody who showed a certificate.
    pub with_certificate: usize,
    /// How they are encrypted, and how many so: without those whose TLS ends elsewhere.
    pub encryption: BTreeMap<Encryption, usize>,
    /// How old the oldest keys are by which they are.
    pub oldest_keys: Option<Duration>,
}

/// How a connection is encrypted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Encryption {
    /// The TLS version: `TLSv1.3`.
    pub version: &'static str,
    /// The cipher suite.
    pub cipher: String,
    /// The group of the key exchange.
    pub group: String,
}

impl Present {
    fn add(&mut self, info: &Info, now: Duration) {
        self.connections += 1;
        self.with_certificate += usize::from(info.client.is_some());
        let Secured { version, cipher, group, .. } = &info.secured;
        if version.is_empty() {
            return;
        }
        let (cipher, group) = (cipher.clone(), group.clone());
        *self.encryption.entry(Encryption { version, cipher, group }).or_default() += 1;
        // They are those of its handshake.
        self.oldest_keys = self.oldest_keys.max(Some(now.saturating_sub(info.since)));
    }
}

/// Of these servers, by name, with these connections, so long after the machine booted.
pub(crate) fn of<'a>(
    sites: impl Iterator<Item = &'a Arc<Site>>,
    infos: &[Arc<Info>],
    failures: &Failures,
    now: Duration,
) -> Vec<ServerState> {
    let mut present: HashMap<&str, Present> = HashMap::new();
    for info in infos {
        present.entry(&info.server).or_default().add(info, now);
    }
    let state = |site: &Arc<Site>| ServerState {
        settings: site.settings.clone(),
        certificates: site.keys.all().iter().filter_map(|key| own(key)).collect(),
        ticket_key_age: site.tickets.as_ref().and_then(|tickets| tickets.key_age()),
        present: present.get(site.settings.label()).cloned().unwrap_or_default(),
        failed: failures.of(site.settings.label()).at_present(),
        backends: backends(site),
    };
    let mut servers: Vec<_> = sites.map(state).collect();
    servers.sort_by(|a, b| a.settings.label().cmp(b.settings.label()));
    servers
}

fn backends(site: &Site) -> Vec<BackendState> {
    match (&site.web, &site.ways) {
        (Some(web), _) => web.upstreams.backends(),
        (None, Some(ways)) => ways.states(),
        (None, None) => Vec::new(),
    }
}

fn own(key: &CertifiedKey) -> Option<OwnCertificate> {
    let until = leaf_not_after(key.cert.first()?).ok()?;
    Some(OwnCertificate { id: id_of(key)?, key: kind(key), until })
}

fn kind(key: &CertifiedKey) -> &'static str {
    let signs = |scheme| key.key.choose_scheme(&[scheme]).is_some();
    match key.key.algorithm() {
        SignatureAlgorithm::RSA => "rsa",
        SignatureAlgorithm::ED25519 => "ed25519",
        _ if signs(SignatureScheme::ECDSA_NISTP384_SHA384) => "p384",
        _ if signs(SignatureScheme::ECDSA_NISTP521_SHA512) => "p521",
        _ => "p256",
    }
}
