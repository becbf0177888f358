//! The 2048-bit static key file of tls-auth and tls-crypt, and which part of it is used when.
//!
//! Four slices of 64 bytes: cipher and HMAC of `keys[0]`, cipher and HMAC of `keys[1]`. The bytes are
//! wiped when dropped and never shown by `Debug`.

use std::error::Error;
use std::fmt;

use zeroize::Zeroizing;

use crate::key_material::{KeyPair, KeySlices, slices};

const BEGIN: &str = "-----BEGIN OpenVPN Static key V1-----";
const END: &str = "-----END OpenVPN Static key V1-----";

/// A static key.
#[derive(Clone)]
pub struct StaticKey(Zeroizing<[u8; StaticKey::LEN]>);

impl StaticKey {
    /// Bytes of a key.
    pub const LEN: usize = 256;

    /// A key from its bytes.
    pub fn from_bytes(bytes: &[u8; Self::LEN]) -> Self {
        Self(Zeroizing::new(*bytes))
    }

    /// The bytes. Secret.
    pub fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }

    /// `keys[0]` or `keys[1]`.
    pub fn slices(&self, pair: KeyPair) -> KeySlices<'_> {
        slices(&self.0, pair)
    }

    /// Reads a key file: text before the first line is ignored, data behind 256 bytes too.
    pub fn parse(text: &str) -> Result<Self, StaticKeyError> {
        let mut lines = text.lines().enumerate();
        if !lines.by_ref().any(|(_, line)| line.trim() == BEGIN) {
            return Err(StaticKeyError::NoBegin);
        }
        let mut digits = Digits { bytes: Zeroizing::new([0; Self::LEN]), count: 0 };
        for (index, line) in lines {
            if line.trim() == END {
                return digits.finish();
            }
            for (column, character) in line.chars().enumerate() {
                if character.is_ascii_whitespace() {
                    continue;
                }
                let position = StaticKeyError::NotHex { line: index + 1, column: column + 1 };
                digits.push(character.to_digit(16).ok_or(position)?);
            }
        }
        Err(StaticKeyError::NoEnd)
    }

    /// The key file. Secret.
    pub fn to_text(&self) -> Zeroizing<String> {
        // Sized at once, so that no part stays behind in a buffer that was outgrown.
        let mut text = Zeroizing::new(String::with_capacity(1024));
        text.push_str("#\n# 2048 bit OpenVPN static key\n#\n");
        text.push_str(BEGIN);
        for (index, byte) in self.0.iter().enumerate() {
            if index % 16 == 0 {
                text.push('\n');
            }
            for nibble in [byte >> 4, byte & 15] {
                text.push(char::from(b"0123456789abcdef"[usize::from(nibble)]));
            }
        }
        text.push('\n');
        text.push_str(END);
        text.push('\n');
        text
    }
}

impl fmt::Debug for StaticKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StaticKey(..)")
    }
}

struct Digits {
    bytes: Zeroizing<[u8; StaticKey::LEN]>,
    count: usize,
}

impl Digits {
    fn push(&mut self, digit: u32) {
        if let Some(byte) = self.bytes.get_mut(self.count / 2) {
            *byte = *byte << 4 | digit as u8;
            self.count += 1;
        }
    }

    fn finish(self) -> Result<StaticKey, StaticKeyError> {
        match self.count / 2 {
            StaticKey::LEN => Ok(StaticKey(self.bytes)),
            bytes => Err(StaticKeyError::TooShort { bytes }),
        }
    }
}

/// Which half of a static key is used for sending: the number in `key-direction`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyDirection {
    /// No number: both ways use `keys[0]`.
    Bidirectional,
    /// 0, by custom the server: sends with `keys[0]`.
    Normal,
    /// 1, by custom the client: sends with `keys[1]`.
    Inverse,
}

impl KeyDirection {
    /// From the number in a configuration.
    pub fn from_number(number: u32) -> Option<KeyDirection> {
        match number {
            0 => Some(Self::Normal),
            1 => Some(Self::Inverse),
            _ => None,
        }
    }

    /// The number in a configuration, if any is written.
    pub fn number(self) -> Option<u8> {
        match self {
            Self::Bidirectional => None,
            Self::Normal => Some(0),
            Self::Inverse => Some(1),
        }
    }

