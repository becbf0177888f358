//! The gateway's answers to the engine: who may in, and what happened to them.
//!
//! Answers come from the live view, which is memory. What a report leads to in the store is done by a
//! task of its own, so that the engine never waits for a disk.

use std::sync::{Arc, Weak};

use admin::names::DeviceName;
use admin::response::RefusalEntry;
use engine::{
    Admission, AdmissionRequest, Admitted, Ending, Identity, Report, Revision, SessionInfo,
};
use pki::Refusal;
use store::EventId;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tunnel::Hello;

use crate::effects::Sweeper;
use crate::gateway::Gateway;
use crate::metrics::seconds;
use crate::vpn::push;

/// Admission by the live view of one gateway.
#[derive(Debug)]
pub(crate) struct Door {
    gateway: Weak<Gateway>,
    revisions: watch::Sender<Revision>,
    sweeper: Sweeper,
    /// For what reports lead to: they come on the engine's own threads.
    runtime: Handle,
}

impl Door {
    /// Follows the gateway's changes on a task of its own. Needs a tokio runtime.
    pub(crate) fn new(gateway: &Arc<Gateway>) -> Arc<Self> {
        let mut source = gateway.live().changes();
        let (revisions, _) = watch::channel(revision(*source.borrow_and_update()));
        let door = Self {
            gateway: Arc::downgrade(gateway),
            revisions: revisions.clone(),
            sweeper: gateway.effects().register("the VPN's sessions"),
            runtime: Handle::current(),
        };
        tokio::spawn(async move {
            while source.changed().await.is_ok() {
                revisions.send_replace(revision(*source.borrow_and_update()));
            }
        });
        Arc::new(door)
    }

    fn opened(&self, gateway: &Arc<Gateway>, info: SessionInfo) {
        tracing::info!(
            session = info.number,
            user = info.identity.user,
            device = info.identity.device,
            source = %info.source,
            addresses = %addresses(&info),
            client = info.peer_version,
            "connected"
        );
        if gateway.is_known_to_connect(&info.identity.serial) {
            return;
        }
        let gateway = Arc::clone(gateway);
        self.runtime.spawn(async move {
            if let Err(error) = gateway.session_established(&info.identity.serial).await {
                tracing::error!(%error, "the connection was not recorded");
            }
        });
    }

    fn closed(gateway: &Gateway, info: &SessionInfo, ending: &Ending) {
        tracing::info!(
            session = info.number,
            user = info.identity.user,
            device = info.identity.device,
            source = %info.source,
            addresses = %addresses(info),
            reason = ending.code(),
            "disconnected: {ending}"
        );
        if let Ending::Withdrawn(_) = ending {
            gateway.metrics().refused(entry(gateway, info.source, Some(&info.identity), ending));
        }
    }

    fn refused(
        &self,
        gateway: &Gateway,
        source: std::net::SocketAddr,
        whom: Option<&Identity>,
        ending: &Ending,
    ) {
        tracing::info!(%source, reason = ending.code(), "refused: {ending}");
        gateway.metrics().refused(entry(gateway, source, whom, ending));
    }
}

impl Door {
    fn decide(&self, hello: &Hello) -> Result<Admitted, Refusal> {
        let gateway = self.gateway.upgrade().ok_or(Refusal::NotInStore)?;
        let leaf = hello.chain.first().ok_or(Refusal::NoCertificate)?;
        let serial = pki::leaf_serial(leaf)?;
        let admitted = gateway.live().admit(&serial)?;
        let config = gateway.config();
        let mut inner = vec![admitted.v4.into()];
        inner.extend(admitted.v6.map(std::net::IpAddr::from));
        Ok(Admitted {
            push: push::options(&admitted, &config),
            identity: Identity {
                serial,
                user: admitted.device.user.clone(),
                device: admitted.device.device.clone(),
            },
            addresses: inner,
        })
    }
}

impl Admission for Door {
    fn admit(&self, request: AdmissionRequest) {
        match self.decide(request.hello()) {
            Ok(admitted) => request.admit(admitted),
            Err(refusal) => request.deny(refusal),
        }
    }

    fn recheck(&self, identity: &Identity) -> Result<(), Refusal> {
        self.gateway.upgrade().ok_or(Refusal::NotInStore)?.live().standing(&identity.serial)
    }

    fn revisions(&self) -> watch::Receiver<Revision> {
        self.revisions.subscribe()
    }

    fn may_have_ended(&self, after: Revision) -> bool {
        self.gateway
            .upgrade()
            .is_none_or(|gateway| gateway.live().snapshot().withdrawn() > EventId::new(after.get()))
    }

    fn report(&self, report: Report) {
        let Some(gateway) = self.gateway.upgrade() else { return };
        match report {
            Report::Opened(info) => self.opened(&gateway, info),
            Report::Closed { info, ending } => Self::closed(&gateway, &info, &ending),
            Report::Refused { source, whom, ending } => {
                self.refused(&gateway, source, whom.as_ref(), &ending);
            }
            Report::Swept { through, closed } => {
                let closed = closed.into_iter().map(|identity| identity.serial);
                self.sweeper.swept(EventId::new(through.get()), closed);
            }
            Report::Renegotiated { number } => tracing::debug!(session = number, "keys renewed"),
            Report::Floated { number, to } => {
                tracing::info!(session = number, source = %to, "moved to another address");
            }
        }
    }
}

fn entry(
    gateway: &Gateway,
    source: std::net::SocketAddr,
    whom: Option<&Identity>,
    ending: &Ending,
) -> RefusalEntry {
    let device = whom.map(|id| DeviceName { user: id.user.clone(), device: id.device.clone() });
    RefusalEntry {
        at: seconds(gateway.now()),
        source,
        device,
        reason: ending.code().to_owned(),
        sentence: ending.to_string(),
    }
}

fn addresses(info: &SessionInfo) -> String {
    info.addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

/// An event as the engine knows it.
fn revision(event: EventId) -> Revision {
    Revision::new(event.get().unsigned_abs())
}
