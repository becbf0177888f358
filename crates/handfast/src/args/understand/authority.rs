//! The CA: its key, its certificates, its lists and its answers.

use std::path::PathBuf;

use admin::failure::{Failure, FailureKind};
use admin::request::{CertificateUsage, Request};
use pki::KeyType;

use super::words::{certificate_name, revoke_reason};
use crate::args::order::{
    Action, CertKey, CertOrder, CrlFetchOrder, OcspOrder, SealOrder, SignerOrder, WantedCert,
};
use crate::args::typed::authority as typed;

pub(super) fn understand_ca(command: typed::Ca) -> Action {
    match command {
        typed::Ca::Show => Action::Ask(Request::CaShow),
        typed::Ca::Export { out } => Action::CaExport { out },
        typed::Ca::Rollover(step) => Action::Ask(rollover(&step)),
        typed::Ca::Seal { key_file, credential, secret } => {
            Action::CaSeal(seal_order(key_file, credential.zip(secret)))
        }
        typed::Ca::Unseal { secret } => Action::CaUnseal { secret },
        typed::Ca::Unlock => Action::CaUnlock,
    }
}

fn rollover(step: &typed::Rollover) -> Request {
    match *step {
        typed::Rollover::Start => Request::RolloverStart,
        typed::Rollover::Status => Request::RolloverStatus,
        typed::Rollover::Finish { force } => Request::RolloverFinish { force },
    }
}

fn seal_order(key_file: Option<PathBuf>, credential: Option<(String, PathBuf)>) -> SealOrder {
    match (key_file, credential) {
        (Some(file), _) => SealOrder::KeyFile(file),
        (None, Some((name, secret))) => SealOrder::Credential { name, secret },
        (None, None) => SealOrder::Passphrase,
    }
}

pub(super) fn understand_crl(command: typed::Crl) -> Action {
    match command {
        typed::Crl::Show { pem: true } => Action::CrlPem,
        typed::Crl::Show { pem: false } => Action::Ask(Request::CrlShow),
        typed::Crl::Fetch(typed::CrlFetch { what, verify, ca, out }) => {
            Action::CrlFetch(CrlFetchOrder { what, verify, ca, out })
        }
    }
}

pub(super) fn understand_ocsp(command: typed::Ocsp) -> Action {
    let typed::Ocsp::Ask(typed::OcspAsk { what, ca, url }) = command;
    Action::OcspAsk(OcspOrder { what, ca, url })
}

pub(super) fn understand_signer(signer: typed::Signer) -> Action {
    let typed::Signer { log, keys, records } = signer;
    Action::Signer(SignerOrder { log, keys, records })
}

pub(super) fn understand_cert(command: typed::Cert) -> Result<Action, Failure> {
    Ok(match command {
        typed::Cert::Issue { name, hosts, profile, days, key } => {
            let usage = match profile {
                typed::UsageWord::Server => CertificateUsage::Server,
                typed::UsageWord::Client => CertificateUsage::Client,
                typed::UsageWord::Peer => CertificateUsage::Peer,
            };
            if usage == CertificateUsage::Client && !hosts.is_empty() {
                return Err(hosts_of_a_client());
            }
            cert_order(&name, WantedCert::First { usage, hosts, days }, key)?
        }
        typed::Cert::Renew { name, key } => cert_order(&name, WantedCert::Renewed, key)?,
        typed::Cert::List => Action::Ask(Request::CertList),
        typed::Cert::Show { name } => {
            Action::Ask(Request::CertShow { name: certificate_name(&name)? })
        }
        typed::Cert::Revoke { name, reason } => {
            let (name, reason) = (certificate_name(&name)?, revoke_reason(reason));
            Action::Ask(Request::CertRevoke { name, reason })
        }
    })
}

fn cert_order(name: &str, wanted: WantedCert, key: typed::CertKey) -> Result<Action, Failure> {
    let typed::CertKey { csr, key, out } = key;
    let made = match key {
        typed::KeyWord::P256 => KeyType::P256,
        typed::KeyWord::Rsa2048 => KeyType::Rsa2048,
        typed::KeyWord::Rsa3072 => KeyType::Rsa3072,
        typed::KeyWord::Rsa4096 => KeyType::Rsa4096,
    };
    let key = csr.map_or(CertKey::Made(made), CertKey::Csr);
    Ok(Action::Cert(CertOrder { name: certificate_name(name)?, wanted, key, out }))
}

fn hosts_of_a_client() -> Failure {
    Failure::new(FailureKind::Usage, "a client's certificate has no host names")
        .hint("leave out --san, or --profile client")
}
