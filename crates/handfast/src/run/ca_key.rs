//! The CA's key on the disk: sealed, in the clear, and opened for a running gateway.
//!
//! Secrets come from a file, or from whoever sits at the terminal; never from the command line, where others
//! of the machine see them.

use std::fs;
use std::path::{Path, absolute};

use admin::failure::{Failure, FailureKind};
use admin::request::Request;
use admin::response::Response;
use admin::secret::SecretText;
use gateway::ca_key;
use gateway::data::DataDir;
use serde_json::json;
use signer::Protection;
use zeroize::Zeroizing;

use super::ask::Line;
use super::output::{Output, unexpected};
use super::passphrase::{self, MOST};
use crate::args::order::SealOrder;

pub(crate) fn seal(data: &Path, json: bool, order: SealOrder) -> Result<Output, Failure> {
    let data = DataDir::new(data);
    let former = former(&data, None)?;
    let (protection, secret) = match order {
        SealOrder::Passphrase => {
            (Protection::Passphrase, passphrase::typed_twice("new passphrase of the CA's key: ")?)
        }
        SealOrder::KeyFile(file) => {
            let secret = read(&file)?;
            (Protection::KeyFile(absolute(&file).unwrap_or(file)), secret)
        }
        SealOrder::Credential { name, secret } => (Protection::Credential(name), read(&secret)?),
    };
    let keys = ca_key::seal(&data, &protection, &secret, former.as_deref().map(Vec::as_slice))?;
    if json {
        return Ok(Output::json(&json!({ "sealed": keys, "with": protection.to_string() })));
    }
    Ok(Output::done(format!(
        "sealed {} with {protection}; what was on the disk and in backups before is as open as it was\n",
        count(keys)
    )))
}

pub(crate) fn unseal(data: &Path, json: bool, secret: Option<&Path>) -> Result<Output, Failure> {
    let data = DataDir::new(data);
    let former = former(&data, secret)?;
    let keys = ca_key::unseal(&data, former.as_deref().map(Vec::as_slice))?;
    if json {
        return Ok(Output::json(&json!({ "in_the_clear": keys })));
    }
    Ok(Output::done(format!("wrote {} in the clear\n", count(keys))))
}

pub(crate) fn unlock(data: &Path, json: bool) -> Result<Output, Failure> {
    let mut line = Line::open(data)?;
    if !line.is_to_running_gateway() {
        let failure =
            Failure::new(FailureKind::NotRunning, "no gateway runs that could use the key");
        return Err(failure.hint("start it, then repeat"));
    }
    let typed = passphrase::typed("passphrase of the CA's key: ")?;
    let text = str::from_utf8(&typed).map_err(|_| not_text())?;
    let request = Request::CaUnlock { passphrase: SecretText::new(text.to_owned()) };
    match line.ask(request)? {
        Response::Ca(ca) if json => Ok(Output::json(&ca)),
        Response::Ca(ca) => Ok(Output::done(format!(
            "the key of {} is open until the gateway or its signer ends\n",
            ca.certificate.subject
        ))),
        _ => Err(unexpected()),
    }
}

/// What opens the keys as they are, where somebody has to say it.
fn former(data: &DataDir, secret: Option<&Path>) -> Result<Option<Zeroizing<Vec<u8>>>, Failure> {
    match (secret, ca_key::protection(data)) {
        (Some(file), _) => read(file).map(Some),
        (None, Some(Protection::Passphrase)) => {
            passphrase::typed("present passphrase of the CA's key: ").map(Some)
        }
        (None, _) => Ok(None),
    }
}

fn count(keys: usize) -> String {
    format!("{keys} key{}", if keys == 1 { "" } else { "s" })
}

fn read(file: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let secret = fs::read(file).map(Zeroizing::new).map_err(|error| {
        Failure::new(FailureKind::Environment, format!("{} can't be read", file.display()))
            .caused_by(&error)
    })?;
    match secret.len() {
        LEAST_OF_A_FILE..=MOST => Ok(secret),
        octets => Err(Failure::new(
            FailureKind::Usage,
            format!("{} has {octets} octets, which is no secret for a key", file.display()),
        )
        .hint("make one: head -c 32 /dev/urandom > FILE")),
    }
}

fn not_text() -> Failure {
    Failure::new(FailureKind::Usage, "the passphrase is no text in UTF-8")
}

const LEAST_OF_A_FILE: usize = 16;
