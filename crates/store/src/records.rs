//! What the rows mean. Times are whole seconds.

use std::time::Duration;

use clock::{Timestamp, unix_secs};
use names::{DeviceName, RevocationReason, UserName};
use pki::{CertificateId, Fingerprint, IssuerId, KeyId, Serial};
use serde::{Deserialize, Serialize};

use crate::ids::{CaGenerationId, DeviceId, EventId, UserId};
use crate::secret::Secret;

/// A person or a service with devices.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct User {
    /// Its id.
    pub id: UserId,
    /// Its name.
    pub name: UserName,
    /// Since when its devices may not connect; nothing where they may.
    pub disabled_at: Option<Timestamp>,
    /// When it was added.
    pub added_at: Timestamp,
}

/// One device of a user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Device {
    /// Its id.
    pub id: DeviceId,
    /// Whose it is.
    pub user: UserId,
    /// The owner's name.
    pub user_name: UserName,
    /// Its name.
    pub name: DeviceName,
    /// Since when it may not connect; nothing where it may (its user has to be enabled as well).
    pub disabled_at: Option<Timestamp>,
    /// When it was added.
    pub added_at: Timestamp,
    /// Its addresses; none where they came free a while after it was revoked.
    pub lease: Option<Lease>,
}

impl User {
    /// Whether its devices may connect.
    pub fn enabled(&self) -> bool {
        self.disabled_at.is_none()
    }
}

impl Device {
    /// Whether it may connect, as far as it is concerned.
    pub fn enabled(&self) -> bool {
        self.disabled_at.is_none()
    }
}

/// The addresses that belong to a device from the day it is made until it is removed, or was revoked for
/// long, as the number
/// of the host within the gateway's networks: 2 is the first (0 the network, 1 the gateway).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// Host number in the IPv4 network.
    pub ipv4: u32,
    /// Host number in the IPv6 network.
    pub ipv6: u64,
}

/// A user with all that belongs to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UserDetail {
    /// The user.
    pub user: User,
    /// Its devices, by name.
    pub devices: Vec<DeviceDetail>,
}

/// A device with its certificates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeviceDetail {
    /// The device.
    pub device: Device,
    /// Its certificates, oldest first, revoked ones too.
    pub certificates: Vec<Certificate>,
}

/// What a certificate stands for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Holder {
    /// A device of a user.
    Device(DeviceId),
    /// The gateway itself.
    Gateway,
    /// A server or anything else, by the name it was issued for.
    Other(String),
}

/// A certificate that the CA issued.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Certificate {
    /// Who issued it, and its serial number.
    pub id: CertificateId,
    /// Which one it is, bit for bit.
    pub fingerprint: Fingerprint,
    /// Whom it names.
    pub holder: Holder,
    /// Its subject, as text.
    pub subject: String,
    /// Valid from.
    pub not_before: Timestamp,
    /// Valid until.
    pub not_after: Timestamp,
    /// The CA generation that signed it.
    pub issued_by: CaGenerationId,
    /// When it was recorded.
    pub recorded_at: Timestamp,
    /// When it was first used to connect.
    pub connected_at: Option<Timestamp>,
    /// Its successor, if one was issued.
    pub superseded_by: Option<CertificateId>,
    /// When it will be revoked as superseded, if its successor does not connect before.
    pub supersede_at: Option<Timestamp>,
    /// Whether and why it was revoked.
    pub revocation: Option<Revocation>,
    /// The key that it is for.
    pub public_key: KeyId,
    /// The certificate itself.
    #[serde(skip)]
    pub der: Vec<u8>,
}

/// A private key that is stored in the same transaction as what belongs to it.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// The secret's name, as for `secret_get`.
    pub name: String,
    /// PKCS#8.
    pub pkcs8: Secret,
}

/// A certificate to be recorded.
#[derive(Clone, Debug)]
pub struct NewCertificate {
    /// Its serial number.
    pub serial: Serial,
    /// Whom it names.
    pub holder: Holder,
    /// Its subject, as text.
    pub subject: String,
    /// Valid from.
    pub not_before: Timestamp,
    /// Valid until.
    pub not_after: Timestamp,
    /// The CA generation that signed it.
    pub issued_by: CaGenerationId,
    /// The key that it is for.
    pub public_key: KeyId,
    /// The certificate itself.
    pub der: Vec<u8>,
    /// Its private key, where the gateway keeps it (its own leaves).
    pub key: Option<NewKey>,
    /// What is set along with it, name and value.
    pub setting: Option<(String, String)>,
    /// Every other certificate of this holder that is not revoked is superseded by
    /// this one: revoked once this one has connected, or after so long at the latest.
    pub supersedes_within: Option<Duration>,
}

