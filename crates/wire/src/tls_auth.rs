//! tls-auth: an HMAC over every control packet, so that strangers get no answer at all.
//!
//! ```text
//! wire:       byte0 | own session id (8) | HMAC (n) | replay id u32 | replay time u32 | body
//! HMAC input: replay id u32 | replay time u32 | byte0 | own session id (8) | body
//! ```
//!
//! The two orders differ. Nothing behind the opcode is looked at before the HMAC verifies.

use std::error::Error;
use std::fmt;

use aws_lc_rs::{constant_time, hmac};

use crate::control::{ControlError, ControlHeader, ControlPacket, HEADER_LEN};
use crate::header::split_first_byte;
use crate::key_material::KeyPair;
use crate::reader::{Reader, TooShort};
use crate::static_key::{KeyDirection, StaticKey};

pub use crate::replay::{ControlReplay, ReplayStamp, Replayed, SessionReplay};

/// Bytes of replay id and time.
const STAMP_LEN: usize = 4 + 4;

/// The digest that `auth` names. AEAD data channels leave it this one use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AuthDigest {
    /// OpenVPN's default where no `auth` is given.
    Sha1,
    /// Ours.
    #[default]
    Sha256,
    /// 48 bytes.
    Sha384,
    /// 64 bytes.
    Sha512,
}

impl AuthDigest {
    /// All of them.
    pub const ALL: [AuthDigest; 4] = [Self::Sha1, Self::Sha256, Self::Sha384, Self::Sha512];

    /// As in a configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
            Self::Sha384 => "SHA384",
            Self::Sha512 => "SHA512",
        }
    }

    /// From a configuration; upper or lower case, with the aliases that stock understands.
    pub fn from_name(name: &str) -> Option<AuthDigest> {
        let upper = name.to_ascii_uppercase();
        let plain = upper.strip_prefix("RSA-").unwrap_or(&upper);
        let bits = plain
            .strip_prefix("SHA2-")
            .or(plain.strip_prefix("SHA-"))
            .or(plain.strip_prefix("SHA"))?;
        Self::ALL.into_iter().find(|digest| digest.name().strip_prefix("SHA") == Some(bits))
    }

    /// Bytes of the HMAC, and of its key.
    pub fn tag_len(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    fn key(self, slice: &[u8; 64]) -> hmac::Key {
        let algorithm = match self {
            Self::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => hmac::HMAC_SHA256,
            Self::Sha384 => hmac::HMAC_SHA384,
            Self::Sha512 => hmac::HMAC_SHA512,
        };
        hmac::Key::new(algorithm, slice.get(..self.tag_len()).unwrap_or(slice))
    }
}

impl fmt::Display for AuthDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The keys of one tls-auth setting.
pub struct TlsAuth {
    direction: KeyDirection,
    digest: AuthDigest,
    send: hmac::Key,
    receive: hmac::Key,
    source: StaticKey,
}

impl TlsAuth {
    /// From the static key, the key direction and the `auth` digest.
    pub fn new(key: &StaticKey, direction: KeyDirection, digest: AuthDigest) -> Self {
        Self {
            direction,
            digest,
            send: digest.key(key.slices(direction.send()).hmac),
            receive: digest.key(key.slices(direction.receive()).hmac),
            source: key.clone(),
        }
    }

    /// Bytes that the wrapping adds to a packet.
    pub fn overhead(&self) -> usize {
        self.digest.tag_len() + STAMP_LEN
    }

    /// The static key, to be kept with a session. Secret.
    pub fn key(&self) -> &StaticKey {
        &self.source
    }

    /// The digest.
    pub fn digest(&self) -> AuthDigest {
        self.digest
    }

    /// The direction.
    pub fn direction(&self) -> KeyDirection {
        self.direction
    }

    /// Wraps a packet. Each transmission, also a repeated one, needs a stamp of its own.
    pub fn seal(&self, stamp: ReplayStamp, packet: &ControlPacket) -> Vec<u8> {
        let mut out = Vec::with_capacity(packet.encoded_len() + self.overhead());
        out.push(packet.first_byte());
        out.extend_from_slice(packet.session_id.as_bytes());
        let body = HEADER_LEN + self.overhead();
        out.resize(body - STAMP_LEN, 0);
        out.extend_from_slice(&stamp_bytes(stamp));
        packet.encode_body(&mut out);
        let (front, rest) = out.split_at_mut(body - STAMP_LEN);
        let (header, tag) = front.split_at_mut(HEADER_LEN);
        let (stamp, body) = rest.split_at(STAMP_LEN);
        tag.copy_from_slice(mac(&self.send, stamp, header, body).as_ref());
        out
    }

