//! The log, folded: what its events make of the records, whatever the rows say.
//!
//! Events of format 1 say less: what they leave out (hashes, keys, dates of succession) is taken from the
//! rows, so nothing is found there. Not here: the comparison with the rows (`audit.rs`).

use std::collections::{BTreeMap, BTreeSet, HashMap};

use pki::{CertificateId, IssuerId, Serial};
use serde::Deserialize as _;

use crate::event::{Event, EventKind};
use crate::ids::{CaGenerationId, EventId};
use crate::payload::{self, ForgottenPayload, GenerationPayload};
use crate::records::{CaGeneration, Certificate};
use crate::snapshot::Snapshot;

/// The log up to an event.
#[derive(Debug, Default)]
pub(crate) struct Fold {
    pub(crate) log: Snapshot,
    pub(crate) generations: BTreeMap<CaGenerationId, GenerationPayload>,
    pub(crate) settings: BTreeMap<String, String>,
    /// Certificates of whose succession no event has the date.
    pub(crate) undated: BTreeSet<CertificateId>,
    pub(crate) unclear: Vec<Unfolded>,
}

/// An event that says that it changed a record, and not which.
#[derive(Debug)]
pub(crate) struct Unfolded {
    pub(crate) id: EventId,
    pub(crate) kind: EventKind,
    /// Of the certificate that it is about, where it is about one.
    pub(crate) serial: Option<Serial>,
}

/// Where events of format 1 find what they leave out.
#[derive(Debug, Default)]
pub(crate) struct Completing<'a> {
    by_number: HashMap<(CaGenerationId, Serial), &'a Certificate>,
    issuers: BTreeMap<CaGenerationId, IssuerId>,
}

impl<'a> Completing<'a> {
    /// From these rows.
    pub(crate) fn of(certificates: &'a [Certificate], generations: &[CaGeneration]) -> Self {
        let number = |c: &'a Certificate| ((c.issued_by, c.id.serial), c);
        Self {
            by_number: certificates.iter().map(number).collect(),
            issuers: generations.iter().map(|g| (g.id, g.issuer)).collect(),
        }
    }
}

impl Fold {
    /// The log goes on with this event.
    pub(crate) fn handle(&mut self, mut event: Event, rows: &Completing<'_>) {
        if event.kind == EventKind::CA_GENERATION_ADDED {
            let added = GenerationPayload::deserialize(&event.payload).ok();
            self.generations.extend(added.map(|added| (added.id, added)));
        } else if event.kind == EventKind::SETTING_SET {
            self.settings.extend(payload::setting_of(&event));
        }
        self.forget(&event);
        self.complete(&mut event, rows);
        if self.log.fold(&event).is_err() {
            let serial = payload::serial_of(&event);
            self.unclear.push(Unfolded { id: event.id, kind: event.kind, serial });
        }
    }

    /// What an event of format 1 left out of a certificate is not missed where the rows no longer have it by right.
    fn forget(&mut self, event: &Event) {
        if event.kind != EventKind::CERTIFICATES_FORGOTTEN || self.unclear.is_empty() {
            return;
        }
        let gone: Option<ForgottenPayload> = payload::of(event);
        let gone: BTreeSet<_> =
            gone.iter().flat_map(|gone| gone.ids()).map(|id| id.serial).collect();
        self.unclear.retain(|of| of.serial.is_none_or(|serial| !gone.contains(&serial)));
    }

    /// What an event leaves out that was written before events said everything.
    fn complete(&mut self, event: &mut Event, rows: &Completing<'_>) {
        let Some(legacy) = payload::legacy(event) else { return };
        let certificate = legacy.certificate();
        let issuer = certificate.and_then(|c| rows.issuers.get(&c.issued_by)).copied();
        let row = certificate.and_then(|c| rows.by_number.get(&(c.issued_by, c.serial)).copied());
        if let (Some(certificate), Some(issuer)) = (certificate, issuer) {
            let id = |serial: &Serial| CertificateId { issuer, serial: *serial };
            self.undated.extend(certificate.undated().map(id));
        }
        payload::complete(event, issuer, row);
    }
}
