//! A session as plain data: what a restart or another machine needs to go on.
//!
//! Data keys, counters and the agreement are in it; TLS is not, so a restored session renegotiates at
//! once. Times are kept as what is left of them. The encoding has a version and is wiped when dropped.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use wire::cipher::Cipher;
use wire::key_material::{KeyMaterial, Role};
use wire::tls_auth::{ControlReplay, ReplayStamp, SessionReplay};
use wire::{KeyId, PeerId, SessionId};
use zeroize::Zeroizing;

use crate::event::Negotiated;

const VERSION: u8 = 2;
/// More than any push holds.
const MAX_TEXT: usize = 1 << 20;

/// A saved session. Holds secrets.
pub struct SessionState {
    pub(crate) role: Role,
    pub(crate) stage: Stage,
    pub(crate) id: SessionId,
    pub(crate) peer: Option<SessionId>,
    pub(crate) last_sent: Option<ReplayStamp>,
    pub(crate) replay: SessionReplay,
    pub(crate) key_id: KeyId,
    pub(crate) keys: Vec<SavedKey>,
    pub(crate) sealing: Option<KeyId>,
    pub(crate) side: SavedSide,
}

/// What only one role has of it.
#[derive(Default)]
pub(crate) struct SavedSide {
    pub(crate) leaf: Option<[u8; 32]>,
    pub(crate) auth_token: Zeroizing<String>,
    pub(crate) auth_user: String,
    pub(crate) pushed: Vec<Zeroizing<String>>,
}

/// How far it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Opening,
    Established(Negotiated),
    Over,
}

/// A data key and what is left of its term.
pub(crate) struct SavedKey {
    pub(crate) key_id: KeyId,
    pub(crate) cipher: Cipher,
    pub(crate) material: KeyMaterial,
    pub(crate) left: Option<Duration>,
}

impl SessionState {
    /// Server or client.
    pub fn role(&self) -> Role {
        self.role
    }

    /// Our session id.
    pub fn id(&self) -> SessionId {
        self.id
    }

    /// The peer's session id.
    pub fn peer_session_id(&self) -> Option<SessionId> {
        self.peer
    }

    /// What both sides agreed on, if it goes on when restored.
    pub fn negotiated(&self) -> Option<Negotiated> {
        match self.stage {
            Stage::Established(negotiated) => Some(negotiated),
            Stage::Opening | Stage::Over => None,
        }
    }

    /// True if it goes on when restored; else a client starts over and a server's session ends.
    pub fn is_established(&self) -> bool {
        matches!(self.stage, Stage::Established(_))
    }

    /// The bytes to store. Secret.
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        // Sized at once, so that no secret stays behind in a buffer that was outgrown.
        let size = 256 + self.keys.len() * (KeyMaterial::LEN + 32) + self.side.len();
        let mut out = Writer(Zeroizing::new(Vec::with_capacity(size)));
        out.u8(VERSION);
        out.u8(u8::from(self.role == Role::TlsServer));
        out.u8(match self.stage {
            Stage::Opening => 0,
            Stage::Established(_) => 1,
            Stage::Over => 2,
        });
        out.bytes(self.id.as_bytes());
        out.option(self.peer, |out, peer| out.bytes(peer.as_bytes()));
        out.option(self.last_sent, |out, stamp| {
            out.u32(stamp.id);
            out.u32(stamp.time);
        });
        out.replay(self.replay.first);
        out.replay(self.replay.later);
        out.u8(self.key_id.get());
        out.option(self.negotiated(), Writer::negotiated);
        out.u8(self.keys.len() as u8);
        self.keys.iter().for_each(|key| out.key(key));
        out.option(self.sealing, |out, key_id| out.u8(key_id.get()));
        out.side(&self.side);
        out.0
    }

    /// Reads stored bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, StateError> {
        let mut reader = Reader(bytes);
        match reader.u8()? {
            VERSION => {}
            other => return Err(StateError::UnknownVersion(other)),
        }
        let role = if reader.bool()? { Role::TlsServer } else { Role::TlsClient };
        let stage = reader.u8()?;
        let id = reader.session_id()?;
        let peer = reader.option(Reader::session_id)?;
        let last_sent = reader.option(Reader::stamp)?;
        let (first, later) = (reader.replay()?, reader.replay()?);
        let replay = SessionReplay { first, later, ..SessionReplay::default() };
        let key_id = reader.key_id()?;
        let stage = match (stage, reader.option(Reader::negotiated)?) {
            (0, None) => Stage::Opening,
            (1, Some(negotiated)) => Stage::Established(negotiated),
            (2, None) => Stage::Over,
            _ => return Err(StateError::Damaged),
        };
        let (keys, sealing) = (reader.keys()?, reader.option(Reader::key_id)?);
        let side = reader.side()?;
        let state = Self { role, stage, id, peer, last_sent, replay, key_id, keys, sealing, side };
        if reader.0.is_empty() { Ok(state) } else { Err(StateError::Damaged) }
    }
}

