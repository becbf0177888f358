//! What the store asks of a database: changes made whole and in order, and a few questions.
//!
//! [`Writing`] is used by one thread, the writer's; [`Reading`] by another. Neither knows of
//! snapshots being published or of who waits for an answer. Inside a batch the rules (`rules`) ask by
//! [`Lookup`] and write by [`Edit`]: a database brings statements and decides nothing. One is behind
//! them: `sqlite`.

use std::collections::{BTreeMap, HashMap, HashSet};

use clock::{Clock, Now, Timestamp};
use names::{DeviceName, RevocationReason, UserName};
use pki::{CertificateId, IssuerId, KeyId};
use serde_json::Value;

use crate::actor::Actor;
use crate::change::Proposal;
use crate::error::{Fault, StoreError};
use crate::event::{Event, EventKind};
use crate::ids::{CaGenerationId, DeviceId, EventId, UserId};
use crate::records::{
    CaGeneration, Certificate, Crl, Device, DeviceDetail, Holder, Lease, Listed, NewCaGeneration,
    NewCertificate, NewCrl, Revocation, User, UserDetail,
};
use crate::secret::Secret;
use crate::sessions::{SessionNote, SessionQuery, SessionRecord};
use crate::settings_mark::{ProfilesOnRecord, SettingsMark};
use crate::snapshot::Snapshot;

/// What a committed batch added to the log.
#[derive(Debug)]
pub(crate) struct Batch {
    /// Other writers' events since the one that was known, in their order.
    pub(crate) missed: Vec<Event>,
    /// For each proposal its events, or why it was refused; they follow on the missed ones.
    pub(crate) outcomes: Vec<Result<Vec<Event>, StoreError>>,
}

impl Batch {
    /// Everything that the log has beyond what was known.
    pub(crate) fn events(&self) -> impl Iterator<Item = &Event> {
        self.missed.iter().chain(self.outcomes.iter().flatten().flatten())
    }
}

/// The writing side of a database.
pub(crate) trait Writing: Send {
    /// Makes the proposals in one transaction, each whole or not at all, and has them on the disk.
    /// `known` is the last event that the caller has seen.
    ///
    /// # Errors
    /// A fault takes the whole batch back.
    fn commit(
        &mut self,
        proposals: &[Proposal],
        clock: &dyn Clock,
        known: EventId,
    ) -> Result<Batch, Fault>;

    /// What [`Writing::commit`] of the same would add to the log: worked out in memory and taken back,
    /// so that the disk has no part in it.
    fn rehearse(
        &mut self,
        proposals: &[Proposal],
        clock: &dyn Clock,
        known: EventId,
    ) -> Result<Batch, Fault>;

    /// The records as they are, from the rows.
    fn snapshot(&self) -> Result<Snapshot, StoreError>;

    /// Called between batches: time for what is not urgent. Whether something is left to do in a while.
    fn rest(&mut self, now: Now) -> bool;

    /// Leaves everything in order. Nobody has the database open for writing after that.
    fn close(self: Box<Self>);
}

