//! Examples in the documentation of the code, which cargo alone can run.
//!
//! It reads every crate for them as if it built it, which takes two minutes to find none; so it is only asked where a
//! look at the sources finds what may be one. Invariant: what cargo would run is found here too.

use std::path::Path;
use std::process::Command;

use crate::failed::Failed;
use crate::suite::Job;
use crate::workspace;

/// Whether any crate has one.
pub(crate) fn are_there() -> Result<bool, Failed> {
    for package in workspace::packages()? {
        if in_folder(&package.folder.join("src"))? {
            return Ok(true);
        }
    }
    Ok(false)
}

pub(crate) fn job() -> Job {
    let mut command = Command::new("cargo");
    command.args(["test", "--workspace", "--doc", "--quiet", "--no-fail-fast"]);
    Job { name: "the documentation's examples".into(), command }
}

fn in_folder(folder: &Path) -> Result<bool, Failed> {
    let unread = |e: std::io::Error| Failed::new(format!("{}: {e}", folder.display()));
    for entry in std::fs::read_dir(folder).map_err(unread)? {
        let path = entry.map_err(unread)?.path();
        let found = if path.is_dir() {
            in_folder(&path)?
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            in_source(&std::fs::read_to_string(&path).map_err(unread)?)
        } else {
            false
        };
        if found {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A fence that does not begin a text, or what is set in by four, as code is; within a text neither counts.
fn in_source(source: &str) -> bool {
    let mut in_text = false;
    for line in source.lines().map(str::trim_start) {
        let Some(said) = line.strip_prefix("//!").or_else(|| line.strip_prefix("///")) else {
            if MAY_HOLD_ANY.iter().any(|begin| line.starts_with(begin)) {
                return true;
            }
            in_text = false;
            continue;
        };
        let is_fence = said.trim_start().starts_with("```");
        match (in_text, is_fence) {
            (true, _) => in_text = !is_fence,
            (false, true) if said.trim() == "```text" => in_text = true,
            (false, true) => return true,
            (false, false) if said.starts_with("     ") && !said.trim().is_empty() => return true,
            (false, false) => {}
        }
    }
    false
}

/// Documentation in another form.
const MAY_HOLD_ANY: [&str; 4] = ["/**", "/*!", "#[doc = ", "#![doc = "];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_cargo_may_run_is_found() {
        for source in [
            "/// ```\n/// assert!(true);\n/// ```\nfn a() {}\n",
            "//! A.\n//!\n//! ```rust\n//! a();\n//! ```\n",
            "    /// ```should_panic\n    /// a();\n    /// ```\n",
            "//! ```text\n//! a\n//! ```\n//!\n//! ```\n//! a();\n//! ```\n",
            "/// A:\n///\n///     a();\nfn a() {}\n",
            "/** ```\na();\n``` */\nfn a() {}\n",
            "#[doc = include_str!(\"../README.md\")]\n",
        ] {
            assert!(in_source(source), "{source}");
        }
    }

    #[test]
    fn a_drawing_and_prose_are_no_examples() {
        for source in [
            "//! ```text\n//!       a ── b\n//! ```\n",
            "/// 1. a\n///    and b\n/// - c\nfn a() {}\n",
            "// ```\nlet text = \"```\";\n",
        ] {
            assert!(!in_source(source), "{source}");
        }
    }
}
