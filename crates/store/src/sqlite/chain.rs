//! The events' table: appended to with the hash of the chain, listed, and checked row by row.
//!
//! Invariant: the recorded head is that of the last event; it tells when the tail was cut off.

use clock::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde_json::Value;

use super::column::{column, event_id, row_id};
use crate::actor::Actor;
use crate::chain::{Entry, Hash, hex};
use crate::error::{Fault, StoreError};
use crate::event::{ChainFault, ChainReport, Event, EventKind};
use crate::ids::EventId;

/// The chain's last event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) event: EventId,
    hash: Hash,
}

impl Head {
    /// The recorded head. Read inside a transaction that holds the write lock, before appending.
    pub(crate) fn read(conn: &Connection) -> Result<Self, Fault> {
        let mut statement = conn.prepare_cached("SELECT event, hash FROM chain_head")?;
        Ok(statement
            .query_row([], |row| Ok(Self { event: event_id(row, 0)?, hash: row.get(1)? }))?)
    }

    /// Appends an event and moves the head on to it.
    pub(crate) fn append_in_txn(
        &mut self,
        conn: &Connection,
        at: Timestamp,
        actor: &Actor,
        kind: &EventKind,
        payload: Value,
    ) -> Result<Event, StoreError> {
        let event = self.event.next();
        let (actor, text) = (actor.to_string(), payload.to_string());
        let entry = Entry {
            id: row_id(event)?,
            at_ms: column(at.millis(), "the system's time")?,
            actor: &actor,
            kind: kind.as_str(),
            payload: &text,
        };
        let hash = entry.hash(&self.hash);
        conn.prepare_cached("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?)")?.execute(params![
            entry.id,
            entry.at_ms,
            entry.actor,
            entry.kind,
            entry.payload,
            hash
        ])?;
        conn.prepare_cached("UPDATE chain_head SET event = ?, hash = ?")?
            .execute(params![entry.id, hash])?;
        *self = Self { event, hash };
        Ok(Event { id: event, at, actor, kind: kind.clone(), payload, hash: hex(&hash) })
    }
}

/// Up to `limit` events after `after`.
pub(crate) fn event_list(
    conn: &Connection,
    after: EventId,
    limit: usize,
) -> Result<Vec<Event>, Fault> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let after = i64::try_from(after.get()).unwrap_or(i64::MAX);
    let mut statement = conn.prepare_cached(
        "SELECT id, at_ms, actor, kind, payload, hash FROM events WHERE id > ? ORDER BY id LIMIT ?",
    )?;
    let mut rows = statement.query(params![after, limit])?;
    let mut events = Vec::new();
    while let Some(row) = rows.next()? {
        events.push(event(row)?);
    }
    Ok(events)
}

/// After which event the first one of that time or later comes. Clocks jump, and nothing but the log's order says what
/// came first.
pub(crate) fn event_before(conn: &Connection, time: Timestamp) -> Result<EventId, StoreError> {
    let mut statement = conn.prepare_cached(
        "SELECT coalesce((SELECT id - 1 FROM events WHERE at_ms >= ? ORDER BY id LIMIT 1), \
         (SELECT max(id) FROM events), 0)",
    )?;
    let millis = column(time.millis(), "a time")?;
    Ok(statement.query_row([millis], |row| event_id(row, 0))?)
}

/// An event as its row has it.
pub(super) fn event(row: &Row<'_>) -> Result<Event, Fault> {
    let payload: String = row.get(4)?;
    let unreadable = |what| Fault::Unreadable { what };
    Ok(Event {
        id: event_id(row, 0)?,
        at: u64::try_from(row.get::<_, i64>(1)?)
            .map(Timestamp::from_millis)
            .map_err(|_| unreadable("time of an event"))?,
        actor: row.get(2)?,
        kind: EventKind::from_row(row.get(3)?),
        payload: serde_json::from_str(&payload).map_err(|_| unreadable("payload of an event"))?,
        hash: hex(&row.get(5)?),
    })
}

