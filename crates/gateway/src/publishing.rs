//! What this gateway's CAs publish, over plain HTTP: CRLs, CA certificates, OCSP answers; and the answers that
//! go along with its own certificates in TLS.
//!
//! A projection of the records: a CRL that was signed anew is handed out at once, and OCSP answers come from
//! the current view. A port that can't be had is said, in the log and by `check`, and stops nothing.
//!
//! Whoever asks is answered on one thread of the priority that handshakes have: an answer to a fresh question costs
//! a signature, and strangers may ask as fast as the network carries it. They take no more from revocations,
//! handshakes and traffic than one such thread gets.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use authority::{Authority, AuthorityError, Issuer};
use engine::Revision;
use pki::ocsp::{OcspRecords, OcspSigner, OcspStatus};
use pki::{CLOCK_SKEW, CertificateId, Crl, Revocation, Timestamp};
use publish::{IssuerPublication, Listener, Publication, Reception, Service};
use store::CaGenerationId;
use sysio::Inherited;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::sleep;

use crate::current_view::CurrentView;
use crate::desk::Desk;
use crate::doors::{Door, Unheard};
use crate::gateway::Gateway;
use crate::projections::{Name, Projection};
use crate::stapling::Stapler;

/// What is open for the public. Dropping it closes it.
#[derive(Debug)]
pub struct Publishing {
    follower: AbortHandle,
    // Before the thread that they are on.
    _listeners: Vec<Listener>,
    _desk: Option<Desk>,
}

impl Drop for Publishing {
    fn drop(&mut self) {
        self.follower.abort();
    }
}

/// Publishes at the addresses that the settings name, as many of them as can be had. Needs a tokio runtime.
pub async fn open(gateway: &Gateway) -> Publishing {
    let at = gateway.context();
    let records = Arc::new(ViewRecords(at.view.clone()));
    let service = Service::new(Arc::clone(&records) as _, Arc::clone(&at.clock));
    let service = Arc::new(service.with_tokens(at.tokens.clone()));
    // Before the first look, so that nothing comes between the two unseen.
    let revisions = at.view.revisions();
    let mut follower = Follower {
        authority: Arc::clone(&at.authority),
        view: at.view.clone(),
        clock: Arc::clone(&at.clock),
        service: Arc::clone(&service),
        stapler: Stapler::new(at.authority.resolver(), at.keyring.clone()),
        records,
        projection: at.projections.register_behind(NAME),
        shown: BTreeMap::new(),
    };
    follower.look().await;
    let addresses = &at.config().publish.listen;
    let (desk, listeners, faults) = match Desk::open("publish", 1) {
        Ok(desk) => {
            let (listeners, faults) = desk.within(|| {
                tokio::spawn(sign_ahead(Arc::clone(&service)));
                at.neighbours.publishing_is(Reception::new(Arc::clone(&service)));
                listen(addresses, &at.inherited, &service)
            });
            (Some(desk), listeners, faults)
        }
        Err(error) => (None, Vec::new(), vec![no_thread(&error)]),
    };
    at.doors.attach(Arc::new(PublishDoor { faults }));
    let follower = tokio::spawn(follower.follow(revisions)).abort_handle();
    Publishing { follower, _listeners: listeners, _desk: desk }
}

/// Until its thread ends. So few at once that whoever asks meanwhile hardly waits.
async fn sign_ahead(service: Arc<Service>) {
    loop {
        sleep(AHEAD_EACH).await;
        service.refresh(AHEAD);
    }
}

fn no_thread(error: &io::Error) -> Unheard {
    let what = format!("no thread for what the CA publishes: {error}");
    let mend = "let the gateway have more threads and open files, and start it again";
    tracing::warn!("{what}; {mend}");
    Unheard { subject: SUBJECT, what, mend }
}

/// Those that can be had, and why the others can't.
fn listen(
    addresses: &[SocketAddr],
    inherited: &Inherited,
    service: &Arc<Service>,
) -> (Vec<Listener>, Vec<Unheard>) {
    let mut listeners = Vec::new();
    let mut faults = Vec::new();
    for address in addresses {
        let opened = match inherited.tcp(*address) {
            Some(socket) => Listener::at(socket, *address, Arc::clone(service)),
            None => Listener::bind(*address, Arc::clone(service)),
        };
        match opened {
            Ok(listener) => {
                tracing::info!(listen = %listener.address(), "CRL and OCSP are published");
                listeners.push(listener);
            }
            Err(error) => {
                tracing::warn!("{error}; {}", error.mend());
                let (what, mend) = (error.to_string(), error.mend());
                faults.push(Unheard { subject: SUBJECT, what, mend });
            }
        }
    }
    (listeners, faults)
}

/// The records, as OCSP asks for them.
#[derive(Debug)]
struct ViewRecords(CurrentView);

impl OcspRecords for ViewRecords {
    fn ocsp_status(&self, id: &CertificateId) -> OcspStatus {
        let snapshot = self.0.snapshot();
        let Some(entry) = snapshot.certificate(id) else { return OcspStatus::Unknown };
        match snapshot.standing(entry) {
            None => OcspStatus::Good,
            Some((at, reason)) => OcspStatus::Revoked(Revocation { at, reason }),
        }
    }
}

impl publish::Records for ViewRecords {
    fn revision(&self) -> u64 {
        self.0.snapshot().through().revision().get()
    }
}

