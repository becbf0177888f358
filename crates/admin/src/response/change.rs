//! What a change did, and the events that the log has.
//!
//! Invariant: what is not in force yet stands among `pending`.

use std::collections::BTreeMap;

use clock::Timestamp;
use serde::{Deserialize, Serialize};

use crate::names::DeviceName;

/// A change that is committed, and what it did on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Changed {
    /// The event it is recorded as; nothing where the state was so already.
    pub event: Option<u64>,
    /// When that event was committed.
    pub at: Option<Timestamp>,
    /// Serials that were revoked by it.
    pub revoked: Vec<String>,
    /// Serials that it put on hold.
    #[serde(default)]
    pub on_hold: Vec<String>,
    /// Serials whose hold it lifted.
    #[serde(default)]
    pub off_hold: Vec<String>,
    /// How many sessions it closed.
    pub sessions_closed: u32,
    /// The number of the CRL that shows it.
    pub crl_number: Option<u64>,
    /// Effects that are in force, each with how long after the commit it was.
    #[serde(default)]
    pub effects: Vec<Effect>,
    /// Effects that are still missing, one sentence each; empty when all is done.
    pub pending: Vec<String>,
    /// Why the disk does not have it yet, though it is in force; nothing where the disk has it.
    #[serde(default)]
    pub held: Option<String>,
}

/// The same done to many, committed as one change, and what it did on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ChangedAll {
    /// Whom it changed, by name.
    pub changed: Vec<String>,
    /// Of whom it was so already.
    pub already: Vec<String>,
    /// What the change did; its event is the last of them.
    #[serde(flatten)]
    pub did: Changed,
}

/// Something that followed the records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effect {
    /// What: `crl`, `published`, `vpn_sessions` and so on.
    pub of: String,
    /// How long after the commit it was in force, in milliseconds.
    pub after_ms: u64,
}

/// What a kick closed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Kicked {
    /// The sessions, by device.
    pub sessions: Vec<DeviceName>,
    /// How many more, which came in without a certificate.
    #[serde(default)]
    pub without_certificate: u32,
    /// Why the event log on the disk does not tell of it yet; nothing where it does.
    #[serde(default)]
    pub held: Option<String>,
}

/// Events in commit order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventPage {
    /// The events.
    pub events: Vec<Event>,
}

/// One event of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Its place in the log, from 1.
    pub id: u64,
    /// When it was committed.
    pub at: Timestamp,
    /// Who did it: `root (uid 0)`, `gateway`.
    pub actor: String,
    /// What happened: `user_added`, `certificate_revoked` and so on.
    pub what: String,
    /// To whom or what: `alice/phone`.
    pub subject: String,
    /// The rest, by name: numbers as numbers, moments as everywhere.
    pub details: BTreeMap<String, serde_json::Value>,
    /// The chain's hash after this event, lower-case hex.
    pub hash: String,
}