impl SavedSide {
    /// Bytes that it takes at most, without what has a fixed size.
    fn len(&self) -> usize {
        let texts: usize = self.pushed.iter().map(|text| text.len() + 4).sum();
        self.auth_token.len() + self.auth_user.len() + texts
    }
}

impl fmt::Debug for SessionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionState")
            .field("id", &self.id)
            .field("stage", &self.stage)
            .finish_non_exhaustive()
    }
}

/// Stored bytes are not a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateError {
    /// Written by a version that this one does not know.
    UnknownVersion(u8),
    /// Cut off or changed.
    Damaged,
}

impl fmt::Display for StateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StateError::UnknownVersion(version) => {
                write!(f, "a saved session of unknown version {version}")
            }
            StateError::Damaged => f.write_str("a saved session that is damaged"),
        }
    }
}

impl Error for StateError {}

struct Writer(Zeroizing<Vec<u8>>);

impl Writer {
    fn u8(&mut self, value: u8) {
        self.0.push(value);
    }

    fn u32(&mut self, value: u32) {
        self.bytes(&value.to_be_bytes());
    }

    fn u64(&mut self, value: u64) {
        self.bytes(&value.to_be_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn text(&mut self, text: &str) {
        self.u32(text.len() as u32);
        self.bytes(text.as_bytes());
    }

    fn option<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        self.u8(u8::from(value.is_some()));
        if let Some(value) = value {
            write(self, value);
        }
    }

    fn side(&mut self, side: &SavedSide) {
        self.option(side.leaf, |out, leaf| out.bytes(&leaf));
        self.text(&side.auth_token);
        self.text(&side.auth_user);
        self.u32(side.pushed.len() as u32);
        side.pushed.iter().for_each(|text| self.text(text));
    }

    fn replay(&mut self, replay: ControlReplay) {
        self.u32(replay.time);
        self.u32(replay.highest);
        self.u64(replay.seen);
    }

    fn negotiated(&mut self, negotiated: Negotiated) {
        self.u8(cipher_number(negotiated.cipher));
        self.u8(u8::from(negotiated.exporter));
        self.u8(u8::from(negotiated.exit_notify));
        self.option(negotiated.peer_id, |out, id| out.u32(id.get()));
    }

    fn key(&mut self, key: &SavedKey) {
        self.u8(key.key_id.get());
        self.u8(cipher_number(key.cipher));
        self.bytes(key.material.as_bytes());
        self.option(key.left, |out, left| out.u64(left.as_millis().try_into().unwrap_or(u64::MAX)));
    }
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take(&mut self, len: usize) -> Result<&[u8], StateError> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or(StateError::Damaged)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], StateError> {
        let (taken, rest) = self.0.split_first_chunk::<N>().ok_or(StateError::Damaged)?;
        let taken = *taken;
        self.0 = rest;
        Ok(taken)
    }

