//! The open transaction: the connection, the time, the head of the chain, and the events of the
//! change at hand.

use clock::{Now, Timestamp};
use rusqlite::Connection;
use serde::Serialize;

use super::chain::Head;
use super::column::seconds;
use super::rows;
use crate::actor::Actor;
use crate::change::Change;
use crate::error::{Fault, Refused, StoreError};
use crate::event::{Event, EventKind};
use crate::ids::EventId;
use crate::options::Options;
use crate::payload;

/// Changes are methods of this type, one file per resource.
pub(super) struct Txn<'c> {
    pub(super) conn: &'c Connection,
    pub(super) options: &'c Options,
    pub(super) now: Now,
    head: Head,
    events: Vec<Event>,
}

/// Where a transaction was before a change that may have to be taken back.
pub(super) struct Mark(Head);

impl<'c> Txn<'c> {
    /// The connection has an open transaction that holds the write lock.
    pub(super) fn new(conn: &'c Connection, options: &'c Options, now: Now) -> Result<Self, Fault> {
        Ok(Self { conn, options, now, head: Head::read(conn)?, events: Vec::new() })
    }

    pub(super) fn mark(&self) -> Mark {
        Mark(self.head)
    }

    pub(super) fn reset(&mut self, mark: &Mark) {
        self.head = mark.0;
        self.events.clear();
    }

    pub(super) fn head(&self) -> EventId {
        self.head.event
    }

    /// The events since this was asked last.
    pub(super) fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// Makes a change.
    pub(super) fn apply(&mut self, actor: &Actor, change: &Change) -> Result<(), StoreError> {
        match change {
            Change::SettingSet { name, value } => self.setting_set(actor, name, value),
            Change::SecretPut { name, secret } => self.secret_put(actor, name, secret),
            Change::CaGenerationAdd(new) => self.ca_generation_add(actor, new),
            Change::UserAdd { name, first_device } => {
                self.user_add(actor, name, first_device.as_ref())
            }
            Change::UserSetEnabled { name, enabled } => {
                self.user_set_enabled(actor, name, *enabled)
            }
            Change::UserRemove { name } => self.user_remove(actor, name),
            Change::DeviceAdd { user, device } => self.device_add(actor, user, device),
            Change::DeviceSetEnabled { user, device, enabled } => {
                self.device_set_enabled(actor, user, device, *enabled)
            }
            Change::DeviceRevoke { user, device, reason } => {
                self.device_revoke(actor, user, device, *reason)
            }
            Change::DeviceRemove { user, device } => self.device_remove(actor, user, device),
            Change::CertificateRecord(new) => self.certificate_record(actor, new),
            Change::CertificateRevoke { id, reason } => self.certificate_revoke(actor, id, *reason),
            Change::CertificateMarkConnected { id } => self.certificate_mark_connected(actor, id),
            Change::CertificateSupersedeDue => self.certificate_supersede_due(actor),
            Change::CrlRecord(crl) => self.crl_record(actor, crl),
            Change::EventAppend { kind, payload } => {
                self.event_append(actor, kind, payload.clone()).map(drop)
            }
        }
    }

    /// Wall time as rows have it.
    pub(super) fn secs(&self) -> Result<i64, Refused> {
        seconds(self.now.into())
    }

    /// Appends the event of a change to records.
    pub(super) fn record(
        &mut self,
        actor: &Actor,
        kind: &EventKind,
        payload: &impl Serialize,
    ) -> Result<EventId, StoreError> {
        self.event_append(actor, kind, payload::to_value(payload))
    }

    fn event_append(
        &mut self,
        actor: &Actor,
        kind: &EventKind,
        payload: serde_json::Value,
    ) -> Result<EventId, StoreError> {
        let at = Timestamp::from_wall(self.now.wall);
        let event = self.head.append_in_txn(self.conn, at, actor, kind, payload)?;
        let id = event.id;
        self.events.push(event);
        Ok(id)
    }

    fn setting_set(&mut self, actor: &Actor, name: &str, value: &str) -> Result<(), StoreError> {
        if rows::setting(self.conn, name)?.as_deref() == Some(value) {
            return Ok(());
        }
        self.conn
            .prepare_cached(
                "INSERT INTO settings VALUES (?, ?) \
                 ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            )?
            .execute([name, value])?;
        let payload = serde_json::json!({ "name": name, "value": value });
        self.record(actor, &EventKind::SETTING_SET, &payload).map(drop)
    }
}
