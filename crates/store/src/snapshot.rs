//! What is true at one moment, in memory: for verifiers, admission and listings on hot paths.
//!
//! It is built from the rows once and moves on by events, whoever committed them. Invariant: moved
//! on by all events up to one, it is what the rows of that moment make.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use clock::{Timestamp, unix_secs};
use names::RevocationReason;
use pki::{CertificateId, CertificateStatus, Fingerprint, KeyId};

use crate::event::{Event, EventKind};
use crate::ids::{CaGenerationId, DeviceId, EventId, UserId};
use crate::payload::{
    self, CertificatePayload, DevicePayload, ForgottenPayload, RecordedPayload, RenamedPayload,
    RevokedPayload, UserPayload,
};
use crate::records::{Certificate, Crl, Device, Holder, User, hold_since};
use crate::shards::Shards;

/// Immutable; a commit publishes another one. Get one with [`Store::snapshot`](crate::Store::snapshot).
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    through: Option<EventId>,
    withdrawn: Option<EventId>,
    standing_changed: Option<EventId>,
    users: Shards<UserId, Arc<User>>,
    devices: Shards<DeviceId, Arc<Device>>,
    certificates: Shards<CertificateId, Arc<CertificateEntry>>,
    crls: BTreeMap<CaGenerationId, CrlEntry>,
}

/// What the snapshot knows of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateEntry {
    /// Who issued it, and its serial number.
    pub id: CertificateId,
    /// Which one it is, bit for bit.
    pub fingerprint: Fingerprint,
    /// The key that it is for.
    pub public_key: KeyId,
    /// Whom it names.
    pub holder: Holder,
    /// Valid until.
    pub not_after: Timestamp,
    /// The CA generation that signed it.
    pub issued_by: CaGenerationId,
    /// When it was recorded.
    pub recorded_at: Timestamp,
    /// When and why it was revoked.
    pub revoked: Option<(Timestamp, RevocationReason)>,
    /// Whether it was ever used to connect.
    pub connected: bool,
    /// When it will be revoked as superseded.
    pub supersede_at: Option<Timestamp>,
}

/// What the snapshot knows of a CRL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct CrlEntry {
    /// Whose CRL.
    pub generation: CaGenerationId,
    /// Its CRLNumber.
    pub number: u64,
    /// thisUpdate.
    #[serde(with = "unix_secs")]
    pub this_update: Timestamp,
    /// nextUpdate.
    #[serde(with = "unix_secs")]
    pub next_update: Timestamp,
    /// Every revocation up to this event is in it.
    pub through: EventId,
}

/// An event that does not say what it changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unclear;

impl Snapshot {
    /// From the rows, as they were after `through`.
    pub(crate) fn from_rows(
        users: Vec<User>,
        devices: Vec<Device>,
        certificates: &[Certificate],
        crls: &[Crl],
        through: EventId,
    ) -> Self {
        let mut made = Self { through: Some(through), ..Self::default() };
        users.into_iter().for_each(|user| made.users.insert(user.id, Arc::new(user)));
        devices.into_iter().for_each(|device| made.devices.insert(device.id, Arc::new(device)));
        certificates.iter().for_each(|certificate| {
            made.certificates.insert(certificate.id, Arc::new(certificate.into()));
        });
        made.crls = crls.iter().map(|crl| (crl.generation, crl.into())).collect();
        // Nobody knows what was withdrawn on the way here.
        made.withdrawn = made.through;
        made.standing_changed = made.through;
        made
    }

    /// The last event that it has in it.
    pub fn through(&self) -> EventId {
        self.through.unwrap_or(EventId::NONE)
    }

    /// The last event by which a certificate may have become worth less than it was. A snapshot that
    /// was built from the rows, as at a start, takes all events before it for such.
    pub fn withdrawn(&self) -> EventId {
        self.withdrawn.unwrap_or(EventId::NONE)
    }

    /// The last event by which what the CA says of a certificate may have changed: all that withdraw, and those that
    /// lift a hold. After a start as [`Snapshot::withdrawn`] has it.
    pub fn standing_changed(&self) -> EventId {
        self.standing_changed.unwrap_or(EventId::NONE)
    }

    /// What CRL and OCSP say against a certificate: since when it is revoked or on hold, and why.
    pub fn standing(&self, entry: &CertificateEntry) -> Option<(Timestamp, RevocationReason)> {
        entry.revoked.or_else(|| {
            let Holder::Device(id) = entry.holder else { return None };
            let device = self.device(id)?;
            let user = self.user(device.user)?;
            let since = hold_since(user.disabled_at, device.disabled_at)?;
            Some((since, RevocationReason::CertificateHold))
        })
    }

