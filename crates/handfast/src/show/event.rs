//! Events in words.

use admin::response::Event;
use serde_json::Value;

use super::table::{Table, Width, visible};

pub(crate) fn listing(events: &[Event], width: Width) -> String {
    if events.is_empty() {
        return "no events\n".into();
    }
    let mut table = Table::new(&["ID", "AT (UTC)", "WHAT", "SUBJECT", "BY", "DETAILS"]);
    for event in events {
        table.row([
            event.id.to_string(),
            match width {
                Width::Whole => at(event),
                Width::Terminal | Width::Pipe => event.at.to_seconds(),
            },
            event.what.clone(),
            event.subject.clone(),
            event.actor.clone(),
            details(event),
        ]);
    }
    table.text_in(width)
}

/// One event on a line of its own, for following.
pub(crate) fn line(event: &Event) -> String {
    let text = format!(
        "{}  {}  {}  {}  by {}  {}",
        event.id,
        at(event),
        event.what,
        event.subject,
        event.actor,
        details(event)
    );
    format!("{}\n", visible(text.trim_end()))
}

fn at(event: &Event) -> String {
    event.at.to_string().replace('T', " ").replace('Z', "")
}

fn details(event: &Event) -> String {
    let details: Vec<String> =
        event.details.iter().map(|(name, value)| format!("{name}={}", word(value))).collect();
    details.join(" ")
}

fn word(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
