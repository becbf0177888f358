//! After a commit: the effects on this machine, awaited, and the answer that names what is missing.

use std::time::Duration;

use admin::response::Changed;
use store::{CertificateId, Committed, Event, Revocation, Snapshot};

use crate::context::Context;
use crate::disk;
use crate::error::GatewayError;
use crate::projections::Mark;
use crate::words::number;

/// What is known before a change: the certificates it concerns, and which sessions were closed.
#[derive(Debug)]
pub(super) struct Before<'a> {
    at: &'a Context,
    touched: Vec<CertificateId>,
    mark: Mark,
}

impl<'a> Before<'a> {
    /// A change to these certificates' standing.
    pub(super) fn of(at: &'a Context, touched: Vec<CertificateId>) -> Self {
        Self { at, touched, mark: at.projections.mark() }
    }

    /// Brings about the effects of what was committed; `told` is the event that the answer names, none
    /// where everything was so already.
    pub(super) async fn after<T>(
        self,
        committed: &Committed<T>,
        told: Option<&Event>,
        revoked: &[Revocation],
    ) -> Result<Changed, GatewayError> {
        let held = held(self.at, committed);
        let Some(told) = told else { return Ok(Changed { held, ..Changed::default() }) };
        let mut changed = Changed {
            held,
            event: Some(number(told.id)),
            at: Some(told.at),
            revoked: revoked.iter().map(|r| r.id.to_string()).collect(),
            ..Changed::default()
        };
        let through = self.at.store.snapshot().through().revision();
        let mut outcome = self.at.projections.wait(through, self.mark, PATIENCE).await;
        if !revoked.is_empty() && outcome.missing.is_empty() {
            // The CRL that was signed for it is a change of its own, which has to be handed out as well.
            let signed = self.at.store.snapshot().through().revision();
            outcome = self.at.projections.wait(signed, self.mark, PATIENCE).await;
        }
        let ours = |id: &&CertificateId| self.touched.contains(*id);
        changed.sessions_closed =
            u32::try_from(outcome.closed.iter().filter(ours).count()).unwrap_or(u32::MAX);
        changed.pending = outcome.missing.iter().map(ToString::to_string).collect();
        changed.crl_number = shown_by(&self.at.store.snapshot(), revoked);
        Ok(changed)
    }
}

/// Why this is in force and not on the disk; nothing where it is on the disk.
pub(super) fn held<T>(at: &Context, committed: &Committed<T>) -> Option<String> {
    (!committed.on_disk).then(|| disk::held(&at.store.waiting().borrow()))
}

/// The number of the CRL that shows what was revoked: where several issuers' do, the first one's.
fn shown_by(snapshot: &Snapshot, revoked: &[Revocation]) -> Option<u64> {
    let crl_of = |revocation: &Revocation| {
        let crl = snapshot.crl(revocation.issued_by)?;
        (revocation.event <= crl.through).then_some(crl.number)
    };
    let numbers: Option<Vec<_>> = revoked.iter().map(crl_of).collect();
    numbers?.first().copied()
}

/// How long a command waits for effects before it says that they are missing.
const PATIENCE: Duration = Duration::from_secs(5);
