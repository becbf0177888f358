//! What a certificate is ordered for.

use front::{CertificateSource, KeyKind, VirtualServer};
use pki::KeyType;

/// What a certificate is ordered for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Wanted {
    /// Of the CA that makes it.
    pub(super) directory: String,
    pub(super) names: Vec<String>,
    pub(super) key: KeyType,
}

/// What a server needs: one for each kind of key, where ACME is what it has them by.
pub(super) fn wanted(server: &VirtualServer, directory: &str) -> Vec<Wanted> {
    if server.passthrough || server.certificate != CertificateSource::Acme {
        return Vec::new();
    }
    let names: Vec<_> = server.names.iter().map(|name| name.as_str().to_owned()).collect();
    let of = |kind: &KeyKind| Wanted {
        directory: directory.to_owned(),
        names: names.clone(),
        key: match kind {
            KeyKind::P256 => KeyType::P256,
            KeyKind::Rsa => KeyType::Rsa2048,
        },
    };
    server.key_types.iter().map(of).collect()
}
