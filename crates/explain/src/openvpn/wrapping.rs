//! What protects control packets: nothing, or an HMAC that is checked if its key was given.
//!
//! Without a key the packets can be read all the same, since an HMAC hides nothing: its length is seen at the
//! client's first packet, which is empty behind it.

use wire::control::{ControlHeader, ControlPacket, HEADER_LEN};
use wire::static_key::{KeyDirection, StaticKey, StaticKeyError};
use wire::tls_auth::{AuthDigest, TlsAuth};
use wire::{KeyId, Opcode, split_first_byte};

use crate::place::Side;
use crate::story::Wrapping;

/// Bytes behind the HMAC: counter and time.
const STAMP: usize = 8;
/// The body of a reset that acknowledges nothing: no acks, message id 0.
const EMPTY_BODY: [u8; 5] = [0; 5];

/// The body of the answer: the first message acknowledged, of the client's session, and message id 0.
const ONE_ACK: [u8; 5] = [1, 0, 0, 0, 0];
const FIRST_MESSAGE: [u8; 4] = [0; 4];
const ANSWER_BODY: usize = ONE_ACK.len() + 8 + FIRST_MESSAGE.len();

/// More control packets than a session has, and seconds than it lasts.
const MOST_PACKETS: u32 = 1 << 20;
const LONGEST_SESSION: u32 = 90 * 86_400;

/// The keys of tls-auth that were given.
#[derive(Clone, Default)]
pub struct Keys(Vec<StaticKey>);

impl Keys {
    /// Adds the key that stands in a key file or inside a profile. Each packet is checked with all keys.
    ///
    /// # Errors
    /// Where there is none in it.
    pub fn add(&mut self, text: &str) -> Result<(), StaticKeyError> {
        self.0.push(StaticKey::parse(text)?);
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Keys").field(&self.0.len()).finish()
    }
}

/// How a session's control packets are wrapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Plain,
    /// An HMAC of so many bytes.
    Hmac(usize),
    /// It is encrypted, by a key that is not read here (tls-crypt).
    Sealed,
}

/// A packet without its wrapping.
pub(crate) struct Opened {
    pub(super) packet: ControlPacket,
    pub(super) stamp: Option<(u32, u32)>,
    pub(super) wrapping: Wrapping,
    /// What it was checked with.
    pub(super) checked_by: Option<(AuthDigest, KeyDirection)>,
}

impl Opened {
    /// What a gateway heard, which has checked the wrapping.
    pub(crate) fn heard(packet: ControlPacket, stamp: Option<(u32, u32)>) -> Opened {
        Opened { packet, stamp, wrapping: is_right(stamp), checked_by: None }
    }

    /// What a gateway said, without the wrapping of so many bytes that it had made itself. Nothing where there is
    /// another one.
    pub(crate) fn said(datagram: &[u8], wrapping: usize) -> Option<Opened> {
        let form = match wrapping.checked_sub(STAMP) {
            Some(tag) => Form::Hmac(tag),
            None => Form::Plain,
        };
        let opened = form.open(&Keys::default(), Side::Server, datagram)?;
        Some(Opened { wrapping: is_right(opened.stamp), ..opened })
    }

    pub(crate) fn packet(&self) -> &ControlPacket {
        &self.packet
    }
}

/// A packet without stamp has no wrapping.
fn is_right(stamp: Option<(u32, u32)>) -> Wrapping {
    if stamp.is_some() { Wrapping::Right } else { Wrapping::None }
}

impl Form {
    /// The form that a client's first packet has, or its answer; none if it has none that is known here.
    pub(super) fn of_first(datagram: &[u8]) -> Option<Form> {
        let body = match split_first_byte(datagram)?.0 {
            Opcode::CONTROL_HARD_RESET_CLIENT_V2 => {
                datagram.ends_with(&EMPTY_BODY).then_some(EMPTY_BODY.len())?
            }
            Opcode::CONTROL_HARD_RESET_SERVER_V2 => {
                let body = datagram.last_chunk::<ANSWER_BODY>()?;
                let is_empty = body.starts_with(&ONE_ACK) && body.ends_with(&FIRST_MESSAGE);
                is_empty.then_some(ANSWER_BODY)?
            }
            _ => return None,
        };
        match datagram.len().checked_sub(HEADER_LEN + body)? {
            0 => Some(Form::Plain),
            more => {
                let tag = more.checked_sub(STAMP)?;
                AuthDigest::ALL
                    .iter()
                    .any(|digest| digest.tag_len() == tag)
                    .then_some(Form::Hmac(tag))
            }
        }
    }

