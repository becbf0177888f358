//! Names of users, devices and whatever else has certificates: parsed once, then known to be fit for a certificate's subject, a
//! file name and a log line.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

use crate::is_reserved_name;

/// The longest name, in bytes. A common name may have 64 characters (RFC 5280, ub-common-name).
const MAX: usize = 64;

/// Names that would be mistaken for something else in a path, a listing or an event.
const RESERVED: [&str; 5] = ["all", "ca", "crl", "gateway", "handfast"];

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Checks and takes a name.
            pub fn new(name: &str) -> Result<Self, NameError> {
                check(name).map(|()| Self(name.to_owned()))
            }

            /// Whether they differ by case at most, so that people and some file systems take one for the
            /// other.
            pub fn is_alike(&self, other: &Self) -> bool {
                self.0.eq_ignore_ascii_case(&other.0)
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let name = String::deserialize(deserializer)?;
                Self::new(&name).map_err(serde::de::Error::custom)
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(name: &str) -> Result<Self, NameError> {
                Self::new(name)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

name! {
    /// A user's name.
    UserName
}
name! {
    /// A device's name, unique among its user's devices.
    DeviceName
}

name! {
    /// What several users and devices are called together.
    GroupName
}

name! {
    /// The name under which a server, or whatever else is no device, has its certificates.
    CertificateName
}

impl DeviceName {
    /// The name of the device that is made together with a user.
    pub fn default_device() -> Self {
        Self("default".to_owned())
    }
}

/// Why a text can't name a user, a device or a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NameError {
    /// Nothing at all.
    Empty,
    /// Longer than 64 characters.
    TooLong {
        /// How many it has.
        length: usize,
    },
    /// Does not begin with a letter or a digit.
    Start {
        /// What it begins with.
        found: char,
    },
    /// A character other than letters, digits, `.`, `_`, `-` and `@`.
    Character {
        /// The first such character.
        found: char,
    },
    /// Means something else already.
    Reserved {
        /// The name.
        name: String,
    },
}

impl NameError {
    /// What to do.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Reserved { .. } => "choose another one",
            Self::Empty | Self::TooLong { .. } | Self::Start { .. } | Self::Character { .. } => {
                "names have letters, digits and . _ - @, and start with a letter or a digit"
            }
        }
    }
}

fn check(name: &str) -> Result<(), NameError> {
    let first = name.chars().next().ok_or(NameError::Empty)?;
    if name.len() > MAX {
        return Err(NameError::TooLong { length: name.chars().count() });
    }
    // A leading `-` reads as an option, a leading `.` hides a file or leaves its folder.
    if !first.is_ascii_alphanumeric() {
        return Err(NameError::Start { found: first });
    }
    if let Some(found) = name.chars().find(|c| !allowed(*c)) {
        return Err(NameError::Character { found });
    }
    if RESERVED.contains(&name.to_ascii_lowercase().as_str()) || is_reserved_name(name) {
        return Err(NameError::Reserved { name: name.to_owned() });
    }
    Ok(())
}

fn allowed(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '@')
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("a name is empty"),
            Self::TooLong { .. } => write!(f, "a name has more than {MAX} characters"),
            Self::Start { found } => {
                write!(f, "a name starts with {found:?} instead of a letter or digit")
            }
            Self::Character { found } => write!(f, "a name has the character {found:?}"),
            Self::Reserved { name } => write!(f, "the name {name:?} is reserved"),
        }
    }
}

impl std::error::Error for NameError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RESERVED_GATEWAY_NAME;

    #[test]
    fn usual_names_are_taken() {
        for name in ["alice", "Bob.Smith", "a_b-c", "alice@example.org", "9", &"x".repeat(64)] {
            assert_eq!(UserName::new(name).map(|n| n.to_string()), Ok(name.to_owned()));
        }
        assert_eq!(DeviceName::new("default"), Ok(DeviceName::default_device()));
    }

    #[test]
    fn each_misdeed_in_a_name_has_its_own_error() {
        assert_eq!(UserName::new(""), Err(NameError::Empty));
        assert_eq!(UserName::new(&"x".repeat(65)), Err(NameError::TooLong { length: 65 }));
        assert_eq!(UserName::new("a/b"), Err(NameError::Character { found: '/' }));
        assert_eq!(UserName::new("alicé"), Err(NameError::Character { found: 'é' }));
        assert_eq!(UserName::new("a\nb"), Err(NameError::Character { found: '\n' }));
        assert_eq!(UserName::new("-rf"), Err(NameError::Start { found: '-' }));
        assert_eq!(UserName::new(".."), Err(NameError::Start { found: '.' }));
        for name in [RESERVED_GATEWAY_NAME, "all", "Gateway"] {
            let reserved = NameError::Reserved { name: name.into() };
            assert_eq!(UserName::new(name), Err(reserved.clone()));
            assert_eq!(DeviceName::new(name), Err(reserved));
        }
    }

    #[test]
    fn a_name_that_comes_as_json_goes_by_the_same_rule() {
        let read = |text: &str| serde_json::from_str::<UserName>(text);
        assert_eq!(read(r#""alice""#).unwrap(), UserName::new("alice").unwrap());
        for text in [r#""../alice""#, r#""all""#, r#""a\nb""#, r#""""#] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
