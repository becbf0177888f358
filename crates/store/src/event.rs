//! Events: what happened, in commit order, each bound to the one before by its hash.

use std::borrow::Cow;
use std::fmt;

use clock::Timestamp;
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::ids::EventId;

/// One entry of the log.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Event {
    /// Its place in the order of commits.
    pub id: EventId,
    /// When, to the millisecond.
    pub at: Timestamp,
    /// Who (see [`Actor`](crate::Actor)).
    pub actor: String,
    /// What.
    pub kind: EventKind,
    /// The details: a JSON object, never with secrets in it.
    pub payload: Value,
    /// SHA-256 over the former event's hash and all of the above, as lower-case hexadecimal digits.
    pub hash: String,
}

/// What kind of thing happened. Open, as the gateway has events of its own.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EventKind(Cow<'static, str>);

impl Event {
    /// When, to the second, as the records of what it changed have it.
    pub fn second(&self) -> Timestamp {
        self.at.whole_second()
    }
}

impl EventKind {
    /// A kind of event; names are `noun_verbed`.
    pub const fn new(name: &'static str) -> Self {
        Self(Cow::Borrowed(name))
    }

    pub(crate) fn from_row(name: String) -> Self {
        Self(Cow::Owned(name))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        impl EventKind {
            $($(#[$doc])* pub const $name: EventKind = EventKind::new($text);)*
        }
    };
}

kinds! {
    /// A setting got a value.
    SETTING_SET = "setting_set";
    /// A secret was stored; the event has its name and length only.
    SECRET_PUT = "secret_put";
    /// Secrets that nobody has a use for went from the records.
    SECRETS_FORGOTTEN = "secrets_forgotten";
    /// A CA generation was added.
    CA_GENERATION_ADDED = "ca_generation_added";
    /// A generation of the CA took the place of another.
    CA_ROLLOVER_STARTED = "ca_rollover_started";
    /// A former generation of the CA is trusted no longer.
    CA_ROLLOVER_FINISHED = "ca_rollover_finished";
    /// A user was added.
    USER_ADDED = "user_added";
    /// A user was enabled.
    USER_ENABLED = "user_enabled";
    /// A user was disabled.
    USER_DISABLED = "user_disabled";
    /// A user got another name; certificates keep the former one until they are renewed.
    USER_RENAMED = "user_renamed";
    /// A user was removed, with all devices.
    USER_REMOVED = "user_removed";
    /// A device was added and got its lease.
    DEVICE_ADDED = "device_added";
    /// A device was enabled.
    DEVICE_ENABLED = "device_enabled";
    /// A device was disabled.
    DEVICE_DISABLED = "device_disabled";
    /// The addresses of a device that was revoked for long came free.
    DEVICE_ADDRESSES_FREED = "device_addresses_freed";
    /// A device without addresses got some again, with a new certificate.
    DEVICE_ADDRESSES_GIVEN = "device_addresses_given";
    /// A device was removed and its lease freed.
    DEVICE_REMOVED = "device_removed";
    /// A certificate was recorded.
    CERTIFICATE_RECORDED = "certificate_recorded";
    /// A certificate was revoked.
    CERTIFICATE_REVOKED = "certificate_revoked";
    /// A certificate ends soon, and nobody has renewed it.
    CERTIFICATE_ENDING = "certificate_ending";
    /// A certificate was used to connect for the first time.
    CERTIFICATE_CONNECTED = "certificate_connected";
    /// Certificates that had ended, and their keys, went from the records.
    CERTIFICATES_FORGOTTEN = "certificates_forgotten";
    /// A CRL was signed.
    CRL_SIGNED = "crl_signed";
    /// The gateway started.
    GATEWAY_STARTED = "gateway_started";
    /// The gateway stopped.
    GATEWAY_STOPPED = "gateway_stopped";
    /// The configuration was read again.
    CONFIG_RELOADED = "config_reloaded";
    /// The wall clock jumped by more than a minute.
    CLOCK_JUMPED = "clock_jumped";
    /// A session was ended by the administrator.
    SESSION_KICKED = "session_kicked";
    /// Somebody had a handshake told.
    HANDSHAKE_EXPLAINED = "handshake_explained";
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for EventKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// What [`chain_verify`](crate::Reader::chain_verify) found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChainReport {
    /// How many events were good, from the first on.
    pub events: u64,
    /// The hash of the last good one.
    pub head: String,
    /// The first bad event, if there is one.
    pub fault: Option<ChainFault>,
}

/// The first event that breaks the chain, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "fault")]
pub enum ChainFault {
    /// Its content does not match its hash.
    Altered {
        /// Which event.
        event: EventId,
    },
    /// It is not there, though later ones or the record of the chain's head say that it was.
    Missing {
        /// Which event.
        event: EventId,
    },
    /// The record of the chain's head is behind it.
    BeyondHead {
        /// Which event.
        event: EventId,
    },
}

impl fmt::Display for ChainFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Altered { event } => {
                write!(f, "event {event} was altered: its content does not match its hash")
            }
            Self::Missing { event } => write!(f, "event {event} is missing"),
            Self::BeyondHead { event } => {
                write!(f, "event {event} was put in: the recorded head of the chain is before it")
            }
        }?;
        f.write_str("; restore the data folder from a backup, or keep it as evidence")
    }
}
