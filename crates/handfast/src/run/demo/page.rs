//! A page with alice's handshake, as the gateway tells it: the one thing that the demo may leave behind.

use std::fs;
use std::path::Path;

use admin::failure::{Failure, FailureKind};
use explain::render;

use super::stage::{Stage, running};
use super::tell::Teller;

/// Writes it, where it is wanted.
pub(super) fn show(stage: &mut Stage, page: Option<&Path>, teller: &Teller) -> Result<(), Failure> {
    let Some(page) = page else { return Ok(()) };
    let stories = running(&mut stage.gateway)?.explain("alice")?;
    fs::write(page, render::html(&stories)).map_err(|error| {
        Failure::new(FailureKind::Environment, format!("{} can't be written", page.display()))
            .caused_by(&error)
    })?;
    let steps: usize = stories.stories.iter().map(|story| story.steps.len()).sum();
    teller.seen("explained", format!("alice's handshake in {}", page.display()), steps_of(steps));
    Ok(())
}

/// Says how to look at it, or how to have it.
pub(super) fn offer(page: Option<&Path>, teller: &Teller) {
    match page {
        Some(page) => teller.plain(&format!(
            "alice's handshake, step by step: open {} in a browser; it needs no network",
            page.display()
        )),
        None => teller.plain(
            "alice's handshake, step by step: handfast explain demo, or demo --page FILE.html for a browser",
        ),
    }
}

fn steps_of(steps: usize) -> String {
    format!("{steps} steps")
}
