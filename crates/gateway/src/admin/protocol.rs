//! What is asked of a gateway and what it answers: plain values, one JSON line each way.
//!
//! The words a person reads are not made here; the command line makes them from these values.
//! Invariant: every listing that can be printed is complete in its answer, so that `--json`
//! prints the answer itself.

use serde::{Deserialize, Serialize};

use super::answer::{
    CaDetail, Certificate, Changed, CheckReport, CrlDetail, Device, DeviceDetail, EventPage,
    Kicked, ProfileMaterial, Session, Status, User, UserDetail,
};
use super::failure::Failure;

/// The version of this protocol. A gateway refuses a call of another version, as the binary was
/// replaced while it was running.
pub const VERSION: u32 = 1;

/// One call, as it goes over the control socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// The caller's [`VERSION`].
    pub version: u32,
    /// What is asked.
    pub request: Request,
}

impl Call {
    /// A call of this binary's version.
    pub fn new(request: Request) -> Self {
        Self { version: VERSION, request }
    }
}

/// What a call is answered with.
pub type Reply = Result<Response, Failure>;

/// Everything an operator can ask for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
#[expect(missing_docs, reason = "the sentence on a variant names its fields")]
pub enum Request {
    /// Record a user and the first device, `NAME/default`. Answer: `User`.
    UserAdd { name: String },
    /// All users by name. Answer: `Users`.
    UserList,
    /// One user with its devices. Answer: `User`.
    UserShow { name: String },
    /// Refuse the user's devices from now on and close their sessions. Answer: `Changed`.
    UserDisable { name: String },
    /// Let a disabled user in again. Answer: `Changed`.
    UserEnable { name: String },
    /// Revoke every certificate of the user, then forget user and devices. Answer: `Changed`.
    UserRemove { name: String },
    /// Record a device; with a CSR its certificate is issued at once. Answer: `Device`.
    DeviceAdd { device: DeviceName, csr_pem: Option<String> },
    /// All devices, or one user's. Answer: `Devices`.
    DeviceList { user: Option<String> },
    /// One device with its certificates. Answer: `Device`.
    DeviceShow { device: DeviceName },
    /// Issue a certificate for the key in this CSR, superseding the present one.
    /// (Without a CSR a renewal is `ProfileMaterial { renew: true }`.) Answer: `Device`.
    DeviceRenew { device: DeviceName, csr_pem: String },
    /// Revoke every valid certificate of the device and close its session. Answer: `Changed`.
    DeviceRevoke { device: DeviceName, reason: RevokeReason },
    /// What the device's profiles are made of. Makes key and certificate where there is none yet,
    /// or with `renew` new ones. Answer: `Profile`.
    ProfileMaterial { device: DeviceName, renew: bool },
    /// The present CRL. Answer: `Crl`.
    CrlShow,
    /// The CA. Answer: `Ca`.
    CaShow,
    /// Figures and state. Answer: `Status`.
    Status,
    /// Who is connected. Answer: `Sessions`.
    Sessions,
    /// Close sessions without revoking anything: the client may come back. Answer: `Kicked`.
    Kick { target: KickTarget },
    /// Events in commit order. With `wait_ms` the answer waits that long for a first one.
    /// Answer: `Events`.
    Events {
        /// Only events with a greater id.
        after: Option<u64>,
        /// At most so many; the newest ones where `after` is not given.
        limit: u32,
        /// How long to wait where there is none yet.
        wait_ms: u64,
    },
    /// Verify the event chain, CRL, CA, configuration and environment. Answer: `Check`.
    Check,
}

impl Request {
    /// Whether only a running gateway can answer (the store alone does not know).
    pub fn needs_running_gateway(&self) -> bool {
        matches!(self, Self::Status | Self::Sessions | Self::Kick { .. })
    }
}

/// What a request is answered with where it succeeds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "answer", rename_all = "snake_case")]
pub enum Response {
    /// Users, for a listing.
    Users(Vec<User>),
    /// One user.
    User(UserDetail),
    /// Devices, for a listing.
    Devices(Vec<Device>),
    /// One device.
    Device(DeviceDetail),
    /// A change and its effects.
    Changed(Changed),
    /// What profiles are made of.
    Profile(Box<ProfileMaterial>),
    /// The CRL.
    Crl(CrlDetail),
    /// The CA.
    Ca(CaDetail),
    /// One certificate.
    Certificate(Certificate),
    /// State and figures.
    Status(Box<Status>),
    /// Sessions, for a listing.
    Sessions(Vec<Session>),
    /// What a kick closed.
    Kicked(Kicked),
    /// Events.
    Events(EventPage),
    /// Findings.
    Check(CheckReport),
}

/// A device by its full name, `USER/DEVICE`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DeviceName {
    /// The user it belongs to.
    pub user: String,
    /// Its name within the user.
    pub device: String,
}

impl DeviceName {
    /// The device every user has from the start.
    pub const DEFAULT: &'static str = "default";