/// Recomputes every hash, in one read transaction.
pub(crate) fn verify(conn: &Connection) -> Result<ChainReport, Fault> {
    let txn = conn.unchecked_transaction()?;
    let mut good = Head::START;
    let fault = good.follow(&txn, |_| Ok(()))?;
    Ok(good.report(fault))
}

impl Head {
    /// Before the first event.
    pub(crate) const START: Head = Head { event: EventId::NONE, hash: [0; 32] };

    /// Goes on from here to the end of the log as far as it is good, and says what is not. Every row behind
    /// this one is handled, whatever is wrong with it or one before.
    pub(super) fn follow(
        &mut self,
        conn: &Connection,
        mut handle: impl FnMut(&Row<'_>) -> Result<(), Fault>,
    ) -> Result<Option<ChainFault>, Fault> {
        let mut fault = self.stands(conn)?;
        let sql =
            "SELECT id, at_ms, actor, kind, payload, hash FROM events WHERE id > ? ORDER BY id";
        let mut statement = conn.prepare_cached(sql)?;
        let mut rows = statement.query([self.row()])?;
        while let Some(row) = rows.next()? {
            if fault.is_none() {
                fault = self.step(row)?;
            }
            handle(row)?;
        }
        match fault {
            Some(fault) => Ok(Some(fault)),
            None => compare_with_head(conn, self),
        }
    }

    /// What is to be said of the log where this is its last good event.
    pub(super) fn report(&self, fault: Option<ChainFault>) -> ChainReport {
        ChainReport { events: self.event.get(), head: hex(&self.hash), fault }
    }

    fn row(&self) -> i64 {
        i64::try_from(self.event.get()).unwrap_or(i64::MAX)
    }

    /// Whether the log has this event still as it was.
    pub(super) fn stands(&self, conn: &Connection) -> Result<Option<ChainFault>, Fault> {
        if self.event == EventId::NONE {
            return Ok(None);
        }
        let sql = "SELECT hash FROM events WHERE id = ?";
        let hash = conn.query_row(sql, [self.row()], |row| row.get::<_, Hash>(0));
        let event = self.event;
        Ok(match hash.optional()? {
            None => Some(ChainFault::Missing { event }),
            Some(hash) if hash != self.hash => Some(ChainFault::Altered { event }),
            Some(_) => None,
        })
    }

    /// One event further, or why this is not the next one.
    fn step(&mut self, row: &Row<'_>) -> Result<Option<ChainFault>, Fault> {
        let event = self.event.next();
        let id: i64 = row.get(0)?;
        if u64::try_from(id) != Ok(event.get()) {
            return Ok(Some(ChainFault::Missing { event }));
        }
        match follows(row, id, &self.hash) {
            Some(hash) => *self = Head { event, hash },
            None => return Ok(Some(ChainFault::Altered { event })),
        }
        Ok(None)
    }
}

/// The event's hash, if it is what the event's content and the former hash make. A column of
/// another type than ours is an alteration too.
fn follows(row: &Row<'_>, id: i64, former: &Hash) -> Option<Hash> {
    let text = |column| row.get_ref(column).ok()?.as_str().ok();
    let (actor, kind, payload) = (text(2)?, text(3)?, text(4)?);
    let entry = Entry { id, at_ms: row.get(1).ok()?, actor, kind, payload };
    let stored: Hash = row.get(5).ok()?;
    (entry.hash(former) == stored).then_some(stored)
}

fn compare_with_head(conn: &Connection, good: &Head) -> Result<Option<ChainFault>, Fault> {
    let recorded = conn
        .query_row("SELECT event, hash FROM chain_head", [], |row| {
            Ok((event_id(row, 0)?, row.get::<_, Hash>(1)?))
        })
        .optional()?;
    Ok(match recorded {
        Some((event, _)) if event > good.event => {
            Some(ChainFault::Missing { event: good.event.next() })
        }
        Some((event, _)) if event < good.event => {
            Some(ChainFault::BeyondHead { event: event.next() })
        }
        Some((event, hash)) if hash != good.hash => Some(ChainFault::Altered { event }),
        Some(_) => None,
        None => Some(ChainFault::BeyondHead { event: EventId::NONE.next() }),
    })
}
