//! Commands in a document with what they print.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// A command and the lines below it.
pub(crate) struct Shown {
    command: String,
    printed: Vec<String>,
}

/// The lines of a block.
pub(crate) fn read(lines: &[&str]) -> Vec<Shown> {
    let mut all: Vec<Shown> = Vec::new();
    for line in lines {
        match (line.strip_prefix("$ "), all.last_mut()) {
            (Some(command), _) => {
                all.push(Shown { command: command.to_owned(), printed: Vec::new() });
            }
            (None, Some(shown)) => shown.printed.push((*line).to_owned()),
            (None, None) => panic!("no command above {line}"),
        }
    }
    all
}

/// What runs them and keeps what they print.
pub(crate) fn script(all: &[Shown], block: usize) -> String {
    let mut script = String::new();
    for (number, shown) in all.iter().enumerate() {
        let file = file(block, number);
        let command = &shown.command;
        let _ = writeln!(
            script,
            "echo '$ {}'\nstatus=0; ( {command} ) >{file} 2>&1 || status=$?\n\
             [ $status = 0 ] || echo \"exit code $status\" >>{file}\ncat {file}",
            command.replace('\'', "'\\''")
        );
    }
    script
}

/// Holds what they printed in `folder` against the document.
pub(crate) fn assert_printed(folder: &Path, all: &[Shown], block: usize) {
    for (number, Shown { command, printed }) in all.iter().enumerate() {
        let actual = fs::read_to_string(folder.join(file(block, number))).unwrap();
        let lines: Vec<_> = actual.lines().collect();
        let wanted: Vec<_> = printed.iter().map(String::as_str).collect();
        let shown = printed.join("\n");
        assert!(
            all_fit(&wanted, &lines),
            "`{command}` prints\n{actual}\nand is shown with\n{shown}"
        );
    }
}

fn file(block: usize, number: usize) -> String {
    format!("printed-{block}-{number}")
}

fn all_fit(wanted: &[&str], lines: &[&str]) -> bool {
    match wanted.split_first() {
        None => lines.is_empty(),
        Some((&"…", rest)) => (0..=lines.len()).any(|skipped| all_fit(rest, &lines[skipped..])),
        Some((wanted, rest)) => match lines.split_first() {
            Some((line, others)) => fits(wanted, line) && all_fit(rest, others),
            None => false,
        },
    }
}

/// Whether a line is as shown, with anything in the place of each `…`.
fn fits(wanted: &str, line: &str) -> bool {
    let Some((before, after)) = wanted.split_once('…') else { return wanted == line };
    let Some(rest) = line.strip_prefix(before) else { return false };
    rest.char_indices().map(|(at, _)| at).chain([rest.len()]).any(|at| fits(after, &rest[at..]))
}

#[test]
fn what_differs_from_machine_to_machine_fits_and_nothing_else_does() {
    assert!(fits("CA … until …", "CA x y until 2030") && fits("same", "same"));
    assert!(!fits("same", "same ") && !fits("CA …, …", "CA x"));
    assert!(all_fit(&["a", "…", "c"], &["a", "b", "b", "c"]) && all_fit(&["…"], &[]));
    assert!(!all_fit(&["a"], &["a", "b"]) && !all_fit(&["a", "b"], &["a"]));
}
