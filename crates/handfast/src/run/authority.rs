//! CA, CRL and figures as files for other programs.

use std::fs;
use std::path::Path;

use admin::failure::{Failure, FailureKind};
use admin::metrics;
use admin::request::Request;
use admin::response::Response;

use super::ask;
use super::output::{Output, unexpected};

pub(crate) fn crl_pem(data: &Path) -> Result<Output, Failure> {
    match ask::ask(data, Request::CrlShow)? {
        Response::Crl(crl) => Ok(Output::done(crl.pem)),
        _ => Err(unexpected()),
    }
}

pub(crate) fn ca_export(data: &Path, json: bool, out: Option<&Path>) -> Result<Output, Failure> {
    let Response::Ca(ca) = ask::ask(data, Request::CaShow)? else { return Err(unexpected()) };
    let Some(out) = out else {
        return Ok(if json {
            Output::json(&ca.certificate)
        } else {
            Output::done(ca.trusted_pem())
        });
    };
    if let Ok(there) = fs::read(out)
        && !there.starts_with(b"-----BEGIN CERTIFICATE-----")
    {
        let message = format!("{} is there and is not a certificate", out.display());
        return Err(Failure::new(FailureKind::Conflict, message)
            .hint("name another file with --out, or leave it out to print the certificate"));
    }
    let pem = ca.trusted_pem();
    fs::write(out, &pem).map_err(|error| {
        Failure::new(FailureKind::Failed, format!("{} can't be written", out.display()))
            .caused_by(&error)
            .hint("name another file with --out, or leave it out to print the certificate")
    })?;
    Ok(if json {
        Output::json(&ca.certificate)
    } else {
        let whose = match pem.matches("BEGIN CERTIFICATE").count() {
            1 => "the CA's certificate".to_owned(),
            count => format!("the certificates of {count} CAs that are trusted"),
        };
        Output::done(format!("wrote {whose} to {}\n", out.display()))
    })
}

pub(crate) fn prometheus(data: &Path) -> Result<Output, Failure> {
    match ask::ask(data, Request::Status)? {
        Response::Status(status) => Ok(Output::done(metrics::prometheus(&status.figures))),
        _ => Err(unexpected()),
    }
}
