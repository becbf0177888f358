//! Sessions that are up and sessions on record.
//!
//! Invariant: a session on record has ended.

use std::net::{IpAddr, SocketAddr};

use clock::Timestamp;
use serde::{Deserialize, Serialize};

use crate::names::DeviceName;
use crate::transport::Transport;

/// A session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Its number, for `kick`.
    pub id: u64,
    /// Whose it is; nothing where it came in without a certificate, as some virtual servers let it.
    pub device: Option<DeviceName>,
    /// What carries its packets.
    pub transport: Transport,
    /// Where it comes from.
    pub source: SocketAddr,
    /// The address of ours that it talks to.
    pub local: Option<SocketAddr>,
    /// Its tunnel addresses.
    pub addresses: Vec<IpAddr>,
    /// The data cipher.
    pub cipher: String,
    /// The TLS version.
    pub tls: String,
    /// The group of the key exchange; nothing where the door does not say.
    pub group: String,
    /// When the keys were made that it is encrypted with; nothing where its TLS ends elsewhere.
    pub keys_since: Option<Timestamp>,
    /// The client, from its peer info: `OpenVPN 2.6.14 linux`.
    pub client: String,
    /// Serial of its certificate.
    pub serial: Option<String>,
    /// When it was established.
    pub since: Timestamp,
    /// When the keys were last renewed.
    pub renegotiated_at: Option<Timestamp>,
    /// Bytes from the client, inside the tunnel.
    pub bytes_in: u64,
    /// Bytes to the client, inside the tunnel.
    pub bytes_out: u64,
}

/// A session on record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PastSession {
    /// The number that it had.
    pub id: u64,
    /// Whose it was.
    pub device: DeviceName,
    /// What carried its packets.
    pub transport: Transport,
    /// Where it came from, at last.
    pub source: SocketAddr,
    /// Its tunnel addresses.
    pub addresses: Vec<IpAddr>,
    /// The client, from its peer info.
    pub client: String,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// When it ended, or until when the bytes are counted where it is open.
    pub seen_at: Timestamp,
    /// Bytes from the client, inside the tunnel.
    pub bytes_in: u64,
    /// Bytes to the client, inside the tunnel.
    pub bytes_out: u64,
    /// The code of the reason why it ended; nothing where it is open.
    pub ended: Option<String>,
}

/// Handshakes in words, as `explain` writes them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Stories(pub serde_json::Value);
