//! The store's rows as the answers that listings print. No decision is taken here.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use admin::names::DeviceName;
use admin::response::{
    Certificate, CertificateState, Device, DeviceDetail, DeviceState, User, UserDetail,
};
use authority::describe;
use clock::Timestamp;
use store::{CaGenerationId, CertificateEntry, DeviceId, Holder, RevocationReason, Snapshot};

use super::common::common;
use super::rollover::retired;
use crate::context::Context;
use crate::current_view::Addressing;
use crate::profile::settings_mark;
use crate::words::device_name;

/// What a listing needs beside the rows.
#[derive(Debug)]
pub(super) struct Viewer<'a> {
    /// The present.
    pub(super) snapshot: &'a Snapshot,
    /// Wall time.
    pub(super) now: Timestamp,
    /// The networks that leases count in.
    pub(super) addressing: Addressing,
    /// Who is connected; nothing where no gateway runs.
    pub(super) connected: Option<HashSet<DeviceName>>,
    /// When each device was seen last, as it is on record; nothing where that can't be read.
    pub(super) seen: Option<HashMap<DeviceId, Timestamp>>,
    /// Whose profile has former settings.
    pub(super) profiles: Profiles,
    /// CAs that are trusted no longer.
    pub(super) retired: BTreeSet<CaGenerationId>,
}

