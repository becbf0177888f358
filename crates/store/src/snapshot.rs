//! What is true at one moment, in memory: for verifiers, admission and listings on hot paths.

use std::borrow::Borrow;
use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher, Hash};
use std::sync::Arc;

use pki::{RevocationReason, Serial};

use crate::ids::{CaGenerationId, DeviceId, EventId, UserId};
use crate::names::{DeviceName, UserName};
use crate::records::{CaGeneration, Certificate, Crl, Device, Holder, Lease, User};

/// Immutable; a commit publishes another one. Get one with [`Store::snapshot`](crate::Store::snapshot).
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    through: Option<EventId>,
    withdrawn: Option<EventId>,
    users: Shards<UserId, Arc<User>>,
    user_names: Shards<UserName, UserId>,
    devices: Shards<DeviceId, Arc<Device>>,
    device_names: Shards<(UserId, DeviceName), DeviceId>,
    certificates: Shards<Serial, Arc<CertificateEntry>>,
    superseded: BTreeMap<Serial, u64>,
    ca_generations: Vec<Arc<CaGeneration>>,
    crls: BTreeMap<CaGenerationId, Arc<Crl>>,
}

/// What the snapshot knows of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateEntry {
    /// Its serial number.
    pub serial: Serial,
    /// Whom it names.
    pub holder: Holder,
    /// Valid until.
    pub not_after: u64,
    /// The CA generation that signed it.
    pub issued_by: CaGenerationId,
    /// When and why it was revoked.
    pub revoked: Option<(u64, RevocationReason)>,
    /// Whether it was ever used to connect.
    pub connected: bool,
    /// When it will be revoked as superseded.
    pub supersede_at: Option<u64>,
}

/// What a certificate's serial number is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The store never heard of it.
    Unknown,
    /// It was revoked.
    Revoked {
        /// When.
        at: u64,
        /// Why.
        reason: RevocationReason,
    },
    /// Its user is disabled.
    UserDisabled,
    /// Its device is disabled.
    DeviceDisabled,
    /// It may be used.
    Good,
}

/// One step from a snapshot to the next.
#[derive(Clone, Debug)]
pub(crate) enum Delta {
    User(User),
    UserGone(UserId),
    Device(Device),
    DeviceGone(DeviceId),
    Certificate(CertificateEntry),
    CaGeneration(CaGeneration),
    Crl(Crl),
}

impl Delta {
    /// Whether it may take something away. A certificate that connects for the first time, as in a
    /// storm of new devices each does, takes nothing.
    fn may_withdraw(&self) -> bool {
        match self {
            Delta::User(_) | Delta::UserGone(_) | Delta::Device(_) | Delta::DeviceGone(_) => true,
            Delta::Certificate(entry) => entry.revoked.is_some(),
            Delta::CaGeneration(_) | Delta::Crl(_) => false,
        }
    }
}

impl Snapshot {
    /// The last event that it has in it.
    pub fn through(&self) -> EventId {
        self.through.unwrap_or(EventId::NONE)
    }

    /// The last event, or a later one committed with it, by which a serial may have become worth less
    /// than it was. None since the start is [`EventId::NONE`].
    pub fn withdrawn(&self) -> EventId {
        self.withdrawn.unwrap_or(EventId::NONE)
    }

    /// What this serial is worth. A revocation outweighs everything else.
    pub fn standing(&self, serial: &Serial) -> Standing {
        let Some(entry) = self.certificate(serial) else { return Standing::Unknown };
        if let Some((at, reason)) = entry.revoked {
            return Standing::Revoked { at, reason };
        }
        let Holder::Device(id) = entry.holder else { return Standing::Good };
        let Some(device) = self.device(id) else { return Standing::DeviceDisabled };
        match self.user(device.user) {
            Some(user) if user.enabled && device.enabled => Standing::Good,
            Some(user) if user.enabled => Standing::DeviceDisabled,
            _ => Standing::UserDisabled,
        }
    }

    /// A certificate by its serial.
    pub fn certificate(&self, serial: &Serial) -> Option<&Arc<CertificateEntry>> {
        self.certificates.get(serial)
    }

    /// All certificates, in no order.
    pub fn certificates(&self) -> impl Iterator<Item = &Arc<CertificateEntry>> {
        self.certificates.values()
    }

    /// The device that a certificate was issued for, with its user.
    pub fn identity(&self, serial: &Serial) -> Option<(&Arc<User>, &Arc<Device>)> {
        let Holder::Device(id) = self.certificate(serial)?.holder else { return None };
        let device = self.device(id)?;
        Some((self.user(device.user)?, device))
    }

    /// A user by id.
    pub fn user(&self, id: UserId) -> Option<&Arc<User>> {
        self.users.get(&id)
    }

    /// A user by name.
    pub fn user_named(&self, name: &UserName) -> Option<&Arc<User>> {
        self.user(*self.user_names.get(name)?)
    }

