//! A virtual server as it is at a moment: its settings, what it shows, and how many are there.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use clock::Timestamp;
use pki::{CertificateId, leaf_not_after};
use rustls::sign::CertifiedKey;
use rustls::{SignatureAlgorithm, SignatureScheme};

use crate::certificates::id_of;
use crate::registry::Info;
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Present {
    /// All of them.
    pub connections: usize,
    /// Those of somebody who showed a certificate.
    pub with_certificate: usize,
}

/// Of these servers, by name, with these connections.
pub(crate) fn of<'a>(
    sites: impl Iterator<Item = &'a Arc<Site>>,
    infos: &[Arc<Info>],
    failures: &Failures,
) -> Vec<ServerState> {
    let mut present: HashMap<&str, Present> = HashMap::new();
    for info in infos {
        let present = present.entry(&info.server).or_default();
        present.connections += 1;
        present.with_certificate += usize::from(info.client.is_some());
    }
    let state = |site: &Arc<Site>| ServerState {
        settings: site.settings.clone(),
        certificates: site.keys.all().iter().filter_map(|key| own(key)).collect(),
        ticket_key_age: site.tickets.as_ref().and_then(|tickets| tickets.key_age()),
        present: present.get(site.settings.label()).copied().unwrap_or_default(),
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
