//! Who is let in, as the settings write it.

use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

use names::{DeviceName, GroupName, NameError, UserName};
use serde::{Deserialize, Serialize};

/// A user with all devices, one device, or a group: `alice`, `alice/phone`, `@ops`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Whom {
    /// A user with all devices.
    User(UserName),
    /// One device.
    Device(UserName, DeviceName),
    /// Those who stand behind it: whoever reads the settings puts them there. By itself it means nobody.
    Group(GroupName),
}

impl Whom {
    /// Whether it means this device.
    pub fn means(&self, user: &UserName, device: &DeviceName) -> bool {
        match self {
            Self::User(named) => named == user,
            Self::Device(of, named) => of == user && named == device,
            Self::Group(_) => false,
        }
    }
}

impl FromStr for Whom {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if let Some(group) = text.strip_prefix('@') {
            return GroupName::new(group).map(Self::Group);
        }
        match text.split_once('/') {
            Some((user, device)) => {
                Ok(Self::Device(UserName::new(user)?, DeviceName::new(device)?))
            }
            None => UserName::new(text).map(Self::User),
        }
    }
}

impl TryFrom<String> for Whom {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<Whom> for String {
    fn from(whom: Whom) -> String {
        whom.to_string()
    }
}

impl Display for Whom {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(user) => user.fmt(f),
            Self::Device(user, device) => write!(f, "{user}/{device}"),
            Self::Group(group) => write!(f, "@{group}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_a_device_and_a_group_are_written_as_they_are_read() {
        let (alice, phone) = (UserName::new("alice").unwrap(), DeviceName::new("phone").unwrap());
        for (text, is_meant) in [("alice", true), ("alice/phone", true), ("alice/desk", false)] {
            let whom: Whom = text.parse().unwrap();
            assert_eq!((whom.to_string().as_str(), whom.means(&alice, &phone)), (text, is_meant));
        }
        let group: Whom = "@alice".parse().unwrap();
        assert_eq!((group.to_string().as_str(), group.means(&alice, &phone)), ("@alice", false));
        for wrong in ["", "@", "@@ops", "/phone", "alice/", "@all"] {
            assert!(wrong.parse::<Whom>().is_err(), "{wrong}");
        }
    }
}
