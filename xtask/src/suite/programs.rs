//! The test programs of the workspace: built once, all with the same features, and found in what cargo says.
//!
//! A program that floods or times says in its own head that it runs alone, where whoever changes it reads it; where
//! only some of its tests do, each of them says it, so that the others run beside those of other programs:
//!
//! ```text
//! //! Alone: it sends as fast as it can, and loses nothing beside itself.
//!
//! /// Alone: a flood.
//! #[test]
//! fn strangers_cost_a_subscriber_no_ping() {
//! ```
//!
//! Any other spelling of such a line is refused: a wish that nobody hears shows as a test that fails now and then.
//!
//! Invariant: every program that cargo built for a test is in the list once.

use std::fmt::Display;
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
    /// What of it wants the machine to itself.
    pub(crate) alone: Alone,
}

/// What of a program runs with nothing beside it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Alone {
    #[default]
    Nothing,
    /// These of its tests.
    Tests(Vec<String>),
    Everything,
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
    let mut programs = programs(&said, &root)?
        .into_iter()
        .map(Program::with_its_wish)
        .collect::<Result<Vec<Program>, Failed>>()?;
    programs.sort();
    Ok(programs)
}

/// All that cargo tells of. What can't be read may be a test, and none at all is no success.
fn programs(said: &str, root: &Path) -> Result<Vec<Program>, Failed> {
    let mut programs = Vec::new();
    for line in said.lines() {
        let unread = || Failed::new(format!("cargo said what was not understood: {line}"));
        let message: Value = serde_json::from_str(line).map_err(|_| unread())?;
        if is_of_a_test(&message) {
            programs.push(program(&message, root).ok_or_else(unread)?);
        }
    }
    if programs.is_empty() {
        return Err(Failed::new("cargo told of no test program".to_owned()));
    }
    Ok(programs)
}

/// Of a program and not of a library, nor of what is built without a test.
fn is_of_a_test(message: &Value) -> bool {
    message["reason"] == "compiler-artifact"
        && message["profile"]["test"] != Value::Bool(false)
        && !message["executable"].is_null()
}

/// The test program that cargo tells of, if it tells all that is needed.
fn program(message: &Value, root: &Path) -> Option<Program> {
    let executable = PathBuf::from(message["executable"].as_str()?);
    let folder = Path::new(message["manifest_path"].as_str()?).parent()?.to_owned();
    let source = Path::new(message["target"]["src_path"].as_str()?);
    // `path+file:///…/crates/wire#0.1.0`, or `…/crates/wire#name@0.1.0`: the folder's name will do for neither.
    let package = package_name(message["package_id"].as_str()?)?.to_owned();
    let source = source.strip_prefix(root).unwrap_or(source).to_owned();
    Some(Program { package, source, executable, folder, alone: Alone::Nothing })
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
    fn with_its_wish(self) -> Result<Self, Failed> {
        let about = |why: &dyn Display| Failed::new(format!("{}: {why}", self.source.display()));
        let text = std::fs::read_to_string(&self.source).map_err(|e| about(&e))?;
        let alone = what_wants_to_be_alone(&text).map_err(|line| {
            about(&format!(
                "`{line}` is neither `{ALONE}why.` in the source's head nor `{TEST_ALONE}why.` above a test, which \
                 is what is read"
            ))
        })?;
        Ok(Self { alone, ..self })
    }
}

/// What a source says of itself, or the line that means it and says it otherwise.
fn what_wants_to_be_alone(source: &str) -> Result<Alone, &str> {
    let (everything, tests) = (the_program_does(source)?, tests_that_do(source)?);
    Ok(match (everything, tests) {
        (true, _) => Alone::Everything,
        (false, tests) if tests.is_empty() => Alone::Nothing,
        (false, tests) => Alone::Tests(tests),
    })
}

fn the_program_does(source: &str) -> Result<bool, &str> {
    let head = source.lines().take_while(|line| line.starts_with("//!")).count();
    let mut alone = false;
    let begins =
        |line: &str| first_word(line, "//!").is_some_and(|it| it.eq_ignore_ascii_case("alone"));
    for (number, line) in source.lines().enumerate().filter(|(_, line)| begins(line)) {
        if number >= head || !line.starts_with(ALONE) {
            return Err(line);
        }
        alone = true;
    }
    Ok(alone)
}

