//! The log as operators read it.

use std::collections::BTreeMap;
use std::time::Duration;

use admin::response::{Event, EventPage};
use clock::Timestamp;
use serde_json::Value;
use store::EventId;
use tokio::time::timeout;

use crate::context::Context;
use crate::error::GatewayError;
use crate::words::number;

/// The log of these records.
#[derive(Debug)]
pub(super) struct Log<'a> {
    pub(super) at: &'a Context,
}

impl Log<'_> {
    pub(super) async fn events(
        &self,
        after: Option<u64>,
        limit: u32,
        wait_ms: u64,
    ) -> Result<EventPage, GatewayError> {
        let limit = limit.clamp(1, MOST);
        let mut changes = self.at.view.revisions();
        let after = match after {
            Some(after) => after,
            None => self.latest().await?.saturating_sub(limit.into()),
        };
        let page = self.page(after, limit).await?;
        if !page.events.is_empty() || wait_ms == 0 {
            return Ok(page);
        }
        let wait = Duration::from_millis(wait_ms).min(LONGEST_WAIT);
        let _ = timeout(wait, changes.wait_for(|at| at.get() > after)).await;
        // What waits for the disk is no news yet, and whoever follows would ask again at once.
        let mut behind = self.at.store.waiting();
        let _ = timeout(LONGEST_PAUSE.min(wait), behind.wait_for(|w| w.changes == 0)).await;
        self.page(after, limit).await
    }

    async fn latest(&self) -> Result<u64, GatewayError> {
        Ok(number(self.at.store.event_latest().await?))
    }

    async fn page(&self, after: u64, limit: u32) -> Result<EventPage, GatewayError> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let events = self.at.store.event_list(EventId::new(after), limit).await?;
        Ok(EventPage { events: events.into_iter().map(event).collect() })
    }
}

fn event(event: store::Event) -> Event {
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
const MOST: u32 = 10_000;
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(60);

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