    /// `USER` or `USER/DEVICE`; without a device the user's first one is meant.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let (user, device) = match text.split_once('/') {
            Some((user, device)) => (user, device),
            None => (text, Self::DEFAULT),
        };
        check_name(user)?;
        check_name(device)?;
        Ok(Self { user: user.to_owned(), device: device.to_owned() })
    }
}

impl std::fmt::Display for DeviceName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.user, self.device)
    }
}

/// Whether a text can name a user or a device: 1 to 64 of `a-z A-Z 0-9 . _ - @`, the first one a
/// letter or a digit. Names go into file names, certificates and log lines, hence the narrow set.
pub fn check_name(text: &str) -> Result<(), NameError> {
    let first = text.chars().next().ok_or(NameError::Empty)?;
    if text.len() > MAX_NAME {
        return Err(NameError::TooLong);
    }
    if !first.is_ascii_alphanumeric() {
        return Err(NameError::BadStart(first));
    }
    match text.chars().find(|c| !(c.is_ascii_alphanumeric() || "._-@".contains(*c))) {
        Some(bad) => Err(NameError::BadCharacter(bad)),
        None => Ok(()),
    }
}

const MAX_NAME: usize = 64;

/// Why a text cannot name a user or a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameError {
    /// Nothing there.
    Empty,
    /// More than 64 characters.
    TooLong,
    /// The first character is neither letter nor digit.
    BadStart(char),
    /// A character that names can't have.
    BadCharacter(char),
}

impl std::fmt::Display for NameError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Empty => write!(f, "a name is empty"),
            Self::TooLong => write!(f, "a name has more than {MAX_NAME} characters"),
            Self::BadStart(c) => write!(f, "a name starts with {c:?} instead of a letter or digit"),
            Self::BadCharacter(c) => write!(f, "a name has the character {c:?}"),
        }
    }
}

impl std::error::Error for NameError {}

/// Why a certificate is revoked: the reasons of RFC 5280 that an operator can give.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RevokeReason {
    /// No reason is given.
    #[default]
    Unspecified,
    /// The key is in other hands: lost, stolen, copied.
    KeyCompromise,
    /// The person or machine belongs elsewhere.
    AffiliationChanged,
    /// Another certificate took its place.
    Superseded,
    /// The device is retired.
    CessationOfOperation,
    /// The right to it was taken away.
    PrivilegeWithdrawn,
}

impl RevokeReason {
    /// All of them, for help texts.
    pub const ALL: [Self; 6] = [
        Self::Unspecified,
        Self::KeyCompromise,
        Self::AffiliationChanged,
        Self::Superseded,
        Self::CessationOfOperation,
        Self::PrivilegeWithdrawn,
    ];

    /// The word on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::KeyCompromise => "key-compromise",
            Self::AffiliationChanged => "affiliation-changed",
            Self::Superseded => "superseded",
            Self::CessationOfOperation => "cessation-of-operation",
            Self::PrivilegeWithdrawn => "privilege-withdrawn",
        }
    }

    /// CRLReason of RFC 5280 section 5.3.1.
    pub fn code(self) -> u8 {
        match self {
            Self::Unspecified => 0,
            Self::KeyCompromise => 1,
            Self::AffiliationChanged => 3,
            Self::Superseded => 4,
            Self::CessationOfOperation => 5,
            Self::PrivilegeWithdrawn => 9,
        }
    }
}

/// Whose sessions a kick closes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case")]
#[expect(missing_docs, reason = "the sentence on a variant names its fields")]
pub enum KickTarget {
    /// Every session of a user.
    User { name: String },
    /// One device's.
    Device { device: DeviceName },
    /// One session by its number in `sessions`.
    Session { id: u64 },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_alone_means_its_default_device() {
        let name = DeviceName::parse("alice").unwrap();
        assert_eq!(name.to_string(), "alice/default");
        assert_eq!(DeviceName::parse("alice/phone").unwrap().device, "phone");
    }

    #[test]
    fn names_that_could_leave_a_folder_or_break_a_line_are_refused() {
        assert_eq!(check_name(""), Err(NameError::Empty));
        assert_eq!(check_name(".."), Err(NameError::BadStart('.')));
        assert_eq!(check_name("-x"), Err(NameError::BadStart('-')));
        assert_eq!(check_name("a b"), Err(NameError::BadCharacter(' ')));
        assert_eq!(check_name("a\nb"), Err(NameError::BadCharacter('\n')));
        assert_eq!(check_name(&"a".repeat(65)), Err(NameError::TooLong));
        assert!(DeviceName::parse("a/b/c").is_err());
    }

    #[test]
    fn a_call_survives_the_way_over_the_socket() {
        let call = Call::new(Request::DeviceRevoke {
            device: DeviceName::parse("alice/phone").unwrap(),
            reason: RevokeReason::KeyCompromise,
        });
        let line = serde_json::to_string(&call).unwrap();
        assert!(!line.contains('\n'));
        assert_eq!(serde_json::from_str::<Call>(&line).unwrap(), call);
    }
}
