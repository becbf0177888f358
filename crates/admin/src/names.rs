//! What users and devices are called, and which texts can be such names.

use serde::ser::SerializeStruct as _;
use serde::{Deserialize, Serialize, Serializer};

/// A device by its full name, `USER/DEVICE`, which programs get beside its parts as `id`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
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
}