/// The tests below such a line, each with no more than other lines about it in between.
fn tests_that_do(source: &str) -> Result<Vec<String>, &str> {
    let mut tests = Vec::new();
    let mut lines = source.lines();
    while let Some(line) = lines.next() {
        if first_word(line, "///") != Some("Alone") {
            continue;
        }
        let about = |line: &&str| line.starts_with("///") || line.starts_with("#[");
        let below = lines.by_ref().find(|line| !about(line)).and_then(name_of);
        tests.push(below.filter(|_| line.starts_with(TEST_ALONE)).ok_or(line)?.to_owned());
    }
    Ok(tests)
}

/// The first word of a comment of this kind.
fn first_word<'a>(line: &'a str, kind: &str) -> Option<&'a str> {
    let said = line.trim_start().strip_prefix(kind)?.trim_start();
    said.split(|c: char| !c.is_ascii_alphabetic()).next()
}

/// Of the function that begins with this line.
fn name_of(line: &str) -> Option<&str> {
    let line = line.strip_prefix("async ").unwrap_or(line);
    Some(line.strip_prefix("fn ")?.split_once('(')?.0)
}

const BUILD: [&str; 4] =
    ["test", "--workspace", "--no-run", "--message-format=json-render-diagnostics"];
const ALONE: &str = "//! Alone: ";
const TEST_ALONE: &str = "/// Alone: ";

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
        let lines = [
            said(true, r#""/t/vectors-1""#),
            said(true, "null"),
            said(false, r#""/t/handfast""#),
            r#"{"reason":"build-finished","success":true}"#.to_owned(),
        ];
        let found = programs(&lines.join("\n"), root).expect("a program");
        let [found] = &found[..] else { panic!("{found:?}") };
        assert_eq!(found.package, "wire");
        assert_eq!(found.source, Path::new("crates/wire/tests/vectors.rs"));
        assert_eq!(found.folder, Path::new("/w/crates/wire"));
    }

    #[test]
    fn what_cargo_says_and_nobody_understands_ends_the_run_and_so_does_no_test_at_all() {
        let root = Path::new("/w");
        for said in [
            "",
            r#"{"reason":"build-finished","success":true}"#,
            r#"{"reason":"compiler-artifact","profile":{"test":true},"#,
            r#"{"reason":"compiler-artifact","profile":{"test":true},"executable":"/t/a"}"#,
            r#"{"reason":"compiler-artifact","executable":"/t/a"}"#,
        ] {
            assert!(programs(said, root).is_err(), "{said}");
        }
    }

    #[test]
    fn a_package_is_known_by_its_name_where_its_folder_is_called_otherwise() {
        assert_eq!(package_name("path+file:///w/bench#vpn-bench@0.1.0"), Some("vpn-bench"));
        assert_eq!(package_name("path+file:///w/interop#0.1.0"), Some("interop"));
    }

    #[test]
    fn a_program_is_alone_where_its_head_says_so() {
        let alone = what_wants_to_be_alone("//! A flood.\n//!\n//! Alone: it floods.\n\nuse x;\n");
        assert_eq!(alone, Ok(Alone::Everything));
        for said in ["//! A case alone, and another.\n\nuse x;\n", "use x;\n// Alone: y.\n"] {
            assert_eq!(what_wants_to_be_alone(said), Ok(Alone::Nothing));
        }
    }

    #[test]
    fn a_test_is_alone_where_it_says_so_itself_and_its_neighbours_are_not() {
        let source = "//! Some flood.\n\n#[test]\nfn a() {\n}\n\n/// It lasts.\n/// Alone: a flood.\n\
            #[tokio::test]\nasync fn b() {\n}\n\n/// Alone: a flood.\n#[test]\nfn c() {\n}\n";
        let tests = ["b", "c"].map(str::to_owned).into();
        assert_eq!(what_wants_to_be_alone(source), Ok(Alone::Tests(tests)));
    }

    #[test]
    fn a_wish_to_be_alone_that_would_not_be_heard_is_refused() {
        for said in [
            "//! A flood.\n\n//! Alone: it floods.\n",
            "//! alone: it floods.\n",
            "//! Alone, since it floods.\n",
            "//! Alone:it floods.\n",
            "//!Alone: it floods.\n",
            "//! Alone\n",
            "/// Alone, since it floods.\n#[test]\nfn a() {\n}\n",
            "/// Alone: it floods.\n\n#[test]\nfn a() {\n}\n",
            "/// Alone: it floods.\nconst A: u32 = 1;\n",
            "    /// Alone: it floods.\n    #[test]\n    fn a() {\n    }\n",
        ] {
            assert!(what_wants_to_be_alone(said).is_err(), "{said}");
        }
    }
}
