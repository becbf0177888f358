//! Whether the records are what the log says: the rows beside the folded log.
//!
//! The log is chained by hashes and append-only; the rows are what decides who is let in. Whoever changes a
//! row beside the store (a revocation deleted, a user enabled, a certificate moved to another device) leaves
//! the log as it was. Not here: whether the log itself is whole ([`chain_verify`](crate::Reader::chain_verify)).

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt;

use clock::Timestamp;
use pki::{Fingerprint, KeyId};

use crate::fold::{Fold, Unfolded};
use crate::payload::GenerationPayload;
use crate::records::{CaGeneration, Certificate, Crl, Device, Holder, Lease, User};
use crate::snapshot::CertificateEntry;

/// Something that the rows say otherwise than the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Of what: `user alice`, `certificate 0A12 of alice/phone`.
    pub of: String,
    /// What the rows say.
    pub records: String,
    /// What the log says.
    pub log: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: the records say {}, the log says {}", self.of, self.records, self.log)
    }
}

/// The rows of one moment.
#[derive(Debug)]
pub(crate) struct Rows {
    pub(crate) users: Vec<User>,
    pub(crate) devices: Vec<Device>,
    pub(crate) certificates: Vec<Certificate>,
    pub(crate) generations: Vec<CaGeneration>,
    pub(crate) crls: Vec<Crl>,
    pub(crate) settings: BTreeMap<String, String>,
}

/// How closely certificates are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Closely {
    /// What their rows say.
    Rows,
    /// And whether each is, octet by octet, what its hash and its key are of.
    Content,
}

/// Where the rows differ from the log, folded by as much, in the order of what weighs most.
pub(crate) fn differences(rows: &Rows, fold: &Fold, closely: Closely) -> Vec<Difference> {
    let mut found: Vec<_> = fold.unclear.iter().map(unclear).collect();
    let audit = Audit { rows, fold, closely };
    audit.certificates(&mut found);
    audit.users(&mut found);
    audit.devices(&mut found);
    audit.authority(&mut found);
    found
}

struct Audit<'a> {
    rows: &'a Rows,
    fold: &'a Fold,
    closely: Closely,
}

impl Audit<'_> {
    fn certificates(&self, found: &mut Vec<Difference>) {
        for row in &self.rows.certificates {
            let entry = CertificateEntry::from(row);
            // Of thousands that are as they should be no name is needed.
            let of = || self.name_of(&entry);
            let Some(log) = self.fold.log.certificate(&row.id) else {
                found.push(unknown(of(), "that it was issued"));
                continue;
            };
            if self.closely == Closely::Content {
                found.extend(content(&of, row));
            }
            found.extend(match self.fold.undated.contains(&row.id) {
                true => {
                    let supersede_at = row.supersede_at;
                    certificate(&of, &entry, &CertificateEntry { supersede_at, ..(**log).clone() })
                }
                false => certificate(&of, &entry, log),
            });
        }
        let known: HashSet<_> = self.rows.certificates.iter().map(|row| row.id).collect();
        for log in self.fold.log.certificates().filter(|log| !known.contains(&log.id)) {
            found.push(missing(self.name_of(log), "that it was issued"));
        }
    }

    fn users(&self, found: &mut Vec<Difference>) {
        for row in &self.rows.users {
            let of = || format!("user {}", row.name);
            match self.fold.log.user(row.id) {
                None => found.push(unknown(of(), "that it was added")),
                Some(log) if log.name != row.name => {
                    let [here, there] =
                        [row, &**log].map(|u| format!("that its name is {}", u.name));
                    found.push(differ(of(), here, there));
                }
                Some(log) => found.extend(flag(of, row.disabled_at, log.disabled_at)),
            }
        }
        let known: HashSet<_> = self.rows.users.iter().map(|row| row.id).collect();
        for log in self.fold.log.users().filter(|log| !known.contains(&log.id)) {
            found.push(missing(format!("user {}", log.name), "that it was added"));
        }
    }

    fn devices(&self, found: &mut Vec<Difference>) {
        for row in &self.rows.devices {
            let of = || format!("device {}/{}", row.user_name, row.name);
            match self.fold.log.device(row.id) {
                None => found.push(unknown(of(), "that it was added")),
                Some(log) if (log.user, &log.name) != (row.user, &row.name) => {
                    let there = format!("that it is {}/{}", log.user_name, log.name);
                    found.push(differ(of(), "that it is this one", there));
                }
                Some(log) if log.lease != row.lease => {
                    let [here, there] = [row.lease, log.lease].map(addresses);
                    found.push(differ(of(), here, there));
                }
                Some(log) => found.extend(flag(of, row.disabled_at, log.disabled_at)),
            }
        }
        let known: HashSet<_> = self.rows.devices.iter().map(|row| row.id).collect();
        for log in self.fold.log.devices().filter(|log| !known.contains(&log.id)) {
            let of = format!("device {}/{}", log.user_name, log.name);
            found.push(missing(of, "that it was added"));
        }
    }

    /// The CA's generations, CRLs and settings.
    fn authority(&self, found: &mut Vec<Difference>) {
        self.ca_generations(found);
        for row in &self.rows.crls {
            let log = self.fold.log.crl(row.generation);
            if log != Some(&row.into()) {
                let there = log.map_or("none".to_owned(), |log| format!("number {}", log.number));
                found.push(differ("the CRL".to_owned(), format!("number {}", row.number), there));
            }
        }
        let known: BTreeSet<_> = self.rows.crls.iter().map(|row| row.generation).collect();
        for generation in self.fold.generations.keys().filter(|id| !known.contains(id)) {
            if self.fold.log.crl(*generation).is_some() {
                found.push(missing("the CRL".to_owned(), "that it was signed"));
            }
        }
        if self.rows.settings != self.fold.settings {
            let of = "the settings in the records".to_owned();
            found.push(differ(of, "other values", "what was set"));
        }
    }

    /// Each with all that is known of its certificate, and not by its number alone.
    fn ca_generations(&self, found: &mut Vec<Difference>) {
        for row in &self.rows.generations {
            let of = format!("generation {} of the CA", row.id);
            match self.fold.generations.get(&row.id) {
                None => found.push(unknown(of, "that it was added")),
                Some(log) if GenerationPayload::from(row).known_to(log) != *log => {
                    found.push(differ(of, "another certificate", "the one that was added"));
                }
                Some(_) => {}
            }
        }
        let known: BTreeSet<_> = self.rows.generations.iter().map(|row| row.id).collect();
        for id in self.fold.generations.keys().filter(|id| !known.contains(id)) {
            found.push(missing(format!("generation {id} of the CA"), "that it was added"));
        }
    }

    /// With its device by the name of the log, where there is one.
    fn name_of(&self, entry: &CertificateEntry) -> String {
        let serial = entry.id.serial;
        match &entry.holder {
            Holder::Gateway => format!("certificate {serial} of the gateway"),
            Holder::Other(name) => format!("certificate {serial} of {name}"),
            Holder::Device(id) => match self.fold.log.device(*id) {
                Some(device) => {
                    format!("certificate {serial} of {}/{}", device.user_name, device.name)
                }
                None => format!("certificate {serial}"),
            },
        }
    }
}

