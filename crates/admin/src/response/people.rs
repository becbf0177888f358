//! Users and their devices.
//!
//! Invariant: what a running gateway alone knows is left out where none runs.

use std::net::IpAddr;

use clock::Timestamp;
use names::UserName;
use serde::{Deserialize, Serialize};

use super::certificate::Certificate;
use crate::names::DeviceName;

/// A user, in a listing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// The name.
    pub name: UserName,
    /// Disabled users are refused, their records stay.
    pub disabled: bool,
    /// How many devices are recorded.
    pub devices: u32,
    /// How many of them are connected; nothing where no gateway runs.
    pub connected: Option<u32>,
    /// When it was added.
    pub added_at: Timestamp,
}

/// A user with its devices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserDetail {
    /// The user.
    #[serde(flatten)]
    pub user: User,
    /// Its devices by name.
    pub device_list: Vec<Device>,
}

/// A device, in a listing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// User and device.
    pub name: DeviceName,
    /// Where it stands.
    pub state: DeviceState,
    /// The leased tunnel addresses, IPv4 first.
    pub addresses: Vec<IpAddr>,
    /// Serial of the certificate in use.
    pub serial: Option<String>,
    /// When that certificate ends.
    pub expires_at: Option<Timestamp>,
    /// Whether it is connected; nothing where no gateway runs.
    pub connected: Option<bool>,
    /// When it last connected.
    pub last_seen_at: Option<Timestamp>,
    /// Whether it ever connected; nothing where that can't be read.
    #[serde(default)]
    pub ever_seen: Option<bool>,
    /// For how long it has been neither seen nor added, by the gateway's clock; nothing where that can't be read.
    #[serde(default)]
    pub unseen_seconds: Option<u64>,
    /// Whether its profile has former settings, or may have; nothing where nothing is known of it.
    #[serde(default)]
    pub profile_outdated: Option<bool>,
    /// When it was added.
    pub added_at: Timestamp,
}

/// Where a device stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceState {
    /// Recorded; its first profile makes key and certificate.
    New,
    /// It has a valid certificate.
    Active,
    /// Its last certificate has run out.
    Expired,
    /// Its last certificate is revoked.
    Revoked,
    /// It or its user is disabled.
    Disabled,
    /// Its last certificate is of a CA that is trusted no longer.
    FormerCa,
}

/// A device with its certificates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceDetail {
    /// The device.
    #[serde(flatten)]
    pub device: Device,
    /// All its certificates, the newest first.
    pub certificates: Vec<Certificate>,
}
