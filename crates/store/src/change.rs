//! Changes as values, and what is answered to one: its events, and whether the disk has them.
//!
//! A change says what is wanted, with the names that its author used; a backend makes it whole or
//! refuses it. What it did is told by the events alone.

use std::sync::Arc;

use clock::{Now, Timestamp};
use names::{CertificateName, DeviceName, RevocationReason, UserName};
use pki::CertificateId;
use serde_json::Value;

use crate::actor::Actor;
use crate::event::{Event, EventKind};
use crate::ids::{CaGenerationId, DeviceId, EventId};
use crate::records::{Ended, NewCaGeneration, NewCertificate, NewCrl, NewRollover};
use crate::secret::Secret;
use crate::sessions::SessionNote;
use crate::settings_mark::SettingsMark;

/// What somebody wants changed.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    /// All of these, or none of them.
    All(Vec<Change>),
    SettingSet {
        name: String,
        value: String,
    },
    SecretPut {
        name: String,
        secret: Secret,
    },
    SecretsForget {
        names: Vec<String>,
    },
    CaGenerationAdd(NewCaGeneration),
    RolloverStart(Box<NewRollover>),
    RolloverFinish {
        former: CaGenerationId,
        vouched: Vec<CertificateId>,
    },
    UserAdd {
        name: UserName,
        first_device: Option<DeviceName>,
    },
    UserSetEnabled {
        name: UserName,
        enabled: bool,
    },
    UserRemove {
        name: UserName,
    },
    UserRename {
        name: UserName,
        to: UserName,
    },
    DeviceAdd {
        user: UserName,
        device: DeviceName,
    },
    /// Whatever its holder is said to be, it is the device's.
    DeviceAddCertified {
        user: UserName,
        device: DeviceName,
        first: Box<NewCertificate>,
    },
    DeviceSetEnabled {
        user: UserName,
        device: DeviceName,
        enabled: bool,
    },
    DeviceRevoke {
        user: UserName,
        device: DeviceName,
        reason: RevocationReason,
    },
    DeviceRemove {
        user: UserName,
        device: DeviceName,
    },
    LeasesFree {
        devices: Vec<DeviceId>,
        before: Timestamp,
    },
    CertificateRecord(Box<NewCertificate>),
    CertificateRevoke {
        id: CertificateId,
        reason: RevocationReason,
    },
    NameRevoke {
        name: CertificateName,
        reason: RevocationReason,
    },
    CertificateMarkConnected {
        id: CertificateId,
    },
    CertificateSupersedeDue,
    CertificatesForget {
        ended: Vec<Ended>,
        before: Timestamp,
    },
    CrlRecord(NewCrl),
    EventOnce {
        name: String,
        value: String,
        kind: EventKind,
        payload: Value,
    },
    EventAppend {
        kind: EventKind,
        payload: Value,
    },
    ProfileNote {
        certificate: CertificateId,
        settings: SettingsMark,
    },
    SessionsNote(Arc<[SessionNote]>),
    DevicesSeen(Arc<[(DeviceId, Timestamp)]>),
    SessionsEnd {
        why: &'static str,
    },
    SessionsForget {
        before: Timestamp,
        most: u64,
    },
}

/// A change and its author.
#[derive(Clone, Debug)]
pub(crate) struct Proposal {
    pub(crate) actor: Actor,
    pub(crate) change: Change,
    /// When it was taken, where it is made later than that.
    pub(crate) at: Option<Now>,
}

/// What was made of a change.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) events: Vec<Event>,
    pub(crate) on_disk: bool,
}

impl Change {
    /// Whether it takes a right away, or tells of that: it is in force at once, whatever the disk says.
    pub(crate) fn withdraws(&self) -> bool {
        match self {
            Self::All(changes) => changes.iter().all(Change::withdraws),
            Self::UserSetEnabled { enabled, .. } | Self::DeviceSetEnabled { enabled, .. } => {
                !enabled
            }
            Self::UserRemove { .. }
            | Self::DeviceRevoke { .. }
            | Self::DeviceRemove { .. }
            | Self::CertificateRevoke { .. }
            | Self::NameRevoke { .. }
            | Self::CertificateSupersedeDue => true,
            Self::EventAppend { kind, .. } => *kind == EventKind::SESSION_KICKED,
            _ => false,
        }
    }

    /// Whether it only tells of a right that was taken for a moment: a session that was closed.
    pub(crate) fn only_tells(&self) -> bool {
        matches!(self, Self::EventAppend { .. })
    }

    /// Whether the reserve is given up for it on a full disk: what withdraws, a first
    /// connection that does so with a former certificate, and the CRL that shows it.
    pub(crate) fn may_take_the_reserve(&self) -> bool {
        self.withdraws()
            || matches!(self, Self::CrlRecord(_) | Self::CertificateMarkConnected { .. })
    }
}

/// What a change committed.
#[derive(Clone, Debug, PartialEq)]
pub struct Committed<T> {
    /// What came of it.
    pub value: T,
    /// Its own events, in their order; none where everything was so already.
    pub events: Vec<Event>,
    /// Whether the disk has it. A change that withdraws a right is in force also where the disk does not
    /// take it; it is written as soon as that does, and lost if the process ends before.
    pub on_disk: bool,
}

impl<T> Committed<T> {
    /// Whether everything was so already.
    pub fn is_unchanged(&self) -> bool {
        self.events.is_empty()
    }

    /// The last of its events: a snapshot that reaches through it has all of them.
    pub fn through(&self) -> Option<EventId> {
        self.events.last().map(|event| event.id)
    }
}
