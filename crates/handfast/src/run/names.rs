//! Names that are given by the line: what somebody wrote, or a listing of ours.
//!
//! A listing by `--columns` has a heading, by which the column of the names is found; one by `--json` has them as `name`
//! or `device`. Not here: whether they are names. Invariant: what is no list gives nothing, rather than a part of it.

use std::io::Read as _;

use admin::failure::{Failure, FailureKind};
use serde_json::Value;

use crate::args::order::Names;

/// Those that were given.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Given {
    /// In their order.
    pub(super) names: Vec<String>,
    /// How many rows of a listing name nobody: a session of whoever has no certificate.
    pub(super) nameless: usize,
}

/// All of them.
pub(super) fn read(names: Names) -> Result<Given, Failure> {
    match names {
        Names::These(names) => Ok(Given { names, nameless: 0 }),
        Names::OnStdin => of_text(&from_stdin()?),
    }
}

fn from_stdin() -> Result<String, Failure> {
    let mut text = String::new();
    let read = std::io::stdin().take(LONGEST + 1).read_to_string(&mut text);
    let read = read.map_err(|error| {
        Failure::new(FailureKind::Usage, "the names can't be read").caused_by(&error)
    })?;
    match read as u64 > LONGEST {
        false => Ok(text),
        true => {
            Err(Failure::new(FailureKind::Usage, "these are too many names")
                .hint("give them in parts"))
        }
    }
}

fn of_text(text: &str) -> Result<Given, Failure> {
    if text.trim_start().starts_with(['[', '{']) {
        return of_json(text);
    }
    let mut lines = text.lines().filter(|line| !line.trim().is_empty()).peekable();
    let column = lines.peek().and_then(|first| cells(first).position(is_heading));
    let Some(column) = column else {
        let names = lines.map(|line| line.trim().to_owned()).collect();
        return Ok(Given { names, nameless: 0 });
    };
    let cell = |row| Some(cells(row).nth(column)?).map(|cell| (cell != NOBODY).then_some(cell));
    given(lines.skip(1).map(|row| Some(cell(row)?.map(str::to_owned))))
}

/// Of rows that each name somebody or nobody; one that does neither is none of a listing.
fn given(rows: impl Iterator<Item = Option<Option<String>>>) -> Result<Given, Failure> {
    let rows: Vec<Option<String>> = rows.collect::<Option<_>>().ok_or_else(no_list)?;
    let all = rows.len();
    let names: Vec<_> = rows.into_iter().flatten().collect();
    Ok(Given { nameless: all - names.len(), names })
}

/// Columns are two blanks apart.
fn cells(row: &str) -> impl Iterator<Item = &str> {
    row.split("  ").map(str::trim).filter(|cell| !cell.is_empty())
}

fn is_heading(cell: &str) -> bool {
    ["NAME", "DEVICE", "USER"].contains(&cell)
}

fn of_json(text: &str) -> Result<Given, Failure> {
    let Ok(Value::Array(rows)) = serde_json::from_str(text) else { return Err(no_list()) };
    given(rows.iter().map(of_row))
}

fn of_row(row: &Value) -> Option<Option<String>> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    if let Some(name) = text(row) {
        return Some(Some(name));
    }
    let named = row.get("name").or_else(|| row.get("device"))?;
    match named.is_null() {
        true => Some(None),
        false => text(named).or_else(|| text(named.get("id")?)).map(Some),
    }
}

fn no_list() -> Failure {
    Failure::new(FailureKind::Usage, "this is no list of names; nothing was done")
        .hint("give a name a line, or a listing: handfast device list --columns name | ...")
}

/// In a column of names.
const NOBODY: &str = "-";
/// Some ten thousand names, with all that a listing says of each.
const LONGEST: u64 = 64 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_by_the_line_by_columns_and_by_json() {
        let both = ["alice/phone", "bob/tv"];
        for text in [
            "alice/phone\nbob/tv\n",
            "\n  alice/phone\n\nbob/tv",
            "NAME\nalice/phone\nbob/tv\n",
            "STATE   NAME         LAST SEEN AT\nactive  alice/phone  2026\nnew     bob/tv       -\n",
            "DEVICE\nalice/phone\nbob/tv\n",
            r#"["alice/phone", "bob/tv"]"#,
            r#"[{"name": {"id": "alice/phone"}}, {"name": "bob/tv"}]"#,
            r#" [{"device": {"id": "alice/phone"}, "id": 7}, {"device": "bob/tv"}]"#,
        ] {
            assert_eq!(of_text(text).unwrap().names, both, "{text}");
        }
        for empty in ["", "\n", "NAME\n", "[]"] {
            assert_eq!(of_text(empty).unwrap(), Given::default(), "{empty}");
        }
    }

    #[test]
    fn rows_that_name_nobody_are_counted_and_left_out() {
        for text in [
            "DEVICE       SOURCE\n-            192.0.2.1\nalice/phone  192.0.2.2\n-            -\n",
            r#"[{"device": null, "id": 1}, {"device": {"id": "alice/phone"}}, {"device": null}]"#,
        ] {
            let names = vec!["alice/phone".to_owned()];
            assert_eq!(of_text(text).unwrap(), Given { names, nameless: 2 }, "{text}");
        }
        // Where nothing says that it is a listing, it is what somebody typed.
        assert_eq!(of_text("-\nalice\n").unwrap().names, ["-", "alice"]);
    }

    #[test]
    fn what_is_no_list_gives_no_part_of_it() {
        for text in [
            r#"{"name": "alice"}"#,
            r#"["alice", 7]"#,
            r#"[{"name": "alice"}, {"serial": "07"}]"#,
            "[alice",
            "STATE  NAME\nactive  alice\nnew\n",
        ] {
            assert_eq!(of_text(text).unwrap_err().kind, FailureKind::Usage, "{text}");
        }
    }
}
