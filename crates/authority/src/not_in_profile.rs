//! What keeps a certificate under a name from being issued: the profile that the settings have for such.

use std::error::Error;
use std::fmt::{self, Display, Formatter};

/// Why the settings allow no such certificate: the asker's to mend, or that of who wrote them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotInProfile {
    /// It would live too long, or not at all.
    Days {
        /// So long.
        wanted: u32,
        /// The longest that is allowed.
        most: u32,
    },
    /// Its key is of another kind.
    Key {
        /// Of this one.
        kind: &'static str,
        /// Those that are allowed.
        allowed: Vec<String>,
    },
    /// It would be for another use.
    Usage {
        /// For this one.
        wanted: &'static str,
        /// Those that are allowed.
        allowed: Vec<String>,
    },
    /// It would be for a name elsewhere.
    Domain {
        /// The name.
        name: String,
        /// Where names may be.
        allowed: Vec<String>,
    },
}

impl Display for NotInProfile {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Days { wanted, most } => {
                write!(f, "{wanted} days are not between 1 and cert.validity_days, {most}")
            }
            Self::Key { kind, allowed } => {
                let allowed = allowed.join(", ");
                write!(f, "the key is {kind}; cert.key_types has {allowed}")
            }
            Self::Usage { wanted, allowed } => {
                let allowed = allowed.join(", ");
                write!(f, "it would be a {wanted}'s; cert.profiles has {allowed}")
            }
            Self::Domain { name, allowed } => {
                let allowed = allowed.join(", ");
                write!(f, "the name {name:?} is in none of cert.domains: {allowed}")
            }
        }
    }
}

impl Error for NotInProfile {}
