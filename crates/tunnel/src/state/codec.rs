//! The bytes of a saved session, field by field. Every length is bounded before it is believed.

use std::time::Duration;

use wire::cipher::Cipher;
use wire::key_material::KeyMaterial;
use wire::static_key::{KeyDirection, StaticKey};
use wire::tls_auth::{AuthDigest, ControlReplay, ReplayStamp, TlsAuth};
use wire::wrap::ControlWrap;
use wire::{KeyId, PeerId, SessionId};
use zeroize::Zeroizing;

use crate::event::Negotiated;

use super::{SavedKey, SavedSide, StateError};

/// More than any push holds.
const MAX_TEXT: usize = 1 << 20;

/// Writes a state.
pub(super) struct Writer(pub(super) Zeroizing<Vec<u8>>);

impl Writer {
    pub(super) fn u8(&mut self, value: u8) {
        self.0.push(value);
    }

    pub(super) fn u32(&mut self, value: u32) {
        self.bytes(&value.to_be_bytes());
    }

    pub(super) fn u64(&mut self, value: u64) {
        self.bytes(&value.to_be_bytes());
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    pub(super) fn text(&mut self, text: &str) {
        self.u32(text.len() as u32);
        self.bytes(text.as_bytes());
    }

    pub(super) fn option<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        self.u8(u8::from(value.is_some()));
        if let Some(value) = value {
            write(self, value);
        }
    }

    pub(super) fn side(&mut self, side: &SavedSide) {
        self.option(side.leaf, |out, leaf| out.bytes(&leaf));
        self.text(&side.auth_token);
        self.text(&side.auth_user);
        self.u32(side.pushed.len() as u32);
        side.pushed.iter().for_each(|text| self.text(text));
    }

    pub(super) fn wrap(&mut self, wrap: &ControlWrap) {
        match wrap {
            ControlWrap::Plain => self.u8(0),
            ControlWrap::TlsAuth(auth) => {
                self.u8(1);
                self.u8(digest_number(auth.digest()));
                self.u8(direction_number(auth.direction()));
                self.bytes(auth.key().as_bytes());
            }
        }
    }

    pub(super) fn replay(&mut self, replay: ControlReplay) {
        self.u32(replay.time);
        self.u32(replay.highest);
        self.u64(replay.seen);
    }

    pub(super) fn negotiated(&mut self, negotiated: Negotiated) {
        self.u8(cipher_number(negotiated.cipher));
        self.u8(u8::from(negotiated.exporter));
        self.u8(u8::from(negotiated.exit_notify));
        self.option(negotiated.peer_id, |out, id| out.u32(id.get()));
    }

    pub(super) fn key(&mut self, key: &SavedKey) {
        self.u8(key.key_id.get());
        self.u8(cipher_number(key.cipher));
        self.bytes(key.material.as_bytes());
        self.option(key.left, |out, left| out.u64(left.as_millis().try_into().unwrap_or(u64::MAX)));
    }
}

