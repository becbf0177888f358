//! Whose a session is, and by what right. Values only; who decides about them is [`Admission`](crate::Admission).

use names::{DeviceName, UserName};
use pki::CertificateId;

/// A device of a user, which is what has a session, addresses and a place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Principal {
    /// The user's name.
    pub user: UserName,
    /// The device's name, within the user.
    pub device: DeviceName,
}

/// What a peer proved itself with. Matched where it is used, so that another kind is decided about at each
/// such place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// A certificate.
    Certificate(CertificateId),
}

/// Whose session it is, and by what right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Whose.
    pub principal: Principal,
    /// By what.
    pub credential: Credential,
}
