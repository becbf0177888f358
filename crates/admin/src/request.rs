//! What an operator can ask of a gateway, as plain values.

use std::net::IpAddr;

use clock::Timestamp;
use names::{CertificateName, RevocationReason, UserName};
use serde::{Deserialize, Serialize};

use crate::names::DeviceName;
use crate::secret::SecretText;

/// Everything an operator can ask for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
#[expect(missing_docs, reason = "the sentence on a variant names its fields")]
pub enum Request {
    /// Record a user and the first device, `NAME/default`. Answer: `User`.
    UserAdd { name: UserName },
    /// All users by name. Answer: `Users`.
    UserList,
    /// One user with its devices. Answer: `User`.
    UserShow { name: UserName },
    /// Refuse the user's devices from now on and close their sessions. Answer: `Changed`.
    UserDisable { name: UserName },
    /// Let a disabled user in again. Answer: `Changed`.
    UserEnable { name: UserName },
    /// Give the user another name, under which its devices come back. Answer: `Changed`.
    UserRename { name: UserName, to: UserName },
    /// Revoke every certificate of the user, then forget user and devices. Answer: `Changed`.
    UserRemove { name: UserName },
    /// The same done to many users: to all of them or to none, in one change of the records; at most [`MOST_AT_ONCE`].
    /// Answer: `ChangedAll`.
    UsersDo { names: Vec<UserName>, deed: UserDeed },
    /// Record a device; with a CSR its certificate is issued at once. Answer: `Device`.
    DeviceAdd { device: DeviceName, csr_pem: Option<String> },
    /// All devices, or one user's. Answer: `Devices`.
    DeviceList { user: Option<UserName> },
    /// One device with its certificates. Answer: `Device`.
    DeviceShow { device: DeviceName },
    /// Issue a certificate for the key in this CSR, superseding the present one.
    /// (Without a CSR a renewal is `ProfileMaterial { renew: true }`.) Answer: `Device`.
    DeviceRenew { device: DeviceName, csr_pem: String },
    /// Revoke every valid certificate of the device and close its session. Answer: `Changed`.
    DeviceRevoke { device: DeviceName, reason: RevocationReason },
    /// Refuse the device from now on and close its session. Answer: `Changed`.
    DeviceDisable { device: DeviceName },
    /// Let a disabled device in again. Answer: `Changed`.
    DeviceEnable { device: DeviceName },
    /// Revoke every certificate of the device, then forget it: name and addresses are free again.
    /// Answer: `Changed`.
    DeviceRemove { device: DeviceName },
    /// The same done to many devices: to all of them or to none, in one change of the records; at most
    /// [`MOST_AT_ONCE`]. Answer: `ChangedAll`.
    DevicesDo { devices: Vec<DeviceName>, deed: DeviceDeed },
    /// What the device's profiles are made of. Makes key and certificate where there is none yet,
    /// or with `renew` new ones. Answer: `Profile`.
    ProfileMaterial { device: DeviceName, renew: bool },
    /// What a profile with the settings of today needs, for a certificate that somebody has with its key
    /// still. Answer: `Profile`, without a key.
    ProfileAgain { certificate_pem: String },
    /// Issue a certificate under a name, to a server or to whatever else is no device, for the key in this CSR.
    /// Answer: `Named`.
    CertIssue {
        /// The name, a server's first host name.
        name: CertificateName,
        /// What for.
        usage: CertificateUsage,
        /// Further host names and addresses of a server.
        hosts: Vec<String>,
        /// How long it lives; as the settings say where nothing is said.
        days: Option<u32>,
        /// The key.
        csr_pem: String,
        /// Whether it was made elsewhere, and not with this command.
        #[serde(default)]
        elsewhere: bool,
    },
    /// All names that have certificates. Answer: `NamedList`.
    CertList,
    /// One of them with its certificates. Answer: `Named`.
    CertShow { name: CertificateName },
    /// Issue a certificate like the present one for the key in this CSR; the present one is revoked some days
    /// later. Answer: `Named`.
    CertRenew {
        /// The name.
        name: CertificateName,
        /// The key.
        csr_pem: String,
        /// Whether it was made elsewhere, and not with this command.
        #[serde(default)]
        elsewhere: bool,
    },
    /// Revoke every valid certificate that this name has. Answer: `Changed`.
    CertRevoke { name: CertificateName, reason: RevocationReason },
    /// The present CRL. Answer: `Crl`.
    CrlShow,
    /// Have another CA take the present one's place; both are trusted from then on. Answer: `Rollover`.
    RolloverStart,
    /// How far that has come. Answer: `Rollover`.
    RolloverStatus,
    /// Trust the former CA no longer; where somebody has not moved only with `force`. Answer: `Rollover`.
    RolloverFinish { force: bool },
    /// The CA. Answer: `Ca`.
    CaShow,
    /// Open the CA's sealed key for the running gateway. Answer: `Ca`.
    CaUnlock { passphrase: SecretText },
    /// Figures and state. Answer: `Status`.
    Status,
    /// Who is connected. Answer: `Sessions`.
    Sessions,
    /// Sessions on record, the newest first. Answer: `History`.
    SessionHistory(HistoryQuery),
    /// The virtual servers of the TLS door, and where it listens. Answer: `TlsServers`.
    TlsList,
    /// One of them, by its first name. Answer: `TlsServer`.
    TlsShow { name: String },
    /// Close sessions without revoking anything: the client may come back. Answer: `Kicked`.
    Kick { target: KickTarget },
    /// Events in commit order. With `wait_ms` the answer waits that long for a first one.
    /// Answer: `Events`.
    Events {
        /// Only events with a greater id.
        after: Option<u64>,
        /// Only those from that time on, where `after` is not given.
        #[serde(default)]
        since: Option<Timestamp>,
        /// At most so many; the newest ones where neither is given.
        limit: u32,
        /// How long to wait where there is none yet.
        wait_ms: u64,
    },
    /// Verify the event chain, CRL, CA, configuration and environment. Answer: `Check`.
    Check {
        /// Also what a running gateway verified before.
        #[serde(default)]
        whole: bool,
    },
    /// The settings as the file has them. Answer: `Settings`.
    ConfigShow,
    /// Write other values for one key into the settings file: none for an empty list, or for a key that is
    /// left out. Answer: `Settings`, with this key alone.
    ConfigSet { key: String, values: Vec<String> },
    /// Read the settings file again. Answer: `Reloaded`.
    Reload,
    /// Tell a handshake. Answer: `Stories`.
    Explain { which: ExplainTarget },
}

