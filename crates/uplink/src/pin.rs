//! A pin: the one key that a service may have, whoever vouches for another.

use std::error::Error;
use std::fmt;
use std::str::FromStr;

use data_encoding::BASE64;
use pki::Fingerprint;
use serde::{Deserialize, Serialize};

/// The SHA-256 of a public key as certificates have it, written as curl writes it: `sha256//BASE64`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pin(Fingerprint);

/// It is no pin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAPin;

impl Pin {
    /// The pin of a key (SubjectPublicKeyInfo, DER).
    pub fn of(spki: &[u8]) -> Self {
        Self(Fingerprint::of(spki))
    }
}

impl FromStr for Pin {
    type Err = NotAPin;

    fn from_str(text: &str) -> Result<Self, NotAPin> {
        let digest = text.strip_prefix(PREFIX).ok_or(NotAPin)?;
        let octets = BASE64.decode(digest.as_bytes()).map_err(|_| NotAPin)?;
        let octets = <[u8; 32]>::try_from(octets).map_err(|_| NotAPin)?;
        Ok(Self(Fingerprint::from_bytes(octets)))
    }
}

impl TryFrom<String> for Pin {
    type Error = NotAPin;

    fn try_from(text: String) -> Result<Self, NotAPin> {
        text.parse()
    }
}

impl From<Pin> for String {
    fn from(pin: Pin) -> String {
        pin.to_string()
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", BASE64.encode(self.0.as_bytes()))
    }
}

impl fmt::Display for NotAPin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a pin is sha256// and the base64 of the SHA-256 of a public key")
    }
}

impl Error for NotAPin {}

const PREFIX: &str = "sha256//";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_is_read_as_it_is_written() {
        let pin = Pin::of(b"key");
        assert_eq!(pin.to_string().parse(), Ok(pin));
        for wrong in ["", "sha256//", "sha256//AAAA", "sha1//AAAA", &pin.to_string()[8..]] {
            assert_eq!(wrong.parse::<Pin>(), Err(NotAPin), "{wrong}");
        }
    }
}
