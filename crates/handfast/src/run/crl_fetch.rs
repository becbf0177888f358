//! `handfast crl fetch`: CRLs from where they are published, checked before they are shown or written.
//!
//! With `--out` it keeps a file fresh that other programs read, as OpenVPN's `crl-verify` does. Invariant: what is
//! in the file is only ever replaced by what its CA signed later, and that has not run out; so a file stays as it
//! is where a host is away, or somebody answers in its place.

use std::fs;
use std::io;
use std::path::Path;

use admin::failure::{Failure, FailureKind};
use ask::{LONGEST_CRL, Question};
use clock::{Clock as _, SystemClock, Timestamp};
use pki::standing::Subject;
use pki::{CaCertificate, Crl};
use serde::Serialize;

use super::output::Output;
use super::standing;
use crate::args::order::CrlFetchOrder;
use crate::show::table::fields;

/// A CRL that was fetched, as JSON has it.
#[derive(Debug, Serialize)]
struct Fetched {
    url: String,
    /// The CA that signed it; null where that was not looked at.
    issuer: Option<String>,
    number: Option<u64>,
    this_update: Timestamp,
    next_update: Timestamp,
    revoked: usize,
}

/// Fetches, and says or writes what came.
pub(crate) fn run(data: &Path, json: bool, order: &CrlFetchOrder) -> Result<Output, Failure> {
    let checked = order.verify || order.out.is_some();
    let cas = if checked { standing::known(order.ca.as_deref(), data)? } else { Vec::new() };
    if checked && cas.is_empty() {
        return Err(Failure::new(
            FailureKind::NotFound,
            "there is no CA to check the list against",
        )
        .hint("give the CA's certificate: --ca FILE"));
    }
    let now = SystemClock.now().into();
    let (mut lists, mut failed) = (Vec::new(), None);
    for url in urls(&order.what, &cas)? {
        match fetch_one(&url, checked.then_some(cas.as_slice()), now) {
            Ok((issuer, crl)) => lists.push((url, issuer, crl)),
            // One host that is away keeps nobody else's list from its place.
            Err(failure) => failed = failed.or(Some(failure)),
        }
    }
    if let Some(out) = &order.out {
        let fetched = lists.iter().map(|(_, _, crl)| crl.clone()).collect();
        keep(out, &newest(&cas, present(out, &cas), fetched)).map_err(|error| {
            Failure::new(FailureKind::Failed, format!("{} can't be written", out.display()))
                .caused_by(&error)
        })?;
    }
    if let Some(failure) = failed {
        return Err(failure);
    }
    let shown: Vec<Fetched> =
        lists.into_iter().map(|(url, issuer, crl)| Fetched::new(url, issuer, &crl)).collect();
    if json {
        return Ok(Output::json(&shown));
    }
    Ok(Output::done(shown.iter().map(Fetched::text).collect::<Vec<_>>().join("\n")))
}

/// With the CA that signed it, where that is looked at.
fn fetch_one(
    url: &str,
    cas: Option<&[CaCertificate]>,
    now: Timestamp,
) -> Result<(Option<String>, Crl), Failure> {
    let crl = fetch(url)?;
    let issuer = cas.map(|cas| check(&crl, cas, now).map(|ca| ca.name().to_owned()));
    Ok((issuer.transpose()?, crl))
}

/// Those that were typed, and those that certificates name.
fn urls(what: &[String], cas: &[CaCertificate]) -> Result<Vec<String>, Failure> {
    let mut urls = Vec::new();
    for one in what {
        if !Path::new(one).exists() {
            urls.push(one.clone());
            continue;
        }
        let certificates = standing::certificates(Path::new(one))?;
        let before = urls.len();
        for certificate in &certificates {
            let subject = Subject::of(certificate, cas).ok();
            urls.extend(subject.into_iter().flat_map(|subject| subject.sources().crl.clone()));
        }
        if urls.len() == before {
            let message = format!("no certificate in {one} names an address of a CRL");
            return Err(Failure::new(FailureKind::NotFound, message)
                .hint("give the address itself: http://HOST/ca/TAG.crl"));
        }
    }
    urls.dedup();
    Ok(urls)
}

