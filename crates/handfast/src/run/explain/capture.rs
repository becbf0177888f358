//! A capture file, read with the secrets that its owner has.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;

use admin::failure::{Failure, FailureKind};
use explain::KeyLog;
use explain::capture::{CaptureError, Keys, Known, fill_bytes, read, read_opening, written};
use explain::story::Stories;
use zeroize::Zeroizing;

use crate::args::order::ExplainCaptureOrder;

/// What it holds; the tunnels' packets go to a file of their own, if they were asked for.
pub(super) fn stories(order: &ExplainCaptureOrder) -> Result<Stories, Failure> {
    let ExplainCaptureOrder { file, keylog, tls_auth, open_data } = order;
    let known = known(keylog.as_deref(), tls_auth)?;
    let source = File::open(file).map_err(|error| missing(file, &error))?;
    let told = match open_data {
        None => read(source, known),
        Some(to) => opening(source, known, to)?,
    };
    let mut told = told.map_err(|error| unfit(file, "no capture", &error))?;
    // A pipe can't be read twice, and a story without its bytes is a story all the same.
    if let Ok(again) = File::open(file)
        && again.metadata().is_ok_and(|file| file.is_file())
    {
        fill_bytes(again, &mut told).map_err(|error| unfit(file, "no capture", &error))?;
    }
    Ok(told)
}

fn known(keylog: Option<&Path>, tls_auth: &[std::path::PathBuf]) -> Result<Known, Failure> {
    let mut known = Known::default();
    if let Some(keylog) = keylog {
        let log =
            KeyLog::parse(&text(keylog)?).map_err(|error| unfit(keylog, "no key log", &error))?;
        known.log = Arc::new(log);
    }
    let mut keys = Keys::default();
    for key in tls_auth {
        keys.add(&text(key)?).map_err(|error| unfit(key, "no tls-auth key", &error))?;
    }
    known.keys = keys;
    Ok(known)
}

/// What users sent is written for its owner alone, and over nothing.
fn opening(
    source: File,
    known: Known,
    to: &Path,
) -> Result<Result<Stories, CaptureError>, Failure> {
    let new = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to);
    let mut out = BufWriter::new(new.map_err(|error| unwritable(to, &error))?);
    let mut outcome: io::Result<()> = out.write_all(&written::head());
    let told = read_opening(source, known, |packet| {
        if outcome.is_ok() {
            outcome = out.write_all(&written::packet(packet));
        }
    });
    outcome.and_then(|()| out.flush()).map_err(|error| unwritable(to, &error))?;
    if let Ok((_, opened)) = &told {
        let _ = writeln!(
            io::stderr(),
            "{}: {} packets of tunnels; beside them {} signs of life, and {} that stay closed",
            to.display(),
            opened.packets,
            opened.signs,
            opened.closed
        );
    }
    Ok(told.map(|(stories, _)| stories))
}

fn text(file: &Path) -> Result<Zeroizing<String>, Failure> {
    fs::read_to_string(file).map(Zeroizing::new).map_err(|error| missing(file, &error))
}

fn missing(file: &Path, error: &std::io::Error) -> Failure {
    Failure::new(FailureKind::NotFound, format!("{} can't be read", file.display()))
        .caused_by(error)
}

fn unfit(file: &Path, what: &str, error: &dyn std::error::Error) -> Failure {
    Failure::new(FailureKind::Failed, format!("{} is {what}", file.display())).caused_by(error)
}

fn unwritable(file: &Path, error: &io::Error) -> Failure {
    let failure =
        Failure::new(FailureKind::Environment, format!("{} can't be written", file.display()));
    failure.caused_by(error)
}
