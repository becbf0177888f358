//! Names of users and devices: parsed once, then known to be fit for a certificate's subject, a
//! file name and a log line.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

/// The longest name, in bytes. A common name may have 64 characters (RFC 5280, ub-common-name).
const MAX: usize = 64;

/// Names that would be mistaken for something else in a path, a listing or an event.
const RESERVED: [&str; 7] = [".", "..", "all", "ca", "crl", "gateway", "handfast"];

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

impl DeviceName {
    /// The name of the device that is made together with a user.
    pub fn default_device() -> Self {
        Self("default".to_owned())
    }
}

/// Why a name can't be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NameError {
    /// Nothing at all.
    Empty,
    /// Longer than 64 characters.
    TooLong {
        /// How many it has.
        length: usize,
    },
    /// A character other than letters, digits, `.`, `_`, `-` and `@`.
    Character {
        /// The first such character.
        found: char,
    },
    /// Does not begin with a letter or a digit.
    Start {
        /// What it begins with.
        found: char,
    },
    /// Means something else already.
    Reserved {
        /// The name.
        name: String,
    },
}

fn check(name: &str) -> Result<(), NameError> {
    let first = name.chars().next().ok_or(NameError::Empty)?;
    if let Some(found) = name.chars().find(|c| !allowed(*c)) {
        return Err(NameError::Character { found });
    }
    if name.len() > MAX {
        return Err(NameError::TooLong { length: name.len() });
    }
    let reserved = RESERVED.contains(&name.to_ascii_lowercase().as_str());
    if reserved || pki::is_reserved_name(name) {
        return Err(NameError::Reserved { name: name.to_owned() });
    }
    // A leading `-` reads as an option, a leading `.` hides a file.
    if !first.is_ascii_alphanumeric() {
        return Err(NameError::Start { found: first });
    }
    Ok(())
}

fn allowed(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '@')
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the name is empty; give one of 1 to 64 characters"),
            Self::TooLong { length } => {
                write!(f, "the name has {length} characters; shorten it to at most {MAX}")
            }
            Self::Character { found } => write!(
                f,
                "the name has {found:?} in it; use letters, digits, `.`, `_`, `-` and `@` only"
            ),
            Self::Start { found } => {
                write!(f, "the name begins with {found:?}; begin it with a letter or a digit")
            }
            Self::Reserved { name } => {
                write!(f, "the name `{name}` is reserved; choose another one")
            }
        }
    }
}

impl std::error::Error for NameError {}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(UserName::new(".."), Err(NameError::Reserved { name: "..".into() }));
        let gateway = pki::RESERVED_GATEWAY_NAME;
        assert!(matches!(UserName::new(gateway), Err(NameError::Reserved { .. })));
        assert_eq!(DeviceName::new("Gateway"), Err(NameError::Reserved { name: "Gateway".into() }));
    }
}
