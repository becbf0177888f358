//! `handfast cert issue|renew`: the folder is looked at first, then the key is made, then the certificate is asked
//! for, then both are put in place.
//!
//! The key is made by the command and goes to nobody: the gateway gets a CSR. It is on the disk before the
//! certificate is asked for, so that no certificate is without its key.

use std::path::{Path, PathBuf};

use admin::failure::{Failure, FailureKind};
use admin::request::Request;
use admin::response::{NamedDetail, Response};
use admin::secret::SecretText;
use gateway::profile::folder::Folder;
use pki::{Csr, KeyError, PrivateKey};
use serde::Serialize;
use sysio::FolderError;

use super::ask::Line;
use super::csr;
use super::output::{Output, unexpected};
use crate::args::order::{CertKey, CertOrder, WantedCert};
use crate::show;

pub(crate) fn run(data: &Path, json: bool, order: CertOrder) -> Result<Output, Failure> {
    let CertOrder { name, wanted, key, out } = order;
    let mut line = Line::open(data)?;
    let mut folder = Folder::open(&out).map_err(|error| not_written(&error))?;
    let [certificate_file, key_file] = ["crt", "key"].map(|kind| format!("{name}.{kind}"));
    let mut files = vec![folder.target(&certificate_file)];
    let elsewhere = matches!(key, CertKey::Csr(_));
    let csr_pem = match key {
        CertKey::Csr(file) => csr::text(&file)?,
        CertKey::Made(kind) => {
            let key = PrivateKey::generate(kind).map_err(|error| no_key(&error))?;
            let pem = SecretText::new(key.to_pem().to_string());
            folder.stage(&key_file, &pem).map_err(|error| not_written(&error))?;
            files.push(folder.target(&key_file));
            Csr::pem_for(&key).map_err(|error| no_key(&error))?
        }
    };
    let asked = if elsewhere { asked_for(&csr_pem) } else { Vec::new() };
    let request = match wanted {
        WantedCert::First { usage, hosts, days } => {
            Request::CertIssue { name, usage, hosts, days, csr_pem, elsewhere }
        }
        WantedCert::Renewed => Request::CertRenew { name, csr_pem, elsewhere },
    };
    let Response::Named(detail) = line.ask(request)? else { return Err(unexpected()) };
    let newest = detail.certificates.first().ok_or_else(unexpected)?;
    let text = SecretText::new(newest.pem.clone());
    folder.stage(&certificate_file, &text).map_err(|error| not_written(&error))?;
    folder.commit().map_err(|left| {
        not_written(&left.source).because(format!("it lies at {}", left.kept.display()))
    })?;
    line.close();
    let left_out = left_out(asked, &detail);
    let written = Written { detail, files, left_out };
    Ok(match json {
        true => Output::json(&written),
        false => Output::done(text_of(&written)),
    })
}

/// What was issued and written, for `--json` too.
#[derive(Debug, Serialize)]
struct Written {
    #[serde(flatten)]
    detail: NamedDetail,
    files: Vec<PathBuf>,
    /// Hosts that the CSR asks for and that the certificate does not have.
    left_out: Vec<String>,
}

fn text_of(written: &Written) -> String {
    let mut text = show::cert::issued(&written.detail);
    text.push_str(&show::cert::left_out(&written.detail, &written.left_out));
    for file in &written.files {
        text.push_str(&format!("wrote {}\n", file.display()));
    }
    text
}

/// One that can't be read is refused by whoever issues, and asks for nothing.
fn asked_for(csr_pem: &str) -> Vec<String> {
    Csr::from_pem(csr_pem).map(|csr| csr.hosts().to_vec()).unwrap_or_default()
}

fn left_out(mut asked: Vec<String>, detail: &NamedDetail) -> Vec<String> {
    asked.retain(|host| !detail.named.hosts.iter().any(|has| has.eq_ignore_ascii_case(host)));
    asked
}

fn not_written(error: &FolderError) -> Failure {
    Failure::new(FailureKind::Failed, "the files can't be written")
        .caused_by(error)
        .hint("name another folder: `--out DIR`")
}

fn no_key(error: &KeyError) -> Failure {
    Failure::new(FailureKind::Environment, "no key could be made").caused_by(error)
}
