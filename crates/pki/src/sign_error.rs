//! Why a CA signed nothing, whoever asked and whoever keeps its key.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Serial;

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
    /// The CA may not certify the name.
    NameOutside {
        /// The name.
        name: String,
        /// What it may certify, in words.
        allowed: String,
    },
    /// A server's certificate needs a name.
    NoName,
    /// The URL is not plain HTTP.
    BadPublicUrl(String),
    /// Nothing is left of the validity within the CA's own.
    EmptyValidity,
    /// What should be vouched for is no CA.
    NotACa,
    /// A CRL's next update has to be after this one.
    EmptyCrlValidity,
    /// The key cannot be certified.
    Key(crate::KeyRefused),
    /// The key is a CA's, which no other certificate may have.
    KeyOfACa,
    /// It would hold for longer than its profile allows.
    TooLong {
        /// How many days that is at most.
        days: u64,
    },
    /// It begins at another time than the signer's clock shows.
    NotNow,
    /// It has more names, or longer addresses, than a certificate may have here.
    TooMuch,
    /// A list's number has to be higher than that of every list before.
    NumberNotHigher {
        /// The highest that was signed.
        last: u64,
    },
    /// A list's number is so much higher that none would be left for the lists after it.
    NumberTooHigh,
    /// The list lacks a revocation that one before it had for good.
    RevocationDropped(Serial),
    /// The last list that the CA signed can't be read, and another could lack what was on it.
    LastListUnreadable,
    /// There are as many CAs as the signer keeps.
    TooManyCas,
    /// So much was signed lately that it looks like theft.
    TooOften {
        /// How long it takes until as much may be signed as is needed.
        again_in: Duration,
    },
    /// The signer keeps no CA with that key.
    NoSuchCa,

    /// The CA's key did not sign.
    SigningFailed,
    /// What was signed breaks a rule and is not handed out.
    Rule(crate::lint::Rule),
    /// The key is sealed, and nobody has opened it since the signer was started.
    Locked,
    /// That is not what the key was sealed with.
    WrongSecret,
    /// The CA whose key should go is the youngest, or its last list holds still.
    NeededStill,
    /// The key of a new CA could not be made.
    NoNewKey,
    /// The key of a new CA could not be written down.
    NotKept,
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
            Self::NameOutside { name, allowed } => write!(
                f,
                "the CA may not certify the name {name:?}, by its own certificate: {allowed}; \
                 choose another name, or set ca.permitted_names and ca.excluded_names and roll the CA over"
            ),
            Self::NoName => f.write_str("a server's certificate needs at least one name"),
            Self::BadPublicUrl(url) => {
                write!(f, "{url:?} cannot publish revocations; give a URL that begins with http://")
            }
            Self::EmptyValidity => f.write_str(
                "nothing of the wished validity lies within the CA's own; roll the CA over",
            ),
            Self::NotACa => f.write_str("what a CA is to vouch for is no CA's certificate"),
            Self::EmptyCrlValidity => {
                f.write_str("a revocation list has to be valid for at least a second")
            }
            Self::Key(error) => fmt::Display::fmt(error, f),
            Self::KeyOfACa => f.write_str("the key is a CA's; make another for this certificate"),
            Self::TooLong { days } => {
                write!(f, "such a certificate holds for {days} days at most; choose fewer")
            }
            Self::NotNow => f.write_str(
                "what is to be signed begins at another time than the signer's clock shows; \
                 see that the machine's clock is right, and repeat",
            ),
            Self::TooMuch => f.write_str("the certificate has too many or too long names"),
            Self::NumberNotHigher { last } => {
                write!(f, "the revocation list's number is not higher than {last}, the last one's")
            }
            Self::NumberTooHigh => f.write_str("the revocation list's number is far too high"),
            Self::RevocationDropped(serial) => write!(
                f,
                "the revocation list lacks {serial}, which was revoked for good; \
                 restore the records that have it"
            ),
            Self::LastListUnreadable => f.write_str(
                "the last revocation list that the CA signed can't be read, and another could lack what was on it; \
                 put the folder with the CA's key back from a backup, and start the gateway anew",
            ),
            Self::TooManyCas => f.write_str("there are as many CAs as the signer keeps"),
            Self::TooOften { again_in } => write!(
                f,
                "the CA signed so much lately that it signs no more of that for now; \
                 if nobody asked for that, look who did, else repeat in {}",
                at_least(*again_in)
            ),
            Self::NoSuchCa => {
                f.write_str("the signer has no such CA's key; restore it from a backup")
            }
            Self::Locked => f.write_str("the CA's key is sealed; open it: handfast ca unlock"),
            Self::WrongSecret => f.write_str(
                "the CA's key does not open with that; it was sealed with another secret",
            ),
            Self::NeededStill => {
                f.write_str("the CA's key stays: no other CA was made since, or its CRL holds still")
            }
            Self::NoNewKey => f.write_str("the machine did not generate a key for the new CA"),
            Self::NotKept => f.write_str(
                "the new CA's key could not be written down; make room on the data folder's disk",
            ),
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

/// No less than it is, as who comes too early has to come again.
fn at_least(wait: Duration) -> String {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    let (number, unit) = match seconds {
        0..=119 => (seconds.max(1), "second"),
        120..=7_199 => (seconds.div_ceil(60), "minute"),
        _ => (seconds.div_ceil(3_600), "hour"),
    };
    format!("{number} {unit}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_signed_too_much_is_told_when_that_is_over_and_never_too_early() {
        for (millis, said) in [
            (0, "in 1 second"),
            (59_001, "in 60 seconds"),
            (119_500, "in 2 minutes"),
            (3_600_001, "in 61 minutes"),
            (86_399_000, "in 24 hours"),
            (2 * 86_400_000, "in 48 hours"),
        ] {
            let error = SignError::TooOften { again_in: Duration::from_millis(millis) };
            assert!(error.to_string().ends_with(said), "{error}");
        }
    }
}