fn fetch(url: &str) -> Result<Crl, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| {
        Failure::new(FailureKind::Environment, "nothing can be fetched").caused_by(&error)
    })?;
    let octets = runtime.block_on(standing::get(url, &Question::Get, LONGEST_CRL));
    runtime.shutdown_background();
    let octets = octets.map_err(|why| {
        Failure::new(FailureKind::Unreachable, format!("nothing came from {url}")).because(why)
    })?;
    read(&octets).map_err(|error| {
        Failure::new(FailureKind::Refused, format!("what came from {url} is no CRL"))
            .caused_by(&error)
    })
}

fn read(octets: &[u8]) -> Result<Crl, pki::CrlError> {
    match std::str::from_utf8(octets) {
        Ok(text) => Crl::from_pem(text),
        Err(_) => Crl::from_der(octets),
    }
}

/// The CA that signed it.
fn check<'a>(
    crl: &Crl,
    cas: &'a [CaCertificate],
    now: Timestamp,
) -> Result<&'a CaCertificate, Failure> {
    let ca = cas.iter().find(|ca| crl.verify(ca).is_ok());
    let ca = ca.ok_or_else(|| {
        Failure::new(FailureKind::Refused, "the list is signed by none of the CAs that are trusted")
            .hint("give the certificates of all of them: --ca FILE")
    })?;
    if crl.is_expired(now) {
        let message = format!("the list was due for renewal on {}", crl.next_update());
        return Err(Failure::new(FailureKind::Refused, message)
            .hint("whoever runs the CA has to see to it that it signs a new one"));
    }
    if crl.is_from_the_future(now) {
        let message = format!("the list is from the future: it speaks of {}", crl.this_update());
        return Err(Failure::new(FailureKind::Refused, message)
            .hint("a clock is wrong, this machine's or the CA's"));
    }
    Ok(ca)
}

/// What the file has of these CAs, run out or not: it stays while nothing better comes.
fn present(out: &Path, cas: &[CaCertificate]) -> Vec<Crl> {
    let text = fs::read_to_string(out).unwrap_or_default();
    let blocks = text.split_inclusive(END).filter(|block| block.contains(BEGIN));
    let read = blocks.filter_map(|block| Crl::from_pem(block).ok());
    read.filter(|crl| cas.iter().any(|ca| crl.verify(ca).is_ok())).collect()
}

/// Of each CA the one that was signed last. CAs are told apart by their keys: names may be the same.
fn newest(cas: &[CaCertificate], kept: Vec<Crl>, fetched: Vec<Crl>) -> Vec<Crl> {
    let mut newest: Vec<Crl> = Vec::new();
    for crl in kept.into_iter().chain(fetched) {
        let is_by = |other: &Crl, ca: &CaCertificate| other.verify(ca).is_ok();
        let signer = cas.iter().find(|ca| is_by(&crl, ca));
        let same = |other: &&mut Crl| signer.is_some_and(|ca| is_by(other, ca));
        match newest.iter_mut().find(same) {
            Some(other) if crl.is_older_than(other) => {}
            Some(other) => *other = crl,
            None => newest.push(crl),
        }
    }
    newest
}

/// In the file's place, whole or not at all; no list at all takes no file's place.
fn keep(out: &Path, lists: &[Crl]) -> io::Result<()> {
    let text: String = lists.iter().map(Crl::to_pem).collect();
    if lists.is_empty() || fs::read_to_string(out).is_ok_and(|present| present == text) {
        return Ok(());
    }
    sysio::replace_file(out, text.as_bytes(), 0o644, |_| Ok(())).map(drop)
}

impl Fetched {
    fn new(url: String, issuer: Option<String>, crl: &Crl) -> Self {
        let (this_update, next_update) = (crl.this_update(), crl.next_update());
        let (number, revoked) = (crl.number(), crl.revoked().len());
        Self { url, issuer, number, this_update, next_update, revoked }
    }

    fn text(&self) -> String {
        let signer = self.issuer.clone().unwrap_or_else(|| "not looked at: --verify".to_owned());
        fields(&[
            ("from", self.url.clone()),
            ("signed by", signer),
            ("CRL number", self.number.map_or_else(|| "-".to_owned(), |number| number.to_string())),
            ("signed", self.this_update.to_string()),
            ("next update", self.next_update.to_string()),
            ("revoked", self.revoked.to_string()),
        ])
    }
}

const BEGIN: &str = "-----BEGIN X509 CRL-----";
const END: &str = "-----END X509 CRL-----";