impl Request {
    /// Whether its answer may wait for something to happen.
    pub fn waits(&self) -> bool {
        matches!(self, Request::Events { wait_ms, .. } if *wait_ms > 0)
    }
}

/// What is done to many users.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UserDeed {
    /// As [`Request::UserDisable`].
    Disable,
    /// As [`Request::UserEnable`].
    Enable,
    /// As [`Request::UserRemove`].
    Remove,
}

/// What is done to many devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum DeviceDeed {
    /// As [`Request::DeviceDisable`].
    Disable,
    /// As [`Request::DeviceEnable`].
    Enable,
    /// As [`Request::DeviceRemove`].
    Remove,
    /// As [`Request::DeviceRevoke`].
    Revoke {
        /// Why; it stands in the CRL.
        reason: RevocationReason,
    },
}

/// How many one request names at most: their change holds up others for a moment.
pub const MOST_AT_ONCE: usize = 10_000;

/// How many events one answer holds at most.
pub const MOST_EVENTS: u32 = 10_000;

/// Which sessions of the past are asked for: those for which all of this holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryQuery {
    /// A user's.
    pub user: Option<UserName>,
    /// A device's.
    pub device: Option<DeviceName>,
    /// Those that were open at that time or later.
    pub since: Option<Timestamp>,
    /// Those that had this address inside, or the one that had it at that time.
    pub address: Option<(IpAddr, Option<Timestamp>)>,
    /// At most so many.
    pub limit: u32,
}

/// What a certificate under a name is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CertificateUsage {
    /// To be reached.
    Server,
    /// To reach others.
    Client,
    /// Both.
    Peer,
}

/// Which handshake is to be told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "of", rename_all = "snake_case")]
#[expect(missing_docs, reason = "the sentence on a variant names its fields")]
pub enum ExplainTarget {
    /// The last refusal.
    LastRefusal,
    /// The refusal of this number in `status`.
    Refusal { number: u64 },
    /// The last refusal for this reason, or packets that were dropped for it.
    Reason { code: String },
    /// The open session of this number.
    Session { id: u64 },
    /// The open sessions of a device.
    Device { device: DeviceName },
}

/// Whose sessions a kick closes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case")]
#[expect(missing_docs, reason = "the sentence on a variant names its fields")]
pub enum KickTarget {
    /// Every session of a user.
    User { name: UserName },
    /// One device's.
    Device { device: DeviceName },
    /// One session by its number in `sessions`.
    Session { id: u64 },
    /// Every connection to a virtual server, by the server's first name.
    Server { name: String },
}

impl std::fmt::Display for KickTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::User { name } => name.fmt(f),
            Self::Device { device } => device.fmt(f),
            Self::Session { id } => write!(f, "session {id}"),
            Self::Server { name } => name.fmt(f),
        }
    }
}
