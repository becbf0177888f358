//! A session as plain data: what a restart or another machine needs to go on.
//!
//! Data keys, the control channel's keys, counters and the agreement are in it; TLS is not, so a restored
//! session renegotiates at once. Times are kept as what is left of them. The encoding has a version and is wiped when dropped.

mod codec;

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use wire::cipher::Cipher;
use wire::key_material::{KeyMaterial, Role};
use wire::static_key::StaticKey;
use wire::tls_auth::{ReplayStamp, SessionReplay};
use wire::wrap::ControlWrap;
use wire::{KeyId, SessionId};
use zeroize::Zeroizing;

use crate::event::Negotiated;

use codec::{Reader, Writer};

const VERSION: u8 = 3;
/// Without keys and texts.
const FIXED_SIZE: usize = 256 + StaticKey::LEN;

/// A saved session. Holds secrets.
pub struct SessionState {
    pub(crate) role: Role,
    pub(crate) stage: Stage,
    pub(crate) id: SessionId,
    pub(crate) peer: Option<SessionId>,
    /// The session's own, which need not be that of others.
    pub(crate) wrap: Arc<ControlWrap>,
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
        let size = FIXED_SIZE + self.keys.len() * (KeyMaterial::LEN + 32) + self.side.len();
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
        out.wrap(&self.wrap);
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
        let wrap = Arc::new(reader.wrap()?);
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
        let state =
            Self { role, stage, id, peer, wrap, last_sent, replay, key_id, keys, sealing, side };
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

#[cfg(test)]
mod tests {
    use wire::PeerId;
    use wire::static_key::KeyDirection;
    use wire::tls_auth::{AuthDigest, ControlReplay, TlsAuth};

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
    fn the_wrapping_of_a_session_comes_back_whatever_it_is() {
        let stamp = ReplayStamp { id: 1, time: 1000 };
        let id = SessionId::new([1; 8]).expect("not zero");
        let packet = wire::control::ControlPacket::ack(
            KeyId::FIRST,
            id,
            wire::control::Acks::from_iter([wire::MessageId::FIRST]),
            id,
        );
        let directions = [KeyDirection::Bidirectional, KeyDirection::Normal, KeyDirection::Inverse];
        let auth = |direction| AuthDigest::ALL.map(|digest| tls_auth(direction, digest));
        for wrap in directions.into_iter().flat_map(auth).chain([ControlWrap::Plain]) {
            let sealed = wrap.seal(stamp, &packet);
            let bytes = SessionState { wrap: Arc::new(wrap), ..state() }.encode();
            let again = SessionState::decode(&bytes).expect("own bytes");
            assert_eq!(again.wrap.seal(stamp, &packet), sealed, "{:?}", again.wrap);
        }
    }

    #[test]
    fn debug_output_shows_no_secret() {
        let text = format!("{:?}", state());
        assert!(!text.contains("token"), "{text}");
    }

    fn tls_auth(direction: KeyDirection, digest: AuthDigest) -> ControlWrap {
        let key = StaticKey::from_bytes(&std::array::from_fn(|n| n as u8));
        ControlWrap::TlsAuth(Box::new(TlsAuth::new(&key, direction, digest)))
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
            wrap: Arc::new(tls_auth(KeyDirection::Normal, AuthDigest::Sha256)),
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
