//! `handfast explain`: what happened in a handshake, in words and pictures. What they say is `explain`'s.

mod before_tls;
mod capture;
mod declined;
mod diff;
mod distrusted;
mod inquiries;
mod kept;
mod profiled;
mod record;
mod secrets;
mod tap;
mod tls;
mod vpn;
mod written;

use std::io;
use std::path::{Path, PathBuf};

use admin::failure::{Failure, FailureKind};
use explain::render;
use explain::story::{Ending, Stories, Story, VERSION};

use super::output::Output;
use super::told;
use crate::args::order::{ExplainOrder, Explained, Written};
use crate::args::typed::explain::FormatWord;

pub(super) use diff::run as run_diff;

/// Tells what was asked for.
pub(super) fn run(data: &Path, order: ExplainOrder) -> Result<Output, Failure> {
    keep_what_is_named(&order)?;
    let own = match order.what {
        Explained::Tls(what) => one(tls::story(&what, data)?),
        Explained::Vpn(what) => vpn::stories(&what)?,
        Explained::Capture(what) => return write(&capture::stories(&what)?, &order.written),
        Explained::Demo => return write(&super::demo::handshake()?, &order.written),
        Explained::Gateway { which } => {
            return write(&told::by_gateway(data, which)?, &order.written);
        }
    };
    let exit_code = came_of(&own.stories);
    Ok(Output { exit_code, ..write(&own, &order.written)? })
}

/// For scripts that ask whether somebody is let in: a handshake of our own was to come to its end. A server that
/// refused says more than others that were silent.
fn came_of(stories: &[Story]) -> u8 {
    let refused = FailureKind::Refused.exit_code();
    let mut codes = stories.iter().map(|story| code_of(&story.ending));
    match codes.next_back().unwrap_or_default() {
        0 => 0,
        _ if codes.any(|code| code == refused) => refused,
        last => last,
    }
}

fn code_of(ending: &Ending) -> u8 {
    match ending {
        Ending::Done | Ending::Ended(_) | Ending::Unrenewed(_) | Ending::Dropped(_) => 0,
        Ending::Cut => FailureKind::Unreachable.exit_code(),
        Ending::Broken(broken) if broken.by.is_none() => FailureKind::Unreachable.exit_code(),
        Ending::Broken(_) | Ending::Distrusted(_) => FailureKind::Refused.exit_code(),
    }
}

/// Nothing that a story is told from is written over, nor what else is written.
fn keep_what_is_named(order: &ExplainOrder) -> Result<(), Failure> {
    let named: Vec<&PathBuf> = match &order.what {
        Explained::Capture(what) => {
            let beside = what.keylog.iter().chain(&what.tls_auth).chain(&what.open_data);
            beside.chain([&what.file]).collect()
        }
        Explained::Tls(what) => {
            what.ca.iter().chain(&what.device).chain(what.kept.files()).collect()
        }
        Explained::Vpn(what) => what.kept.files().chain([&what.profile]).collect(),
        Explained::Gateway { .. } | Explained::Demo => Vec::new(),
    };
    written::keep(&order.written, named.into_iter().map(PathBuf::as_path))
}

/// A file that was named, and was to be of this kind.
fn unreadable(file: &Path, what: &str, error: &io::Error) -> Failure {
    let name = file.display();
    let (kind, message) = match error.kind() {
        io::ErrorKind::NotFound => (FailureKind::NotFound, format!("{name} can't be read")),
        io::ErrorKind::PermissionDenied => {
            (FailureKind::Environment, format!("{name} can't be read"))
        }
        // It is no text.
        io::ErrorKind::InvalidData => (FailureKind::Failed, format!("{name} is {what}")),
        _ => (FailureKind::Failed, format!("{name} can't be read")),
    };
    Failure::new(kind, message).caused_by(error)
}

fn one(story: Story) -> Stories {
    Stories { version: VERSION, stories: vec![story], left_out: Vec::new() }
}

fn write(stories: &Stories, written: &Written) -> Result<Output, Failure> {
    let text = match written.format {
        FormatWord::Term if written.short => render::short(stories, written.text_width),
        FormatWord::Term => render::term(stories, written.text_width),
        FormatWord::Svg => render::svg(stories),
        FormatWord::Html => render::html(stories),
        FormatWord::Json => render::json(stories),
        FormatWord::Mermaid => render::mermaid(stories),
    };
    written::put(text, written)
}
