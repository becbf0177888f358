//! Kinds of keys and of certificates, as the settings write them.

use std::fmt::{self, Display, Formatter};

use serde::{Deserialize, Serialize};

/// What a certificate under a name may be for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CertProfile {
    /// To be reached.
    Server,
    /// To reach others.
    Client,
    /// Both.
    Peer,
}

impl CertProfile {
    /// As it is called here and elsewhere.
    pub(super) fn usage(self) -> authority::Usage {
        match self {
            Self::Server => authority::Usage::Server,
            Self::Client => authority::Usage::Client,
            Self::Peer => authority::Usage::Peer,
        }
    }
}

impl Display for CertProfile {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.usage().word())
    }
}

/// A kind of key that is certified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CertifiedKey {
    /// RSA of 2048 bits and more.
    Rsa,
    /// ECDSA on P-256.
    P256,
    /// ECDSA on P-384.
    P384,
    /// Ed25519.
    Ed25519,
}

/// A kind of key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyType {
    /// RSA: what every client can read.
    Rsa,
    /// ECDSA on P-256.
    P256,
}

impl Display for CertifiedKey {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rsa => "rsa",
            Self::P256 => "p256",
            Self::P384 => "p384",
            Self::Ed25519 => "ed25519",
        })
    }
}

impl KeyType {
    pub(super) fn of_ca(self) -> pki::KeyType {
        match self {
            Self::Rsa => pki::KeyType::Rsa3072,
            Self::P256 => pki::KeyType::P256,
        }
    }

    pub(super) fn of_device(self) -> pki::KeyType {
        match self {
            Self::Rsa => pki::KeyType::Rsa2048,
            Self::P256 => pki::KeyType::P256,
        }
    }
}
