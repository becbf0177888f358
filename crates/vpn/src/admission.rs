//! The gateway's answers to the engine: who may in. What happened to them goes to the log and the directory.
//!
//! Answers come from the directory, which is memory.

use std::sync::Arc;

use engine::{
    Admission, AdmissionRequest, Admitted, Begun, Credential, Denied, Identity, Principal, Report,
    Revision, Watcher,
};
use pki::{CertificateId, Fingerprint, Refusal, RefusedCertificate};
use tokio::sync::watch;
use tunnel::Hello;
use wire::options::Framing;
use wire::push::PushOption;

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

    fn decide(&self, hello: &Hello) -> Result<Admitted, Denied> {
        let leaf = hello.chain.first().ok_or(Refusal::NoCertificate)?;
        let (id, fingerprint) = (CertificateId::of(leaf)?, Fingerprint::of(leaf));
        let credential = Credential::Certificate(id);
        let member = self.directory.member(&id, &fingerprint).map_err(|refusal| {
            let denied = Denied::from(refusal);
            match self.directory.holder(&id, &fingerprint) {
                Some(principal) => {
                    denied.of(Identity { principal, credential: credential.clone() })
                }
                None => denied,
            }
        })?;
        let principal = Principal { user: member.user.clone(), device: member.device.clone() };
        let identity = Identity { principal, credential };
        let mut push = self.directory.push().options(&member, hello.peer_info.get("IV_PLAT"));
        match Framing::of(&hello.options) {
            None => {}
            Some(Framing::Compression) if takes_the_stub(hello) => push.push(stub()),
            Some(framing) => return Err(Denied::Framing(framing).of(identity)),
        }
        Ok(Admitted { push, addresses: member.addresses(), identity })
    }

    /// With whose connection it was, where the certificate says it that was refused inside TLS.
    fn named(&self, report: Report) -> Report {
        let Report::Refused { number, source, local, tcp, whom: None, why } = report else {
            return report;
        };
        let whom = why.whom().cloned();
        let whom = whom.or_else(|| self.holder(why.refused_certificate()?));
        Report::Refused { number, source, local, tcp, whom, why }
    }

    fn holder(&self, refused: &RefusedCertificate) -> Option<Identity> {
        let on_record = self.directory.holder(&refused.id, &refused.fingerprint);
        let principal = on_record.or_else(|| named_in(refused))?;
        Some(Identity { principal, credential: Credential::Certificate(refused.id) })
    }
}

/// A device that was removed is in its certificate still. What somebody wrote with a copied key is no
/// name of anybody.
fn named_in(refused: &RefusedCertificate) -> Option<Principal> {
    if refused.refusal == Refusal::Forged {
        return None;
    }
    let (user, device) = refused.name.as_deref()?.split_once('/')?;
    Some(Principal { user: user.parse().ok()?, device: device.parse().ok()? })
}

/// A client that was configured for compression can be told to leave its packets as they are.
fn takes_the_stub(hello: &Hello) -> bool {
    hello.peer_info.get("IV_COMP_STUBv2") == Some("1")
}

/// Once for a session: its profile serves, and should not have the line.
fn note_a_stub(hello: &Hello, admitted: &Admitted) {
    if hello.renegotiation || Framing::of(&hello.options).is_none() {
        return;
    }
    let Principal { user, device } = &admitted.identity.principal;
    tracing::info!(
        user = user.as_str(),
        device = device.as_str(),
        line = Framing::Compression.directive(),
        "the client is configured for compression and is told to do without; remove the line from its \
         profile"
    );
}

fn stub() -> PushOption {
    PushOption::Other("compress stub-v2".to_owned())
}

impl Admission for GatewayAdmission {
    fn admit(&self, request: AdmissionRequest) {
        match self.decide(request.hello()) {
            Ok(admitted) => {
                note_a_stub(request.hello(), &admitted);
                request.admit(admitted);
            }
            Err(denied) => request.deny(denied),
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

    fn watch(&self, begun: &Begun<'_>) -> Option<Box<dyn Watcher>> {
        self.directory.watch(begun)
    }

    fn report(&self, report: Report) {
        let report = self.named(report);
        let number = self.directory.report(&report);
        self.log.write(&report, number);
    }
}
