//! Serial numbers: what identifies a certificate of one CA.
//!
//! Held as an unsigned number, so that encodings with and without a leading zero are one serial.

use std::error::Error;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A certificate's serial number, at most 20 octets and not zero (RFC 5280 section 4.1.2.2).
///
/// Displays as `openssl x509 -serial` does: upper-case hexadecimal, an even number of digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Serial([u8; MAX_OCTETS]);

impl Serial {
    /// A new serial from 128 random bits.
    pub fn from_random(bits: [u8; 16]) -> Self {
        let mut value = [0; MAX_OCTETS];
        value[MAX_OCTETS - bits.len()..].copy_from_slice(&bits);
        // Zero is not a serial; one draw in 2^128 meets this.
        if bits == [0; 16] {
            value[MAX_OCTETS - 1] = 1;
        }
        Self(value)
    }

    /// The serial with these big-endian octets.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SerialError> {
        let significant = strip_zeros(bytes);
        if significant.is_empty() {
            return Err(SerialError::Zero);
        }
        if significant.len() > MAX_OCTETS {
            return Err(SerialError::TooLong);
        }
        let mut value = [0; MAX_OCTETS];
        value[MAX_OCTETS - significant.len()..].copy_from_slice(significant);
        Ok(Self(value))
    }

    /// The big-endian octets without leading zeros.
    pub fn as_bytes(&self) -> &[u8] {
        strip_zeros(&self.0)
    }
}

impl fmt::Display for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_bytes().iter().try_for_each(|octet| write!(f, "{octet:02X}"))
    }
}

impl fmt::Debug for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Serial({self})")
    }
}

impl FromStr for Serial {
    type Err = SerialError;

    /// Reads hexadecimal in either case, with or without colons.
    fn from_str(text: &str) -> Result<Self, SerialError> {
        let mut digits = Vec::with_capacity(text.len());
        for c in text.chars().filter(|c| *c != ':') {
            let digit = c.to_digit(16).ok_or(SerialError::NotHexadecimal)?;
            digits.push(u8::try_from(digit).map_err(|_| SerialError::NotHexadecimal)?);
        }
        if digits.len() % 2 == 1 {
            digits.insert(0, 0);
        }
        let octets: Vec<u8> = digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect();
        Self::from_bytes(&octets)
    }
}

impl Serialize for Serial {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Serial {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Why some text or octets are not a serial number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SerialError {
    /// It is zero or empty.
    Zero,
    /// It has more than 20 octets.
    TooLong,
    /// It has something else than hexadecimal digits and colons.
    NotHexadecimal,
}

impl fmt::Display for SerialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Zero => "a serial number is not zero",
            Self::TooLong => "a serial number has at most 20 octets",
            Self::NotHexadecimal => "a serial number is written in hexadecimal digits",
        })
    }
}

impl Error for SerialError {}

fn strip_zeros(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().take_while(|b| **b == 0).count();
    &bytes[zeros..]
}

const MAX_OCTETS: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_serial_reads_what_it_writes() {
        let serial = Serial::from_random(*b"\x80abcdefghijklmno");
        assert_eq!(serial.to_string(), "806162636465666768696A6B6C6D6E6F");
        assert_eq!(serial.to_string().parse(), Ok(serial));
        assert_eq!(serial.to_string().to_lowercase().parse(), Ok(serial));
    }

    #[test]
    fn leading_zeros_and_colons_do_not_make_another_serial() {
        let serial = Serial::from_bytes(&[0x0a, 0xbc]).unwrap();
        assert_eq!(Serial::from_bytes(&[0, 0, 0x0a, 0xbc]), Ok(serial));
        assert_eq!("abc".parse(), Ok(serial));
        assert_eq!("0A:BC".parse(), Ok(serial));
    }

    #[test]
    fn what_is_no_serial_is_refused() {
        assert_eq!(Serial::from_bytes(&[0, 0]), Err(SerialError::Zero));
        assert_eq!(Serial::from_bytes(&[1; 21]), Err(SerialError::TooLong));
        assert_eq!("x1".parse::<Serial>(), Err(SerialError::NotHexadecimal));
        assert_eq!("".parse::<Serial>(), Err(SerialError::Zero));
    }

    #[test]
    fn sixteen_zero_octets_still_make_a_serial() {
        assert_eq!(Serial::from_random([0; 16]).to_string(), "01");
    }
}