/// Looks at the present of these records.
pub(super) async fn look<T>(at: &Context, view: impl FnOnce(&Viewer<'_>) -> T) -> T {
    let connected = connected(at).await;
    let snapshot = at.store.snapshot();
    let addressing = at.view.policy().addressing;
    let profiles = Profiles::known(at).await;
    // A listing without it is better than none, and says that it is without.
    let seen = at.store.seen_list().await;
    let seen = seen
        .inspect_err(|error| tracing::error!(%error, "when devices were seen last can't be read"))
        .ok();
    let (now, retired) = (at.now(), retired(&at.authority));
    view(&Viewer { snapshot: &snapshot, now, addressing, connected, seen, profiles, retired })
}

/// Whose profile has former settings, or may have.
#[derive(Debug, Default)]
pub(super) struct Profiles(HashMap<DeviceId, bool>);

impl Profiles {
    /// As far as it is on record: an answer without it is better than none.
    pub(super) async fn known(at: &Context) -> Self {
        // What devices said by now.
        at.history.write().await;
        let Ok(common) = common(at) else { return Self::default() };
        let on_record = at.store.profiles().await.unwrap_or_default();
        let today = settings_mark(&common);
        let snapshot = at.store.snapshot();
        let mut outdated: HashMap<_, _> = in_use(&snapshot)
            .into_iter()
            .filter_map(|(device, entry)| {
                // Which of several it has is not known: only where all are of today it is up to date.
                let written = on_record.written.get(&entry.id)?;
                Some((device, written.iter().any(|mark| *mark != today)))
            })
            .collect();
        outdated.extend(on_record.told.into_iter().map(|(device, mark)| (device, mark != today)));
        Self(outdated)
    }

    /// Whether this device's has former settings or may have, where anything is known of it.
    pub(super) fn outdated(&self, device: DeviceId) -> Option<bool> {
        self.0.get(&device).copied()
    }
}

/// The certificate that each device connected with last, as far as the records can tell: the newest that was ever
/// used, else the newest.
fn in_use(snapshot: &Snapshot) -> HashMap<DeviceId, &Arc<CertificateEntry>> {
    let mut in_use: HashMap<DeviceId, &Arc<CertificateEntry>> = HashMap::new();
    let rank = |entry: &CertificateEntry| (entry.connected, entry.recorded_at, entry.id);
    for entry in snapshot.certificates().filter(|entry| entry.revoked.is_none()) {
        let Holder::Device(device) = entry.holder else { continue };
        let known = in_use.entry(device).or_insert(entry);
        if rank(entry) > rank(known) {
            *known = entry;
        }
    }
    in_use
}

/// Who is connected, where a VPN runs.
async fn connected(at: &Context) -> Option<HashSet<DeviceName>> {
    let doors = at.running().ok()?;
    Some(doors.sessions().await.into_iter().filter_map(|s| s.device).collect())
}

impl Viewer<'_> {
    /// A user.
    pub(super) fn user(&self, user: &store::User) -> User {
        let mine = |d: &&Arc<store::Device>| d.user == user.id;
        let devices = self.snapshot.devices().filter(mine).count();
        let connected = self.connected.as_ref();
        User {
            name: user.name.clone(),
            disabled: !self.enabled(user.id).unwrap_or(user.enabled()),
            devices: count(devices),
            connected: connected
                .map(|all| count(all.iter().filter(|d| d.user == user.name).count())),
            added_at: user.added_at,
        }
    }

    /// A user with its devices.
    pub(super) fn user_detail(&self, detail: &store::UserDetail) -> UserDetail {
        UserDetail {
            user: User { devices: count(detail.devices.len()), ..self.user(&detail.user) },
            device_list: detail.devices.iter().map(|d| self.device_of(d)).collect(),
        }
    }

    /// A device, without a look into its certificates, so that thousands cost little.
    pub(super) fn device(
        &self,
        device: &store::Device,
        current: Option<&CertificateEntry>,
    ) -> Device {
        let name = device_name(device);
        let connected = self.connected.as_ref().map(|all| all.contains(&name));
        Device {
            state: self.state(device, current),
            addresses: self.addresses(device),
            serial: current.map(|c| c.id.to_string()),
            expires_at: current.map(|c| c.not_after),
            connected,
            last_seen_at: self.last_seen(device.id, connected),
            ever_seen: self.ever_seen(device.id, connected),
            unseen_seconds: self.unseen(device, connected).map(|unseen| unseen.as_secs()),
            profile_outdated: self.profiles.outdated(device.id),
            added_at: device.added_at,
            name,
        }
    }

    /// The same, from its rows.
    pub(super) fn device_of(&self, detail: &store::DeviceDetail) -> Device {
        let current = current(&detail.certificates).map(CertificateEntry::from);
        self.device(&detail.device, current.as_ref())
    }

    /// All devices, by user and name: from memory, so that ten thousand are there at once.
    pub(super) fn all_devices(&self) -> Vec<Device> {
        let current = self.snapshot.current_certificates();
        let mut devices: Vec<_> = self.snapshot.devices().collect();
        devices.sort_by(|a, b| (&a.user_name, &a.name).cmp(&(&b.user_name, &b.name)));
        let view = |device: &&Arc<store::Device>| {
            self.device(device, current.get(&device.id).map(|entry| &***entry))
        };
        devices.iter().map(view).collect()
    }

    /// A device with its certificates, the newest first.
    pub(super) fn device_detail(&self, detail: &store::DeviceDetail) -> DeviceDetail {
        DeviceDetail {
            device: self.device_of(detail),
            certificates: detail.certificates.iter().rev().map(|c| self.certificate(c)).collect(),
        }
    }

    /// A certificate.
    pub(super) fn certificate(&self, certificate: &store::Certificate) -> Certificate {
        let facts = describe::facts(&certificate.der);
        Certificate {
            serial: certificate.id.to_string(),
            subject: certificate.subject.clone(),
            key_type: facts.key_type,
            not_before: certificate.not_before,
            not_after: certificate.not_after,
            state: self.certificate_state(certificate),
            fingerprint: facts.fingerprint,
            pem: facts.pem,
        }
    }

    fn certificate_state(&self, certificate: &store::Certificate) -> CertificateState {
        match (self.revoked(certificate), certificate.supersede_at) {
            (Some((at, RevocationReason::CertificateHold)), _) => CertificateState::OnHold { at },
            (Some((at, reason)), _) => CertificateState::Revoked { at, reason },
            _ if certificate.not_after < self.now => CertificateState::Expired,
            _ if self.retired.contains(&certificate.issued_by) => CertificateState::FormerCa,
            (None, Some(until)) => CertificateState::Superseding { until },
            (None, None) => CertificateState::Valid,
        }
    }

    fn state(&self, device: &store::Device, current: Option<&CertificateEntry>) -> DeviceState {
        let user_enabled = self.enabled(device.user).unwrap_or(true);
        let enabled = self.snapshot.device(device.id).map_or(device.enabled(), |now| now.enabled());
        match current {
            _ if !user_enabled || !enabled => DeviceState::Disabled,
            None => DeviceState::New,
            Some(c) if self.is_revoked(c) => DeviceState::Revoked,
            Some(c) if c.not_after < self.now => DeviceState::Expired,
            Some(c) if self.retired.contains(&c.issued_by) => DeviceState::FormerCa,
            Some(_) => DeviceState::Active,
        }
    }

    fn is_revoked(&self, entry: &CertificateEntry) -> bool {
        let present = self.snapshot.certificate(&entry.id);
        entry.revoked.is_some() || present.is_some_and(|present| present.revoked.is_some())
    }

    /// The present knows also what the disk has not taken yet.
    fn revoked(
        &self,
        certificate: &store::Certificate,
    ) -> Option<(Timestamp, store::RevocationReason)> {
        let entry = self.snapshot.certificate(&certificate.id);
        let present = entry.and_then(|entry| self.snapshot.standing(entry));
        present.or(certificate.revocation.map(|revocation| (revocation.at, revocation.reason)))
    }

    fn enabled(&self, user: store::UserId) -> Option<bool> {
        self.snapshot.user(user).map(|user| user.enabled())
    }

    /// The record is behind by minutes where the device is connected, and ahead where the clock was wrong then.
    fn last_seen(&self, device: DeviceId, connected: Option<bool>) -> Option<Timestamp> {
        match connected {
            Some(true) => Some(self.now),
            _ => self.seen.as_ref()?.get(&device).map(|at| (*at).min(self.now)),
        }
    }

    fn ever_seen(&self, device: DeviceId, connected: Option<bool>) -> Option<bool> {
        match connected {
            Some(true) => Some(true),
            _ => self.seen.as_ref().map(|seen| seen.contains_key(&device)),
        }
    }

    /// The moment of its addition counts where there was none after it.
    fn unseen(&self, device: &store::Device, connected: Option<bool>) -> Option<Duration> {
        self.ever_seen(device.id, connected)?;
        let last = self.last_seen(device.id, connected).unwrap_or_default().max(device.added_at);
        Some(self.now.since(last))
    }

    fn addresses(&self, device: &store::Device) -> Vec<IpAddr> {
        let Some(lease) = device.lease else { return Vec::new() };
        let (v4, v6) = self.addressing.of(lease);
        v4.map(IpAddr::from).into_iter().chain(v6.map(IpAddr::from)).collect()
    }
}

/// The certificate a device uses, or used last: the newest good one, else the newest.
pub(crate) fn current(certificates: &[store::Certificate]) -> Option<&store::Certificate> {
    let newest_good = certificates.iter().rev().find(|c| c.revocation.is_none());
    newest_good.or_else(|| certificates.last())
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
