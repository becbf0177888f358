//! PEM text to DER octets and back.

use std::error::Error;
use std::fmt;

use rustls_pki_types::pem::{self as pki_pem, PemObject};
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use zeroize::{Zeroize, Zeroizing};

/// The certificates in a PEM text, in its order; at least one.
pub fn certificates_from_pem(text: &str) -> Result<Vec<CertificateDer<'static>>, PemError> {
    let found: Vec<_> = CertificateDer::pem_slice_iter(text.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(PemError::from)?;
    if found.is_empty() { Err(PemError::Missing) } else { Ok(found) }
}

/// A certificate as PEM text.
pub fn certificate_to_pem(der: &CertificateDer<'_>) -> String {
    encode("CERTIFICATE", der).to_string()
}

/// Octets that are no secret as PEM text under this label.
pub fn to_pem(label: &str, der: &[u8]) -> String {
    encode(label, der).to_string()
}

/// Why a PEM text was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PemError {
    /// It has no section of the kind that was asked for.
    Missing,
    /// A section begins but does not end, or a line of it is not what it should be.
    Damaged,
    /// What is inside is not base64.
    NotBase64,
}

impl From<pki_pem::Error> for PemError {
    fn from(error: pki_pem::Error) -> Self {
        match error {
            pki_pem::Error::NoItemsFound => Self::Missing,
            pki_pem::Error::Base64Decode(_) => Self::NotBase64,
            _ => Self::Damaged,
        }
    }
}

impl fmt::Display for PemError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "the PEM text lacks the section that belongs here",
            Self::Damaged => "the PEM text is damaged; copy it again, with its first and last line",
            Self::NotBase64 => "the PEM text is not base64 inside; copy it again",
        })
    }
}

impl Error for PemError {}

/// PKCS#8's own way, and the older one that keeps the section's name.
pub(crate) fn is_encrypted(text: &str) -> bool {
    text.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----")
        || text.contains("Proc-Type: 4,ENCRYPTED")
}

pub(crate) fn pkcs8_from_pem(text: &str) -> Result<Zeroizing<Vec<u8>>, PemError> {
    let mut key = PrivatePkcs8KeyDer::from_pem_slice(text.as_bytes())?;
    let der = Zeroizing::new(key.secret_pkcs8_der().to_vec());
    key.zeroize();
    Ok(der)
}

/// RFC 7468 text. The buffer is sized first, so that no copy of a secret is left behind by growing.
pub(crate) fn encode(label: &str, der: &[u8]) -> Zeroizing<String> {
    let digits = der.len().div_ceil(3) * 4;
    let lines = digits.div_ceil(LINE);
    let mut text = Zeroizing::new(String::with_capacity(digits + lines + 2 * (label.len() + 18)));
    text.push_str("-----BEGIN ");
    text.push_str(label);
    text.push_str("-----\n");
    for line in der.chunks(LINE / 4 * 3) {
        line.chunks(3).for_each(|group| push_group(&mut text, group));
        text.push('\n');
    }
    text.push_str("-----END ");
    text.push_str(label);
    text.push_str("-----\n");
    text
}

fn push_group(text: &mut String, group: &[u8]) {
    let octet = |i: usize| u32::from(group.get(i).copied().unwrap_or(0));
    let bits = octet(0) << 16 | octet(1) << 8 | octet(2);
    for digit in 0..4 {
        let index = (bits >> (18 - 6 * digit)) & 0x3f;
        let pad = digit > group.len();
        text.push(if pad { '=' } else { char::from(ALPHABET[index as usize]) });
    }
}

const LINE: usize = 64;
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back_at_every_length() {
        for length in 1..200_u8 {
            let der: Vec<u8> = (0..length).collect();
            let text = encode("CERTIFICATE", &der);
            let read = certificates_from_pem(&text).unwrap();
            assert_eq!(read[0].as_ref(), der);
            assert!(text.lines().all(|line| line.len() <= LINE));
        }
    }

    #[test]
    fn base64_pads_as_rfc_4648_shows() {
        for (plain, text) in
            [("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            let lines = encode("CERTIFICATE", plain.as_bytes());
            assert_eq!(lines.lines().nth(1), Some(text));
        }
    }

    #[test]
    fn the_text_never_outgrows_its_first_buffer() {
        for length in [1_usize, 47, 48, 49, 1200] {
            let text = encode("PRIVATE KEY", &vec![7; length]);
            let digits = length.div_ceil(3) * 4;
            let reserved = digits + digits.div_ceil(LINE) + 2 * ("PRIVATE KEY".len() + 18);
            assert!(text.len() <= reserved, "{} > {reserved}", text.len());
        }
    }

    #[test]
    fn a_text_without_the_section_is_told_from_a_damaged_one() {
        assert_eq!(certificates_from_pem("hello"), Err(PemError::Missing));
        let cut = "-----BEGIN CERTIFICATE-----\nAAAA\n";
        assert_eq!(certificates_from_pem(cut), Err(PemError::Damaged));
        let odd = "-----BEGIN CERTIFICATE-----\n*\n-----END CERTIFICATE-----\n";
        assert_eq!(certificates_from_pem(odd), Err(PemError::NotBase64));
    }
}