    /// Takes the wrapping off, and checks it with the keys that there are.
    pub(super) fn open(self, keys: &Keys, from: Side, datagram: &[u8]) -> Option<Opened> {
        let tag = match self {
            Form::Hmac(tag) => tag,
            Form::Sealed => return None,
            Form::Plain => {
                let packet = ControlPacket::parse(datagram).ok()?;
                let (stamp, wrapping) = (None, Wrapping::None);
                return Some(Opened { packet, stamp, wrapping, checked_by: None });
            }
        };
        let header = ControlHeader::parse(datagram).ok()?;
        let (_, behind) = datagram.split_at_checked(HEADER_LEN + tag)?;
        let (stamp, body) = behind.split_at_checked(STAMP)?;
        let (id, time) = stamp.split_at_checked(4)?;
        let stamp =
            (u32::from_be_bytes(id.try_into().ok()?), u32::from_be_bytes(time.try_into().ok()?));
        let packet = ControlPacket::parse_body(header, body).ok()?;
        let checked_by = check(keys, tag, from, datagram);
        let wrapping = match (keys.0.is_empty(), checked_by) {
            (true, _) => Wrapping::Unchecked,
            (false, Some(_)) => Wrapping::Right,
            (false, None) => Wrapping::Wrong,
        };
        Some(Opened { packet, stamp: Some(stamp), wrapping, checked_by })
    }
}

/// What stands in the clear in front of a packet that is encrypted: its header, counter and time.
pub(super) fn envelope_of_sealed(datagram: &[u8]) -> Option<(ControlHeader, (u32, u32))> {
    let header = ControlHeader::parse(datagram).ok()?;
    let stamp = datagram.get(HEADER_LEN..HEADER_LEN + STAMP)?;
    let (id, time) = stamp.split_at_checked(4)?;
    Some((
        header,
        (u32::from_be_bytes(id.try_into().ok()?), u32::from_be_bytes(time.try_into().ok()?)),
    ))
}

/// What stands in the clear in front of a packet that is encrypted by a key which the first handshake made. The
/// key is not read here, so that counter and time are what it is known by: where an HMAC would stand, they have
/// values that an HMAC would not have by chance.
pub(super) fn encrypted(
    datagram: &[u8],
    began: Option<u32>,
) -> Option<(ControlHeader, (u32, u32))> {
    let (header, (id, time)) = envelope_of_sealed(datagram)?;
    let near = began.is_none_or(|began| time.abs_diff(began) < LONGEST_SESSION);
    (header.key_id != KeyId::FIRST && id < MOST_PACKETS && near).then_some((header, (id, time)))
}

/// The digest, and the direction that the sender has: the opposite of the one that opens it.
fn check(
    keys: &Keys,
    tag: usize,
    from: Side,
    datagram: &[u8],
) -> Option<(AuthDigest, KeyDirection)> {
    let digests = AuthDigest::ALL.into_iter().filter(|digest| digest.tag_len() == tag);
    // A profile has direction 1 and a gateway 0; what they should be is tried first.
    let usual = match from {
        Side::Client => KeyDirection::Normal,
        Side::Server => KeyDirection::Inverse,
    };
    let all =
        digests.flat_map(|digest| [usual, usual.complement()].map(|direction| (digest, direction)));
    all.into_iter().find_map(|(digest, direction)| {
        let opens = |key| TlsAuth::new(key, direction, digest).open(datagram).is_ok();
        keys.0.iter().any(opens).then(|| (digest, direction.complement()))
    })
}
