//! What the authority is told. Plain values: whoever reads a file makes them.

use std::time::Duration;

use pki::{KeyType, NameConstraints};

/// What may be certified under a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedProfile {
    /// How long such a certificate lives at most, and where nothing else is asked for.
    pub days: u32,
    /// Kinds of key: `rsa`, `p256`, `p384`, `ed25519`.
    pub keys: Vec<String>,
    /// Domains and addresses that servers' names have to be, or be below; any, where there are none.
    pub domains: Vec<String>,
    /// What they may be for: `server`, `client`, `peer`.
    pub usages: Vec<String>,
}

/// How certificates are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Names and addresses that the gateway's own certificates are for.
    pub names: Vec<String>,
    /// The CA's kind of key, chosen when the CA is made.
    pub ca_key: KeyType,
    /// How long the CA lives, chosen when the CA is made.
    pub ca_days: u32,
    /// Which names the CA may certify, chosen when the CA is made.
    pub ca_names: NameConstraints,
    /// The URL under which CRL and OCSP are found; certificates carry it.
    pub publish_at: Option<String>,
    /// How long a CRL is valid; a new one is signed at half of it.
    pub crl_days: u32,
    /// How long the gateway's own certificates live; new ones are made at two thirds of it.
    pub server_life: Duration,
    /// Devices' kind of key, where it is made here.
    pub device_key: KeyType,
    /// How long a device's certificate lives.
    pub device_days: u32,
    /// What the certificates of servers look like, and of whatever else is no device.
    pub named: NamedProfile,
}
