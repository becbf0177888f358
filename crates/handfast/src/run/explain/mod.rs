//! `handfast explain`: what happened in a handshake, in words and pictures. What they say is `explain`'s.

mod capture;
mod diff;
mod inquiries;
mod secrets;
mod tls;
mod vpn;

use std::fs;
use std::path::Path;

use admin::failure::{Failure, FailureKind};
use explain::render;
use explain::story::{Stories, Story, VERSION};

use super::output::Output;
use super::told;
use crate::args::order::{ExplainOrder, Explained, Written};
use crate::args::typed::explain::FormatWord;

pub(super) use diff::run as run_diff;

/// Tells what was asked for.
pub(super) fn run(data: &Path, order: ExplainOrder) -> Result<Output, Failure> {
    let stories = match order.what {
        Explained::Capture(order) => capture::stories(&order)?,
        Explained::Tls(order) => one(tls::story(&order, data)?),
        Explained::Vpn { profile } => one(vpn::story(&profile)?),
        Explained::Demo => super::demo::handshake()?,
        Explained::Gateway { which } => told::by_gateway(data, which)?,
    };
    write(&stories, &order.written)
}

fn one(story: Story) -> Stories {
    Stories { version: VERSION, stories: vec![story], left_out: Vec::new() }
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
