//! Who asks, and which requests that one may make.
//!
//! Invariant: [`Permission::of`] and [`Caller::may`] are exhaustive, so that neither a new request nor
//! a new kind of caller comes in without a decision.

use crate::request::Request;

/// Who makes a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// A person or program on this machine, told by the peer credentials of the control socket, or by
    /// the process' own ids where a command works on the records itself. Whoever is not root, the
    /// gateway's own user or of the group `handfast` never becomes a caller.
    Local {
        /// The user id.
        uid: u32,
        /// The account's name, where the system knows one.
        name: Option<String>,
    },
}

/// What a request touches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// Reads records, state and events.
    Read,
    /// Adds to the records or changes who is let in.
    Change,
    /// Closes what is open, without a change of the records.
    Disconnect,
    /// Hands out private keys and certificates.
    Keys,
}

impl Permission {
    /// What one needs for this request.
    pub fn of(request: &Request) -> Self {
        match request {
            Request::UserList
            | Request::UserShow { .. }
            | Request::DeviceList { .. }
            | Request::DeviceShow { .. }
            | Request::CertList
            | Request::CertShow { .. }
            | Request::CrlShow
            | Request::CaShow
            | Request::RolloverStatus
            | Request::Status
            | Request::Sessions
            | Request::SessionHistory(_)
            | Request::TlsList
            | Request::TlsShow { .. }
            | Request::Events { .. }
            | Request::Check { .. }
            | Request::ConfigShow
            | Request::Explain { .. } => Self::Read,
            Request::UserAdd { .. }
            | Request::UserDisable { .. }
            | Request::UserEnable { .. }
            | Request::UserRename { .. }
            | Request::UserRemove { .. }
            | Request::DeviceAdd { .. }
            | Request::DeviceRenew { .. }
            | Request::DeviceRevoke { .. }
            | Request::CertIssue { .. }
            | Request::CertRenew { .. }
            | Request::CertRevoke { .. }
            | Request::RolloverStart
            | Request::RolloverFinish { .. }
            | Request::ConfigSet { .. }
            | Request::Reload
            | Request::CaUnlock { .. }
            | Request::DeviceDisable { .. }
            | Request::DeviceEnable { .. }
            | Request::DeviceRemove { .. }
            | Request::UsersDo { .. }
            | Request::DevicesDo { .. } => Self::Change,
            Request::Kick { .. } => Self::Disconnect,
            Request::ProfileMaterial { .. } | Request::ProfileAgain { .. } => Self::Keys,
        }
    }
}

impl Caller {
    /// Whether this caller may do what needs `permission`.
    pub fn may(&self, permission: Permission) -> bool {
        match (self, permission) {
            // Whoever may open the control socket or the data folder owns both.
            (
                Self::Local { .. },
                Permission::Read | Permission::Change | Permission::Disconnect | Permission::Keys,
            ) => true,
        }
    }
}

impl std::fmt::Display for Caller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Local { uid, name: None } => write!(f, "uid {uid}"),
            Self::Local { uid, name: Some(name) } => write!(f, "{name} (uid {uid})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::DeviceName;

    #[test]
    fn handing_out_a_key_is_more_than_reading() {
        let device = DeviceName::parse("alice").expect("a name");
        let asked = Request::ProfileMaterial { device, renew: false };
        assert_eq!(Permission::of(&asked), Permission::Keys);
        assert_eq!(Permission::of(&Request::Sessions), Permission::Read);
    }
}
