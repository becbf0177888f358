//! Why a CA signed nothing, whoever asked and whoever keeps its key.

use std::error::Error;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Why nothing was signed. The first group is the asker's fault, the second the signer's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignError {
    /// The name is kept for the gateway.
    ReservedName(String),
    /// The name cannot stand in a certificate.
    BadName(String),
    /// The name is longer than 64 characters.
    NameTooLong(String),
    /// A server's certificate needs a name.
    NoName,
    /// The URL is not plain HTTP.
    BadPublicUrl(String),
    /// Nothing is left of the validity within the CA's own.
    EmptyValidity,
    /// A CRL's next update has to be after this one.
    EmptyCrlValidity,
    /// The key cannot be certified.
    Key(crate::KeyRefused),

    /// The CA's key did not sign.
    SigningFailed,
    /// What was signed breaks a rule and is not handed out.
    Rule(crate::lint::Rule),
    /// The signer answered something else than it was asked.
    WrongAnswer,
    /// The signer cannot be reached.
    Unreachable,
}

impl fmt::Display for SignError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ReservedName(name) => {
                write!(f, "the name {name:?} is kept for the gateway; choose another")
            }
            Self::BadName(name) => write!(
                f,
                "the name {name:?} cannot stand in a certificate; \
                 use a host name, an IP address, or a plain user or device name"
            ),
            Self::NameTooLong(name) => write!(
                f,
                "the name {name:?} is longer than the 64 characters that a certificate allows"
            ),
            Self::NoName => f.write_str("a server's certificate needs at least one name"),
            Self::BadPublicUrl(url) => {
                write!(f, "{url:?} cannot publish revocations; give a URL that begins with http://")
            }
            Self::EmptyValidity => f.write_str(
                "nothing of the wished validity lies within the CA's own; roll the CA over",
            ),
            Self::EmptyCrlValidity => {
                f.write_str("a revocation list has to be valid for at least a second")
            }
            Self::Key(error) => fmt::Display::fmt(error, f),
            Self::SigningFailed => f.write_str("the CA's key did not sign; check the CA's key"),
            Self::Rule(rule) => write!(
                f,
                "internal error: what was signed is not handed out, since {rule}; please report it"
            ),
            Self::WrongAnswer => f.write_str("the signer answered something it was not asked"),
            Self::Unreachable => f.write_str("the signer cannot be reached; check that it runs"),
        }
    }
}

impl Error for SignError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Key(error) => Some(error),
            Self::Rule(rule) => Some(rule),
            _ => None,
        }
    }
}
