//! The writer's open transaction: the connection, the time, the head of the chain, and what the
//! snapshot has to learn once it is committed.

use clock::Now;
use rusqlite::Connection;
use serde_json::Value;

use crate::actor::Actor;
use crate::chain::Head;
use crate::error::StoreError;
use crate::event::EventKind;
use crate::ids::EventId;
use crate::rows;
use crate::snapshot::Delta;
use crate::store::Options;

/// Changes are methods of this type, one file per resource.
pub(crate) struct Txn<'c> {
    pub(crate) conn: &'c Connection,
    pub(crate) options: &'c Options,
    pub(crate) now: Now,
    head: Head,
    deltas: Vec<Delta>,
}

/// Where a transaction was before a change that may have to be taken back.
pub(crate) struct Mark {
    head: Head,
    deltas: usize,
}

impl<'c> Txn<'c> {
    /// The connection has an open transaction that holds the write lock.
    pub(crate) fn new(
        conn: &'c Connection,
        options: &'c Options,
        now: Now,
    ) -> Result<Self, StoreError> {
        Ok(Self { conn, options, now, head: Head::read(conn)?, deltas: Vec::new() })
    }

    pub(crate) fn mark(&self) -> Mark {
        Mark { head: self.head, deltas: self.deltas.len() }
    }

    pub(crate) fn reset(&mut self, mark: &Mark) {
        self.head = mark.head;
        self.deltas.truncate(mark.deltas);
    }

    /// What the snapshot has to learn, and the last event.
    pub(crate) fn finish(self) -> (Vec<Delta>, EventId) {
        (self.deltas, self.head.event)
    }

    /// Whole seconds of wall time.
    pub(crate) fn secs(&self) -> Result<i64, StoreError> {
        column(self.now.unix_secs(), "the system's time")
    }

    pub(crate) fn head(&self) -> EventId {
        self.head.event
    }

    pub(crate) fn learn(&mut self, delta: Delta) {
        self.deltas.push(delta);
    }

    pub(crate) fn event_append(
        &mut self,
        actor: &Actor,
        kind: &EventKind,
        payload: &Value,
    ) -> Result<EventId, StoreError> {
        let at_ms = i64::try_from(self.now.wall.as_millis())
            .map_err(|_| StoreError::OutOfRange("the system's time"))?;
        let (actor, payload) = (actor.to_string(), payload.to_string());
        self.head.append_in_txn(self.conn, at_ms, &actor, kind, &payload)
    }

    pub(crate) fn setting_set(
        &mut self,
        actor: &Actor,
        name: &str,
        value: &str,
    ) -> Result<EventId, StoreError> {
        if rows::setting(self.conn, name)?.as_deref() == Some(value) {
            return Ok(self.head());
        }
        self.conn
            .prepare_cached(
                "INSERT INTO settings VALUES (?, ?) \
                 ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            )?
            .execute([name, value])?;
        let payload = serde_json::json!({ "name": name, "value": value });
        self.event_append(actor, &EventKind::SETTING_SET, &payload)
    }
}

/// A number as a column holds it.
pub(crate) fn column(value: u64, what: &'static str) -> Result<i64, StoreError> {
    i64::try_from(value).map_err(|_| StoreError::OutOfRange(what))
}
