//! The virtual servers' certificates: wanted by the settings, made by the authority, put into the door's keyring.
//!
//! Invariant: what was found revoked is put in no longer, and another one is made in its place.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use authority::{Authority, VirtualServer, VirtualServerCertificate};
use front::{KeyKind, Keyring, Settings};
use pki::{CertificateId, KeyType};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::context::Context;
use crate::current_view::CurrentView;
use crate::doors::Unheard;

/// Keeps them.
#[derive(Debug)]
pub(super) struct Certificates {
    authority: Arc<Authority>,
    view: CurrentView,
    keyring: Keyring,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    certificates: HashMap<VirtualServer, VirtualServerCertificate>,
    /// Which could not be made, and when that is tried again.
    failed: HashMap<VirtualServer, (Instant, Unheard)>,
}

impl Certificates {
    pub(super) fn new(at: &Context) -> Self {
        let (authority, view) = (Arc::clone(&at.authority), at.view.clone());
        Self { authority, view, keyring: at.keyring.clone(), held: Mutex::default() }
    }

    /// Has a certificate made for each server that lacks one that serves, and tells what is lacking still.
    pub(super) async fn follow(&self, settings: &Settings) -> Vec<Unheard> {
        let mut held = self.held.lock().await;
        let wanted = wanted(settings);
        held.certificates.retain(|server, own| wanted.contains(server) && self.holds(own));
        let now = Instant::now();
        held.failed.retain(|server, (again, _)| wanted.contains(server) && now < *again);
        let is_done = |server: &&VirtualServer| {
            let own = held.certificates.get(*server);
            own.is_some_and(|own| self.authority.serves(server, own))
                || held.failed.contains_key(*server)
        };
        let missing: Vec<_> = wanted.iter().filter(|one| !is_done(one)).cloned().collect();
        self.make(&mut held, missing).await;
        // Somebody may have revoked one meanwhile.
        held.certificates.retain(|_, own| self.holds(own));
        let mut news = false;
        for server in settings.server.iter().filter(|server| !server.passthrough) {
            let own = of(server).into_iter().filter_map(|one| held.certificates.get(&one));
            let keys = own.map(|own| Arc::clone(own.identity())).collect();
            news |= self.keyring.put(server.label(), keys);
        }
        self.keyring.retain(|label| settings.server.iter().any(|server| server.label() == label));
        if news {
            self.authority.put_in_service();
        }
        held.failed.values().map(|(_, fault)| fault.clone()).collect()
    }

    /// What can't be made is tried again after a while, and not at every change of the records.
    async fn make(&self, held: &mut Held, missing: Vec<VirtualServer>) {
        if missing.is_empty() {
            return;
        }
        let again = Instant::now() + PAUSE;
        let made = match self.authority.virtual_servers(&missing).await {
            Ok(made) => made,
            Err(error) => {
                tracing::error!(%error, "virtual servers' certificates were not looked at; it is tried again");
                let fault = fault(format!("virtual servers lack certificates: {error}"));
                held.failed.extend(missing.into_iter().map(|one| (one, (again, fault.clone()))));
                return;
            }
        };
        for (server, outcome) in missing.into_iter().zip(made) {
            match outcome {
                Ok(certificate) => drop(held.certificates.insert(server, certificate)),
                Err(error) => {
                    let name = server.names.first().map_or("", String::as_str);
                    tracing::error!(%error, name, "a virtual server has no certificate; it is tried again");
                    let fault = fault(format!("{name} has no certificate: {error}"));
                    held.failed.insert(server, (again, fault));
                }
            }
        }
    }

    /// Nobody has revoked it.
    fn holds(&self, certificate: &VirtualServerCertificate) -> bool {
        let leaf = certificate.identity().cert.first();
        let id = leaf.and_then(|leaf| CertificateId::of(leaf).ok());
        id.is_some_and(|id| self.view.recheck(&id).is_ok())
    }
}

fn fault(what: String) -> Unheard {
    Unheard { subject: SUBJECT, what, mend: "mend that; it is tried again every minute" }
}

/// What all of them need, each once.
fn wanted(settings: &Settings) -> Vec<VirtualServer> {
    let mut wanted = Vec::new();
    for server in settings.server.iter().filter(|server| !server.passthrough).flat_map(of) {
        if !wanted.contains(&server) {
            wanted.push(server);
        }
    }
    wanted
}

fn of(server: &front::VirtualServer) -> Vec<VirtualServer> {
    let names: Vec<_> = server.names.iter().map(|name| name.as_str().to_owned()).collect();
    let of = |kind: &KeyKind| VirtualServer {
        names: names.clone(),
        key: match kind {
            KeyKind::P256 => KeyType::P256,
            KeyKind::Rsa => KeyType::Rsa2048,
        },
    };
    server.key_types.iter().map(of).collect()
}

/// Before another try.
const PAUSE: Duration = Duration::from_secs(55);
/// As `check` names them.
pub(super) const SUBJECT: &str = "virtual servers";
