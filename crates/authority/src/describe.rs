//! What listings say of a certificate beyond its row: kind of key, fingerprint, PEM.

use std::collections::BTreeSet;
use std::net::IpAddr;

use pki::Fingerprint;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::public_key::PublicKey;

use crate::named::Usage;

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
        fingerprint: Fingerprint::of(der).to_string(),
        pem: pki::to_pem("CERTIFICATE", der),
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

/// What a certificate under a name is good for, by its extended key usage.
pub fn usage(der: &[u8]) -> Usage {
    let Ok((_, certificate)) = X509Certificate::from_der(der) else { return Usage::Client };
    let usage = certificate.extended_key_usage().ok().flatten();
    match usage.map(|usage| (usage.value.server_auth, usage.value.client_auth)) {
        Some((true, true)) => Usage::Peer,
        Some((true, false)) => Usage::Server,
        _ => Usage::Client,
    }
}

/// The alternative names of a certificate, DNS names in lower case, addresses as text.
pub fn alternative_names(der: &[u8]) -> BTreeSet<String> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_certificate_has_an_unknown_key() {
        assert_eq!(key_type(b"nonsense"), "unknown");
    }
}
