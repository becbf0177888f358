//! Our JSON beside the story that follows from what others read.
//!
//! Both have the same form: what the table says is compared, and nothing else.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::pdml::plain;
use crate::table::{NAMED_OTHERWISE, Row, TABLE, row};

/// Every place where the two don't say the same.
pub(crate) fn differences(ours: &Value, theirs: &Value) -> Vec<String> {
    let mut found = Vec::new();
    differ("", &compared(ours, ""), theirs, &mut found);
    found
}

/// Every name in a story, by its path.
pub(crate) fn paths(value: &Value, path: &str, all: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            map.iter().for_each(|(name, value)| paths(value, &below(path, name), all))
        }
        Value::Array(list) if path == "steps[].fields" => {
            let names = list.iter().map(|field| field["name"].as_str().unwrap());
            all.extend(names.map(|name| format!("{path}.{name}")));
        }
        Value::Array(list) => list.iter().for_each(|value| paths(value, &format!("{path}[]"), all)),
        _ => {
            all.insert(path.to_owned());
        }
    }
}

pub(crate) fn below(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// What is compared of our story, with names as they are compared.
pub(crate) fn compared(value: &Value, path: &str) -> Value {
    match value {
        Value::Object(map) => Value::Object(
            map.iter()
                .map(|(name, value)| (name, value, below(path, name)))
                .filter(|(.., path)| has_compared(path))
                .map(|(name, value, path)| (name.clone(), compared(value, &path)))
                .collect(),
        ),
        Value::Array(list) if path == "steps[].fields" => fields(list, path),
        Value::Array(list) => {
            list.iter().map(|value| compared(value, &format!("{path}[]"))).collect()
        }
        Value::String(text) => json!(row(path).map_or(text.clone(), |row| row.normal(text))),
        other => other.clone(),
    }
}

/// Whether something is compared here or below.
fn has_compared(path: &str) -> bool {
    let is_below = |row: &&Row| {
        let rest = row.path.strip_prefix(path);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    };
    // What no row has is compared, and found.
    let mut below = TABLE.iter().filter(is_below).peekable();
    below.peek().is_none() || below.any(Row::is_compared)
}

/// Values by their names, each with what it is called.
fn fields(list: &[Value], path: &str) -> Value {
    let mut map = Map::new();
    for field in list {
        let name = field["name"].as_str().unwrap();
        if row(&below(path, name)).is_some_and(|row| !row.is_compared()) {
            continue;
        }
        let meaning = field["meaning"].as_str().map(plain);
        let value = json!([field["value"], meaning]);
        let values = map.entry(name).or_insert_with(|| json!([]));
        values.as_array_mut().unwrap().push(value);
    }
    Value::Object(map)
}

fn differ(path: &str, ours: &Value, theirs: &Value, found: &mut Vec<String>) {
    match (ours, theirs) {
        (Value::Object(a), Value::Object(b)) => {
            let names: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for name in names {
                let of = |map: &Map<String, Value>| map.get(name).cloned().unwrap_or(Value::Null);
                differ(&below(path, name), &of(a), &of(b), found);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() && !is_field(path) => {
            for (index, (a, b)) in a.iter().zip(b).enumerate() {
                differ(&format!("{path}[{index}]"), a, b, found);
            }
        }
        (Value::Array(a), Value::Array(b)) if is_field(path) => {
            let name = path.rsplit('.').next().unwrap();
            let same = a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same(name, a, b));
            if !same {
                found.push(format!("{path}: we {ours}, they {theirs}"));
            }
        }
        _ if ours == theirs || (is_empty(ours) && is_empty(theirs)) => {}
        _ => found.push(format!("{path}: we {ours}, they {theirs}")),
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}

fn is_field(path: &str) -> bool {
    path.rsplit_once('.').is_some_and(|(before, _)| before.ends_with("].fields"))
}

/// The same value under the same name; some names are known to differ.
fn is_same(name: &str, ours: &Value, theirs: &Value) -> bool {
    let known = |(field, value, called, _): &(&str, &str, &str, &str)| {
        *field == name && ours[0] == *value && ours[1].as_str().unwrap_or_default() == plain(called)
    };
    ours[0] == theirs[0] && (ours[1] == theirs[1] || NAMED_OTHERWISE.iter().any(known))
}
