//! The open transaction: the connection, the head of the chain, and the events of the change at hand;
//! and the statements by which the rules write.

use clock::Timestamp;
use names::{DeviceName, RevocationReason, UserName};
use pki::{CertificateId, Fingerprint};
use rusqlite::{Connection, Params, params};
use serde_json::Value;

use super::chain::Head;
use super::column::{column, row_id, seconds};
use super::sessions;
use crate::actor::Actor;
use crate::backend::Edit;
use crate::error::{Fault, StoreError};
use crate::event::{Event, EventKind};
use crate::ids::{CaGenerationId, DeviceId, EventId, UserId};
use crate::records::{Holder, Lease, NewCaGeneration, NewCertificate, NewCrl, Revocation};
use crate::secret::Secret;
use crate::sessions::SessionNote;
use crate::settings_mark::SettingsMark;

/// Writes inside the transaction that is open.
pub(super) struct Txn<'c> {
    conn: &'c Connection,
    head: Head,
    events: Vec<Event>,
}

/// Where a transaction was before a change that may have to be taken back.
pub(super) struct Mark(Head);

impl<'c> Txn<'c> {
    /// The connection has an open transaction that holds the write lock.
    pub(super) fn new(conn: &'c Connection) -> Result<Self, Fault> {
        Ok(Self { conn, head: Head::read(conn)?, events: Vec::new() })
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

    fn execute(&self, sql: &str, params: impl Params) -> Result<(), StoreError> {
        self.conn.prepare_cached(sql)?.execute(params)?;
        Ok(())
    }

    /// The row's number.
    fn insert(&self, sql: &str, params: impl Params) -> Result<i64, StoreError> {
        Ok(self.conn.prepare_cached(sql)?.insert(params)?)
    }
}

impl Edit for Txn<'_> {
    fn setting_put(&mut self, name: &str, value: &str) -> Result<(), StoreError> {
        self.execute(
            "INSERT INTO settings VALUES (?, ?) \
             ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            [name, value],
        )
    }

    fn secret_put(&mut self, name: &str, secret: &Secret) -> Result<(), StoreError> {
        self.execute(
            "INSERT INTO secrets VALUES (?, ?) \
             ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            params![name, secret.expose()],
        )
    }

    fn secret_delete(&mut self, name: &str) -> Result<(), StoreError> {
        self.execute("DELETE FROM secrets WHERE name = ?", [name])
    }

    fn generation_insert(
        &mut self,
        new: &NewCaGeneration,
        at: Timestamp,
    ) -> Result<CaGenerationId, StoreError> {
        let id = self.insert(
            "INSERT INTO ca_generations \
             (issuer, serial, subject, not_before, not_after, added_at, der) \
             VALUES (?, ?, ?, ?, ?, ?, ?)",
            params![
                new.issuer.as_bytes(),
                new.serial.as_bytes(),
                new.subject,
                seconds(new.not_before)?,
                seconds(new.not_after)?,
                seconds(at)?,
                new.der,
            ],
        )?;
        Ok(CaGenerationId::from_row(id))
    }

    fn user_insert(&mut self, name: &UserName, at: Timestamp) -> Result<UserId, StoreError> {
        let sql = "INSERT INTO users (name, added_at) VALUES (?, ?)";
        self.insert(sql, params![name.as_str(), seconds(at)?]).map(UserId::from_row)
    }

    fn user_set_disabled(
        &mut self,
        id: UserId,
        since: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        let since = since.map(seconds).transpose()?;
        self.execute("UPDATE users SET disabled_at = ? WHERE id = ?", params![since, id.get()])
    }

    fn user_set_name(&mut self, id: UserId, name: &UserName) -> Result<(), StoreError> {
        let sql = "UPDATE users SET name = ? WHERE id = ?";
        self.execute(sql, params![name.as_str(), id.get()])
    }

    fn user_set_removed(&mut self, id: UserId, at: Timestamp) -> Result<(), StoreError> {
        let sql = "UPDATE users SET removed_at = ? WHERE id = ?";
        self.execute(sql, [seconds(at)?, id.get()])
    }

    fn device_insert(
        &mut self,
        user: UserId,
        name: &DeviceName,
        at: Timestamp,
    ) -> Result<DeviceId, StoreError> {
        let sql = "INSERT INTO devices (user, name, added_at) VALUES (?, ?, ?)";
        let id = self.insert(sql, params![user.get(), name.as_str(), seconds(at)?])?;
        Ok(DeviceId::from_row(id))
    }

    fn device_set_disabled(
        &mut self,
        id: DeviceId,
        since: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        let since = since.map(seconds).transpose()?;
        self.execute("UPDATE devices SET disabled_at = ? WHERE id = ?", params![since, id.get()])
    }

    fn device_set_removed(&mut self, id: DeviceId, at: Timestamp) -> Result<(), StoreError> {
        let sql = "UPDATE devices SET removed_at = ? WHERE id = ?";
        self.execute(sql, [seconds(at)?, id.get()])
    }

    fn lease_insert(&mut self, device: DeviceId, lease: Lease) -> Result<(), StoreError> {
        let sql = "INSERT INTO leases (device, ipv4, ipv6) VALUES (?, ?, ?)";
        let ipv6 = column(lease.ipv6, "an IPv6 host number")?;
        self.execute(sql, params![device.get(), lease.ipv4, ipv6])
    }

