//! A device by its full name, as people write it.

use names::{NameError, UserName};
use serde::ser::SerializeStruct as _;
use serde::{Deserialize, Serialize, Serializer};

/// A device by its full name, `USER/DEVICE`, which programs get beside its parts as `id`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
pub struct DeviceName {
    /// The user it belongs to.
    pub user: UserName,
    /// Its name within the user.
    pub device: names::DeviceName,
}

impl DeviceName {
    /// `USER` or `USER/DEVICE`; without a device the user's first one is meant.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let (user, device) = match text.split_once('/') {
            Some((user, device)) => (user, names::DeviceName::new(device)?),
            None => (text, names::DeviceName::default_device()),
        };
        Ok(Self { user: UserName::new(user)?, device })
    }
}

impl Serialize for DeviceName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut parts = serializer.serialize_struct("DeviceName", 3)?;
        parts.serialize_field("id", &self.to_string())?;
        parts.serialize_field("user", &self.user)?;
        parts.serialize_field("device", &self.device)?;
        parts.end()
    }
}

impl std::fmt::Display for DeviceName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.user, self.device)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_alone_means_its_default_device() {
        let name = DeviceName::parse("alice").unwrap();
        assert_eq!(name.to_string(), "alice/default");
        assert_eq!(DeviceName::parse("alice/phone").unwrap().device.as_str(), "phone");
    }

    #[test]
    fn names_that_could_leave_a_folder_or_break_a_line_are_refused() {
        for text in ["", "..", "-x", "a b", "a\nb", "alice/", "alice/..", "a/b/c", "all/phone"] {
            assert!(DeviceName::parse(text).is_err(), "{text:?}");
        }
    }
}
