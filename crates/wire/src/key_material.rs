//! 256 bytes of data-channel keys, and which slice each side uses in which direction.
//!
//! The layout is that of the static key file; the direction follows the TLS role alone: the TLS client
//! sends with `keys[0]`, the TLS server with `keys[1]`.

use std::error::Error;
use std::fmt;

use zeroize::Zeroizing;

/// Which side of the TLS handshake somebody is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The side that sent the ClientHello.
    TlsClient,
    /// The side that answered it.
    TlsServer,
}

impl Role {
    /// The other side.
    #[must_use]
    pub fn peer(self) -> Role {
        match self {
            Self::TlsClient => Self::TlsServer,
            Self::TlsServer => Self::TlsClient,
        }
    }
}

/// Which way packets go, seen from the holder of the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Sealed by us.
    Send,
    /// Opened by us.
    Receive,
}

/// `keys[0]` or `keys[1]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyPair {
    /// `keys[0]`, the first 128 bytes.
    First,
    /// `keys[1]`, the last 128 bytes.
    Second,
}

/// One direction's keys. An algorithm takes as many bytes from the front as it needs.
#[derive(Clone, Copy)]
pub struct KeySlices<'a> {
    /// For the cipher.
    pub cipher: &'a [u8; 64],
    /// For the HMAC; the AEAD ciphers take their implicit IV from here.
    pub hmac: &'a [u8; 64],
}

impl KeySlices<'_> {
    /// The eight bytes behind the packet id in an AEAD nonce.
    pub fn implicit_iv(&self) -> [u8; 8] {
        let [a, b, c, d, e, f, g, h, ..] = *self.hmac;
        [a, b, c, d, e, f, g, h]
    }
}

impl fmt::Debug for KeySlices<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeySlices(..)")
    }
}

/// The result of a key derivation.
#[derive(Clone)]
pub struct KeyMaterial(Zeroizing<[u8; KeyMaterial::LEN]>);

impl KeyMaterial {
    /// Bytes of key material; as many are asked from the TLS exporter.
    pub const LEN: usize = 256;

    /// Key material from an exporter or a saved session. An all-zero cipher key means that the
    /// derivation failed.
    pub fn from_bytes(bytes: &[u8; Self::LEN]) -> Result<Self, ZeroKey> {
        let material = Self(Zeroizing::new(*bytes));
        let zero = |pair| material.pair(pair).cipher.iter().all(|byte| *byte == 0);
        if zero(KeyPair::First) || zero(KeyPair::Second) { Err(ZeroKey) } else { Ok(material) }
    }

    /// The bytes. Secret.
    pub fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }

    /// The keys of one direction.
    pub fn slice(&self, role: Role, direction: Direction) -> KeySlices<'_> {
        self.pair(match (role, direction) {
            (Role::TlsClient, Direction::Send) | (Role::TlsServer, Direction::Receive) => {
                KeyPair::First
            }
            (Role::TlsClient, Direction::Receive) | (Role::TlsServer, Direction::Send) => {
                KeyPair::Second
            }
        })
    }

    fn pair(&self, pair: KeyPair) -> KeySlices<'_> {
        slices(&self.0, pair)
    }
}

impl fmt::Debug for KeyMaterial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyMaterial(..)")
    }
}

/// The key derivation gave an all-zero cipher key, which must not be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ZeroKey;

impl fmt::Display for ZeroKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the key derivation gave an all-zero cipher key")
    }
}

impl Error for ZeroKey {}

/// Cuts the 256-byte layout that static keys and data keys share.
pub(crate) fn slices(key: &[u8; 256], pair: KeyPair) -> KeySlices<'_> {
    let (quarters, _) = key.as_chunks::<64>();
    match (quarters, pair) {
        ([cipher, hmac, ..], KeyPair::First) | ([_, _, cipher, hmac], KeyPair::Second) => {
            KeySlices { cipher, hmac }
        }
        // 256 bytes are four quarters.
        _ => unreachable!("256 is four times 64"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_use_the_same_slice_for_one_direction() {
        let mut bytes = [0; 256];
        bytes.iter_mut().zip(0..=255u8).for_each(|(byte, n)| *byte = n);
        let key = KeyMaterial::from_bytes(&bytes).unwrap();
        for role in [Role::TlsClient, Role::TlsServer] {
            let (send, receive) =
                (key.slice(role, Direction::Send), key.slice(role.peer(), Direction::Receive));
            assert_eq!((send.cipher, send.hmac), (receive.cipher, receive.hmac));
        }
        let client = key.slice(Role::TlsClient, Direction::Send);
        assert_eq!((client.cipher[0], client.hmac[0]), (0, 64));
        let server = key.slice(Role::TlsServer, Direction::Send);
        assert_eq!((server.cipher[0], server.implicit_iv()[0]), (128, 192));
    }

    #[test]
    fn an_all_zero_cipher_key_is_refused() {
        let mut bytes = [1; 256];
        assert!(KeyMaterial::from_bytes(&bytes).is_ok());
        bytes[128..192].fill(0);
        assert_eq!(KeyMaterial::from_bytes(&bytes).unwrap_err(), ZeroKey);
    }
}