/// The reading side of a database. Each answer is of one moment.
pub(crate) trait Reading {
    fn setting(&self, name: &str) -> Result<Option<String>, StoreError>;
    fn settings_below(&self, beginning: &str) -> Result<BTreeMap<String, String>, StoreError>;
    fn secret(&self, name: &str) -> Result<Option<Secret>, StoreError>;
    fn secret_names_below(&self, beginning: &str) -> Result<HashSet<String>, StoreError>;
    fn ca_generation_list(&self) -> Result<Vec<CaGeneration>, StoreError>;
    fn user_list(&self) -> Result<Vec<User>, StoreError>;
    fn user_detail(&self, name: &UserName) -> Result<UserDetail, StoreError>;
    fn device_list(&self, user: Option<&UserName>) -> Result<Vec<Device>, StoreError>;
    fn device_detail(&self, user: &UserName, name: &DeviceName)
    -> Result<DeviceDetail, StoreError>;
    /// Those of devices that had this name when they were removed, with or without their user.
    fn certificates_removed(
        &self,
        user: &UserName,
        name: &DeviceName,
    ) -> Result<Vec<Certificate>, StoreError>;
    fn certificate_list(&self) -> Result<Vec<Certificate>, StoreError>;
    /// The gateway's own, oldest first.
    fn certificates_of_gateway(&self) -> Result<Vec<Certificate>, StoreError>;
    /// Those of whatever is no device, oldest first.
    fn certificates_of_names(&self) -> Result<Vec<Certificate>, StoreError>;
    /// Those that this name has, of no device, oldest first.
    fn certificates_named(&self, name: &str) -> Result<Vec<Certificate>, StoreError>;
    /// What the CRL of this generation has to list.
    fn listed(&self, generation: CaGenerationId) -> Result<Listed, StoreError>;
    /// Whether a certificate for this key may be issued to this holder, or to a new one.
    fn key_check(&self, key: &KeyId, holder: Option<&Holder>) -> Result<(), StoreError>;
    fn crl_latest(&self, generation: CaGenerationId) -> Result<Option<Crl>, StoreError>;
    fn event_list(&self, after: EventId, limit: usize) -> Result<Vec<Event>, StoreError>;
    fn event_latest(&self) -> Result<EventId, StoreError>;
    /// The one before the first of that time or later.
    fn event_before(&self, time: Timestamp) -> Result<EventId, StoreError>;
    fn session_list(&self, query: &SessionQuery) -> Result<Vec<SessionRecord>, StoreError>;
    fn profiles(&self) -> Result<ProfilesOnRecord, StoreError>;
    fn seen_list(&self) -> Result<HashMap<DeviceId, Timestamp>, StoreError>;
}

/// What the rules of a change look up. Each answer has all that the transaction has changed so far.
pub(crate) trait Lookup {
    fn setting(&self, name: &str) -> Result<Option<String>, StoreError>;
    fn user(&self, name: &UserName) -> Result<Option<User>, StoreError>;
    /// Those whose names differ from it by case at most.
    fn users_alike(&self, name: &UserName) -> Result<Vec<User>, StoreError>;
    fn device(&self, user: UserId, name: &DeviceName) -> Result<Option<Device>, StoreError>;
    /// Those that had this name when they were removed, with or without their user.
    fn devices_removed(
        &self,
        owner: &UserName,
        name: &DeviceName,
    ) -> Result<Vec<DeviceId>, StoreError>;
    fn device_by_id(&self, id: DeviceId) -> Result<Option<Device>, StoreError>;
    /// A user's, by name.
    fn devices_of(&self, user: UserId) -> Result<Vec<Device>, StoreError>;
    fn certificate(&self, id: &CertificateId) -> Result<Option<Certificate>, StoreError>;
    /// A device's, oldest first.
    fn certificates_of(&self, device: DeviceId) -> Result<Vec<Certificate>, StoreError>;
    /// Those that this name has, of no device, oldest first.
    fn certificates_named(&self, name: &str) -> Result<Vec<Certificate>, StoreError>;
    /// Those for this key, whoever holds them, oldest first.
    fn certificates_with_key(&self, key: &KeyId) -> Result<Vec<Certificate>, StoreError>;
    /// The other certificates of `of`'s holder that are not revoked.
    fn certificates_beside(&self, of: &CertificateId) -> Result<Vec<Certificate>, StoreError>;
    /// Those among them that were recorded before `of` and have been superseded.
    fn certificates_superseded_before(
        &self,
        of: &CertificateId,
    ) -> Result<Vec<Certificate>, StoreError>;
    /// Those that are not revoked and whose time to be superseded has come.
    fn certificates_due(&self, now: Timestamp) -> Result<Vec<Certificate>, StoreError>;
    /// What the certificates of a generation are known by.
    fn issuer(&self, generation: CaGenerationId) -> Result<Option<IssuerId>, StoreError>;
    /// The generation whose certificates are known so.
    fn generation(&self, issuer: &IssuerId) -> Result<Option<CaGenerationId>, StoreError>;
    fn crl(&self, generation: CaGenerationId) -> Result<Option<Crl>, StoreError>;
    /// The highest host number that is leased.
    fn lease_highest(&self) -> Result<Option<u32>, StoreError>;
    /// The lowest free one in this range.
    fn lease_gap(&self, first: u32, last: u32) -> Result<Option<u32>, StoreError>;
}

