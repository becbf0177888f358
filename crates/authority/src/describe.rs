//! What listings say of a certificate beyond its row: kind of key, fingerprint, PEM.

use std::collections::BTreeSet;
use std::net::IpAddr;

use aws_lc_rs::digest::{SHA256, digest};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::public_key::PublicKey;

/// Facts read from the DER.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// `rsa2048`, `p256` and so on.
    pub key_type: String,
    /// SHA-256, lower-case hex.
    pub fingerprint: String,
    /// The certificate as PEM.
    pub pem: String,
}

/// Reads the facts; the store only holds certificates that we made, so they parse.
pub fn facts(der: &[u8]) -> Facts {
    Facts {
        key_type: key_type(der),
        fingerprint: digest(&SHA256, der).as_ref().iter().map(|b| format!("{b:02x}")).collect(),
        pem: pem("CERTIFICATE", der),
    }
}

/// The kind of a certificate's key.
pub(crate) fn key_type(der: &[u8]) -> String {
    let Ok((_, certificate)) = X509Certificate::from_der(der) else { return "unknown".to_owned() };
    match certificate.public_key().parsed() {
        Ok(PublicKey::RSA(key)) => format!("rsa{}", key.key_size()),
        Ok(PublicKey::EC(point)) => format!("p{}", point.key_size()),
        _ => "unknown".to_owned(),
    }
}

/// The alternative names of a certificate, DNS names in lower case, addresses as text.
pub(crate) fn alternative_names(der: &[u8]) -> BTreeSet<String> {
    let Ok((_, certificate)) = X509Certificate::from_der(der) else { return BTreeSet::new() };
    let Ok(Some(names)) = certificate.subject_alternative_name() else { return BTreeSet::new() };
    let text = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
        GeneralName::IPAddress(octets) => address(octets).map(|ip| ip.to_string()),
        _ => None,
    };
    names.value.general_names.iter().filter_map(text).collect()
}

fn address(octets: &[u8]) -> Option<IpAddr> {
    if let Ok(v4) = <[u8; 4]>::try_from(octets) {
        return Some(IpAddr::from(v4));
    }
    <[u8; 16]>::try_from(octets).ok().map(IpAddr::from)
}

/// PEM with lines of 64 characters (RFC 7468).
pub fn pem(label: &str, der: &[u8]) -> String {
    let text = base64(der);
    let mut pem = format!("-----BEGIN {label}-----\n");
    for line in text.as_bytes().chunks(64) {
        pem.extend(line.iter().map(|b| char::from(*b)));
        pem.push('\n');
    }
    pem + "-----END " + label + "-----\n"
}

fn base64(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let mut triple = [0; 3];
        triple[..chunk.len()].copy_from_slice(chunk);
        let bits = u32::from_be_bytes([0, triple[0], triple[1], triple[2]]);
        for at in 0..4 {
            let sextet = (bits >> (18 - 6 * at)) & 63;
            text.push(if at <= chunk.len() { letter(sextet) } else { '=' });
        }
    }
    text
}

fn letter(sextet: u32) -> char {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char::from(LETTERS[(sextet & 63) as usize])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_pads_as_rfc_4648_shows() {
        for (plain, text) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64(plain.as_bytes()), text);
        }
    }

    #[test]
    fn what_is_no_certificate_has_an_unknown_key() {
        assert_eq!(key_type(b"nonsense"), "unknown");
    }
}
