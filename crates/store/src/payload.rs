//! What the events about records carry: enough to repeat them on a snapshot, and the names of the
//! time, as the log has to make sense by itself.
//!
//! Payloads have a version. Those without one (written before version 2) read well but do not say
//! enough; whoever meets one builds anew from the rows. Fields are only ever added.

use clock::{Timestamp, unix_secs};
use names::{DeviceName, RevocationReason, UserName};
use pki::{CertificateId, Fingerprint, IssuerId, KeyId, Serial};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::event::{Event, EventKind};
use crate::ids::{CaGenerationId, DeviceId, UserId};
use crate::records::{CaGeneration, Certificate, Device, Holder, Lease, User};

/// The version of the payloads that this release writes.
const VERSION: u32 = 2;

/// About a user.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct UserPayload {
    pub(crate) user: UserName,
    pub(crate) user_id: UserId,
}

/// A user with another name.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct RenamedPayload {
    pub(crate) user: UserName,
    pub(crate) user_id: UserId,
    pub(crate) former: UserName,
}

/// About a device.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct DevicePayload {
    pub(crate) user: UserName,
    pub(crate) user_id: UserId,
    pub(crate) device: DeviceName,
    pub(crate) device_id: DeviceId,
    /// What it has, or had until then.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) lease: Option<Lease>,
}

/// The number that a CA generation got.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct AddedGeneration {
    pub(crate) id: CaGenerationId,
}

/// All that the log says of a CA generation. Events of earlier releases leave some of it out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct GenerationPayload {
    pub(crate) id: CaGenerationId,
    #[serde(default)]
    pub(crate) issuer: Option<IssuerId>,
    pub(crate) serial: Serial,
    pub(crate) subject: String,
    #[serde(with = "unix_secs")]
    pub(crate) not_before: Timestamp,
    #[serde(with = "unix_secs")]
    pub(crate) not_after: Timestamp,
    #[serde(with = "unix_secs")]
    pub(crate) added_at: Timestamp,
    #[serde(default)]
    pub(crate) sha256: Option<Fingerprint>,
}

impl GenerationPayload {
    /// The same of what the records have, as far as the log has it.
    pub(crate) fn known_to(self, log: &Self) -> Self {
        let issuer = self.issuer.filter(|_| log.issuer.is_some());
        let sha256 = self.sha256.filter(|_| log.sha256.is_some());
        Self { issuer, sha256, ..self }
    }
}

impl From<&CaGeneration> for GenerationPayload {
    fn from(of: &CaGeneration) -> Self {
        Self {
            id: of.id,
            issuer: Some(of.issuer),
            serial: of.serial,
            subject: of.subject.clone(),
            not_before: of.not_before,
            not_after: of.not_after,
            added_at: of.added_at,
            sha256: Some(Fingerprint::of(&of.der)),
        }
    }
}

/// Which certificate, and whose it is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct CertificatePayload {
    #[serde(flatten)]
    pub(crate) id: CertificateId,
    pub(crate) issued_by: CaGenerationId,
    pub(crate) subject: String,
    #[serde(flatten)]
    pub(crate) holder: HolderPayload,
}

/// Whose a certificate is. `holder` is for readers of the log; `device_id` or `other` decide.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct HolderPayload {
    #[serde(skip_serializing_if = "Option::is_none")]
    holder: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    other: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device_id: Option<DeviceId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<UserName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<DeviceName>,
}

/// A certificate that was recorded.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct RecordedPayload {
    #[serde(flatten)]
    pub(crate) certificate: CertificatePayload,
    pub(crate) sha256: Fingerprint,
    /// Which key it is for; absent in events from before keys were known by their hash.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) key: Option<KeyId>,
    #[serde(with = "unix_secs")]
    pub(crate) not_after: Timestamp,
    /// Those that it takes the place of, at `supersede_at` at the latest.
    pub(crate) supersedes: Vec<Serial>,
    /// Who issued each of those.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[serde(default)]
    pub(crate) supersedes_of: Vec<IssuerId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[serde(with = "unix_secs::option", default)]
    pub(crate) supersede_at: Option<Timestamp>,
}

/// A certificate that was revoked.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct RevokedPayload {
    #[serde(flatten)]
    pub(crate) certificate: CertificatePayload,
    pub(crate) reason: RevocationReason,
    /// When it was revoked first, for a lesser reason.
    #[serde(with = "unix_secs::option", skip_serializing_if = "Option::is_none", default)]
    pub(crate) since: Option<Timestamp>,
}

/// Certificates that are no longer in the records.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct ForgottenPayload {
    serials: Vec<Serial>,
    /// Who issued each.
    issuers: Vec<IssuerId>,
}