/// A certificate beside its own hash and key.
fn content(of: &dyn Fn() -> String, row: &Certificate) -> Vec<Difference> {
    let mut found = Vec::new();
    if Fingerprint::of(&row.der) != row.fingerprint {
        found.push(differ(of(), "another certificate", "what its hash is of"));
    }
    let key = KeyId::of_certificate(&row.der.as_slice().into());
    if key.is_ok_and(|key| key != row.public_key) {
        found.push(differ(of(), "another key", "the one in the certificate"));
    }
    found
}

/// A certificate that both have.
fn certificate(
    of: &dyn Fn() -> String,
    row: &CertificateEntry,
    log: &CertificateEntry,
) -> Option<Difference> {
    let differ = |records: String, log: String| Some(differ(of(), records, log));
    let worth = |entry: &CertificateEntry| match entry.revoked {
        Some((at, reason)) => format!("revoked on {} ({})", at.date(), reason.word()),
        None => "not revoked".to_owned(),
    };
    if row.revoked != log.revoked {
        return differ(worth(row), worth(log));
    }
    if row.holder != log.holder {
        return differ(holder(&row.holder), holder(&log.holder));
    }
    if row.fingerprint != log.fingerprint || row.public_key != log.public_key {
        return differ("another certificate or key".to_owned(), "what was issued".to_owned());
    }
    if row.not_after != log.not_after {
        return differ(row.not_after.to_string(), log.not_after.to_string());
    }
    if row.supersede_at != log.supersede_at {
        let until = |entry: &CertificateEntry| match entry.supersede_at {
            Some(at) => format!("that its successor takes its place on {}", at.date()),
            None => "no date for its successor".to_owned(),
        };
        return differ(until(row), until(log));
    }
    if row.connected != log.connected {
        let used = |entry: &CertificateEntry| match entry.connected {
            true => "that it has connected".to_owned(),
            false => "that it has not connected".to_owned(),
        };
        return differ(used(row), used(log));
    }
    None
}

fn unclear(event: &Unfolded) -> Difference {
    let of = format!("event {} ({})", event.id, event.kind);
    differ(of, "nothing that it could be about", "that it changed a record")
}

fn holder(holder: &Holder) -> String {
    match holder {
        Holder::Gateway => "that it is the gateway's".to_owned(),
        Holder::Other(name) => format!("that it is that of {name}"),
        Holder::Device(id) => format!("that it is that of device {id}"),
    }
}

fn flag(
    of: impl Fn() -> String,
    row: Option<Timestamp>,
    log: Option<Timestamp>,
) -> Option<Difference> {
    if row == log {
        return None;
    }
    let [here, there] = [row, log].map(|since| match since {
        None => "enabled".to_owned(),
        Some(since) => format!("disabled since {since}"),
    });
    Some(differ(of(), here, there))
}

fn unknown(of: String, log: &str) -> Difference {
    differ(of, log, "nothing of it, or that it is gone")
}

fn missing(of: String, log: &str) -> Difference {
    differ(of, "nothing of it", log)
}

fn addresses(lease: Option<Lease>) -> String {
    lease.map_or("no addresses".to_owned(), |lease| format!("host number {}", lease.ipv4))
}

fn differ(of: String, records: impl Into<String>, log: impl Into<String>) -> Difference {
    Difference { of, records: records.into(), log: log.into() }
}
