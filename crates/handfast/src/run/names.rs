//! Names that are given by the line: what somebody wrote, or a listing of ours.
//!
//! A listing by `--columns` has a heading, by which the column of the names is found; one by `--json` has them as `name`
//! or `device`. Not here: whether they are names. Invariant: what is no list gives nothing, rather than a part of it.

use std::io::Read as _;

use admin::failure::{Failure, FailureKind};
use serde_json::Value;

use crate::args::order::Names;

/// All of them.
pub(super) fn read(names: Names) -> Result<Vec<String>, Failure> {
    match names {
        Names::These(names) => Ok(names),
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

fn of_text(text: &str) -> Result<Vec<String>, Failure> {
    if text.trim_start().starts_with(['[', '{']) {
        return of_json(text);
    }
    let mut lines = text.lines().filter(|line| !line.trim().is_empty()).peekable();
    let column = lines.peek().and_then(|first| cells(first).position(is_heading));
    let Some(column) = column else {
        return Ok(lines.map(|line| line.trim().to_owned()).collect());
    };
    let named = lines.skip(1).map(|row| cells(row).nth(column).map(str::to_owned));
    named.collect::<Option<_>>().ok_or_else(no_list)
}

/// Columns are two blanks apart.
fn cells(row: &str) -> impl Iterator<Item = &str> {
    row.split("  ").map(str::trim).filter(|cell| !cell.is_empty())
}

fn is_heading(cell: &str) -> bool {
    ["NAME", "DEVICE", "USER"].contains(&cell)
}

fn of_json(text: &str) -> Result<Vec<String>, Failure> {
    let Ok(Value::Array(rows)) = serde_json::from_str(text) else { return Err(no_list()) };
    rows.iter().map(of_row).collect::<Option<_>>().ok_or_else(no_list)
}

fn of_row(row: &Value) -> Option<String> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    text(row).or_else(|| {
        let named = row.get("name").or_else(|| row.get("device"))?;
        text(named).or_else(|| text(named.get("id")?))
    })
}

fn no_list() -> Failure {
    Failure::new(FailureKind::Usage, "this is no list of names; nothing was done")
        .hint("give a name a line, or a listing: handfast device list --columns name | ...")
}

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
            assert_eq!(of_text(text).unwrap(), both, "{text}");
        }
        for empty in ["", "\n", "NAME\n", "[]"] {
            assert_eq!(of_text(empty).unwrap(), Vec::<String>::new(), "{empty}");
        }
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