    /// What the certificate of this id is worth that has this fingerprint.
    pub fn status_of(&self, id: &CertificateId, fingerprint: &Fingerprint) -> CertificateStatus {
        match self.certificate(id) {
            Some(entry) if entry.fingerprint != *fingerprint => CertificateStatus::Forged,
            _ => self.status(id),
        }
    }

    /// What the certificate of this id is worth. A revocation outweighs everything else.
    pub fn status(&self, id: &CertificateId) -> CertificateStatus {
        let Some(entry) = self.certificate(id) else { return CertificateStatus::Unknown };
        if let Some((at, reason)) = entry.revoked {
            return CertificateStatus::Revoked { at, reason };
        }
        let Holder::Device(id) = entry.holder else { return CertificateStatus::Good };
        let Some(device) = self.device(id) else { return CertificateStatus::DeviceDisabled };
        match self.user(device.user) {
            Some(user) if user.enabled() && device.enabled() => CertificateStatus::Good,
            Some(user) if user.enabled() => CertificateStatus::DeviceDisabled,
            _ => CertificateStatus::UserDisabled,
        }
    }

    /// A certificate by its id.
    pub fn certificate(&self, id: &CertificateId) -> Option<&Arc<CertificateEntry>> {
        self.certificates.get(id)
    }

    /// All certificates, in no order.
    pub fn certificates(&self) -> impl Iterator<Item = &Arc<CertificateEntry>> {
        self.certificates.values()
    }

    /// The certificate that each device uses, or used last: the newest good one, else the newest.
    pub fn current_certificates(&self) -> HashMap<DeviceId, &Arc<CertificateEntry>> {
        let mut current: HashMap<DeviceId, &Arc<CertificateEntry>> = HashMap::new();
        let rank = |entry: &CertificateEntry| {
            (entry.revoked.is_none(), entry.recorded_at, entry.not_after, entry.id)
        };
        for entry in self.certificates() {
            let Holder::Device(device) = entry.holder else { continue };
            let known = current.entry(device).or_insert(entry);
            if rank(entry) > rank(known) {
                *known = entry;
            }
        }
        current
    }

    /// The device that a certificate was issued for, with its user.
    pub fn identity(&self, id: &CertificateId) -> Option<(&Arc<User>, &Arc<Device>)> {
        let Holder::Device(id) = self.certificate(id)?.holder else { return None };
        let device = self.device(id)?;
        Some((self.user(device.user)?, device))
    }

    /// A user by id.
    pub fn user(&self, id: UserId) -> Option<&Arc<User>> {
        self.users.get(&id)
    }

    /// All users, in no order.
    pub fn users(&self) -> impl Iterator<Item = &Arc<User>> {
        self.users.values()
    }

    /// A device by id.
    pub fn device(&self, id: DeviceId) -> Option<&Arc<Device>> {
        self.devices.get(&id)
    }

    /// All devices, in no order.
    pub fn devices(&self) -> impl Iterator<Item = &Arc<Device>> {
        self.devices.values()
    }

    /// The latest CRL of a CA generation.
    pub fn crl(&self, generation: CaGenerationId) -> Option<&CrlEntry> {
        self.crls.get(&generation)
    }

