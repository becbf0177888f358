//! The gateway's answers to the engine: who may in. What happened to them goes to the log and the directory.
//!
//! Answers come from the directory, which is memory.

use std::sync::Arc;

use engine::{
    Admission, AdmissionRequest, Admitted, Credential, Denied, Identity, Principal, Report,
    Revision,
};
use pki::{CertificateId, Fingerprint, Refusal};
use tokio::sync::watch;
use tunnel::Hello;

use crate::directory::Directory;
use crate::session_log::SessionLog;

/// Admission by a directory.
#[derive(Debug)]
pub(crate) struct GatewayAdmission {
    directory: Arc<dyn Directory>,
    log: Arc<SessionLog>,
}

impl GatewayAdmission {
    /// Admits whom `directory` has.
    pub(crate) fn new(directory: Arc<dyn Directory>, log: Arc<SessionLog>) -> Self {
        Self { directory, log }
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
        match &identity.credential {
            Credential::Certificate(id) => Ok(self.directory.recheck(id)?),
        }
    }

    fn revisions(&self) -> watch::Receiver<Revision> {
        self.directory.revisions()
    }

    fn may_have_ended(&self, after: Revision) -> bool {
        self.directory.may_have_ended(after)
    }

    fn report(&self, report: Report) {
        self.log.write(&report);
        self.directory.report(report);
    }
}