/// A certificate that has ended, to be forgotten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Which.
    pub id: CertificateId,
    /// The name of the secret with its key, where that is kept.
    pub key: Option<String>,
}

/// A certificate's revocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Revocation {
    /// Which certificate.
    pub id: CertificateId,
    /// Which CA generation's CRL has to list it.
    pub issued_by: CaGenerationId,
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: RevocationReason,
    /// The event that says so.
    pub event: EventId,
}

/// A certificate that is suspended, as long as its device or user is disabled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Hold {
    /// Which certificate.
    pub id: CertificateId,
    /// Since when.
    pub at: Timestamp,
}

/// Since when the certificates of a device are on hold: since it or its user was disabled, whichever was first.
pub(crate) fn hold_since(user: Option<Timestamp>, device: Option<Timestamp>) -> Option<Timestamp> {
    [user, device].into_iter().flatten().min()
}

/// What the CRL of a CA generation has to list at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its revoked certificates, in the order of revocation.
    pub revocations: Vec<Revocation>,
    /// Those that are suspended and not revoked, in no order.
    pub holds: Vec<Hold>,
    /// The last event that is taken into account (for [`Crl::through`]).
    pub through: EventId,
}

/// What marking a certificate as connected did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Connected {
    /// Whether this was the first time.
    pub first: bool,
    /// The certificates that were revoked, as this one supersedes them.
    pub revoked: Vec<Revocation>,
}

/// One generation of the CA.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CaGeneration {
    /// Its number.
    pub id: CaGenerationId,
    /// What the certificates that it issues are known by.
    pub issuer: IssuerId,
    /// The serial number of its certificate.
    pub serial: Serial,
    /// Its subject, as text.
    pub subject: String,
    /// Valid from.
    #[serde(with = "unix_secs")]
    pub not_before: Timestamp,
    /// Valid until.
    #[serde(with = "unix_secs")]
    pub not_after: Timestamp,
    /// When it was added.
    #[serde(with = "unix_secs")]
    pub added_at: Timestamp,
    /// Its certificate.
    #[serde(skip)]
    pub der: Vec<u8>,
}

impl CaGeneration {
    /// What a new one becomes.
    pub(crate) fn added(id: CaGenerationId, new: NewCaGeneration, added_at: Timestamp) -> Self {
        let NewCaGeneration { issuer, serial, subject, not_before, not_after, der, .. } = new;
        Self { id, issuer, serial, subject, not_before, not_after, added_at, der }
    }

    /// The name of the secret that holds its PKCS#8 key.
    pub fn key_name(&self) -> String {
        ca_key_name(self.id)
    }
}

pub(crate) fn ca_key_name(generation: CaGenerationId) -> String {
    format!("ca/{generation}")
}

/// A CA generation to be added, together with its key.
#[derive(Clone, Debug)]
pub struct NewCaGeneration {
    /// What the certificates that it issues are known by.
    pub issuer: IssuerId,
    /// The serial number of its certificate.
    pub serial: Serial,
    /// Its subject, as text.
    pub subject: String,
    /// Valid from.
    pub not_before: Timestamp,
    /// Valid until.
    pub not_after: Timestamp,
    /// Its certificate.
    pub der: Vec<u8>,
    /// Its PKCS#8 key, kept as the secret `ca/<generation>`; none where a signer elsewhere has it.
    pub key: Option<Secret>,
}

/// A CA whose key is among the records.
#[derive(Clone, Debug)]
pub struct CaKey {
    /// Its certificate, DER.
    pub certificate: Vec<u8>,
    /// The last CRL that it signed, DER.
    pub crl: Option<Vec<u8>>,
    /// Its key.
    pub pkcs8: Secret,
}

/// Another generation of the CA that takes the place of a former one, all of which is recorded together.
#[derive(Clone, Debug)]
pub struct NewRollover {
    /// The generation whose place it takes.
    pub former: CaGenerationId,
    /// The new one.
    pub generation: NewCaGeneration,
    /// The certificate in which the former one vouches for it.
    pub by_former: NewCertificate,
    /// That in which it vouches for the former one; its issuer is the new generation, whatever it says.
    pub by_new: NewCertificate,
    /// The settings that hold the number of the generation that signs, each of which becomes the new one's.
    pub roles: Vec<&'static str>,
}

/// A CRL as it was signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Crl {
    /// Whose CRL.
    pub generation: CaGenerationId,
    /// Its CRLNumber.
    pub number: u64,
    /// thisUpdate.
    pub this_update: Timestamp,
    /// nextUpdate.
    pub next_update: Timestamp,
    /// Every revocation up to this event is in it.
    pub through: EventId,
    /// The CRL itself.
    #[serde(skip)]
    pub der: Vec<u8>,
}

/// A CRL to be recorded: the same fields.
pub type NewCrl = Crl;
