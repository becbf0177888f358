//! `handfast explain`: what happened in a handshake, in words and pictures. What they say is `explain`'s.

mod diff;
mod secrets;
mod tls;
mod vpn;

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use admin::failure::{Failure, FailureKind};
use explain::KeyLog;
use explain::capture::{Keys, Known};
use explain::render;
use explain::story::{Stories, Story, VERSION};
use zeroize::Zeroizing;

use super::output::Output;
use crate::args::order::{ExplainOrder, Explained, Written};
use crate::args::typed::explain::FormatWord;

pub(super) use diff::run as run_diff;

/// Tells what was asked for.
pub(super) fn run(data: &Path, order: ExplainOrder) -> Result<Output, Failure> {
    let stories = match order.what {
        Explained::Capture { file, keylog, tls_auth } => {
            capture(&file, keylog.as_deref(), &tls_auth)?
        }
        Explained::Tls { target, ca } => one(tls::story(&target, ca.as_deref(), data)?),
        Explained::Vpn { profile } => one(vpn::story(&profile)?),
    };
    write(&stories, &order.written)
}

fn one(story: Story) -> Stories {
    Stories { version: VERSION, stories: vec![story], left_out: Vec::new() }
}

fn capture(
    file: &Path,
    keylog: Option<&Path>,
    tls_auth: &[std::path::PathBuf],
) -> Result<Stories, Failure> {
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
    let source = File::open(file).map_err(|error| missing(file, &error))?;
    explain::capture::read(source, known).map_err(|error| unfit(file, "no capture", &error))
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

fn write(stories: &Stories, written: &Written) -> Result<Output, Failure> {
    let text = match written.format {
        FormatWord::Term => render::term(stories, written.text_width),
        FormatWord::Svg => render::svg(stories),
        FormatWord::Html => render::html(stories),
        FormatWord::Json => render::json(stories),
        FormatWord::Mermaid => render::mermaid(stories),
    };
    let Some(out) = &written.out else { return Ok(Output::done(text)) };
    fs::write(out, text).map_err(|error| {
        Failure::new(FailureKind::Environment, format!("{} can't be written", out.display()))
            .caused_by(&error)
    })?;
    Ok(Output::done(format!("{}\n", out.display())))
}
