//! What is done to users and devices that are on record, as a value: many of them make one change.
//!
//! Not here: what adds one, of which each has its own answer.

use names::{DeviceName, RevocationReason, UserName};

use crate::change::Change;

/// What is done to one user or one device.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the sentence on a variant names its fields")]
pub enum Deed {
    /// Its devices are let in, or kept out.
    UserSetEnabled { name: UserName, enabled: bool },
    /// It is forgotten with its devices, whose certificates are revoked.
    UserRemove { name: UserName },
    /// It is let in, or kept out.
    DeviceSetEnabled { user: UserName, device: DeviceName, enabled: bool },
    /// Its certificates are revoked; it stays.
    DeviceRevoke { user: UserName, device: DeviceName, reason: RevocationReason },
    /// Its certificates are revoked, and it is forgotten.
    DeviceRemove { user: UserName, device: DeviceName },
}

impl From<Deed> for Change {
    fn from(deed: Deed) -> Self {
        match deed {
            Deed::UserSetEnabled { name, enabled } => Self::UserSetEnabled { name, enabled },
            Deed::UserRemove { name } => Self::UserRemove { name },
            Deed::DeviceSetEnabled { user, device, enabled } => {
                Self::DeviceSetEnabled { user, device, enabled }
            }
            Deed::DeviceRevoke { user, device, reason } => {
                Self::DeviceRevoke { user, device, reason }
            }
            Deed::DeviceRemove { user, device } => Self::DeviceRemove { user, device },
        }
    }
}
