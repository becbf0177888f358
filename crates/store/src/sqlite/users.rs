//! Changes of users and devices, and the leases that come and go with devices.

use names::{DeviceName, RevocationReason, UserName};
use rusqlite::{OptionalExtension, params};

use super::rows;
use super::txn::Txn;
use crate::actor::Actor;
use crate::error::{Refused, StoreError};
use crate::event::EventKind;
use crate::payload::{DevicePayload, UserPayload};

/// 0 is the network, 1 the gateway.
const LEASE_FIRST: u32 = 2;

impl Txn<'_> {
    pub(super) fn user_add(
        &mut self,
        actor: &Actor,
        name: &UserName,
        first_device: Option<&DeviceName>,
    ) -> Result<(), StoreError> {
        match rows::user_named(self.conn, name) {
            Ok(_) => return Err(Refused::UserExists(name.clone()).into()),
            Err(StoreError::Refused(Refused::UserUnknown(_))) => {}
            Err(fault) => return Err(fault),
        }
        self.conn
            .prepare_cached("INSERT INTO users (name, enabled, added_at) VALUES (?, 1, ?)")?
            .execute(params![name.as_str(), self.secs()?])?;
        let user = rows::user_named(self.conn, name)?;
        self.record(actor, &EventKind::USER_ADDED, &UserPayload::from(&user))?;
        first_device.map_or(Ok(()), |device| self.device_add(actor, name, device))
    }

    pub(super) fn user_set_enabled(
        &mut self,
        actor: &Actor,
        name: &UserName,
        enabled: bool,
    ) -> Result<(), StoreError> {
        let user = rows::user_named(self.conn, name)?;
        if user.enabled == enabled {
            return Ok(());
        }
        self.conn
            .prepare_cached("UPDATE users SET enabled = ? WHERE id = ?")?
            .execute(params![enabled, user.id.get()])?;
        let kind = if enabled { EventKind::USER_ENABLED } else { EventKind::USER_DISABLED };
        self.record(actor, &kind, &UserPayload::from(&user)).map(drop)
    }

    pub(super) fn user_remove(&mut self, actor: &Actor, name: &UserName) -> Result<(), StoreError> {
        let user = rows::user_named(self.conn, name)?;
        for device in rows::devices_of(self.conn, user.id)? {
            self.device_remove(actor, name, &device.name)?;
        }
        self.conn
            .prepare_cached("UPDATE users SET removed_at = ? WHERE id = ?")?
            .execute(params![self.secs()?, user.id.get()])?;
        self.record(actor, &EventKind::USER_REMOVED, &UserPayload::from(&user)).map(drop)
    }

    pub(super) fn device_add(
        &mut self,
        actor: &Actor,
        owner: &UserName,
        name: &DeviceName,
    ) -> Result<(), StoreError> {
        let user = rows::user_named(self.conn, owner)?;
        match rows::device_named(self.conn, owner, name) {
            Ok(_) => return Err(Refused::DeviceExists(owner.clone(), name.clone()).into()),
            Err(StoreError::Refused(Refused::DeviceUnknown(..))) => {}
            Err(fault) => return Err(fault),
        }
        self.conn
            .prepare_cached(
                "INSERT INTO devices (user, name, enabled, added_at) VALUES (?, ?, 1, ?)",
            )?
            .execute(params![user.id.get(), name.as_str(), self.secs()?])?;
        self.lease_add(self.conn.last_insert_rowid())?;
        let device = rows::device_named(self.conn, owner, name)?;
        self.record(actor, &EventKind::DEVICE_ADDED, &DevicePayload::from(&device)).map(drop)
    }

    pub(super) fn device_set_enabled(
        &mut self,
        actor: &Actor,
        owner: &UserName,
        name: &DeviceName,
        enabled: bool,
    ) -> Result<(), StoreError> {
        let device = rows::device_named(self.conn, owner, name)?;
        if device.enabled == enabled {
            return Ok(());
        }
        self.conn
            .prepare_cached("UPDATE devices SET enabled = ? WHERE id = ?")?
            .execute(params![enabled, device.id.get()])?;
        let kind = if enabled { EventKind::DEVICE_ENABLED } else { EventKind::DEVICE_DISABLED };
        self.record(actor, &kind, &DevicePayload::from(&device)).map(drop)
    }

    pub(super) fn device_revoke(
        &mut self,
        actor: &Actor,
        owner: &UserName,
        name: &DeviceName,
        reason: RevocationReason,
    ) -> Result<(), StoreError> {
        let device = rows::device_named(self.conn, owner, name)?;
        rows::certificates_of(self.conn, device.id)?
            .into_iter()
            .filter(|certificate| certificate.revocation.is_none())
            .try_for_each(|certificate| self.revoke_in_txn(actor, &certificate, reason))
    }

    pub(super) fn device_remove(
        &mut self,
        actor: &Actor,
        owner: &UserName,
        name: &DeviceName,
    ) -> Result<(), StoreError> {
        let reason = RevocationReason::CessationOfOperation;
        self.device_revoke(actor, owner, name, reason)?;
        let device = rows::device_named(self.conn, owner, name)?;
        self.conn
            .prepare_cached("DELETE FROM leases WHERE device = ?")?
            .execute([device.id.get()])?;
        self.conn
            .prepare_cached("UPDATE devices SET removed_at = ? WHERE id = ?")?
            .execute(params![self.secs()?, device.id.get()])?;
        self.record(actor, &EventKind::DEVICE_REMOVED, &DevicePayload::from(&device)).map(drop)
    }

    fn lease_add(&mut self, device: i64) -> Result<(), StoreError> {
        let host = self.lease_free()?;
        self.conn
            .prepare_cached("INSERT INTO leases (device, ipv4, ipv6) VALUES (?, ?, ?)")?
            .execute(params![device, host, host])?;
        Ok(())
    }

    /// Above all others as long as there is room, so that a freed address rests before it gets
    /// another owner; then the lowest free one.
    fn lease_free(&self) -> Result<u32, StoreError> {
        let last = self.options.lease_last;
        let top: Option<u32> = self
            .conn
            .prepare_cached("SELECT max(ipv4) FROM leases")?
            .query_row([], |r| r.get(0))?;
        match top {
            None if LEASE_FIRST <= last => Ok(LEASE_FIRST),
            Some(top) if top < last => Ok(top + 1),
            _ => self.lease_gap()?.ok_or(Refused::AddressesUsedUp { last }.into()),
        }
    }

    fn lease_gap(&self) -> Result<Option<u32>, StoreError> {
        let mut statement = self.conn.prepare_cached(
            "SELECT h FROM (SELECT ?1 AS h UNION SELECT ipv4 + 1 FROM leases) \
             WHERE h <= ?2 AND h NOT IN (SELECT ipv4 FROM leases) ORDER BY h LIMIT 1",
        )?;
        let last = self.options.lease_last;
        Ok(statement.query_row([LEASE_FIRST, last], |row| row.get(0)).optional()?)
    }
}
