//! Typed numbers: of users, devices, CA generations and events, and certificates' serials.

use std::fmt;

use serde::{Serialize, Serializer};

macro_rules! row_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(i64);

        impl $name {
            /// The number that the database knows.
            pub fn get(self) -> i64 {
                self.0
            }

            #[allow(dead_code, reason = "not every kind of id is read back")]
            pub(crate) fn from_row(id: i64) -> Self {
                Self(id)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

row_id! {
    /// A user. Never used again for another one.
    UserId
}
row_id! {
    /// A device. Never used again for another one.
    DeviceId
}
row_id! {
    /// One generation of the CA: 1 is the first.
    CaGenerationId
}
row_id! {
    /// An event. Ids are dense and in the order of commits: 1 is the first.
    EventId
}

impl EventId {
    /// Before the first event: `event_list(EventId::NONE, ..)` starts at the beginning.
    pub const NONE: EventId = EventId(0);

    /// From a number that a user or another process gave back.
    pub fn new(id: u64) -> Self {
        Self(i64::try_from(id).unwrap_or(i64::MAX))
    }
}

/// A certificate's serial number: 1 to 20 bytes, big-endian, without leading zeros.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Serial {
    len: u8,
    bytes: [u8; Serial::MAX],
}

/// The bytes or the text are no serial number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SerialError {
    /// Zero, or nothing at all.
    Zero,
    /// More than 20 bytes (RFC 5280, 4.1.2.2).
    TooLong,
    /// Not hexadecimal.
    NotHex,
}

impl Serial {
    const MAX: usize = 20;

    /// From the bytes of a DER INTEGER, with or without leading zeros.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SerialError> {
        let start = bytes.iter().position(|b| *b != 0).ok_or(SerialError::Zero)?;
        let significant = &bytes[start..];
        let mut serial = Self { len: 0, bytes: [0; Self::MAX] };
        let room = serial.bytes.get_mut(..significant.len()).ok_or(SerialError::TooLong)?;
        room.copy_from_slice(significant);
        serial.len = u8::try_from(significant.len()).map_err(|_| SerialError::TooLong)?;
        Ok(serial)
    }

    /// From hexadecimal digits, with or without colons, as openssl and browsers print them.
    pub fn from_hex(text: &str) -> Result<Self, SerialError> {
        let digits: Option<Vec<u8>> =
            text.chars().filter(|c| *c != ':').map(|c| Some(c.to_digit(16)? as u8)).collect();
        let digits = digits.ok_or(SerialError::NotHex)?;
        let bytes: Vec<u8> = digits.rchunks(2).rev().map(join_digits).collect();
        Self::from_bytes(&bytes)
    }

    /// The bytes, big-endian, without leading zeros.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }
}

fn join_digits(digits: &[u8]) -> u8 {
    digits.iter().fold(0, |byte, digit| (byte << 4) | digit)
}

impl fmt::Display for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_bytes().iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl fmt::Debug for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Serial({self})")
    }
}

impl Serialize for Serial {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for SerialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Zero => "the serial number is empty or zero; give it as hexadecimal digits",
            Self::TooLong => {
                "the serial number is longer than 20 bytes; check it for a typing error"
            }
            Self::NotHex => "the serial number is not hexadecimal; give it as `cert list` shows it",
        })
    }
}

impl std::error::Error for SerialError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_serial_is_the_same_with_and_without_leading_zeros() {
        let plain = Serial::from_bytes(&[0x8f, 1]).unwrap();
        assert_eq!(plain, Serial::from_bytes(&[0, 0x8f, 1]).unwrap());
        assert_eq!(plain, Serial::from_hex("8F:01").unwrap());
        assert_eq!(plain.to_string(), "8f01");
        assert_eq!(Serial::from_hex("f01").unwrap().to_string(), "0f01");
    }

    #[test]
    fn what_is_no_serial_is_refused() {
        assert_eq!(Serial::from_bytes(&[0; 4]), Err(SerialError::Zero));
        assert_eq!(Serial::from_bytes(&[1; 21]), Err(SerialError::TooLong));
        assert_eq!(Serial::from_hex("0x12"), Err(SerialError::NotHex));
        assert_eq!(Serial::from_hex(""), Err(SerialError::Zero));
    }
}