    /// What the other side must be set to.
    #[must_use]
    pub fn complement(self) -> KeyDirection {
        match self {
            Self::Bidirectional => Self::Bidirectional,
            Self::Normal => Self::Inverse,
            Self::Inverse => Self::Normal,
        }
    }

    /// The half that seals.
    pub fn send(self) -> KeyPair {
        match self {
            Self::Bidirectional | Self::Normal => KeyPair::First,
            Self::Inverse => KeyPair::Second,
        }
    }

    /// The half that opens.
    pub fn receive(self) -> KeyPair {
        self.complement().send()
    }
}

/// The text is not a static key file. Whoever wrote or pasted the file has to mend it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StaticKeyError {
    /// No `-----BEGIN OpenVPN Static key V1-----`.
    NoBegin,
    /// No `-----END OpenVPN Static key V1-----`.
    NoEnd,
    /// Something other than hexadecimal digits in between.
    NotHex {
        /// Counted from 1.
        line: usize,
        /// Counted from 1, in characters.
        column: usize,
    },
    /// Fewer than 256 bytes.
    TooShort {
        /// How many there were.
        bytes: usize,
    },
}

impl fmt::Display for StaticKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoBegin => write!(f, "the static key has no line \"{BEGIN}\""),
            Self::NoEnd => write!(f, "the static key has no line \"{END}\""),
            Self::NotHex { line, column } => {
                write!(
                    f,
                    "the static key has a character that is not hexadecimal in line {line}, column {column}"
                )
            }
            Self::TooShort { bytes } => {
                write!(f, "the static key has {bytes} bytes instead of 256")
            }
        }
    }
}

impl Error for StaticKeyError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> StaticKey {
        let mut bytes = [0; 256];
        bytes.iter_mut().zip(0..=255u8).for_each(|(byte, n)| *byte = n);
        StaticKey::from_bytes(&bytes)
    }

    #[test]
    fn a_key_file_comes_back_as_it_went() {
        let text = key().to_text();
        assert_eq!(StaticKey::parse(&text).unwrap().as_bytes(), key().as_bytes());
        assert!(text.capacity() == 1024, "the text outgrew its buffer");
    }

    #[test]
    fn windows_line_ends_blanks_and_a_foreword_are_accepted() {
        let text = format!("\u{feff}hello\r\n{}", key().to_text().replace('\n', " \r\n"));
        assert_eq!(StaticKey::parse(&text).unwrap().as_bytes(), key().as_bytes());
    }

    #[test]
    fn more_than_256_bytes_are_ignored_and_fewer_refused() {
        let text = key().to_text();
        let longer = text.replace(END, &format!("ffff\n{END}"));
        assert_eq!(StaticKey::parse(&longer).unwrap().as_bytes(), key().as_bytes());
        let shorter = text.replace("fcfdfeff", "fcfdfe");
        assert_eq!(
            StaticKey::parse(&shorter).unwrap_err(),
            StaticKeyError::TooShort { bytes: 255 }
        );
    }

    #[test]
    fn each_damage_has_its_error() {
        let text = key().to_text();
        assert_eq!(StaticKey::parse("").unwrap_err(), StaticKeyError::NoBegin);
        assert_eq!(StaticKey::parse(&text.replace(END, "")).unwrap_err(), StaticKeyError::NoEnd);
        let position = StaticKeyError::NotHex { line: 5, column: 3 };
        assert_eq!(StaticKey::parse(&text.replace("000102", "00x102")).unwrap_err(), position);
    }

    #[test]
    fn directions_mirror_each_other() {
        for direction in [KeyDirection::Bidirectional, KeyDirection::Normal, KeyDirection::Inverse]
        {
            assert_eq!(direction.send(), direction.complement().receive());
            assert_eq!(direction.receive(), direction.complement().send());
        }
        assert_eq!(KeyDirection::Inverse.send(), KeyPair::Second);
        assert_eq!(KeyDirection::Bidirectional.receive(), KeyPair::First);
    }

    #[test]
    fn debug_shows_no_secret() {
        assert_eq!(format!("{:?}", key()), "StaticKey(..)");
    }
}
