//! How far a rollover of the CA has come: who has moved, and who has not.
//!
//! Whoever holds an unrevoked certificate of a former CA would be kept out at the end, and is behind. A renewed
//! device is so until its new certificate has connected, by which the former one is revoked; a virtual server, until
//! there is another one for it.

use std::collections::BTreeSet;
use std::sync::Arc;

use admin::names::DeviceName;
use admin::response::{Behind, CaSummary, Rollover};
use authority::{Authority, Issuer, Signs};
use names::CertificateName;
use store::{CaGenerationId, CertificateEntry, Holder, Snapshot};

use crate::context::Context;
use crate::error::GatewayError;
use crate::renewed_here::RenewedHere;
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
    pub(crate) async fn status(&self) -> Result<Rollover, GatewayError> {
        let here = RenewedHere::of(&self.at.authority, &self.at.config().tls).await?;
        let issuers = self.at.authority.issuers();
        let present = issuers.signing(Signs::Gateway);
        let former = issuers.former();
        let snapshot = self.at.store.snapshot();
        let is_own = |entry: &CertificateEntry| here.has(&entry.holder, &entry.id);
        let there = self.holding(&snapshot, present.generation().id);
        let (own, there): (Vec<_>, Vec<_>) = there.partition(|(_, entry)| is_own(entry));
        let served: BTreeSet<_> = own.into_iter().map(|(whose, _)| whose).collect();
        let is_late = |(whose, entry): &(Whose, &Arc<CertificateEntry>)| {
            !is_own(entry) || !served.contains(whose)
        };
        let of_former = former.map(|former| self.holding(&snapshot, former.generation().id));
        let behind = behind(of_former.into_iter().flatten().filter(is_late));
        let late: BTreeSet<_> = behind.iter().map(|behind| behind.name.clone()).collect();
        let moved: BTreeSet<_> = there.into_iter().map(|(whose, _)| whose.name()).collect();
        let retired = issuers.all().iter().filter(|issuer| issuer.is_retired());
        Ok(Rollover {
            present: summary(present),
            former: former.map(summary),
            retired: retired.map(summary).collect(),
            moved: u32::try_from(moved.difference(&late).count()).unwrap_or(u32::MAX),
            behind,
            kept_out: self.kept_out(&here),
        })
    }

    /// Who was kept out when a former CA ended, and has no other certificate since.
    fn kept_out(&self, here: &RenewedHere) -> Vec<Behind> {
        let (snapshot, issuers) = (self.at.store.snapshot(), self.at.authority.issuers());
        let trusted = issuers.trusted().flat_map(|ca| self.holding(&snapshot, ca.generation().id));
        let there: BTreeSet<_> = trusted.map(|(whose, _)| whose).collect();
        let retired = retired(&self.at.authority);
        let former = retired.iter().flat_map(|ca| self.holding(&snapshot, *ca));
        let kept_out = former
            .filter(|(whose, entry)| !there.contains(whose) && !here.has(&entry.holder, &entry.id));
        behind(kept_out)
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

    /// Certificates by this CA that hold, and whose they are.
    fn holding<'s>(
        &self,
        snapshot: &'s Snapshot,
        by: CaGenerationId,
    ) -> impl Iterator<Item = (Whose, &'s Arc<CertificateEntry>)> {
        let now = self.at.now();
        snapshot
            .certificates()
            .filter(move |c| c.issued_by == by && c.revoked.is_none() && c.not_after >= now)
            .filter_map(|entry| Some((whose(snapshot, entry)?, entry)))
    }
}

/// CAs that are trusted no longer.
pub(crate) fn retired(authority: &Authority) -> BTreeSet<CaGenerationId> {
    let issuers = authority.issuers();
    let retired = issuers.all().iter().filter(|issuer| issuer.is_retired());
    retired.map(|issuer| issuer.generation().id).collect()
}

/// By name, each once for each certificate.
fn behind<'s>(late: impl Iterator<Item = (Whose, &'s Arc<CertificateEntry>)>) -> Vec<Behind> {
    let mut late: Vec<_> = late.collect();
    late.sort_by(|(one, _), (other, _)| one.cmp(other));
    let said = |(whose, entry): (Whose, &Arc<CertificateEntry>)| Behind {
        name: whose.name(),
        serial: entry.id.to_string(),
        expires_at: entry.not_after,
    };
    late.into_iter().map(said).collect()
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
