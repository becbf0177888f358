//! Whose certificate it is.

use names::{DeviceName, UserName};

/// A device and its user.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Holder {
    /// The user.
    pub user: UserName,
    /// Its device.
    pub device: DeviceName,
}