/// Reads one.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl Reader<'_> {
    pub(super) fn take(&mut self, len: usize) -> Result<&[u8], StateError> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or(StateError::Damaged)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], StateError> {
        let (taken, rest) = self.0.split_first_chunk::<N>().ok_or(StateError::Damaged)?;
        let taken = *taken;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn u8(&mut self) -> Result<u8, StateError> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    pub(super) fn bool(&mut self) -> Result<bool, StateError> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(StateError::Damaged),
        }
    }

    pub(super) fn side(&mut self) -> Result<SavedSide, StateError> {
        Ok(SavedSide {
            leaf: self.option(Reader::array)?,
            auth_token: Zeroizing::new(self.text()?),
            auth_user: self.text()?,
            pushed: self.texts()?,
        })
    }

    pub(super) fn stamp(&mut self) -> Result<ReplayStamp, StateError> {
        Ok(ReplayStamp { id: self.u32()?, time: self.u32()? })
    }

    pub(super) fn wrap(&mut self) -> Result<ControlWrap, StateError> {
        match self.u8()? {
            0 => return Ok(ControlWrap::Plain),
            1 => {}
            _ => return Err(StateError::Damaged),
        }
        let digest = self.one_of(AuthDigest::ALL, digest_number)?;
        let direction = self.one_of(DIRECTIONS, direction_number)?;
        let bytes = Zeroizing::new(self.array()?);
        let auth = TlsAuth::new(&StaticKey::from_bytes(&bytes), direction, digest);
        Ok(ControlWrap::TlsAuth(Box::new(auth)))
    }

    fn one_of<T: Copy, const N: usize>(
        &mut self,
        all: [T; N],
        number: fn(T) -> u8,
    ) -> Result<T, StateError> {
        let stored = self.u8()?;
        all.into_iter().find(|one| number(*one) == stored).ok_or(StateError::Damaged)
    }

    pub(super) fn replay(&mut self) -> Result<ControlReplay, StateError> {
        Ok(ControlReplay { time: self.u32()?, highest: self.u32()?, seen: self.u64()? })
    }

    pub(super) fn u32(&mut self) -> Result<u32, StateError> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    pub(super) fn u64(&mut self) -> Result<u64, StateError> {
        Ok(u64::from_be_bytes(self.array()?))
    }

    pub(super) fn option<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, StateError>,
    ) -> Result<Option<T>, StateError> {
        if self.bool()? { read(self).map(Some) } else { Ok(None) }
    }

    pub(super) fn text(&mut self) -> Result<String, StateError> {
        let len = self.u32()? as usize;
        if len > MAX_TEXT {
            return Err(StateError::Damaged);
        }
        let bytes = self.take(len)?;
        std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| StateError::Damaged)
    }

    pub(super) fn texts(&mut self) -> Result<Vec<Zeroizing<String>>, StateError> {
        let count = self.u32()?;
        (0..count).map(|_| self.text().map(Zeroizing::new)).collect()
    }

    pub(super) fn session_id(&mut self) -> Result<SessionId, StateError> {
        SessionId::new(self.array()?).ok_or(StateError::Damaged)
    }

    pub(super) fn key_id(&mut self) -> Result<KeyId, StateError> {
        KeyId::new(self.u8()?).ok_or(StateError::Damaged)
    }

    pub(super) fn cipher(&mut self) -> Result<Cipher, StateError> {
        self.one_of(Cipher::DEFAULT, cipher_number)
    }

    pub(super) fn negotiated(&mut self) -> Result<Negotiated, StateError> {
        Ok(Negotiated {
            cipher: self.cipher()?,
            exporter: self.bool()?,
            exit_notify: self.bool()?,
            peer_id: self.option(|reader| PeerId::new(reader.u32()?).ok_or(StateError::Damaged))?,
        })
    }

    pub(super) fn keys(&mut self) -> Result<Vec<SavedKey>, StateError> {
        let count = self.u8()?;
        (0..count).map(|_| self.key()).collect()
    }

    pub(super) fn key(&mut self) -> Result<SavedKey, StateError> {
        Ok(SavedKey {
            key_id: self.key_id()?,
            cipher: self.cipher()?,
            material: {
                let bytes = Zeroizing::new(self.array()?);
                KeyMaterial::from_bytes(&bytes).map_err(|_| StateError::Damaged)?
            },
            left: self.option(|reader| Ok(Duration::from_millis(reader.u64()?)))?,
        })
    }
}

fn cipher_number(cipher: Cipher) -> u8 {
    match cipher {
        Cipher::Aes256Gcm => 1,
        Cipher::Aes128Gcm => 2,
        Cipher::ChaCha20Poly1305 => 3,
    }
}

const DIRECTIONS: [KeyDirection; 3] =
    [KeyDirection::Bidirectional, KeyDirection::Normal, KeyDirection::Inverse];

fn direction_number(direction: KeyDirection) -> u8 {
    match direction {
        KeyDirection::Bidirectional => 0,
        KeyDirection::Normal => 1,
        KeyDirection::Inverse => 2,
    }
}

fn digest_number(digest: AuthDigest) -> u8 {
    match digest {
        AuthDigest::Sha1 => 1,
        AuthDigest::Sha256 => 2,
        AuthDigest::Sha384 => 3,
        AuthDigest::Sha512 => 4,
    }
}
