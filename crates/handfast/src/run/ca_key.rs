//! The CA's key on the disk: sealed, in the clear, and opened for a running gateway.
//!
//! Secrets come from a file, or from whoever sits at the terminal; never from the command line, where others
//! of the machine see them.

use std::fs;
use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::path::{Path, absolute};

use admin::failure::{Failure, FailureKind};
use admin::request::Request;
use admin::response::Response;
use admin::secret::SecretText;
use gateway::ca_key;
use gateway::data::DataDir;
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use serde_json::json;
use signer::Protection;
use zeroize::Zeroizing;

use super::ask::Line;
use super::output::{Output, unexpected};
use crate::args::order::SealOrder;

pub(crate) fn seal(data: &Path, json: bool, order: SealOrder) -> Result<Output, Failure> {
    let data = DataDir::new(data);
    let former = former(&data, None)?;
    let (protection, secret) = match order {
        SealOrder::Passphrase => (Protection::Passphrase, twice()?),
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
    let typed = passphrase("passphrase of the CA's key: ")?;
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
            passphrase("present passphrase of the CA's key: ").map(Some)
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

fn twice() -> Result<Zeroizing<Vec<u8>>, Failure> {
    let first = passphrase("new passphrase of the CA's key: ")?;
    if !(LEAST_TYPED..=MOST).contains(&first.len()) {
        let message = format!("a passphrase has {LEAST_TYPED} octets or more");
        return Err(Failure::new(FailureKind::Usage, message));
    }
    if io::stdin().is_terminal() && passphrase("again: ")? != first {
        return Err(Failure::new(FailureKind::Usage, "the two are not the same"));
    }
    Ok(first)
}

/// A line of standard input; what is typed at a terminal is not shown.
fn passphrase(prompt: &str) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let _hidden = Hidden::at_the_terminal(prompt);
    let mut line = Zeroizing::new(Vec::with_capacity(2 * MOST));
    io::stdin().lock().read_until(b'\n', &mut line).map_err(|error| {
        Failure::new(FailureKind::Environment, "no passphrase could be read").caused_by(&error)
    })?;
    while line.last().is_some_and(|last| [b'\n', b'\r'].contains(last)) {
        line.pop();
    }
    Ok(line)
}

/// A terminal that shows nothing that is typed. Dropping it makes it as it was.
struct Hidden(Option<rustix::termios::Termios>);

impl Hidden {
    fn at_the_terminal(prompt: &str) -> Self {
        let Ok(before) = tcgetattr(io::stdin()) else { return Self(None) };
        let _ = write!(io::stderr(), "{prompt}");
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &silent);
        Self(Some(before))
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, before);
            let _ = writeln!(io::stderr());
        }
    }
}

fn not_text() -> Failure {
    Failure::new(FailureKind::Usage, "the passphrase is no text in UTF-8")
}

const LEAST_TYPED: usize = 8;
const LEAST_OF_A_FILE: usize = 16;
const MOST: usize = 4096;
