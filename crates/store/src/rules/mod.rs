//! The rules of a change: whether it may be made, what it writes, and which events tell of it.
//!
//! Whatever the database is, these hold: rules ask it by [`Lookup`] and write by [`Edit`], in one
//! transaction that is taken back whole where a rule refuses. Not here: statements, and who waits for the
//! answer.

use clock::{Now, Timestamp};
use serde::Serialize;
use serde_json::Value;

use crate::actor::Actor;
use crate::backend::{Edit, Lookup};
use crate::change::{Change, Proposal};
use crate::error::StoreError;
use crate::event::EventKind;
use crate::ids::EventId;
use crate::options::Options;
use crate::payload;
use crate::records::{Holder, NewCertificate};

mod certificates;
mod devices;
mod keys;
mod known;
mod leases;
mod rollover;
mod users;

pub(crate) use keys::check_key;
use known::Known;

/// The rules at work on one change.
pub(crate) struct Rules<'a> {
    lookup: &'a dyn Lookup,
    edit: &'a mut dyn Edit,
    options: &'a Options,
    actor: &'a Actor,
    now: Now,
}

impl<'a> Rules<'a> {
    /// Makes a change, in the transaction that `lookup` and `edit` are of.
    ///
    /// # Errors
    /// What was written until then has to be taken back.
    pub(crate) fn make(
        proposal: &'a Proposal,
        lookup: &'a dyn Lookup,
        edit: &'a mut dyn Edit,
        options: &'a Options,
        now: Now,
    ) -> Result<(), StoreError> {
        let actor = &proposal.actor;
        Rules { lookup, edit, options, actor, now }.apply(&proposal.change)
    }

    fn apply(&mut self, change: &Change) -> Result<(), StoreError> {
        match change {
            Change::All(changes) => changes.iter().try_for_each(|change| self.apply(change)),
            Change::SettingSet { name, value } => self.setting_set(name, value),
            Change::SecretPut { name, secret } => self.secret_put(name, secret),
            Change::SecretsForget { names } => self.secrets_forget(names),
            Change::CaGenerationAdd(new) => self.ca_generation_add(new),
            Change::RolloverStart(new) => self.rollover_start(new),
            Change::RolloverFinish { former, vouched } => self.rollover_finish(*former, vouched),
            Change::UserAdd { name, first_device } => self.user_add(name, first_device.as_ref()),
            Change::UserSetEnabled { name, enabled } => self.user_set_enabled(name, *enabled),
            Change::UserRemove { name } => self.user_remove(name),
            Change::UserRename { name, to } => self.user_rename(name, to),
            Change::DeviceAdd { user, device } => self.device_add(user, device),
            Change::DeviceAddCertified { user, device, first } => {
                self.device_add(user, device)?;
                let holder = Holder::Device(self.known().device(user, device)?.id);
                self.certificate_record(&NewCertificate { holder, ..(**first).clone() })
            }
            Change::DeviceSetEnabled { user, device, enabled } => {
                self.device_set_enabled(user, device, *enabled)
            }
            Change::DeviceRevoke { user, device, reason } => {
                self.device_revoke(user, device, *reason)
            }
            Change::DeviceRemove { user, device } => self.device_remove(user, device),
            Change::LeasesFree { devices, before } => self.leases_free(devices, *before),
            Change::CertificateRecord(new) => self.certificate_record(new),
            Change::CertificateRevoke { id, reason } => self.certificate_revoke(id, *reason),
            Change::NameRevoke { name, reason } => self.name_revoke(name, *reason),
            Change::CertificateMarkConnected { id } => self.certificate_mark_connected(id),
            Change::CertificateSupersedeDue => self.certificate_supersede_due(),
            Change::CertificatesForget { ended, before } => {
                self.certificates_forget(ended, *before)
            }
            Change::CrlRecord(crl) => self.crl_record(crl),
            // What is noted of profiles and sessions is no record that rights rest on: no rule, and no event.
            Change::ProfileNote { certificate, settings } => {
                self.edit.profile_put(certificate, *settings)
            }
            Change::SessionsNote(notes) => {
                let now = self.now.into();
                notes.iter().try_for_each(|note| self.edit.session_put(note, now))
            }
            Change::DevicesSeen(seen) => {
                let now = self.now.into();
                seen.iter().try_for_each(|(device, at)| self.edit.device_seen(*device, *at, now))
            }
            Change::SessionsEnd { why } => self.edit.sessions_end(why),
            Change::SessionsForget { before, most } => self.edit.sessions_delete(*before, *most),
            Change::EventOnce { name, value, kind, payload } => {
                if self.lookup.setting(name)?.as_deref() == Some(value) {
                    return Ok(());
                }
                self.setting_set(name, value)?;
                self.event_append(kind, payload.clone()).map(drop)
            }
            Change::EventAppend { kind, payload } => {
                self.event_append(kind, payload.clone()).map(drop)
            }
        }
    }

    fn setting_set(&mut self, name: &str, value: &str) -> Result<(), StoreError> {
        if self.lookup.setting(name)?.as_deref() == Some(value) {
            return Ok(());
        }
        self.edit.setting_put(name, value)?;
        let payload = serde_json::json!({ "name": name, "value": value });
        self.record(&EventKind::SETTING_SET, &payload).map(drop)
    }

    /// Appends the event of a change to records.
    fn record(
        &mut self,
        kind: &EventKind,
        payload: &impl Serialize,
    ) -> Result<EventId, StoreError> {
        self.event_append(kind, payload::to_value(payload))
    }

    fn event_append(&mut self, kind: &EventKind, payload: Value) -> Result<EventId, StoreError> {
        let at = Timestamp::from_wall(self.now.wall);
        self.edit.event_append(at, self.actor, kind, payload)
    }

    fn known(&self) -> Known<'a> {
        Known(self.lookup)
    }

    /// The time that records have.
    fn at(&self) -> Timestamp {
        self.now.into()
    }
}