    /// The next snapshot: this one moved on by the events that follow on it. Costs what changed, and
    /// a copy of the shards that it is in.
    pub(crate) fn after<'a>(
        &self,
        events: impl IntoIterator<Item = &'a Event>,
    ) -> Result<Snapshot, Unclear> {
        let mut next = self.clone();
        for event in events {
            next.fold(event)?;
        }
        Ok(next)
    }

    /// Moves this one on by an event, for whoever builds one from the log.
    pub(crate) fn fold(&mut self, event: &Event) -> Result<(), Unclear> {
        self.apply(event)?;
        self.through = Some(event.id);
        Ok(())
    }

    fn apply(&mut self, event: &Event) -> Result<(), Unclear> {
        match &event.kind {
            kind if *kind == EventKind::USER_ADDED => self.user_added(event),
            kind if *kind == EventKind::USER_ENABLED => self.user_enabled(event, true),
            kind if *kind == EventKind::USER_DISABLED => self.user_enabled(event, false),
            kind if *kind == EventKind::USER_RENAMED => self.user_renamed(event),
            kind if *kind == EventKind::USER_REMOVED => self.user_removed(event),
            kind if *kind == EventKind::DEVICE_ADDED => self.device_added(event),
            kind if *kind == EventKind::DEVICE_ENABLED => self.device_enabled(event, true),
            kind if *kind == EventKind::DEVICE_DISABLED => self.device_enabled(event, false),
            kind if *kind == EventKind::DEVICE_ADDRESSES_FREED => self.device_leased(event, false),
            kind if *kind == EventKind::DEVICE_ADDRESSES_GIVEN => self.device_leased(event, true),
            kind if *kind == EventKind::DEVICE_REMOVED => self.device_removed(event),
            kind if *kind == EventKind::CERTIFICATE_RECORDED => self.certificate_recorded(event),
            kind if *kind == EventKind::CERTIFICATE_REVOKED => self.certificate_revoked(event),
            kind if *kind == EventKind::CERTIFICATE_CONNECTED => self.certificate_connected(event),
            kind if *kind == EventKind::CERTIFICATES_FORGOTTEN => {
                self.certificates_forgotten(event)
            }
            kind if *kind == EventKind::CRL_SIGNED => self.crl_signed(event),
            // All others are of no record that is kept here.
            _ => Ok(()),
        }
    }

    fn user_added(&mut self, event: &Event) -> Result<(), Unclear> {
        let UserPayload { user, user_id } = read(event)?;
        let user = User { id: user_id, name: user, disabled_at: None, added_at: event.second() };
        self.users.insert(user_id, Arc::new(user));
        Ok(())
    }

    fn user_enabled(&mut self, event: &Event, enabled: bool) -> Result<(), Unclear> {
        let UserPayload { user_id, .. } = read(event)?;
        let user = self.users.get(&user_id).ok_or(Unclear)?;
        let disabled_at = (!enabled).then(|| event.second());
        let user = User { disabled_at, ..User::clone(user) };
        self.users.insert(user_id, Arc::new(user));
        self.note_enabled(event, enabled);
        Ok(())
    }

    fn user_renamed(&mut self, event: &Event) -> Result<(), Unclear> {
        let RenamedPayload { user: name, user_id, .. } = read(event)?;
        let user = self.users.get(&user_id).ok_or(Unclear)?;
        let user = User { name: name.clone(), ..User::clone(user) };
        self.users.insert(user_id, Arc::new(user));
        let own: Vec<_> = self.devices.values().filter(|d| d.user == user_id).cloned().collect();
        for device in own {
            let device = Device { user_name: name.clone(), ..Device::clone(&device) };
            self.devices.insert(device.id, Arc::new(device));
        }
        Ok(())
    }

    fn user_removed(&mut self, event: &Event) -> Result<(), Unclear> {
        let UserPayload { user_id, .. } = read(event)?;
        self.users.remove(&user_id);
        self.note_withdrawal(event);
        Ok(())
    }

    fn device_added(&mut self, event: &Event) -> Result<(), Unclear> {
        let payload: DevicePayload = read(event)?;
        let device = payload.into_device(event.second());
        self.devices.insert(device.id, Arc::new(device));
        Ok(())
    }

    fn device_enabled(&mut self, event: &Event, enabled: bool) -> Result<(), Unclear> {
        let DevicePayload { device_id, .. } = read(event)?;
        let device = self.devices.get(&device_id).ok_or(Unclear)?;
        let disabled_at = (!enabled).then(|| event.second());
        let device = Device { disabled_at, ..Device::clone(device) };
        self.devices.insert(device_id, Arc::new(device));
        self.note_enabled(event, enabled);
        Ok(())
    }

    fn device_leased(&mut self, event: &Event, given: bool) -> Result<(), Unclear> {
        let DevicePayload { device_id, lease, .. } = read(event)?;
        let device = self.devices.get(&device_id).ok_or(Unclear)?;
        let device = Device { lease: lease.filter(|_| given), ..Device::clone(device) };
        self.devices.insert(device_id, Arc::new(device));
        Ok(())
    }

    fn device_removed(&mut self, event: &Event) -> Result<(), Unclear> {
        let DevicePayload { device_id, .. } = read(event)?;
        self.devices.remove(&device_id);
        self.note_withdrawal(event);
        Ok(())
    }

    fn certificate_recorded(&mut self, event: &Event) -> Result<(), Unclear> {
        let payload: RecordedPayload = read(event)?;
        for former in payload.superseded() {
            self.change_certificate(&former, |entry| {
                let dates = [entry.supersede_at, payload.supersede_at];
                entry.supersede_at = dates.into_iter().flatten().min();
            })?;
        }
        let entry = payload.into_entry(event.second()).ok_or(Unclear)?;
        if self.standing(&entry).is_some() {
            // Its device is disabled, so it is on hold from the first.
            self.standing_changed = Some(event.id);
        }
        self.certificates.insert(entry.id, Arc::new(entry));
        Ok(())
    }

    fn certificate_revoked(&mut self, event: &Event) -> Result<(), Unclear> {
        let payload: RevokedPayload = read(event)?;
        let revoked = Some((payload.since.unwrap_or(event.second()), payload.reason));
        self.change_certificate(&payload.certificate.id, |entry| entry.revoked = revoked)?;
        self.note_withdrawal(event);
        Ok(())
    }

    fn certificate_connected(&mut self, event: &Event) -> Result<(), Unclear> {
        let payload: CertificatePayload = read(event)?;
        self.change_certificate(&payload.id, |entry| entry.connected = true)
    }

    fn certificates_forgotten(&mut self, event: &Event) -> Result<(), Unclear> {
        let payload: ForgottenPayload = read(event)?;
        payload.ids().for_each(|id| drop(self.certificates.remove(&id)));
        Ok(())
    }

    fn crl_signed(&mut self, event: &Event) -> Result<(), Unclear> {
        let entry: CrlEntry = read(event)?;
        self.crls.insert(entry.generation, entry);
        Ok(())
    }

    fn change_certificate(
        &mut self,
        id: &CertificateId,
        change: impl FnOnce(&mut CertificateEntry),
    ) -> Result<(), Unclear> {
        let mut entry = CertificateEntry::clone(self.certificates.get(id).ok_or(Unclear)?);
        change(&mut entry);
        self.certificates.insert(*id, Arc::new(entry));
        Ok(())
    }

    /// Something was taken away. A certificate that connects for the first time, as in a storm of new devices
    /// each does, takes nothing.
    fn note_withdrawal(&mut self, event: &Event) {
        self.withdrawn = Some(event.id);
        self.standing_changed = Some(event.id);
    }

    /// A hold that is lifted takes nothing away, but the CA has to say so.
    fn note_enabled(&mut self, event: &Event, enabled: bool) {
        self.standing_changed = Some(event.id);
        if !enabled {
            self.withdrawn = Some(event.id);
        }
    }
}