    fn u8(&mut self) -> Result<u8, StateError> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    fn bool(&mut self) -> Result<bool, StateError> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(StateError::Damaged),
        }
    }

    fn side(&mut self) -> Result<SavedSide, StateError> {
        Ok(SavedSide {
            leaf: self.option(Reader::array)?,
            auth_token: Zeroizing::new(self.text()?),
            auth_user: self.text()?,
            pushed: self.texts()?,
        })
    }

    fn stamp(&mut self) -> Result<ReplayStamp, StateError> {
        Ok(ReplayStamp { id: self.u32()?, time: self.u32()? })
    }

    fn replay(&mut self) -> Result<ControlReplay, StateError> {
        Ok(ControlReplay { time: self.u32()?, highest: self.u32()?, seen: self.u64()? })
    }

    fn u32(&mut self) -> Result<u32, StateError> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    fn u64(&mut self) -> Result<u64, StateError> {
        Ok(u64::from_be_bytes(self.array()?))
    }

    fn option<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, StateError>,
    ) -> Result<Option<T>, StateError> {
        if self.bool()? { read(self).map(Some) } else { Ok(None) }
    }

    fn text(&mut self) -> Result<String, StateError> {
        let len = self.u32()? as usize;
        if len > MAX_TEXT {
            return Err(StateError::Damaged);
        }
        let bytes = self.take(len)?;
        std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| StateError::Damaged)
    }

    fn texts(&mut self) -> Result<Vec<Zeroizing<String>>, StateError> {
        let count = self.u32()?;
        (0..count).map(|_| self.text().map(Zeroizing::new)).collect()
    }

    fn session_id(&mut self) -> Result<SessionId, StateError> {
        SessionId::new(self.array()?).ok_or(StateError::Damaged)
    }

    fn key_id(&mut self) -> Result<KeyId, StateError> {
        KeyId::new(self.u8()?).ok_or(StateError::Damaged)
    }

    fn cipher(&mut self) -> Result<Cipher, StateError> {
        let number = self.u8()?;
        Cipher::DEFAULT
            .into_iter()
            .find(|cipher| cipher_number(*cipher) == number)
            .ok_or(StateError::Damaged)
    }

    fn negotiated(&mut self) -> Result<Negotiated, StateError> {
        Ok(Negotiated {
            cipher: self.cipher()?,
            exporter: self.bool()?,
            exit_notify: self.bool()?,
            peer_id: self.option(|reader| PeerId::new(reader.u32()?).ok_or(StateError::Damaged))?,
        })
    }

    fn keys(&mut self) -> Result<Vec<SavedKey>, StateError> {
        let count = self.u8()?;
        (0..count).map(|_| self.key()).collect()
    }

    fn key(&mut self) -> Result<SavedKey, StateError> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_decodes_to_the_same_bytes() {
        let bytes = state().encode();
        let again = SessionState::decode(&bytes).expect("own bytes");
        assert_eq!(*again.encode(), *bytes);
        assert_eq!(again.negotiated(), state().negotiated());
    }

    #[test]
    fn a_cut_or_lengthened_state_is_refused() {
        let bytes = state().encode();
        for len in 0..bytes.len() {
            assert!(SessionState::decode(&bytes[..len]).is_err(), "cut at {len}");
        }
        let mut longer = bytes.to_vec();
        longer.push(0);
        assert_eq!(SessionState::decode(&longer).err(), Some(StateError::Damaged));
    }

    #[test]
    fn another_version_is_named() {
        assert_eq!(SessionState::decode(&[9, 1]).err(), Some(StateError::UnknownVersion(9)));
    }

    #[test]
    fn debug_output_shows_no_secret() {
        let text = format!("{:?}", state());
        assert!(!text.contains("token"), "{text}");
    }

    fn state() -> SessionState {
        let material = KeyMaterial::from_bytes(&[5; KeyMaterial::LEN]).expect("not zero");
        let key = |n, left| SavedKey {
            key_id: KeyId::new(n).expect("small"),
            cipher: Cipher::ChaCha20Poly1305,
            material: material.clone(),
            left,
        };
        SessionState {
            role: Role::TlsServer,
            stage: Stage::Established(Negotiated {
                cipher: Cipher::ChaCha20Poly1305,
                exporter: true,
                exit_notify: true,
                peer_id: PeerId::new(3),
            }),
            id: SessionId::new([1; 8]).expect("not zero"),
            peer: SessionId::new([2; 8]),
            last_sent: Some(ReplayStamp { id: 9, time: 1000 }),
            replay: SessionReplay::after(ControlReplay { time: 1000, highest: 7, seen: 5 }),
            key_id: KeyId::FIRST,
            keys: vec![key(0, Some(Duration::from_secs(9))), key(1, None)],
            sealing: Some(KeyId::FIRST),
            side: SavedSide {
                leaf: Some([8; 32]),
                auth_token: Zeroizing::new("token".to_owned()),
                auth_user: "user".to_owned(),
                pushed: vec![Zeroizing::new("PUSH_REPLY,ping 10".to_owned())],
            },
        }
    }
}
