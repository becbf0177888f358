//! What a device's profiles are made of.
//!
//! Not here: how a profile is written (`gateway`). Invariant: what is secret in it is a [`SecretText`].

use clock::Timestamp;
use serde::{Deserialize, Serialize};

use super::certificate::Certificate;
use crate::names::DeviceName;
use crate::secret::SecretText;
use crate::transport::Transport;

/// What a device's profiles are made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfileMaterial {
    /// Whose profile it is.
    pub name: DeviceName,
    /// The common part, the same for every device.
    pub common: ProfileCommon,
    /// The device's certificate.
    pub certificate: Certificate,
    /// Its private key, or why it can't be had.
    pub key: KeyMaterial,
    /// The certificate that this one supersedes, and when that one is revoked at the latest.
    pub supersedes: Option<(String, Timestamp)>,
}

/// What all profiles of a gateway share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfileCommon {
    /// The CA certificate(s), PEM.
    pub ca_pem: String,
    /// The tls-auth key file's text.
    pub tls_auth_key: SecretText,
    /// Digest of tls-auth: `SHA256` by default.
    pub auth: String,
    /// The reserved name that only the gateway's certificate has.
    pub server_name: String,
    /// Where the gateway is reached, in order of preference.
    pub remotes: Vec<Remote>,
    /// Data ciphers in order of preference, by OpenVPN's names.
    pub ciphers: Vec<String>,
}

/// An address of the gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remote {
    /// A name or an address.
    pub host: String,
    /// The port.
    pub port: u16,
    /// What carries the packets there.
    pub transport: Transport,
}

/// The private key in an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum KeyMaterial {
    /// Made for this answer and kept nowhere else.
    Made {
        /// PKCS#8 PEM.
        pem: SecretText,
    },
    /// It was handed out by an earlier profile and not kept.
    Gone,
    /// The device made it itself and sent a CSR.
    OnDevice,
}
