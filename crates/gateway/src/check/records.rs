//! What is made of the records: CA, CRL, certificates near their end.

use std::collections::BTreeSet;

use admin::response::Finding;
use authority::{Issuer, Issuers};
use clock::Timestamp;
use pki::{CaCertificate, Crl, Serial};

use super::disk::disk;
use super::{bad, good, warning};
use crate::context::Context;
use crate::operations::certs::Certs;
use crate::operations::rollover::{RolloverView, retired};
use crate::operations::views::current;
use crate::words::device_name;

/// The records of these handles, looked at.
#[derive(Debug)]
pub(crate) struct RecordsCheck<'a> {
    pub(crate) at: &'a Context,
}

impl RecordsCheck<'_> {
    /// What is found in them.
    pub(crate) async fn findings(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        let issuers = self.at.authority.issuers();
        for issuer in issuers.all() {
            findings.push(self.ca_life(&issuers, issuer));
            findings.push(self.crl(&issuers, issuer).await);
        }
        findings.extend([disk(self.at), self.leaves()]);
        findings.push(self.device_certificates());
        findings.extend(self.kept_out().await);
        findings.extend(self.named_certificates().await);
        findings
    }

    /// Whoever has a certificate of a former CA alone; nothing where there is nobody.
    async fn kept_out(&self) -> Option<Finding> {
        let rollover = RolloverView { at: self.at }.status().await.ok()?;
        let names: Vec<_> = rollover.kept_out.into_iter().map(|one| one.name).collect();
        if names.is_empty() {
            return None;
        }
        let seen = format!("they have certificates of it alone, and are refused: {}", some(names));
        let mend = "give each a new profile: handfast profile USER/DEVICE --renew --out DIR";
        Some(warning("former CA", seen, mend))
    }

    /// Those that a person renews; nothing where there are none.
    async fn named_certificates(&self) -> Option<Finding> {
        const SUBJECT: &str = "certificates by name";
        let Ok(all) = (Certs { at: self.at }).of_people().await else {
            return Some(bad(
                SUBJECT,
                "they can't be read",
                "restore the data folder from a backup",
            ));
        };
        let in_use = all.iter().filter_map(|(name, known)| Some((name, current(known)?)));
        let in_use: Vec<_> = in_use.filter(|(_, c)| c.revocation.is_none()).collect();
        let ends_soon = |c: &&(_, &store::Certificate)| self.days_until(c.1.not_after) <= SOON;
        let ending: Vec<_> = in_use
            .iter()
            .filter(ends_soon)
            .map(|(name, c)| format!("{name} on {}", c.not_after.date()))
            .collect();
        if in_use.is_empty() {
            return None;
        }
        if ending.is_empty() {
            let seen = format!("{} in use, none ends within {SOON} days", in_use.len());
            return Some(good(SUBJECT, seen));
        }
        let mend = "renew each: handfast cert renew NAME --out DIR";
        Some(warning(SUBJECT, format!("ending: {}", ending.join(", ")), mend))
    }

    fn ca_life(&self, issuers: &Issuers, issuer: &Issuer) -> Finding {
        let subject = &which("CA", issuers, issuer);
        if issuer.is_retired() {
            return good(subject, "it is trusted no longer");
        }
        let not_after = issuer.generation().not_after;
        let (date, left) = (not_after.date(), self.days_until(not_after));
        let mend = "have another CA take its place while it holds: handfast ca rollover start";
        match left {
            ..=0 => bad(subject, format!("its certificate expired on {date}"), mend),
            1..=365 => warning(subject, format!("it expires on {date}, in {left} days"), mend),
            _ => good(subject, format!("valid until {date}")),
        }
    }

    async fn crl(&self, issuers: &Issuers, issuer: &Issuer) -> Finding {
        let subject = &which("CRL", issuers, issuer);
        if self.at.authority.is_over(issuer) {
            return good(subject, "the last certificate that it tells of is over");
        }
        let generation = issuer.generation();
        if !issuer.can_sign() {
            return match self.at.store.crl_latest(generation.id).await {
                Ok(None) => good(subject, "it is signed elsewhere, where the CA's key is"),
                _ => bad(subject, "it was signed here, and the CA's key is gone", KEY_GONE),
            };
        }
        let listed = self.at.store.listed(generation.id).await;
        let latest = self.at.store.crl_latest(generation.id).await;
        let (Ok(listed), Ok(latest)) = (listed, latest) else {
            return bad(subject, "it can't be read", "restore the data folder from a backup");
        };
        let Some(row) = latest else { return bad(subject, "there is none", SIGNED_THEN) };
        let crl = match readable(&row.der, issuer.certificate()) {
            Ok(crl) => crl,
            Err(error) => return bad(subject, error.to_string(), SIGNED_THEN),
        };
        let revoked = listed.revocations.iter().map(|r| r.id.serial);
        let known = revoked.chain(listed.holds.iter().map(|hold| hold.id.serial)).collect();
        match astray(subject, &crl, &known, row.number) {
            Some(finding) => finding,
            None => self.crl_life(subject, &crl, row.number, known.len()),
        }
    }

    /// Of a CRL that says what the records say.
    fn crl_life(&self, subject: &str, crl: &Crl, number: u64, entries: usize) -> Finding {
        let (now, until) = (self.at.now(), crl.next_update());
        if crl.is_expired(now) {
            return bad(subject, format!("it expired on {until}"), SIGNED_THEN);
        }
        if crl.is_due(now) {
            let seen = format!("past half its life; it expires on {until}");
            return warning(subject, seen, SIGNED_THEN);
        }
        let hours = crl.age(now).as_secs() / 3600;
        good(subject, format!("number {number}, {hours} h old, {entries} entries, until {until}"))
    }

    fn leaves(&self) -> Finding {
        const SUBJECT: &str = "gateway certificate";
        let not_after = self.at.authority.server_certificates_expire();
        let (date, left) = (not_after.date(), self.days_until(not_after));
        let mend = "start the gateway: it renews its own certificates";
        match left {
            ..=0 => bad(SUBJECT, format!("it expired on {date}"), mend),
            1..=2 => warning(SUBJECT, format!("it expires on {date}"), mend),
            _ => good(SUBJECT, format!("valid until {date}")),
        }
    }

    fn device_certificates(&self) -> Finding {
        const SUBJECT: &str = "device certificates";
        let (snapshot, retired) = (self.at.store.snapshot(), retired(&self.at.authority));
        let mut ending = Vec::new();
        let mut in_use = 0_u32;
        for (id, certificate) in snapshot.current_certificates() {
            let Some(device) = snapshot.device(id) else { continue };
            if certificate.revoked.is_some() || retired.contains(&certificate.issued_by) {
                continue;
            }
            in_use += 1;
            if self.days_until(certificate.not_after) <= SOON {
                let date = certificate.not_after.date();
                ending.push(format!("{} on {date}", device_name(device)));
            }
        }
        ending.sort_unstable();
        if ending.is_empty() {
            return good(SUBJECT, format!("{in_use} in use, none ends within {SOON} days"));
        }
        warning(
            SUBJECT,
            format!("ending: {}", some(ending)),
            "renew each: handfast profile USER/DEVICE --renew --out DIR",
        )
    }

    /// Whole days, below zero where it is over.
    fn days_until(&self, at: Timestamp) -> i64 {
        let seconds = |at: Timestamp| i64::try_from(at.unix_secs()).unwrap_or(i64::MAX);
        seconds(at).saturating_sub(seconds(self.at.now())).div_euclid(86_400)
    }
}