    /// Verifies and unwraps a packet. The stamp still has to pass a [`ControlReplay`].
    pub fn open(&self, datagram: &[u8]) -> Result<(ReplayStamp, ControlPacket), TlsAuthError> {
        let (opcode, _) = split_first_byte(datagram).ok_or(TlsAuthError::TooShort)?;
        if opcode.carries_wrapped_key() {
            return Err(ControlError::NeedsWrappedKey(opcode).into());
        }
        if !opcode.is_control() {
            return Err(ControlError::NotControl(opcode).into());
        }
        let parts = Parts::split(datagram, self.digest)?;
        if !parts.verify(&self.receive) {
            return Err(TlsAuthError::Forged);
        }
        let header = ControlHeader::parse(parts.header)?;
        Ok((parts.stamp()?, ControlPacket::parse_body(header, parts.body)?))
    }

    /// Why [`Self::open`] said [`TlsAuthError::Forged`]: tries the other directions and digests with the
    /// same key. Costs up to eight HMACs, so the caller limits how often strangers may ask for it.
    pub fn diagnose(&self, datagram: &[u8]) -> Suspect {
        for digest in [self.digest].into_iter().chain(AuthDigest::ALL) {
            let Ok(parts) = Parts::split(datagram, digest) else { continue };
            for pair in [self.direction.receive(), other(self.direction.receive())] {
                if parts.verify(&digest.key(self.source.slices(pair).hmac)) {
                    return match digest == self.digest {
                        true => Suspect::KeyDirection,
                        false => Suspect::Digest(digest),
                    };
                }
            }
        }
        Suspect::Key
    }
}

impl fmt::Debug for TlsAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsAuth")
            .field("direction", &self.direction)
            .field("digest", &self.digest)
            .finish()
    }
}

struct Parts<'a> {
    header: &'a [u8],
    tag: &'a [u8],
    stamp: &'a [u8],
    body: &'a [u8],
}

impl<'a> Parts<'a> {
    fn split(datagram: &'a [u8], digest: AuthDigest) -> Result<Self, TooShort> {
        let mut reader = Reader::new(datagram);
        Ok(Self {
            header: reader.take(HEADER_LEN)?,
            tag: reader.take(digest.tag_len())?,
            stamp: reader.take(STAMP_LEN)?,
            body: reader.rest(),
        })
    }

    fn verify(&self, key: &hmac::Key) -> bool {
        let expected = mac(key, self.stamp, self.header, self.body);
        constant_time::verify_slices_are_equal(expected.as_ref(), self.tag).is_ok()
    }

    fn stamp(&self) -> Result<ReplayStamp, TooShort> {
        let mut reader = Reader::new(self.stamp);
        Ok(ReplayStamp { id: reader.u32()?, time: reader.u32()? })
    }
}

fn mac(key: &hmac::Key, stamp: &[u8], header: &[u8], body: &[u8]) -> hmac::Tag {
    let mut context = hmac::Context::with_key(key);
    context.update(stamp);
    context.update(header);
    context.update(body);
    context.sign()
}

fn stamp_bytes(stamp: ReplayStamp) -> [u8; STAMP_LEN] {
    (u64::from(stamp.id) << 32 | u64::from(stamp.time)).to_be_bytes()
}

fn other(pair: KeyPair) -> KeyPair {
    match pair {
        KeyPair::First => KeyPair::Second,
        KeyPair::Second => KeyPair::First,
    }
}

/// What about our shared secret the sender of a forged packet has wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Suspect {
    /// Another static key; or it is a stranger, or the packet was damaged.
    Key,
    /// Our key and digest with a direction that doesn't mirror ours; or our own packet came back.
    KeyDirection,
    /// Our key with another `auth` digest.
    Digest(AuthDigest),
}

impl fmt::Display for Suspect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key => f.write_str("the code was made with another tls-auth key than ours, or with none: a device of ours needs the present profile"),
            Self::KeyDirection => {
                f.write_str("the peer has our tls-auth key with the wrong key-direction: it must be the opposite of ours")
            }
            Self::Digest(digest) => {
                write!(f, "the peer has our tls-auth key with \"auth {digest}\": it must name the same digest as we do")
            }
        }
    }
}

/// A datagram did not pass tls-auth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsAuthError {
    /// Too short to hold an HMAC of our digest.
    TooShort,
    /// The HMAC is wrong: another key, direction or digest, a damaged packet, or a stranger.
    Forged,
    /// The peer misbehaved: the HMAC is right, or wasn't even needed, and the packet is wrong.
    Packet(ControlError),
}

