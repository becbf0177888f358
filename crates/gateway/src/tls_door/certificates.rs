//! The virtual servers' certificates: wanted by the settings, made by the authority or had elsewhere, put into the
//! door's keyring.
//!
//! Invariant: what was found revoked is put in no longer, and another one is made in its place.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use authority::{Authority, VirtualServer, VirtualServerCertificate};
use clock::Clock;
use front::{CertificateSource, KeyKind, Keyring, Settings};
use pki::{CertificateId, KeyType};
use rustls::sign::CertifiedKey;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::file_reader::FileReader;
use super::ordered::{Lacking, Ordered};
use crate::context::Context;
use crate::current_view::CurrentView;
use crate::doors::{Foreign, Unheard};

/// Keeps them.
#[derive(Debug)]
pub(super) struct Certificates {
    authority: Arc<Authority>,
    view: CurrentView,
    keyring: Keyring,
    clock: Arc<dyn Clock>,
    held: Mutex<Held>,
    files: FileReader,
    ordered: Ordered,
}

/// What a server's certificates lack.
#[derive(Clone, Debug)]
pub(super) struct Lack {
    /// Its first name.
    pub(super) server: String,
    pub(super) fault: Unheard,
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
        let (keyring, clock) = (at.keyring.clone(), Arc::clone(&at.clock));
        let (held, files) = (Mutex::default(), FileReader::default());
        Self { authority, view, keyring, clock, held, files, ordered: Ordered::new(at) }
    }

    /// Reads what has changed of those in files. Tells whether others serve than before, or something else is wrong.
    pub(super) async fn files_follow(&self) -> bool {
        let settings = || self.view.policy().config.tls.clone();
        self.files.look(settings, self.clock.now().into()).await
    }

    /// Has a certificate made for each server that lacks one that serves, and tells what is lacking still.
    pub(super) async fn follow(&self) -> Vec<Lack> {
        // Held from before the settings are read: former ones would take away what later ones have put in.
        let mut held = self.held.lock().await;
        let config = Arc::clone(&self.view.policy().config);
        let settings = &config.tls;
        self.ordered.follow(&config).await;
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
            if !server.certificate.is_own() {
                let keys = self.foreign_of(server);
                // What served before serves until there is another one.
                if !keys.is_empty() {
                    self.keyring.put_foreign(server.label(), keys);
                }
                continue;
            }
            let own = of(server).into_iter().filter_map(|one| held.certificates.get(&one));
            let keys = own.map(|own| Arc::clone(own.identity())).collect();
            news |= self.keyring.put(server.label(), keys);
        }
        self.keyring.retain(|label| settings.server.iter().any(|server| server.label() == label));
        if news {
            self.authority.put_in_service();
        }
        let lack = |(server, (_, fault)): (&VirtualServer, &(Instant, Unheard))| Lack {
            server: server.names.first().cloned().unwrap_or_default(),
            fault: fault.clone(),
        };
        let lacks = held.failed.iter().map(lack).collect::<Vec<_>>();
        lacks.into_iter().chain(self.foreign_lacks(settings)).collect()
    }

    /// Those in service that another CA made and nobody here renews.
    pub(super) fn foreign(&self, settings: &Settings) -> Vec<Foreign> {
        let files = self.files.read();
        let of = |server: &front::VirtualServer| {
            let name = server.label().to_owned();
            let served = files.served(server).into_iter();
            served.map(move |served| Foreign { name: name.clone(), fit: served.fit })
        };
        settings.server.iter().flat_map(of).collect()
    }

    /// Those that are ordered from another CA.
    pub(super) fn ordered(&self) -> &Ordered {
        &self.ordered
    }

    fn foreign_of(&self, server: &front::VirtualServer) -> Vec<Arc<CertifiedKey>> {
        let served = match server.certificate {
            CertificateSource::Acme => self.ordered.served(server),
            _ => self.files.read().served(server),
        };
        served.into_iter().map(|served| served.identity).collect()
    }

    fn foreign_lacks(&self, settings: &Settings) -> Vec<Lack> {
        let now = self.clock.now().into();
        let of = |server: &front::VirtualServer| {
            let name = server.label().to_owned();
            let of_files = self.files.lacking(server, now).into_iter();
            let lacking = of_files.chain(self.ordered.lacking(server));
            let serves = self.keyring.has(&name);
            let lacking = lacking.map(|one| Lacking { serves: one.serves || serves, ..one });
            lacking.map(|one| lack_of(&name, &one)).collect::<Vec<_>>()
        };
        settings.server.iter().flat_map(of).collect()
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

pub(super) fn lack_of(server: &str, Lacking { what, mend, serves }: &Lacking) -> Lack {
    let what = match serves {
        true => format!("{server}: {what}"),
        false => format!("{server} has no certificate: {what}"),
    };
    Lack { server: server.to_owned(), fault: Unheard { subject: SUBJECT, what, mend } }
}

fn fault(what: String) -> Unheard {
    Unheard { subject: SUBJECT, what, mend: "mend that; it is tried again every minute" }
}

/// What all of them need, each once.
fn wanted(settings: &Settings) -> Vec<VirtualServer> {
    let mut wanted = Vec::new();
    let ours = |server: &&front::VirtualServer| !server.passthrough && server.certificate.is_own();
    for server in settings.server.iter().filter(ours).flat_map(of) {
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