    fn lease_delete(&mut self, device: DeviceId) -> Result<(), StoreError> {
        self.execute("DELETE FROM leases WHERE device = ?", [device.get()])
    }

    fn certificate_insert(
        &mut self,
        new: &NewCertificate,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let (holder, device, other) = match &new.holder {
            Holder::Device(id) => ("device", Some(id.get()), None),
            Holder::Gateway => ("gateway", None, None),
            Holder::Other(name) => ("other", None, Some(name)),
        };
        self.execute(
            "INSERT INTO certificates (serial, hash, holder, device, other, subject, not_before, \
             not_after, issued_by, recorded_at, public_key, der) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            params![
                new.serial.as_bytes(),
                Fingerprint::of(&new.der).as_bytes(),
                holder,
                device,
                other,
                new.subject,
                seconds(new.not_before)?,
                seconds(new.not_after)?,
                new.issued_by.get(),
                seconds(at)?,
                new.public_key.as_bytes(),
                new.der,
            ],
        )
    }

    fn certificate_delete(&mut self, id: &CertificateId) -> Result<(), StoreError> {
        let of = params![id.issuer.as_bytes(), id.serial.as_bytes()];
        for sql in [
            format!("UPDATE certificates SET superseded_by = NULL WHERE superseded_by = {BY_ID}"),
            format!("DELETE FROM profile_settings WHERE certificate = {BY_ID}"),
            format!("DELETE FROM certificates WHERE id = {BY_ID}"),
        ] {
            self.execute(&sql, of)?;
        }
        Ok(())
    }

    fn certificate_set_connected(
        &mut self,
        id: &CertificateId,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        self.execute(
            &format!("UPDATE certificates SET connected_at = ? WHERE id = {BY_ID}"),
            params![seconds(at)?, id.issuer.as_bytes(), id.serial.as_bytes()],
        )
    }

    fn certificate_set_superseded(
        &mut self,
        former: &CertificateId,
        by: &CertificateId,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        self.execute(
            &format!(
                "UPDATE certificates SET supersede_at = ?, \
                 superseded_by = coalesce(superseded_by, {BY_ID}) WHERE id = {BY_ID}"
            ),
            params![
                seconds(at)?,
                by.issuer.as_bytes(),
                by.serial.as_bytes(),
                former.issuer.as_bytes(),
                former.serial.as_bytes(),
            ],
        )
    }

    fn revocation_set_reason(
        &mut self,
        id: &CertificateId,
        reason: RevocationReason,
    ) -> Result<(), StoreError> {
        self.execute(
            &format!("UPDATE revocations SET reason = ? WHERE certificate = {BY_ID}"),
            params![reason.code(), id.issuer.as_bytes(), id.serial.as_bytes()],
        )
    }

    fn revocation_insert(&mut self, revocation: &Revocation) -> Result<(), StoreError> {
        self.execute(
            &format!(
                "INSERT INTO revocations (event, at, reason, certificate) VALUES (?, ?, ?, {BY_ID})"
            ),
            params![
                row_id(revocation.event)?,
                seconds(revocation.at)?,
                revocation.reason.code(),
                revocation.id.issuer.as_bytes(),
                revocation.id.serial.as_bytes(),
            ],
        )
    }

    fn crl_put(&mut self, crl: &NewCrl) -> Result<(), StoreError> {
        self.execute(
            "INSERT OR REPLACE INTO crls VALUES (?, ?, ?, ?, ?, ?)",
            params![
                crl.generation.get(),
                column(crl.number, "the number of a CRL")?,
                seconds(crl.this_update)?,
                seconds(crl.next_update)?,
                row_id(crl.through)?,
                crl.der,
            ],
        )
    }

    fn session_put(&mut self, note: &SessionNote, now: Timestamp) -> Result<(), StoreError> {
        sessions::put(self.conn, note, now)
    }

    fn device_seen(
        &mut self,
        device: DeviceId,
        at: Timestamp,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.execute(sessions::SEE_ALONE, params![device.get(), seconds(at)?, seconds(now)?])
    }

    fn profile_put(
        &mut self,
        of: &CertificateId,
        settings: SettingsMark,
    ) -> Result<(), StoreError> {
        self.execute(
            "INSERT OR IGNORE INTO profile_settings SELECT c.id, ?3 FROM certificates c \
             JOIN ca_generations g ON g.id = c.issued_by WHERE g.issuer = ?1 AND c.serial = ?2",
            params![of.issuer.as_bytes(), of.serial.as_bytes(), settings.as_bytes()],
        )
    }

    fn sessions_end(&mut self, why: &str) -> Result<(), StoreError> {
        self.execute("UPDATE sessions SET ended = ? WHERE ended IS NULL", [why])
    }

    fn sessions_delete(&mut self, before: Timestamp, most: u64) -> Result<(), StoreError> {
        sessions::delete(self.conn, before, most)
    }

    fn event_append(
        &mut self,
        at: Timestamp,
        actor: &Actor,
        kind: &EventKind,
        payload: Value,
    ) -> Result<EventId, StoreError> {
        let event = self.head.append_in_txn(self.conn, at, actor, kind, payload)?;
        let id = event.id;
        self.events.push(event);
        Ok(id)
    }
}

/// The row of the certificate that is named by issuer and serial number.
const BY_ID: &str = "(SELECT c.id FROM certificates c JOIN ca_generations g ON g.id = c.issued_by \
     WHERE g.issuer = ? AND c.serial = ?)";
