//! Keys that are sealed on the disk: Argon2id makes a key of a secret, AES-256-GCM seals with that.
//!
//! The sealed file says where the secret is to be found, so that whoever opens it needs no settings. No I/O but
//! for that look. Invariant: a key opens for the certificate that it was sealed with, and for no other.

use std::env;
use std::fs;
use std::io;
use std::path::PathBuf;

use argon2::{Algorithm, Argon2, Params, Version};
use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use pki::{CaCertificate, PrivateKey, SignError};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// Where the secret is that opens a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Protection {
    /// Somebody types it after each start.
    Passphrase,
    /// The service manager hands it over under this name (`LoadCredential=`).
    Credential(String),
    /// In this file.
    KeyFile(PathBuf),
}

impl Protection {
    /// The secret, where it is to be had without a person.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn secret(&self) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
        let file = match self {
            Self::Passphrase => return Ok(None),
            Self::KeyFile(file) => file.clone(),
            Self::Credential(name) => match env::var_os("CREDENTIALS_DIRECTORY") {
                Some(folder) => PathBuf::from(folder).join(name),
                None => return Ok(None),
            },
        };
        Ok(Some(Zeroizing::new(fs::read(file)?)))
    }
}

impl std::fmt::Display for Protection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Passphrase => f.write_str("a passphrase"),
            Self::Credential(name) => write!(f, "the systemd credential {name}"),
            Self::KeyFile(file) => write!(f, "the key file {}", file.display()),
        }
    }
}

/// A sealed key, with its CA's certificate in the clear.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sealed {
    version: u8,
    pub(crate) protection: Protection,
    pub(crate) certificate: Vec<u8>,
    kibibytes: u32,
    rounds: u32,
    salt: [u8; SALT],
    nonce: [u8; NONCE],
    octets: Vec<u8>,
}

impl Sealed {
    /// Seals a key.
    pub(crate) fn new(
        ca: &CaCertificate,
        key: &PrivateKey,
        protection: Protection,
        secret: &[u8],
    ) -> Result<Self, SignError> {
        let mut salt = [0; SALT];
        aws_lc_rs::rand::fill(&mut salt).map_err(|_| SignError::NotKept)?;
        let mut octets = key.pkcs8().to_vec();
        let with = derived(secret, &salt, KIBIBYTES, ROUNDS)?;
        let nonce = with
            .seal_in_place_append_tag(Aad::from(ca.der()), &mut octets)
            .map_err(|_| SignError::NotKept)?;
        let certificate = ca.der().to_vec();
        let (version, kibibytes, rounds) = (VERSION, KIBIBYTES, ROUNDS);
        let nonce = *nonce.as_ref();
        Ok(Self { version, protection, certificate, kibibytes, rounds, salt, nonce, octets })
    }

    /// What these octets hold.
    pub(crate) fn read(octets: &[u8]) -> Option<Self> {
        let sealed: Self = postcard::from_bytes(octets).ok()?;
        let bounded = sealed.kibibytes <= MOST_KIBIBYTES && sealed.rounds <= MOST_ROUNDS;
        (sealed.version == VERSION && bounded).then_some(sealed)
    }

    /// To be written down.
    pub(crate) fn write(&self) -> Result<Vec<u8>, SignError> {
        postcard::to_stdvec(self).map_err(|_| SignError::NotKept)
    }

    /// The key.
    pub(crate) fn open(&self, secret: &[u8]) -> Result<PrivateKey, SignError> {
        let with = derived(secret, &self.salt, self.kibibytes, self.rounds)?;
        let mut octets = Zeroizing::new(self.octets.clone());
        let nonce = Nonce::assume_unique_for_key(self.nonce);
        let opened = with.open_in_place(nonce, Aad::from(&self.certificate), &mut octets);
        let opened = opened.map_err(|_| SignError::WrongSecret)?;
        PrivateKey::from_pkcs8(opened).map_err(|_| SignError::WrongSecret)
    }
}

fn derived(
    secret: &[u8],
    salt: &[u8],
    kibibytes: u32,
    rounds: u32,
) -> Result<RandomizedNonceKey, SignError> {
    let mut key = Zeroizing::new([0; KEY]);
    let params =
        Params::new(kibibytes, rounds, 1, Some(KEY)).map_err(|_| SignError::WrongSecret)?;
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(secret, salt, &mut *key)
        .map_err(|_| SignError::WrongSecret)?;
    RandomizedNonceKey::new(&AES_256_GCM, &*key).map_err(|_| SignError::WrongSecret)
}

const VERSION: u8 = 1;
const SALT: usize = 16;
const NONCE: usize = 12;
const KEY: usize = 32;
/// RFC 9106's second choice, for machines with little memory.
const KIBIBYTES: u32 = 64 << 10;
const ROUNDS: u32 = 3;
/// A file that asks for more is none of ours.
const MOST_KIBIBYTES: u32 = 1 << 20;
const MOST_ROUNDS: u32 = 16;

#[cfg(test)]
mod tests {
    use pki::{CA_LIFETIME, KeyType, LocalSigner, NewCa, Serial, Signer as _, Timestamp};

    use super::*;

    #[test]
    fn a_sealed_key_opens_with_its_secret_and_for_its_own_certificate_alone() {
        let (one, other) = (ca(), ca());
        let sealed =
            Sealed::new(one.ca(), one.key(), Protection::Passphrase, b"hush").expect("sealed");
        let written = sealed.write().expect("written");
        let needle = &one.key().pkcs8()[40..72];
        assert!(!written.windows(32).any(|window| window == needle));
        let read = Sealed::read(&written).expect("read");
        assert_eq!(read.open(b"hush").expect("open").pkcs8(), one.key().pkcs8());
        assert_eq!(read.open(b"hush ").err(), Some(SignError::WrongSecret));
        let moved = Sealed { certificate: other.ca().der().to_vec(), ..read };
        assert_eq!(moved.open(b"hush").err(), Some(SignError::WrongSecret));
    }

    #[test]
    fn a_file_that_asks_for_a_machines_whole_memory_is_none_of_ours() {
        let one = ca();
        let sealed =
            Sealed::new(one.ca(), one.key(), Protection::Passphrase, b"hush").expect("sealed");
        let greedy = Sealed { kibibytes: u32::MAX, ..sealed };
        assert_eq!(Sealed::read(&greedy.write().expect("written")), None);
    }

    fn ca() -> LocalSigner {
        let (serial, now) =
            (Serial::from_random([1; 16]), Timestamp::from_unix_secs(1_800_000_000));
        LocalSigner::create(&NewCa { key_type: KeyType::P256, serial, now, lifetime: CA_LIFETIME })
            .expect("a CA")
    }
}
