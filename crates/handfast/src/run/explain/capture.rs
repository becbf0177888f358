//! A capture file, read with the secrets that its owner has.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::Arc;

use admin::failure::{Failure, FailureKind};
use explain::KeyLog;
use explain::capture::{
    Answerer, CaptureError, Endpoint, Keys, Known, Opened, answerers, fill_bytes, read_only,
    read_opening, written,
};
use explain::story::Stories;
use zeroize::Zeroizing;

use super::unreadable;
use super::written::unwritable;
use crate::args::order::ExplainCaptureOrder;
use crate::show::table::visible;

/// What it holds; the tunnels' packets go to a file of their own, if they were asked for.
pub(super) fn stories(order: &ExplainCaptureOrder) -> Result<Stories, Failure> {
    let ExplainCaptureOrder { file, keylog, tls_auth, only, open_data } = order;
    let known = known(keylog.as_deref(), tls_auth)?;
    let source = File::open(file).map_err(|error| unreadable(file, NO_CAPTURE, &error))?;
    let mut told = match open_data {
        None => read_only(source, known, *only),
        Some(to) => opening(source, known, *only, to)?,
    }
    .map_err(|error| untold(file, *only, error))?;
    // A pipe can't be read twice, and a story without its bytes is a story all the same.
    if let Some(again) = again(file) {
        fill_bytes(again, &mut told).map_err(|error| unfit(file, NO_CAPTURE, &error))?;
    }
    Ok(told)
}

fn known(keylog: Option<&Path>, tls_auth: &[std::path::PathBuf]) -> Result<Known, Failure> {
    let mut known = Known::default();
    if let Some(keylog) = keylog {
        let log = KeyLog::parse(&text(keylog, NO_KEY_LOG)?)
            .map_err(|error| unfit(keylog, NO_KEY_LOG, &error))?;
        known.log = Arc::new(log);
    }
    let mut keys = Keys::default();
    for key in tls_auth {
        keys.add(&text(key, NO_KEY)?).map_err(|error| unfit(key, NO_KEY, &error))?;
    }
    known.keys = keys;
    Ok(known)
}

/// What users sent is written for its owner alone, and over nothing; where it fails nothing is left.
fn opening(
    source: File,
    known: Known,
    only: Option<Endpoint>,
    to: &Path,
) -> Result<Result<Stories, CaptureError>, Failure> {
    let new = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to);
    let new = new.map_err(|error| unwritable(to, &error))?;
    let told = open_into(new, source, known, only);
    if !matches!(told, Ok(Ok(_))) {
        let _ = fs::remove_file(to);
    }
    let (stories, opened) = match told.map_err(|error| unwritable(to, &error))? {
        Ok(told) => told,
        Err(error) => return Ok(Err(error)),
    };
    let _ = writeln!(
        io::stderr(),
        "{}: {} packets of tunnels; beside them {} signs of life, and {} that stay closed",
        visible(&to.display().to_string()),
        opened.packets,
        opened.signs,
        opened.closed
    );
    Ok(Ok(stories))
}

fn open_into(
    new: File,
    source: File,
    known: Known,
    only: Option<Endpoint>,
) -> io::Result<Result<(Stories, Opened), CaptureError>> {
    let mut out = BufWriter::new(new);
    let mut outcome: io::Result<()> = out.write_all(&written::head());
    let told = read_opening(source, known, only, |packet| {
        if outcome.is_ok() {
            outcome = out.write_all(&written::packet(packet));
        }
    });
    outcome.and_then(|()| out.flush())?;
    Ok(told)
}

/// Of a file with secrets, which was to be of this kind.
fn text(file: &Path, what: &str) -> Result<Zeroizing<String>, Failure> {
    let exposed =
        |data: fs::Metadata| data.is_file() && data.permissions().mode() & READ_BY_OTHERS != 0;
    if fs::metadata(file).is_ok_and(exposed) {
        let name = visible(&file.display().to_string());
        let _ = writeln!(
            io::stderr(),
            "warning: {name} holds secrets, and other users of this machine may read it: chmod 600 {}",
            word(&name)
        );
    }
    fs::read_to_string(file).map(Zeroizing::new).map_err(|error| unreadable(file, what, &error))
}

/// Once more from the beginning, which a pipe has not.
fn again(file: &Path) -> Option<File> {
    File::open(file).ok().filter(|file| file.metadata().is_ok_and(|data| data.is_file()))
}

fn untold(file: &Path, only: Option<Endpoint>, error: CaptureError) -> Failure {
    match (error, only) {
        (CaptureError::NothingThere, Some(only)) => elsewhere(file, only),
        (error, _) => unfit(file, NO_CAPTURE, &error),
    }
}

/// Nothing was from or to the end that was asked for: who is there in its place.
fn elsewhere(file: &Path, only: Endpoint) -> Failure {
    let message = format!("nothing in {} is from or to {only}", file.display());
    let failure = Failure::new(FailureKind::NotFound, message);
    let Some(all) = again(file).and_then(|file| answerers(file).ok()) else { return failure };
    if all.is_empty() {
        return failure.because("no connection over TCP and no session of OpenVPN begins in it");
    }
    let (first, more) = all.split_at(all.len().min(MOST_NAMED));
    let mut named: Vec<String> = first.iter().map(in_words).collect();
    if !more.is_empty() {
        named.push(format!("{} more", more.len()));
    }
    failure
        .because(format!("it holds conversations with {}", named.join(", ")))
        .hint("name one of them with --only, or leave it out")
}

fn in_words(one: &Answerer) -> String {
    let Answerer { at, transport, conversations } = one;
    format!("{at} ({conversations} over {})", transport.to_uppercase())
}

fn unfit(file: &Path, what: &str, error: &dyn std::error::Error) -> Failure {
    Failure::new(FailureKind::Failed, format!("{} is {what}", file.display())).caused_by(error)
}

/// As a shell takes it.
fn word(name: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/._-+,:@%".contains(c);
    match name.chars().all(plain) {
        true => name.to_owned(),
        false => format!("'{}'", name.replace('\'', r"'\''")),
    }
}

const NO_CAPTURE: &str = "no capture";
const NO_KEY_LOG: &str = "no key log";
const NO_KEY: &str = "no tls-auth key";
/// So many ends of a capture are named, the busiest.
const MOST_NAMED: usize = 8;
const READ_BY_OTHERS: u32 = 0o044;
