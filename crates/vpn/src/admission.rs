//! The gateway's answers to the engine: who may in, and the line in the log for what happened to them.
//!
//! Answers come from the directory, which is memory.

use std::net::SocketAddr;
use std::sync::Arc;

use engine::{
    Admission, AdmissionRequest, Admitted, Credential, Denied, DisconnectReason, Identity,
    Principal, Report, Revision, SessionInfo,
};
use pki::{CertificateId, Fingerprint, Refusal};
use tokio::sync::watch;
use tunnel::Hello;

use crate::directory::Directory;

/// Admission by a directory.
#[derive(Debug)]
pub(crate) struct GatewayAdmission {
    directory: Arc<dyn Directory>,
}

impl GatewayAdmission {
    /// Admits whom `directory` has.
    pub(crate) fn new(directory: Arc<dyn Directory>) -> Self {
        Self { directory }
    }

    fn decide(&self, hello: &Hello) -> Result<Admitted, Refusal> {
        let leaf = hello.chain.first().ok_or(Refusal::NoCertificate)?;
        let id = CertificateId::of(leaf)?;
        let member = self.directory.member(&id, &Fingerprint::of(leaf))?;
        Ok(Admitted {
            push: self.directory.push().options(&member),
            addresses: member.addresses(),
            identity: Identity {
                principal: Principal { user: member.user, device: member.device },
                credential: Credential::Certificate(id),
            },
        })
    }
}

impl Admission for GatewayAdmission {
    fn admit(&self, request: AdmissionRequest) {
        match self.decide(request.hello()) {
            Ok(admitted) => request.admit(admitted),
            Err(refusal) => request.deny(refusal),
        }
    }

    fn recheck(&self, identity: &Identity) -> Result<(), Denied> {
        Ok(self.directory.recheck(&identity.credential.certificate())?)
    }

    fn revisions(&self) -> watch::Receiver<Revision> {
        self.directory.revisions()
    }

    fn may_have_ended(&self, after: Revision) -> bool {
        self.directory.may_have_ended(after)
    }

    fn report(&self, report: Report) {
        log(&report);
        self.directory.report(report);
    }
}

fn log(report: &Report) {
    match report {
        Report::Opened(info) => tracing::info!(
            session = info.number,
            user = info.identity.principal.user,
            device = info.identity.principal.device,
            source = %info.source,
            addresses = %addresses(info),
            client = info.peer_version,
            "connected"
        ),
        Report::Closed { info, why } => tracing::info!(
            session = info.number,
            user = info.identity.principal.user,
            device = info.identity.principal.device,
            source = %info.source,
            addresses = %addresses(info),
            reason = why.code(),
            "disconnected: {why}"
        ),
        Report::Refused { source, whom, why } => log_refusal(*source, whom.as_ref(), why),
        Report::Renegotiated { number } => tracing::debug!(session = number, "keys renewed"),
        Report::Floated { number, to } => {
            tracing::info!(session = number, source = %to, "moved to another address");
        }
        Report::Flapping { number } => tracing::warn!(
            session = number,
            "its packets come from two addresses by turns: copied on their way, or over two paths; it is \
             answered where the last one came from, and not logged again"
        ),
        Report::Swept { .. } => {}
    }
}

fn log_refusal(source: SocketAddr, whom: Option<&Identity>, why: &DisconnectReason) {
    let reason = why.code();
    match whom {
        Some(Identity { principal: Principal { user, device }, .. }) => {
            tracing::info!(%source, user, device, reason, "refused: {why}");
        }
        None => tracing::info!(%source, reason, "refused: {why}"),
    }
}

fn addresses(info: &SessionInfo) -> String {
    info.addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}
