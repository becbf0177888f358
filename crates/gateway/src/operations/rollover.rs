//! How far a rollover of the CA has come: who has moved, and who has not.
//!
//! Whoever holds an unrevoked certificate of a former CA would be kept out at the end, and is behind. A renewed
//! device is so until its new certificate has connected, by which the former one is revoked.

use std::collections::BTreeSet;
use std::sync::Arc;

use admin::names::DeviceName;
use admin::response::{Behind, CaSummary, Rollover};
use authority::{Issuer, Signs};
use names::CertificateName;
use store::{CaGenerationId, CertificateEntry, Holder, Snapshot};

use crate::context::Context;
use crate::words::device_name;

/// The rollover of these records.
#[derive(Debug)]
pub(crate) struct RolloverView<'a> {
    pub(crate) at: &'a Context,
}

/// Whose certificate it is, of those who could be kept out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Whose {
    Device(DeviceName),
    Named(CertificateName),
}

impl RolloverView<'_> {
    /// How far it has come.
    pub(crate) fn status(&self) -> Rollover {
        let issuers = self.at.authority.issuers();
        let present = issuers.signing(Signs::Gateway);
        let former = issuers.former();
        let behind = former.map(|former| self.behind(former.generation().id)).unwrap_or_default();
        let late: BTreeSet<_> = behind.iter().map(|behind| behind.name.clone()).collect();
        let snapshot = self.at.store.snapshot();
        let there = self.holding(&snapshot, present.generation().id);
        let moved: BTreeSet<_> = there.map(|(whose, _)| whose.name()).collect();
        let retired = issuers.all().iter().filter(|issuer| issuer.is_retired());
        Rollover {
            present: summary(present),
            former: former.map(summary),
            retired: retired.map(summary).collect(),
            moved: u32::try_from(moved.difference(&late).count()).unwrap_or(u32::MAX),
            behind,
        }
    }

    /// Whose devices those are that have not moved.
    pub(crate) fn devices_behind(&self) -> Vec<DeviceName> {
        let issuers = self.at.authority.issuers();
        let Some(former) = issuers.former() else { return Vec::new() };
        let snapshot = self.at.store.snapshot();
        let devices =
            self.holding(&snapshot, former.generation().id).filter_map(|(whose, _)| match whose {
                Whose::Device(device) => Some(device),
                Whose::Named(_) => None,
            });
        devices.collect()
    }

    /// By name, each once for each certificate.
    fn behind(&self, former: CaGenerationId) -> Vec<Behind> {
        let snapshot = self.at.store.snapshot();
        let mut behind: Vec<_> = self.holding(&snapshot, former).collect();
        behind.sort_by(|(one, _), (other, _)| one.cmp(other));
        let said = |(whose, entry): (Whose, &Arc<CertificateEntry>)| Behind {
            name: whose.name(),
            serial: entry.id.to_string(),
            expires_at: entry.not_after,
        };
        behind.into_iter().map(said).collect()
    }

    /// Certificates by this CA that hold, and whose they are.
    fn holding<'s>(
        &self,
        snapshot: &'s Snapshot,
        by: CaGenerationId,
    ) -> impl Iterator<Item = (Whose, &'s Arc<CertificateEntry>)> {
        let now = self.at.now();
        let config = self.at.config();
        // Those of virtual servers are renewed here.
        let renews_itself = move |holder: &Holder| match holder {
            Holder::Other(name) => config.tls.server.iter().any(|server| server.label() == name),
            _ => false,
        };
        snapshot
            .certificates()
            .filter(move |c| !renews_itself(&c.holder))
            .filter(move |c| c.issued_by == by && c.revoked.is_none() && c.not_after >= now)
            .filter_map(|entry| Some((whose(snapshot, entry)?, entry)))
    }
}

impl Whose {
    fn name(&self) -> String {
        match self {
            Self::Device(device) => device.to_string(),
            Self::Named(name) => name.to_string(),
        }
    }
}

/// The gateway's own certificates are renewed by itself, and nobody else's count.
fn whose(snapshot: &Snapshot, entry: &CertificateEntry) -> Option<Whose> {
    match &entry.holder {
        Holder::Device(id) => Some(Whose::Device(device_name(snapshot.device(*id)?))),
        Holder::Other(name) => CertificateName::new(name).ok().map(Whose::Named),
        Holder::Gateway => None,
    }
}

fn summary(issuer: &Arc<Issuer>) -> CaSummary {
    CaSummary {
        subject: issuer.generation().subject.clone(),
        tag: issuer.certificate().tag(),
        expires_at: issuer.generation().not_after,
    }
}