/// What is shown of a CA.
#[derive(Debug, Default)]
struct Shown {
    crl: Option<Crl>,
    /// Missing where none could be made, as on a full disk: its certificate has to be recorded.
    signer: Option<Arc<OcspSigner>>,
    /// When it was made. Before that it does not serve: the clock was ahead.
    made_at: Timestamp,
    /// When another signer is due, though this one still serves.
    renew_at: Timestamp,
}

struct Follower {
    authority: Arc<Authority>,
    view: CurrentView,
    clock: Arc<dyn clock::Clock>,
    service: Arc<Service>,
    stapler: Stapler,
    records: Arc<ViewRecords>,
    projection: Projection,
    shown: BTreeMap<CaGenerationId, Shown>,
}

impl Follower {
    async fn follow(mut self, mut revisions: watch::Receiver<Revision>) {
        let authority = Arc::clone(&self.authority);
        loop {
            tokio::select! {
                changed = revisions.changed() => if changed.is_err() { return },
                () = authority.renewed() => {}
                () = sleep(LOOK) => {}
            }
            self.look().await;
        }
    }

    /// Publishes what is not shown yet.
    async fn look(&mut self) {
        let present = self.view.snapshot().through().revision();
        self.projection.turn(present).await;
        match self.catch_up().await {
            Ok(()) => self.projection.passed(present, []),
            Err(error) => {
                tracing::error!(%error, "what the CA publishes lags; it is tried again");
                self.projection.failed(present, error.to_string());
            }
        }
    }

    async fn catch_up(&mut self) -> Result<(), AuthorityError> {
        let issuers = self.authority.issuers();
        let speaks = |issuer: &&Arc<Issuer>| issuer.can_sign() && !self.authority.is_over(issuer);
        let issuers: Vec<_> = issuers.all().iter().filter(speaks).collect();
        let mut news = false;
        let mut outcome = Ok(());
        for issuer in &issuers {
            // One that lags keeps no other from being shown, nor a signer that lacks a CRL.
            news |= self.new_crl(issuer).await.unwrap_or_else(|error| failed(&mut outcome, error));
            news |=
                self.new_signer(issuer).await.unwrap_or_else(|error| failed(&mut outcome, error));
        }
        if news {
            let of = |issuer: &&Arc<Issuer>| {
                let shown = self.shown.get(&issuer.generation().id)?;
                let (crl, signer) = (shown.crl.as_ref(), shown.signer.clone());
                Some(IssuerPublication::new(issuer.certificate(), crl, signer))
            };
            self.service.publish(Publication::new(issuers.iter().filter_map(of).collect()));
        }
        self.staple(&issuers);
        outcome
    }

    fn staple(&mut self, issuers: &[&Arc<Issuer>]) {
        let signer = |issuer: &&Arc<Issuer>| {
            let signer = self.shown.get(&issuer.generation().id)?.signer.clone()?;
            Some((issuer.certificate().clone(), signer))
        };
        let signers: Vec<_> = issuers.iter().filter_map(signer).collect();
        self.stapler.look(&signers, &*self.records, self.clock.now().into());
    }

    /// Whether this CA has a CRL that is not shown yet, which it is from here on.
    async fn new_crl(&mut self, issuer: &Issuer) -> Result<bool, AuthorityError> {
        let id = issuer.generation().id;
        let latest = self.view.snapshot().crl(id).map(|crl| crl.number);
        let shown = self.shown.entry(id).or_default();
        if shown.crl.as_ref().and_then(Crl::number) == latest {
            return Ok(false);
        }
        shown.crl = self.authority.crl(issuer).await?;
        Ok(true)
    }

    /// Whether this CA was due for another signer, which it has from here on.
    async fn new_signer(&mut self, issuer: &Issuer) -> Result<bool, AuthorityError> {
        let now = Timestamp::from(self.clock.now());
        let shown = self.shown.entry(issuer.generation().id).or_default();
        let begun = shown.made_at <= now.after(CLOCK_SKEW);
        if shown.signer.is_some() && begun && now < shown.renew_at {
            return Ok(false);
        }
        match (self.authority.ocsp_signer(issuer).await, &shown.signer) {
            (Ok(signer), _) => {
                shown.made_at = now;
                shown.renew_at = now.after(signer.not_after().since(now) * 2 / 3);
                shown.signer = Some(Arc::new(signer));
                Ok(true)
            }
            (Err(error), Some(former)) if now < former.not_after() => {
                let until = former.not_after();
                tracing::warn!(%error, %until, "no new OCSP signer; the former one serves on");
                shown.renew_at = now.after(LOOK);
                Ok(false)
            }
            (Err(error), _) => Err(error),
        }
    }
}

/// Keeps the first error; nothing new came of what failed.
fn failed(outcome: &mut Result<(), AuthorityError>, error: AuthorityError) -> bool {
    if outcome.is_ok() {
        *outcome = Err(error);
    }
    false
}

/// Nobody connects here for longer than an answer; administration hears what can't be had.
#[derive(Debug)]
struct PublishDoor {
    faults: Vec<Unheard>,
}

impl Door for PublishDoor {
    fn unheard(&self) -> Vec<Unheard> {
        self.faults.clone()
    }
}

/// P-256 signs these in some milliseconds.
const AHEAD: usize = 128;
const AHEAD_EACH: Duration = Duration::from_secs(1);
const NAME: Name =
    Name { code: "published", of: "what the CA publishes", lack: "lags", follows_the_crl: true };
/// As `check` names it.
const SUBJECT: &str = "publishing";
/// A wall clock may be set, so that no timer can wait for two thirds of a signer's life.
const LOOK: Duration = Duration::from_secs(60);
