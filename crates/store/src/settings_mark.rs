//! Which settings a profile was written with, to be compared and for nothing else.

use std::collections::HashMap;
use std::fmt;

use pki::CertificateId;

use crate::ids::DeviceId;

/// With which settings profiles were written, as far as that is known.
#[derive(Clone, Debug, Default)]
pub struct ProfilesOnRecord {
    /// Those that were written with a certificate: several where it was written again after a change.
    pub written: HashMap<CertificateId, Vec<SettingsMark>>,
    /// The one that a device connected with last, by its own word.
    pub told: HashMap<DeviceId, SettingsMark>,
}

/// The beginning of a hash of the settings. Displays as hex.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SettingsMark([u8; 8]);

impl SettingsMark {
    /// From its bytes.
    pub fn from_bytes(bytes: [u8; 8]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8; 8] {
        &self.0
    }

    /// From what it displays as; nothing where it is of another kind.
    pub fn parse(text: &str) -> Option<Self> {
        let is_ours = text.len() == 16 && text.bytes().all(|b| b.is_ascii_hexdigit());
        let number = is_ours.then(|| u64::from_str_radix(text, 16).ok())??;
        Some(Self(number.to_be_bytes()))
    }
}

impl fmt::Display for SettingsMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", u64::from_be_bytes(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_reads_back_and_nothing_else_does() {
        let mark = SettingsMark::from_bytes([0, 1, 2, 3, 0xfc, 0xfd, 0xfe, 0xff]);
        assert_eq!(mark.to_string(), "00010203fcfdfeff");
        assert_eq!(SettingsMark::parse(&mark.to_string()), Some(mark));
        for text in ["", "00010203fcfdfef", "+0010203fcfdfeff", "00010203fcfdfeff0"] {
            assert_eq!(SettingsMark::parse(text), None, "{text}");
        }
    }
}