    /// All users, in no order.
    pub fn users(&self) -> impl Iterator<Item = &Arc<User>> {
        self.users.values()
    }

    /// A device by id.
    pub fn device(&self, id: DeviceId) -> Option<&Arc<Device>> {
        self.devices.get(&id)
    }

    /// A device by its user's and its own name.
    pub fn device_named(&self, user: &UserName, device: &DeviceName) -> Option<&Arc<Device>> {
        let user = *self.user_names.get(user)?;
        self.device(*self.device_names.get(&(user, device.clone()))?)
    }

    /// All devices, in no order.
    pub fn devices(&self) -> impl Iterator<Item = &Arc<Device>> {
        self.devices.values()
    }

    /// A device's addresses.
    pub fn lease_of(&self, device: DeviceId) -> Option<Lease> {
        self.device(device).map(|device| device.lease)
    }

    /// The generations of the CA, oldest first.
    pub fn ca_generations(&self) -> &[Arc<CaGeneration>] {
        &self.ca_generations
    }

    /// The latest CRL of a CA generation.
    pub fn crl(&self, generation: CaGenerationId) -> Option<&Arc<Crl>> {
        self.crls.get(&generation)
    }

    /// When the next superseded certificate is due to be revoked.
    pub fn supersede_next(&self) -> Option<u64> {
        self.superseded.values().min().copied()
    }

    /// The next snapshot. Costs what changed, and a copy of the shards that it is in.
    pub(crate) fn after(&self, deltas: Vec<Delta>, through: EventId) -> Snapshot {
        let mut next = self.clone();
        next.through = Some(through);
        if deltas.iter().any(Delta::may_withdraw) {
            next.withdrawn = Some(through);
        }
        deltas.into_iter().for_each(|delta| next.apply(delta));
        next
    }

    fn apply(&mut self, delta: Delta) {
        match delta {
            Delta::User(user) => {
                self.user_names.insert(user.name.clone(), user.id);
                self.users.insert(user.id, Arc::new(user));
            }
            Delta::UserGone(id) => {
                if let Some(user) = self.users.remove(&id) {
                    self.user_names.remove(&user.name);
                }
            }
            Delta::Device(device) => {
                self.device_names.insert((device.user, device.name.clone()), device.id);
                self.devices.insert(device.id, Arc::new(device));
            }
            Delta::DeviceGone(id) => {
                if let Some(device) = self.devices.remove(&id) {
                    self.device_names.remove(&(device.user, device.name.clone()));
                }
            }
            Delta::Certificate(entry) => self.apply_certificate(entry),
            Delta::CaGeneration(generation) => self.ca_generations.push(Arc::new(generation)),
            Delta::Crl(crl) => {
                self.crls.insert(crl.generation, Arc::new(crl));
            }
        }
    }

    fn apply_certificate(&mut self, entry: CertificateEntry) {
        match entry.supersede_at {
            Some(at) if entry.revoked.is_none() => self.superseded.insert(entry.serial, at),
            _ => self.superseded.remove(&entry.serial),
        };
        self.certificates.insert(entry.serial, Arc::new(entry));
    }
}

impl From<&Certificate> for CertificateEntry {
    fn from(certificate: &Certificate) -> Self {
        Self {
            serial: certificate.serial,
            holder: certificate.holder.clone(),
            not_after: certificate.not_after,
            issued_by: certificate.issued_by,
            revoked: certificate.revocation.map(|r| (r.at, r.reason)),
            connected: certificate.connected_at.is_some(),
            supersede_at: certificate.supersede_at,
        }
    }
}

/// A hash map in parts that are shared between snapshots until one of them changes, so that a
/// commit does not copy every record.
#[derive(Clone, Debug)]
struct Shards<K, V>(Vec<Arc<HashMap<K, V>>>);

/// How many parts. A power of two.
const SHARDS: usize = 64;

impl<K, V> Default for Shards<K, V> {
    fn default() -> Self {
        Self((0..SHARDS).map(|_| Arc::default()).collect())
    }
}

impl<K: Hash + Eq + Clone, V: Clone> Shards<K, V> {
    fn get<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.0.get(shard_of(key))?.get(key)
    }

    fn insert(&mut self, key: K, value: V) {
        if let Some(shard) = self.0.get_mut(shard_of(&key)) {
            Arc::make_mut(shard).insert(key, value);
        }
    }

    fn remove(&mut self, key: &K) -> Option<V> {
        Arc::make_mut(self.0.get_mut(shard_of(key))?).remove(key)
    }

    fn values(&self) -> impl Iterator<Item = &V> {
        self.0.iter().flat_map(|shard| shard.values())
    }
}

/// Keys are our own choice, never a stranger's, so the hash needs no secret.
fn shard_of<Q: Hash + ?Sized>(key: &Q) -> usize {
    let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(key);
    usize::try_from(hash % SHARDS as u64).unwrap_or(0)
}