/// The first few, and how many more there are.
fn some(mut names: Vec<String>) -> String {
    let more = names.len().saturating_sub(NAMED);
    names.truncate(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", names.join(", "))
}

/// A subject, with the CA's name where there are several.
fn which(subject: &str, issuers: &Issuers, issuer: &Issuer) -> String {
    match issuers.all() {
        [_] => subject.to_owned(),
        _ => format!("{subject} ({})", issuer.generation().subject),
    }
}

/// What is on a CRL and not in the records, or the other way round.
fn astray(subject: &str, crl: &Crl, known: &BTreeSet<Serial>, number: u64) -> Option<Finding> {
    let missing = known.iter().filter(|serial| !crl.revoked().contains_key(serial)).count();
    if missing > 0 {
        let seen = format!("{missing} revoked or disabled certificates are not on it");
        return Some(bad(subject, seen, SIGNED_THEN));
    }
    if let Some(extra) = crl.revoked().keys().find(|serial| !known.contains(serial)) {
        let seen = format!("the certificate {extra} is on it, and not revoked in the records");
        return Some(bad(subject, seen, CHANGED_BESIDE_US));
    }
    (crl.number() != Some(number)).then(|| {
        let seen = format!("the records say number {number}, and it has another");
        bad(subject, seen, CHANGED_BESIDE_US)
    })
}

fn readable(der: &[u8], ca: &CaCertificate) -> Result<Crl, pki::CrlError> {
    let crl = Crl::from_der(der)?;
    crl.verify(ca)?;
    Ok(crl)
}

const SIGNED_THEN: &str =
    "start the gateway, or run any command that changes something: it is signed then";
const KEY_GONE: &str = "put the folder `ca` back as it is in a backup, and start the gateway anew";
pub(super) const CHANGED_BESIDE_US: &str = "somebody changed the database beside handfast: keep the data folder as evidence \
     and restore it from a backup; until then revoke or disable again what the log says";
const SOON: i64 = 30;
const NAMED: usize = 5;