/// What the rules of a change write. Nothing is decided here.
pub(crate) trait Edit {
    fn setting_put(&mut self, name: &str, value: &str) -> Result<(), StoreError>;
    fn secret_put(&mut self, name: &str, secret: &Secret) -> Result<(), StoreError>;
    fn secret_delete(&mut self, name: &str) -> Result<(), StoreError>;
    fn generation_insert(
        &mut self,
        new: &NewCaGeneration,
        at: Timestamp,
    ) -> Result<CaGenerationId, StoreError>;
    fn user_insert(&mut self, name: &UserName, at: Timestamp) -> Result<UserId, StoreError>;
    fn user_set_disabled(&mut self, id: UserId, since: Option<Timestamp>)
    -> Result<(), StoreError>;
    fn user_set_name(&mut self, id: UserId, name: &UserName) -> Result<(), StoreError>;
    fn user_set_removed(&mut self, id: UserId, at: Timestamp) -> Result<(), StoreError>;
    fn device_insert(
        &mut self,
        user: UserId,
        name: &DeviceName,
        at: Timestamp,
    ) -> Result<DeviceId, StoreError>;
    fn device_set_disabled(
        &mut self,
        id: DeviceId,
        since: Option<Timestamp>,
    ) -> Result<(), StoreError>;
    fn device_set_removed(&mut self, id: DeviceId, at: Timestamp) -> Result<(), StoreError>;
    fn lease_insert(&mut self, device: DeviceId, lease: Lease) -> Result<(), StoreError>;
    fn lease_delete(&mut self, device: DeviceId) -> Result<(), StoreError>;
    fn certificate_insert(&mut self, new: &NewCertificate, at: Timestamp)
    -> Result<(), StoreError>;
    /// One that was never revoked. Whoever it took the place of has a successor that nobody knows any more.
    fn certificate_delete(&mut self, id: &CertificateId) -> Result<(), StoreError>;
    fn certificate_set_connected(
        &mut self,
        id: &CertificateId,
        at: Timestamp,
    ) -> Result<(), StoreError>;
    /// The former one gets a deadline, and a successor where it has none.
    fn certificate_set_superseded(
        &mut self,
        former: &CertificateId,
        by: &CertificateId,
        at: Timestamp,
    ) -> Result<(), StoreError>;
    fn revocation_insert(&mut self, revocation: &Revocation) -> Result<(), StoreError>;
    /// A graver one; when it was revoked stays.
    fn revocation_set_reason(
        &mut self,
        id: &CertificateId,
        reason: RevocationReason,
    ) -> Result<(), StoreError>;
    fn crl_put(&mut self, crl: &NewCrl) -> Result<(), StoreError>;
    /// With which settings a profile was written with this certificate.
    fn profile_put(&mut self, of: &CertificateId, settings: SettingsMark)
    -> Result<(), StoreError>;
    /// How a session is; takes the place of what was noted of it before.
    fn session_put(&mut self, note: &SessionNote, now: Timestamp) -> Result<(), StoreError>;
    /// When a device was seen, by a connection of which no more is kept.
    fn device_seen(
        &mut self,
        device: DeviceId,
        at: Timestamp,
        now: Timestamp,
    ) -> Result<(), StoreError>;
    /// Ends the record of those that are open.
    fn sessions_end(&mut self, why: &str) -> Result<(), StoreError>;
    /// Some of those that ended and were opened before a time, and of the oldest beyond so many.
    fn sessions_delete(&mut self, before: Timestamp, most: u64) -> Result<(), StoreError>;
    /// Appends to the log, bound to the event before.
    fn event_append(
        &mut self,
        at: Timestamp,
        actor: &Actor,
        kind: &EventKind,
        payload: Value,
    ) -> Result<EventId, StoreError>;
}
