//! `handfast ocsp ask`: what a client would find who wants to know whether a certificate still holds. Every
//! source is asked, though a client leaves off at the first that counts.
//!
//! It needs no gateway and no data folder; where there is one, its CA is trusted beside what is named.

mod handshake;
mod inquiry;

use std::fs;
use std::path::Path;

use admin::failure::{Failure, FailureKind};
use admin::request::Request;
use admin::response::{CaDetail, Response};
use clock::{Clock as _, SystemClock};
use pki::CaCertificate;
use pki::standing::Subject;
use rustls::pki_types::CertificateDer;

use super::ask;
use super::output::Output;
use crate::args::order::OcspOrder;
use crate::show::standing::{self, Answer, Inquiry, Said};

use inquiry::Questions;

pub(super) use handshake::{LIMIT, Watcher, connect, is_cut, reach, unreached};
pub(super) use inquiry::get;

/// A certificate in question, with what came along.
pub(super) struct Shown {
    pub(super) certificate: CertificateDer<'static>,
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) staple: Option<Vec<u8>>,
    /// The server's signature was not made with the certificate's key.
    pub(super) proof_is_wrong: bool,
}

/// Asks, and says what came.
pub(crate) fn ocsp_ask(data: &Path, json: bool, order: &OcspOrder) -> Result<Output, Failure> {
    let shown = shown(&order.what)?;
    let subject = subject(&shown, order.ca.as_deref(), data)?;
    if subject.issuer().is_none() {
        return Err(Failure::new(
            FailureKind::NotFound,
            "the CA that issued this certificate is not at hand, so no answer could be checked",
        )
        .hint("give the CA's certificate: --ca FILE"));
    }
    let questions = Questions::new(&subject, order.url.as_deref());
    let answers = ask_all(&questions, &shown)?;
    let inquiry = Inquiry::new(&subject, answers);
    let mut output = match json {
        true => Output::json(&inquiry),
        false => Output::done(standing::text(&inquiry)),
    };
    output.exit_code = match inquiry.verdict {
        Answer::Good => 0,
        Answer::Revoked => FailureKind::Refused.exit_code(),
        Answer::Unknown | Answer::None => FailureKind::Unreachable.exit_code(),
    };
    Ok(output)
}

/// What is said of a certificate that was shown: by what was stapled to it, and where that is wanted by every source
/// that it names. None where its issuer is not at hand, so that no answer could be checked.
pub(super) fn said_of(
    shown: &Shown,
    named: Option<&Path>,
    data: &Path,
    ask: bool,
) -> Result<Option<Vec<Said>>, Failure> {
    let subject = subject(shown, named, data)?;
    if subject.issuer().is_none() {
        return Ok(None);
    }
    let questions = match ask {
        true => Questions::new(&subject, None),
        false => Questions::of_the_staple(&subject),
    };
    ask_all(&questions, shown).map(Some)
}

/// What the staple says alone, by a CA among these or among what was sent along; none where there is no staple, or none of them
/// issued the certificate.
pub(super) fn said_by_staple(shown: &Shown, cas: &[CaCertificate]) -> Option<Said> {
    let sent = shown.chain.iter().filter_map(|der| CaCertificate::from_der(der).ok());
    let all: Vec<CaCertificate> = cas.iter().cloned().chain(sent).collect();
    let subject = Subject::of(&shown.certificate, &all).ok()?;
    subject.issuer()?;
    let staple = shown.staple.as_deref()?;
    Some(Questions::of_the_staple(&subject).stapled(staple, SystemClock.now().into()))
}

fn ask_all(questions: &Questions<'_>, shown: &Shown) -> Result<Vec<Said>, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| {
        Failure::new(FailureKind::Environment, "nothing can be asked").caused_by(&error)
    })?;
    let answers = runtime.block_on(questions.ask(shown.staple.as_deref(), &SystemClock));
    runtime.shutdown_background();
    Ok(answers)
}

/// The certificate in question, with its issuer where that is known or was sent along.
fn subject(shown: &Shown, named: Option<&Path>, data: &Path) -> Result<Subject, Failure> {
    let mut cas = known(named, data)?;
    cas.extend(shown.chain.iter().filter_map(|der| CaCertificate::from_der(der).ok()));
    Subject::of(&shown.certificate, &cas).map_err(|error| {
        Failure::new(FailureKind::Usage, "the certificate can't be read").caused_by(&error)
    })
}

/// From a file, or from a TLS server.
fn shown(what: &str) -> Result<Shown, Failure> {
    if Path::new(what).exists() {
        let mut certificates = certificates(Path::new(what))?.into_iter();
        let Some(certificate) = certificates.next() else { return Err(no_certificate(what)) };
        return Ok(Shown {
            certificate,
            chain: certificates.collect(),
            staple: None,
            proof_is_wrong: false,
        });
    }
    let server = what.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?)));
    let Some((host, port)) = server else {
        return Err(Failure::new(FailureKind::NotFound, format!("there is no file {what}"))
            .hint("name a certificate's file, or a TLS server as HOST:PORT"));
    };
    handshake::with(host.trim_start_matches('[').trim_end_matches(']'), port)
}

/// The CAs that were named, and else those of the data folder that are trusted: what they vouch for is believed.
pub(super) fn trusted(named: Option<&Path>, data: &Path) -> Result<Vec<CaCertificate>, Failure> {
    cas(named, data, CaDetail::trusted_pem)
}

/// The same, with those that are trusted no longer: what a CA says of its own certificates is checked by it all the same.
pub(super) fn known(named: Option<&Path>, data: &Path) -> Result<Vec<CaCertificate>, Failure> {
    cas(named, data, CaDetail::all_pem)
}

/// From a file, and else from the data folder, if there is one that answers.
fn cas(
    named: Option<&Path>,
    data: &Path,
    which: fn(&CaDetail) -> String,
) -> Result<Vec<CaCertificate>, Failure> {
    let ders = match named {
        Some(file) => certificates(file)?,
        None => match ask::ask(data, Request::CaShow) {
            Ok(Response::Ca(ca)) => pki::certificates_from_pem(&which(&ca)).unwrap_or_default(),
            _ => Vec::new(),
        },
    };
    Ok(ders.iter().filter_map(|der| CaCertificate::from_der(der).ok()).collect())
}

/// All certificates of a file, PEM or DER.
pub(super) fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let octets = fs::read(file).map_err(|error| {
        Failure::new(FailureKind::NotFound, format!("{} can't be read", file.display()))
            .caused_by(&error)
    })?;
    match std::str::from_utf8(&octets) {
        Ok(text) => pki::certificates_from_pem(text)
            .map_err(|error| no_certificate(&file.display().to_string()).caused_by(&error)),
        Err(_) => Ok(vec![CertificateDer::from(octets)]),
    }
}

fn no_certificate(file: &str) -> Failure {
    Failure::new(FailureKind::Usage, format!("there is no certificate in {file}"))
}
