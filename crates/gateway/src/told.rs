//! Events of the log as they are told to operators and hooks: typed details, moments written as everywhere.
//!
//! Not here: which events somebody gets.

use std::collections::BTreeMap;

use admin::response::Event;
use clock::Timestamp;
use serde_json::Value;

use crate::words::number;

/// An event of the log, as it is told.
pub(crate) fn event(event: store::Event) -> Event {
    let details = details(&event.payload);
    Event {
        id: number(event.id),
        at: event.at,
        actor: event.actor,
        what: event.kind.as_str().to_owned(),
        subject: subject(&details),
        details,
        hash: event.hash,
    }
}

/// To whom or what it happened: `user/device` where both are named, else the most telling one.
fn subject(details: &BTreeMap<String, Value>) -> String {
    let text = |name: &str| match details.get(name)? {
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    };
    if let (Some(user), Some(device)) = (text("user"), text("device")) {
        return format!("{user}/{device}");
    }
    let telling = ["user", "device", "name", "subject", "serial", "number", "generation"];
    telling.into_iter().find_map(text).unwrap_or_default()
}

fn details(payload: &Value) -> BTreeMap<String, Value> {
    let Value::Object(fields) = payload else { return BTreeMap::new() };
    let told = fields.iter().filter(|(name, _)| !FOR_PROGRAMS.contains(&name.as_str()));
    told.map(|(name, value)| (name.clone(), detail(name, value))).collect()
}

/// The log has moments of records as seconds since 1970.
fn detail(name: &str, value: &Value) -> Value {
    match value.as_u64() {
        Some(seconds) if MOMENTS.contains(&name) => {
            Value::String(Timestamp::from_unix_secs(seconds).to_rfc3339())
        }
        _ => value.clone(),
    }
}

/// Fields for programs that repeat events on records; people have the serial number.
const FOR_PROGRAMS: [&str; 5] = ["v", "issuer", "sha256", "key", "supersedes_of"];
const MOMENTS: [&str; 6] =
    ["not_before", "not_after", "added_at", "supersede_at", "this_update", "next_update"];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_subject_of_an_event_is_the_device_where_one_is_named() {
        let phone = details(&json!({"user": "alice", "device": "phone", "serial": "01"}));
        assert_eq!(subject(&phone), "alice/phone");
        assert_eq!(subject(&details(&json!({"serial": "01", "x": 3}))), "01");
        assert_eq!(subject(&details(&json!({"generation": 1, "number": 7}))), "7");
        assert_eq!(subject(&details(&json!(null))), "");
    }

    #[test]
    fn details_keep_their_types_and_moments_are_written_as_everywhere() {
        let told = details(&json!({"v": 2, "number": 7, "next_update": 1_795_000_000, "of": [1]}));
        let moment = "2026-11-18T11:06:40.000Z";
        let expected = [("next_update", json!(moment)), ("number", json!(7)), ("of", json!([1]))];
        assert_eq!(told, expected.map(|(name, value)| (name.to_owned(), value)).into());
    }
}
