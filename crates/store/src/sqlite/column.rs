//! Numbers as SQLite's columns hold them, which have 63 bits and a sign.

use clock::Timestamp;
use rusqlite::Row;

use crate::error::Refused;
use crate::ids::EventId;

/// A number as a column holds it.
pub(super) fn column(value: u64, what: &'static str) -> Result<i64, Refused> {
    i64::try_from(value).map_err(|_| Refused::OutOfRange(what))
}

/// A moment as a column holds it.
pub(super) fn seconds(at: Timestamp) -> Result<i64, Refused> {
    column(at.unix_secs(), "a time")
}

/// An event's id from its column.
pub(super) fn event_id(row: &Row<'_>, at: usize) -> rusqlite::Result<EventId> {
    let id: i64 = row.get(at)?;
    u64::try_from(id)
        .map(EventId::new)
        .map_err(|_| rusqlite::Error::IntegralValueOutOfRange(at, id))
}

/// An event's id as its column.
pub(super) fn row_id(event: EventId) -> Result<i64, Refused> {
    column(event.get(), "the number of an event")
}