impl ForgottenPayload {
    pub(crate) fn add(&mut self, id: &CertificateId) {
        self.serials.push(id.serial);
        self.issuers.push(id.issuer);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.serials.is_empty()
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = CertificateId> {
        let issuers = self.issuers.iter();
        let id = |(issuer, serial): (&IssuerId, &Serial)| CertificateId {
            issuer: *issuer,
            serial: *serial,
        };
        issuers.zip(&self.serials).map(id)
    }
}

impl From<&User> for UserPayload {
    fn from(user: &User) -> Self {
        Self { user: user.name.clone(), user_id: user.id }
    }
}

impl From<&Device> for DevicePayload {
    fn from(device: &Device) -> Self {
        Self {
            user: device.user_name.clone(),
            user_id: device.user,
            device: device.name.clone(),
            device_id: device.id,
            lease: device.lease,
        }
    }
}

impl CertificatePayload {
    /// `device` is the holder, where that is one that is still there.
    pub(crate) fn new(certificate: &Certificate, device: Option<&Device>) -> Self {
        Self {
            id: certificate.id,
            issued_by: certificate.issued_by,
            subject: certificate.subject.clone(),
            holder: HolderPayload::new(&certificate.holder, device),
        }
    }
}

impl HolderPayload {
    fn new(holder: &Holder, device: Option<&Device>) -> Self {
        match holder {
            Holder::Gateway => Self { holder: Some(GATEWAY.to_owned()), ..Self::default() },
            Holder::Other(name) => {
                let name = Some(name.clone());
                Self { holder: name.clone(), other: name, ..Self::default() }
            }
            Holder::Device(id) => Self {
                device_id: Some(*id),
                user: device.map(|device| device.user_name.clone()),
                device: device.map(|device| device.name.clone()),
                ..Self::default()
            },
        }
    }

    pub(crate) fn to_holder(&self) -> Holder {
        match (self.device_id, &self.other) {
            (Some(id), _) => Holder::Device(id),
            (None, Some(name)) => Holder::Other(name.clone()),
            (None, None) => Holder::Gateway,
        }
    }
}

const GATEWAY: &str = "gateway";

/// A payload as it is stored.
pub(crate) fn to_value(payload: &impl Serialize) -> Value {
    let mut value = serde_json::to_value(payload).unwrap_or_default();
    if let Value::Object(fields) = &mut value {
        fields.insert(VERSION_FIELD.to_owned(), VERSION.into());
    }
    value
}

/// The payload of an event, where it says enough and can be read.
pub(crate) fn of<T: DeserializeOwned>(event: &Event) -> Option<T> {
    if event.payload.get(VERSION_FIELD)?.as_u64()? != u64::from(VERSION) {
        return None;
    }
    T::deserialize(&event.payload).ok()
}

/// The field that says which version a payload is of.
const VERSION_FIELD: &str = "v";

/// An event that says less than events of today.
pub(crate) struct Legacy(Option<LegacyCertificate>);

/// What every event about a certificate has said.
#[derive(Debug, Deserialize)]
pub(crate) struct LegacyCertificate {
    pub(crate) issued_by: CaGenerationId,
    pub(crate) serial: Serial,
    #[serde(default)]
    supersedes: Vec<Serial>,
    #[serde(default)]
    supersede_at: Option<u64>,
}

impl Legacy {
    /// Where it is about a certificate.
    pub(crate) fn certificate(&self) -> Option<&LegacyCertificate> {
        self.0.as_ref()
    }
}

impl LegacyCertificate {
    /// Those whose end it announces without a date.
    pub(crate) fn undated(&self) -> impl Iterator<Item = &Serial> {
        self.supersedes.iter().filter(|_| self.supersede_at.is_none())
    }
}

/// Where the event is of a former version, or lacks a field that was added since.
pub(crate) fn legacy(event: &Event) -> Option<Legacy> {
    let current = event.payload.get(VERSION_FIELD).is_some();
    let lacks_key =
        event.kind == EventKind::CERTIFICATE_RECORDED && event.payload.get("key").is_none();
    if current && !lacks_key {
        return None;
    }
    Some(Legacy(LegacyCertificate::deserialize(&event.payload).ok()))
}

/// Adds to a former event what it leaves out: who issued the certificate, and from its row what that is.
pub(crate) fn complete(event: &mut Event, issuer: Option<IssuerId>, row: Option<&Certificate>) {
    let Value::Object(fields) = &mut event.payload else { return };
    let was_unversioned = fields.insert(VERSION_FIELD.to_owned(), VERSION.into()).is_none();
    let mut add = |name: &str, value: Value| {
        fields.entry(name).or_insert(value);
    };
    if let Some(issuer) = issuer {
        add("issuer", Value::String(issuer.to_string()));
    }
    if let Some(row) = row {
        add("sha256", Value::String(row.fingerprint.to_string()));
        add("key", Value::String(row.public_key.to_string()));
    }
    if !was_unversioned {
        return;
    }
    if let (Some(issuer), Some(Value::Array(former))) = (issuer, fields.get("supersedes")) {
        let of = vec![Value::String(issuer.to_string()); former.len()];
        fields.insert("supersedes_of".to_owned(), Value::Array(of));
    }
    let other = fields.get("holder").filter(|holder| *holder != GATEWAY).cloned();
    if let (Some(other), None) = (other, fields.get("device_id")) {
        fields.entry("other").or_insert(other);
    }
}

/// The number of the certificate that an event is about, whatever its version.
pub(crate) fn serial_of(event: &Event) -> Option<Serial> {
    Serial::deserialize(event.payload.get("serial")?).ok()
}

/// The setting that an event set, and its value.
pub(crate) fn setting_of(event: &Event) -> Option<(String, String)> {
    #[derive(Deserialize)]
    struct Set {
        name: String,
        value: String,
    }
    let Set { name, value } = Set::deserialize(&event.payload).ok()?;
    Some((name, value))
}
