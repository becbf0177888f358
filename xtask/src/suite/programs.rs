//! The test programs of the workspace: built once, all with the same features, and found in what cargo says.
//!
//! A program that floods or times says in its own head that it runs alone, where whoever changes it reads it:
//!
//! ```text
//! //! Alone: it sends as fast as it can, and loses nothing beside itself.
//! ```
//!
//! Invariant: every program that cargo built for a test is in the list once.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::failed::Failed;

/// A built test program.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Program {
    /// Of the crate that it belongs to.
    pub(crate) package: String,
    /// Its source, from the workspace's root.
    pub(crate) source: PathBuf,
    pub(crate) executable: PathBuf,
    /// The crate's own, in which cargo runs tests as well.
    pub(crate) folder: PathBuf,
    /// Whether it wants the machine to itself.
    pub(crate) alone: bool,
}

/// Builds every test of the workspace, and the product that many of them start.
pub(crate) fn build() -> Result<Vec<Program>, Failed> {
    println!("==> cargo {}", BUILD.join(" "));
    let built = Command::new("cargo")
        .args(BUILD)
        .stderr(Stdio::inherit())
        .output()
        .map_err(|e| Failed::new(format!("cargo did not start: {e}")))?;
    if !built.status.success() {
        return Err(Failed::new(format!("the tests were not built: {}", built.status)));
    }
    let root = std::env::current_dir().map_err(|e| Failed::new(format!("no folder: {e}")))?;
    let said = String::from_utf8_lossy(&built.stdout);
    let mut programs: Vec<Program> =
        said.lines().filter_map(|line| program(line, &root)).map(Program::with_its_wish).collect();
    programs.sort();
    Ok(programs)
}

/// One line of cargo's, if it is of a test program.
fn program(line: &str, root: &Path) -> Option<Program> {
    let message: Value = serde_json::from_str(line).ok()?;
    let is_test = message["profile"]["test"].as_bool()?;
    let executable = PathBuf::from(message["executable"].as_str()?);
    let folder = Path::new(message["manifest_path"].as_str()?).parent()?.to_owned();
    let source = Path::new(message["target"]["src_path"].as_str()?);
    // `path+file:///…/crates/wire#0.1.0`, or `…/crates/wire#name@0.1.0`: the folder's name will do for neither.
    let package = package_name(message["package_id"].as_str()?)?.to_owned();
    let source = source.strip_prefix(root).unwrap_or(source).to_owned();
    is_test.then_some(Program { package, source, executable, folder, alone: false })
}

/// The name in a package id: before the version, or the last of the path where it is the same.
fn package_name(id: &str) -> Option<&str> {
    let (path, version) = id.rsplit_once('#')?;
    match version.split_once('@') {
        Some((name, _)) => Some(name),
        None => path.rsplit('/').next(),
    }
}

impl Program {
    fn with_its_wish(self) -> Self {
        let text = std::fs::read_to_string(&self.source).unwrap_or_default();
        Self { alone: wants_to_be_alone(&text), ..self }
    }
}

/// Whether the head of a source says so.
fn wants_to_be_alone(source: &str) -> bool {
    source.lines().take_while(|line| line.starts_with("//!")).any(|line| line.starts_with(ALONE))
}

const BUILD: [&str; 4] =
    ["test", "--workspace", "--no-run", "--message-format=json-render-diagnostics"];
const ALONE: &str = "//! Alone: ";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_program_is_found_in_what_cargo_says_and_nothing_else_is() {
        let said = |test: bool, executable: &str| {
            format!(
                r#"{{"reason":"compiler-artifact","package_id":"path+file:///w/crates/wire#0.1.0",
                "manifest_path":"/w/crates/wire/Cargo.toml","profile":{{"test":{test}}},
                "target":{{"src_path":"/w/crates/wire/tests/vectors.rs"}},"executable":{executable}}}"#
            )
            .replace('\n', " ")
        };
        let root = Path::new("/w");
        let found = program(&said(true, r#""/t/vectors-1""#), root).expect("a program");
        assert_eq!(found.package, "wire");
        assert_eq!(found.source, Path::new("crates/wire/tests/vectors.rs"));
        assert_eq!(found.folder, Path::new("/w/crates/wire"));
        assert_eq!(program(&said(true, "null"), root), None, "a library");
        assert_eq!(program(&said(false, r#""/t/handfast""#), root), None, "the product");
        assert_eq!(program(r#"{"reason":"build-finished","success":true}"#, root), None);
    }

    #[test]
    fn a_package_is_known_by_its_name_where_its_folder_is_called_otherwise() {
        assert_eq!(package_name("path+file:///w/bench#vpn-bench@0.1.0"), Some("vpn-bench"));
        assert_eq!(package_name("path+file:///w/interop#0.1.0"), Some("interop"));
    }

    #[test]
    fn a_program_is_alone_where_its_head_says_so() {
        assert!(wants_to_be_alone("//! A flood.\n//!\n//! Alone: it floods.\n\nuse x;\n"));
        assert!(!wants_to_be_alone("//! A flood.\n\n//! Alone: it floods.\n"));
        assert!(!wants_to_be_alone("//! Alone in a forest.\n"));
    }
}