fn read<T: serde::de::DeserializeOwned>(event: &Event) -> Result<T, Unclear> {
    payload::of(event).ok_or(Unclear)
}

impl DevicePayload {
    /// The device as it was added.
    pub(crate) fn into_device(self, added_at: Timestamp) -> Device {
        Device {
            id: self.device_id,
            user: self.user_id,
            user_name: self.user,
            name: self.device,
            disabled_at: None,
            added_at,
            lease: self.lease,
        }
    }
}

impl RecordedPayload {
    fn superseded(&self) -> impl Iterator<Item = CertificateId> {
        let issuers = self.supersedes_of.iter();
        issuers
            .zip(&self.supersedes)
            .map(|(issuer, serial)| CertificateId { issuer: *issuer, serial: *serial })
    }

    /// Nothing where it does not say which key it is for.
    fn into_entry(self, recorded_at: Timestamp) -> Option<CertificateEntry> {
        Some(CertificateEntry {
            id: self.certificate.id,
            fingerprint: self.sha256,
            public_key: self.key?,
            holder: self.certificate.holder.to_holder(),
            not_after: self.not_after,
            issued_by: self.certificate.issued_by,
            recorded_at,
            revoked: None,
            connected: false,
            supersede_at: None,
        })
    }
}

impl From<&Certificate> for CertificateEntry {
    fn from(certificate: &Certificate) -> Self {
        Self {
            id: certificate.id,
            fingerprint: certificate.fingerprint,
            public_key: certificate.public_key,
            holder: certificate.holder.clone(),
            not_after: certificate.not_after,
            issued_by: certificate.issued_by,
            recorded_at: certificate.recorded_at,
            revoked: certificate.revocation.map(|r| (r.at, r.reason)),
            connected: certificate.connected_at.is_some(),
            supersede_at: certificate.supersede_at,
        }
    }
}

impl From<&Crl> for CrlEntry {
    fn from(crl: &Crl) -> Self {
        let Crl { generation, number, this_update, next_update, through, .. } = *crl;
        Self { generation, number, this_update, next_update, through }
    }
}
