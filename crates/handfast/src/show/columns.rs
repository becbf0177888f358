//! A listing with the columns that were asked for: the fields that `--json` has, by their names.

use admin::failure::{Failure, FailureKind};
use serde_json::Value;

use super::table::Table;

/// The rows of an answer with these fields.
pub(crate) fn text(answer: &Value, columns: &[String]) -> Result<String, Failure> {
    let Value::Array(rows) = answer else { return Err(no_listing()) };
    let Some(first) = rows.first() else { return Ok(String::new()) };
    if let Some(unknown) = columns.iter().find(|column| first.get(column.as_str()).is_none()) {
        return Err(no_column(unknown, first));
    }
    let headings: Vec<String> =
        columns.iter().map(|c| c.to_uppercase().replace('_', " ")).collect();
    let mut table = Table::new(&headings.iter().map(String::as_str).collect::<Vec<_>>());
    for row in rows {
        table.row(columns.iter().map(|column| row.get(column.as_str()).map_or("-".into(), cell)));
    }
    Ok(table.text())
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".into(),
        Value::String(text) if text.is_empty() => "-".into(),
        Value::String(text) => text.clone(),
        Value::Array(values) if values.is_empty() => "-".into(),
        Value::Array(values) => values.iter().map(cell).collect::<Vec<_>>().join(", "),
        Value::Object(fields) => match fields.get("id") {
            Some(Value::String(id)) => id.clone(),
            _ => value.to_string(),
        },
        other => other.to_string(),
    }
}

fn no_listing() -> Failure {
    Failure::new(FailureKind::Usage, "this command prints no listing, so it has no columns")
        .hint("leave out --columns")
}

fn no_column(unknown: &str, row: &Value) -> Failure {
    let known: Vec<&str> =
        row.as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
    Failure::new(FailureKind::Usage, format!("there is no column {unknown:?}"))
        .hint(format!("there are: {}", known.join(", ")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_listing_has_the_columns_that_were_asked_for_in_their_order() {
        let rows = json!([
            {"name": {"id": "alice/phone", "user": "alice"}, "bytes_in": 7, "last_seen_at": null},
            {"name": {"id": "bob/tv", "user": "bob"}, "bytes_in": 12, "last_seen_at": "2026"},
        ]);
        let columns = ["bytes_in", "name", "last_seen_at"].map(str::to_owned);
        let shown = text(&rows, &columns).unwrap();
        assert_eq!(
            shown,
            "BYTES IN  NAME         LAST SEEN AT\n\
             7         alice/phone  -\n\
             12        bob/tv       2026\n"
        );
    }

    #[test]
    fn an_unknown_column_and_an_answer_without_rows_are_told() {
        let rows = json!([{"name": "alice", "devices": 1}]);
        let failure = text(&rows, &["nmae".to_owned()]).unwrap_err();
        assert_eq!(failure.hints, ["there are: devices, name"]);
        assert_eq!(text(&json!({"a": 1}), &[]).unwrap_err().kind, FailureKind::Usage);
        assert_eq!(text(&json!([]), &["x".to_owned()]).unwrap(), "");
    }
}
