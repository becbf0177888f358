//! `handfast explain diff`: the first step at which the stories of two files part.

use std::fs;
use std::path::Path;

use admin::failure::{Failure, FailureKind};
use explain::render;
use explain::story::{Stories, VERSION};

use super::super::output::Output;
use super::unreadable;
use super::written::{keep, put};
use crate::args::order::Written;
use crate::args::typed::explain::FormatWord;

const NO_STORIES: &str = "no file of stories";
const WRITE_THEM: &str =
    "write them with `handfast explain capture FILE --format json -o STORY.json`";
/// The most bytes of a file that are read; a story has a fraction of it.
const LARGEST: u64 = 64 * 1024 * 1024;

/// Compares all stories of two files, in their order.
pub(crate) fn run(a: &Path, b: &Path, written: &Written) -> Result<Output, Failure> {
    keep(written, [a, b])?;
    let (left, right) = (stories(a)?, stories(b)?);
    let parted = explain::diff::parting(&left, &right);
    let exit_code = if parted.is_some() { FailureKind::FindingsBad.exit_code() } else { 0 };
    let text = match written.format {
        FormatWord::Json => render::diff_json(parted.as_ref()),
        FormatWord::Html => render::diff_html(parted.as_ref()),
        _ => render::diff(parted.as_ref(), written.text_width),
    };
    Ok(Output { exit_code, ..put(text, written)? })
}

fn stories(file: &Path) -> Result<Stories, Failure> {
    let failed = |what: String| Failure::new(FailureKind::Failed, what);
    let length = fs::metadata(file).map_err(|error| unreadable(file, NO_STORIES, &error))?.len();
    if length > LARGEST {
        return Err(failed(format!("{} is too large for stories", file.display())));
    }
    let text = fs::read_to_string(file)
        .map_err(|error| unreadable(file, NO_STORIES, &error).hint(WRITE_THEM))?;
    let stories: Stories = serde_json::from_str(&text).map_err(|error| {
        failed(format!("{} is {NO_STORIES}", file.display())).caused_by(&error).hint(WRITE_THEM)
    })?;
    if stories.version != VERSION {
        return Err(failed(format!(
            "{} has format {}, not {VERSION}",
            file.display(),
            stories.version
        ))
        .hint("write it again with this version"));
    }
    Ok(stories)
}
