//! The running gateway: its state, its figures, and what a look at everything found.
//!
//! Invariant: figures count from the start of the gateway.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use clock::Timestamp;
use serde::{Deserialize, Serialize};

use super::profile::Remote;
use crate::metrics::Metric;
use crate::names::DeviceName;

/// The running gateway.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The version of the binary that runs.
    pub version: String,
    /// Its process id.
    pub pid: u32,
    /// When it started.
    pub started_at: Timestamp,
    /// The data folder.
    pub data: String,
    /// Where it listens, as in the configuration: `udp:[::]:1194`.
    pub listen: Vec<String>,
    /// Where virtual servers are reached.
    #[serde(default)]
    pub tls_listen: Vec<SocketAddr>,
    /// How many there are.
    #[serde(default)]
    pub virtual_servers: u32,
    /// Those of the open sessions that are theirs.
    #[serde(default)]
    pub tls_sessions: u32,
    /// What profiles point to.
    pub remotes: Vec<Remote>,
    /// The networks it hands addresses out of.
    pub networks: Vec<String>,
    /// What clients are told beyond their addresses, in OpenVPN's words.
    #[serde(default)]
    pub pushes: Vec<String>,
    /// Keys of the settings file whose values wait for the next start.
    #[serde(default)]
    pub waiting: Vec<String>,
    /// Open sessions.
    pub sessions: u32,
    /// Users, devices.
    pub users: u32,
    /// Recorded devices.
    pub devices: u32,
    /// When the CA's certificate ends.
    pub ca_expires_at: Timestamp,
    /// When the gateway's own certificates end (the earlier one).
    pub server_expires_at: Timestamp,
    /// When the first certificate of those that sign OCSP answers ends; nothing where none was made.
    #[serde(default)]
    pub ocsp_expires_at: Option<Timestamp>,
    /// How long after their commits the effects of changes were in force, since the start.
    #[serde(default)]
    pub effects: BTreeMap<String, EffectDelay>,
    /// The CRL's number.
    pub crl_number: u64,
    /// When the CRL was signed.
    pub crl_signed_at: Timestamp,
    /// When it must be replaced.
    pub crl_next_update: Timestamp,
    /// Refused connections by the reason's code.
    pub refusals: BTreeMap<String, u64>,
    /// The last refusals, the newest first.
    pub last_refusals: Vec<RefusalEntry>,
    /// Dropped packets by cause.
    pub drops: BTreeMap<String, u64>,
    /// Where the last of those came from that lack the tls-auth key or use it wrongly, by cause; anybody may have written
    /// that address.
    #[serde(default)]
    pub drop_sources: BTreeMap<String, SocketAddr>,
    /// Connections that ended, refused ones included, by reason.
    #[serde(default)]
    pub endings: BTreeMap<String, u64>,
    /// How packets are carried: threads, and what the kernel does in one piece.
    pub data_path: String,
    /// Changes that are in force and that the disk did not take yet.
    #[serde(default)]
    pub not_on_disk: u32,
    /// Free bytes on the data folder's disk, where the system tells.
    #[serde(default)]
    pub disk_free: Option<u64>,
    /// Everything that is counted, for Prometheus.
    pub figures: Vec<Metric>,
    /// What the operator should know, one sentence each.
    pub warnings: Vec<String>,
    /// Devices whose profiles have former settings.
    #[serde(default)]
    pub outdated_profiles: Vec<DeviceName>,
}

/// How long an effect of changes took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct EffectDelay {
    /// How often it was measured.
    pub measured: u64,
    /// The last time, in milliseconds.
    pub last_ms: u64,
    /// The longest time, in milliseconds.
    pub worst_ms: u64,
}

/// A refused connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusalEntry {
    /// Its number since the gateway's start, for `explain failure`.
    #[serde(default)]
    pub number: u64,
    /// When.
    pub at: Timestamp,
    /// From where.
    pub source: SocketAddr,
    /// Whose certificate it was, where it could be told.
    pub device: Option<DeviceName>,
    /// The reason's code, snake_case.
    pub reason: String,
    /// The reason's sentence: misdeed, whose it is, what to do.
    pub sentence: String,
}

/// What `check` found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckReport {
    /// One for each thing looked at, in the order looked at.
    pub findings: Vec<Finding>,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What was looked at: `event chain`, `CRL`, `/dev/net/tun`.
    pub subject: String,
    /// How it is.
    pub level: Level,
    /// What was seen, one sentence.
    pub seen: String,
    /// How to mend it; nothing where all is well.
    pub mend: Option<String>,
}

/// How good or bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// As it should be.
    Good,
    /// Works, but not for long or not well.
    Warning,
    /// Does not work.
    Bad,
}
