//! After a commit: the effects on this machine, awaited and measured, and the answer that names what is missing.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use admin::response::{Changed, Effect};
use store::{CertificateId, Committed, Event, Revocation, RevocationReason, Snapshot};

use crate::context::Context;
use crate::disk;
use crate::error::GatewayError;
use crate::projections::{Mark, Outcome};
use crate::words::number;

/// What is known before a change: the certificates it concerns, what they are worth, and which sessions were
/// closed.
#[derive(Debug)]
pub(super) struct Before<'a> {
    at: &'a Context,
    touched: BTreeSet<CertificateId>,
    former: Arc<Snapshot>,
    mark: Mark,
}

impl<'a> Before<'a> {
    /// A change to these certificates' standing.
    pub(super) fn of(at: &'a Context, touched: impl IntoIterator<Item = CertificateId>) -> Self {
        let touched = touched.into_iter().collect();
        Self { at, touched, former: at.store.snapshot(), mark: at.projections.mark() }
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
        let present = self.at.store.snapshot();
        let [on_hold, off_hold] = self.holds(&present);
        let mut shown: Vec<_> = revoked.iter().map(|revocation| revocation.id).collect();
        shown.extend(on_hold.iter().chain(&off_hold));
        let outcome = self.effects(&present, !shown.is_empty()).await;
        let effects = outcome.passed.iter().map(|(name, delay)| {
            self.at.metrics.effect(name.code, *delay);
            let after_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
            Effect { of: name.code.to_owned(), after_ms }
        });
        let ours = |id: &&CertificateId| self.touched.contains(*id);
        let sessions = outcome.closed.iter().filter(ours).count();
        let named = |ids: &[CertificateId]| ids.iter().map(ToString::to_string).collect();
        Ok(Changed {
            held,
            event: Some(number(told.id)),
            at: Some(told.at),
            revoked: revoked.iter().map(|r| r.id.to_string()).collect(),
            on_hold: named(&on_hold),
            off_hold: named(&off_hold),
            sessions_closed: u32::try_from(sessions).unwrap_or(u32::MAX),
            crl_number: shown_by(&self.at.store.snapshot(), &shown, committed),
            effects: effects.collect(),
            pending: outcome.missing.iter().map(ToString::to_string).collect(),
        })
    }

    /// Waits for everything that follows the records.
    async fn effects(&self, present: &Snapshot, signs: bool) -> Outcome {
        let (store, projections) = (&self.at.store, &self.at.projections);
        let through = present.through().revision();
        let outcome = projections.wait(through, self.mark, PATIENCE).await;
        if !signs || !outcome.missing.is_empty() {
            return outcome;
        }
        // The CRL that was signed for it is a change of its own, which has to be handed out as well.
        let signed = store.snapshot().through().revision();
        let mut last = projections.wait(signed, self.mark, PATIENCE).await;
        for (name, delay) in &mut last.passed {
            let first = outcome.passed.iter().find(|(other, _)| other == name);
            let before = first.map_or(Duration::ZERO, |(_, before)| *before);
            // What hands the list out is done only now; all others had done their part before.
            *delay = if name.follows_the_crl { outcome.took + *delay } else { before };
        }
        last
    }

    /// The certificates that the change put on hold, and those that it freed.
    fn holds(&self, present: &Snapshot) -> [Vec<CertificateId>; 2] {
        let held = |at: &Snapshot, id: &CertificateId| {
            let standing = at.certificate(id).and_then(|entry| at.standing(entry));
            standing.map(|(_, reason)| reason == RevocationReason::CertificateHold)
        };
        let standing = |id: &CertificateId| (held(&self.former, id), held(present, id));
        let touched = self.touched.iter().copied();
        let on = touched.clone().filter(|id| standing(id) == (None, Some(true)));
        let off = touched.clone().filter(|id| standing(id) == (Some(true), None));
        [on.collect(), off.collect()]
    }
}

/// Why this is in force and not on the disk; nothing where it is on the disk.
pub(super) fn held<T>(at: &Context, committed: &Committed<T>) -> Option<String> {
    (!committed.on_disk).then(|| disk::held(&at.store.waiting().borrow()))
}

/// The number of the CRL that shows what became of these certificates: where several issuers' do, the first one's.
fn shown_by<T>(
    snapshot: &Snapshot,
    shown: &[CertificateId],
    committed: &Committed<T>,
) -> Option<u64> {
    let through = committed.through()?;
    let crl_of = |id: &CertificateId| {
        let crl = snapshot.crl(snapshot.certificate(id)?.issued_by)?;
        (through <= crl.through).then_some(crl.number)
    };
    let numbers: Option<Vec<_>> = shown.iter().map(crl_of).collect();
    numbers?.first().copied()
}

/// How long a command waits for effects before it says that they are missing.
const PATIENCE: Duration = Duration::from_secs(5);