impl From<TooShort> for TlsAuthError {
    fn from(_: TooShort) -> Self {
        Self::TooShort
    }
}

impl From<ControlError> for TlsAuthError {
    fn from(error: ControlError) -> Self {
        Self::Packet(error)
    }
}

impl fmt::Display for TlsAuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort => f.write_str("the packet is too short for tls-auth"),
            Self::Forged => f.write_str("the packet's tls-auth HMAC is wrong"),
            Self::Packet(error) => error.fmt(f),
        }
    }
}

impl Error for TlsAuthError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Packet(error) => Some(error),
            Self::TooShort | Self::Forged => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::{KeyId, MessageId, Opcode, SessionId};

    fn key(first: u8) -> StaticKey {
        let mut bytes = [0; 256];
        bytes.iter_mut().zip(0..=255u8).for_each(|(byte, n)| *byte = n ^ first);
        StaticKey::from_bytes(&bytes)
    }

    fn reset() -> ControlPacket {
        let id = SessionId::new([1, 2, 3, 4, 5, 6, 7, 8]).unwrap();
        ControlPacket::message(
            Opcode::CONTROL_HARD_RESET_CLIENT_V2,
            KeyId::FIRST,
            id,
            MessageId::FIRST,
            vec![],
        )
    }

    const STAMP: ReplayStamp = ReplayStamp { id: 1, time: 1_700_000_000 };

    #[test]
    fn a_client_reset_has_the_documented_size_and_opens_at_the_server() {
        for (digest, size) in AuthDigest::ALL.into_iter().zip([42, 54, 70, 86]) {
            let client = TlsAuth::new(&key(0), KeyDirection::Inverse, digest);
            let server = TlsAuth::new(&key(0), KeyDirection::Normal, digest);
            let sealed = client.seal(STAMP, &reset());
            assert_eq!(sealed.len(), size);
            assert_eq!(server.open(&sealed), Ok((STAMP, reset())));
        }
    }

    #[test]
    fn every_flipped_bit_and_every_truncation_is_refused() {
        let auth = TlsAuth::new(&key(0), KeyDirection::Bidirectional, AuthDigest::Sha256);
        let sealed = auth.seal(STAMP, &reset());
        for bit in 0..sealed.len() * 8 {
            let mut damaged = sealed.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(auth.open(&damaged).is_err(), "bit {bit}");
        }
        for len in 0..sealed.len() {
            assert!(auth.open(&sealed[..len]).is_err(), "length {len}");
        }
    }

    #[test]
    fn a_forged_packet_is_diagnosed() {
        let server = TlsAuth::new(&key(0), KeyDirection::Normal, AuthDigest::Sha256);
        let from = |key: StaticKey, direction, digest| {
            let sealed = TlsAuth::new(&key, direction, digest).seal(STAMP, &reset());
            assert!(server.open(&sealed).is_err());
            server.diagnose(&sealed)
        };
        assert_eq!(from(key(0), KeyDirection::Normal, AuthDigest::Sha256), Suspect::KeyDirection);
        assert_eq!(
            from(key(0), KeyDirection::Bidirectional, AuthDigest::Sha256),
            Suspect::KeyDirection
        );
        let sha1 = from(key(0), KeyDirection::Inverse, AuthDigest::Sha1);
        assert_eq!(sha1, Suspect::Digest(AuthDigest::Sha1));
        assert_eq!(from(key(9), KeyDirection::Inverse, AuthDigest::Sha256), Suspect::Key);
    }

    #[test]
    fn digests_are_known_by_all_their_names() {
        for digest in AuthDigest::ALL {
            assert_eq!(AuthDigest::from_name(digest.name()), Some(digest));
            assert_eq!(AuthDigest::from_name(&digest.name().to_lowercase()), Some(digest));
        }
        assert_eq!(AuthDigest::from_name("SHA2-256"), Some(AuthDigest::Sha256));
        assert_eq!(AuthDigest::from_name("RSA-SHA512"), Some(AuthDigest::Sha512));
        assert_eq!(AuthDigest::from_name("SHA-1"), Some(AuthDigest::Sha1));
        assert_eq!(AuthDigest::from_name("none"), None);
    }

    #[test]
    fn packets_for_tls_crypt_v2_are_told_apart_before_any_hmac() {
        let auth = TlsAuth::new(&key(0), KeyDirection::Bidirectional, AuthDigest::Sha256);
        let error = ControlError::NeedsWrappedKey(Opcode::CONTROL_HARD_RESET_CLIENT_V3);
        assert_eq!(auth.open(&[0x50; 400]), Err(TlsAuthError::Packet(error)));
    }
}
