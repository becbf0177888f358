//! Control channel packets before wrapping: acknowledgements, message id and a chunk of TLS.
//!
//! ```text
//! byte0 | own session id (8) | body
//! body := n_acks u8 | acked ids u32 * n | the receiver's session id (8), if n > 0
//!         | message id u32 | payload                    (both absent in ACK_V1)
//! ```
//!
//! A [`ControlPacket`] that came from a parser holds to what the protocol allows: at most eight
//! acks, no all-zero session id, a hard reset with key id 0 only.

use std::error::Error;
use std::fmt;

use crate::header::{KeyId, MessageId, Opcode, SessionId, split_first_byte};
use crate::reader::{Reader, TooShort};

/// Bytes before the body: opcode with key id, and the sender's session id.
pub const HEADER_LEN: usize = 1 + SessionId::LEN;

/// Bytes of a body with `acks` acknowledgements and an empty payload.
pub const fn body_overhead(acks: usize) -> usize {
    1 + if acks == 0 { 0 } else { 4 * acks + SessionId::LEN } + 4
}

/// One packet of the control channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlPacket {
    /// What it is.
    pub opcode: Opcode,
    /// The key generation it belongs to.
    pub key_id: KeyId,
    /// The sender's session id.
    pub session_id: SessionId,
    /// Message ids of the receiver that arrived. Only written if `acked_session` is given.
    pub acks: Acks,
    /// The receiver's session id; present exactly if there are acks.
    pub acked_session: Option<SessionId>,
    /// The number of this message; none exactly in `ACK_V1`, which has no payload either.
    pub message_id: Option<MessageId>,
    /// A chunk of the TLS stream.
    pub payload: Vec<u8>,
}

impl ControlPacket {
    /// A packet without acks that asks to be acknowledged.
    pub fn message(
        opcode: Opcode,
        key_id: KeyId,
        session_id: SessionId,
        message_id: MessageId,
        payload: Vec<u8>,
    ) -> Self {
        Self {
            opcode,
            key_id,
            session_id,
            acks: Acks::new(),
            acked_session: None,
            message_id: Some(message_id),
            payload,
        }
    }

    /// A packet of acks alone.
    pub fn ack(key_id: KeyId, session_id: SessionId, acks: Acks, acked_session: SessionId) -> Self {
        Self {
            opcode: Opcode::ACK_V1,
            key_id,
            session_id,
            acks,
            acked_session: Some(acked_session),
            message_id: None,
            payload: Vec::new(),
        }
    }

    /// The same packet with acks, if there are any.
    #[must_use]
    pub fn with_acks(mut self, acks: Acks, acked_session: SessionId) -> Self {
        self.acked_session = (!acks.is_empty()).then_some(acked_session);
        self.acks = acks;
        self
    }

    /// The first byte.
    pub fn first_byte(&self) -> u8 {
        self.opcode.first_byte(self.key_id)
    }

    /// The number of bytes without wrapping.
    pub fn encoded_len(&self) -> usize {
        let acks = if self.acked_session.is_some() { self.acks.len() } else { 0 };
        let body = body_overhead(acks);
        HEADER_LEN + if self.message_id.is_some() { body + self.payload.len() } else { body - 4 }
    }

    /// Appends the body.
    pub fn encode_body(&self, out: &mut Vec<u8>) {
        match self.acked_session.filter(|_| !self.acks.is_empty()) {
            None => out.push(0),
            Some(session) => {
                out.push(self.acks.len() as u8);
                self.acks.iter().for_each(|id| out.extend_from_slice(&id.0.to_be_bytes()));
                out.extend_from_slice(session.as_bytes());
            }
        }
        if let Some(id) = self.message_id {
            out.extend_from_slice(&id.0.to_be_bytes());
            out.extend_from_slice(&self.payload);
        }
    }

    /// The packet without wrapping.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.encoded_len());
        out.push(self.first_byte());
        out.extend_from_slice(self.session_id.as_bytes());
        self.encode_body(&mut out);
        out
    }

    /// Parses a packet without wrapping.
    pub fn parse(datagram: &[u8]) -> Result<ControlPacket, ControlError> {
        let header = ControlHeader::parse(datagram)?;
        Self::parse_body(header, datagram.get(HEADER_LEN..).unwrap_or_default())
    }

    /// Parses what stands behind the header once the wrapping is off.
    pub fn parse_body(header: ControlHeader, body: &[u8]) -> Result<ControlPacket, ControlError> {
        let ControlHeader { opcode, key_id, session_id } = header;
        let mut reader = Reader::new(body);
        let (acks, acked_session) = parse_acks(&mut reader)?;
        let (message_id, payload) = if opcode == Opcode::ACK_V1 {
            if acks.is_empty() {
                return Err(ControlError::AckWithoutAcks);
            }
            (None, Vec::new())
        } else {
            (Some(MessageId(reader.u32()?)), reader.rest().to_vec())
        };
        Ok(ControlPacket { opcode, key_id, session_id, acks, acked_session, message_id, payload })
    }
}

fn parse_acks(reader: &mut Reader<'_>) -> Result<(Acks, Option<SessionId>), ControlError> {
    let count = reader.u8()?;
    if usize::from(count) > Acks::MAX {
        return Err(ControlError::TooManyAcks(count));
    }
    let mut acks = Acks::new();
    for _ in 0..count {
        acks.ids[usize::from(acks.len)] = MessageId(reader.u32()?);
        acks.len += 1;
    }
    if acks.is_empty() {
        return Ok((acks, None));
    }
    let session = SessionId::new(reader.array()?).ok_or(ControlError::ZeroSessionId)?;
    Ok((acks, Some(session)))
}

/// What stands in clear at the front of every control packet, whatever the wrapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ControlHeader {
    /// What it is.
    pub opcode: Opcode,
    /// The key generation it belongs to.
    pub key_id: KeyId,
    /// The sender's session id.
    pub session_id: SessionId,
}

impl ControlHeader {
    /// Reads it. Nothing in it is authenticated by that.
    pub fn parse(datagram: &[u8]) -> Result<ControlHeader, ControlError> {
        let (opcode, key_id) = split_first_byte(datagram).ok_or(ControlError::Truncated)?;
        match opcode {
            Opcode::CONTROL_HARD_RESET_CLIENT_V1 | Opcode::CONTROL_HARD_RESET_SERVER_V1 => {
                return Err(ControlError::KeyMethodOne);
            }
            opcode if !opcode.is_control() => return Err(ControlError::NotControl(opcode)),
            opcode if opcode.is_hard_reset() && key_id != KeyId::FIRST => {
                return Err(ControlError::HardResetKeyId(key_id));
            }
            _ => {}
        }
        let id = Reader::new(datagram.get(1..).unwrap_or_default()).array()?;
        let session_id = SessionId::new(id).ok_or(ControlError::ZeroSessionId)?;
        Ok(ControlHeader { opcode, key_id, session_id })
    }
}

/// At most eight acknowledged message ids, the limit of every stock receiver. Order has no meaning.
#[derive(Clone, Copy, Debug, Default)]
pub struct Acks {
    len: u8,
    ids: [MessageId; Acks::MAX],
}

impl Acks {
    /// How many fit into one packet.
    pub const MAX: usize = 8;

    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one; false, and nothing added, if it is full or has it already.
    pub fn push(&mut self, id: MessageId) -> bool {
        if self.len() == Self::MAX || self.contains(id) {
            return false;
        }
        self.ids[self.len()] = id;
        self.len += 1;
        true
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        usize::from(self.len)
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// True if `id` is among them.
    pub fn contains(&self, id: MessageId) -> bool {
        self.as_slice().contains(&id)
    }

    /// All of them.
    pub fn as_slice(&self) -> &[MessageId] {
        self.ids.get(..self.len()).unwrap_or_default()
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = MessageId> + '_ {
        self.as_slice().iter().copied()
    }
}

impl PartialEq for Acks {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl Eq for Acks {}

impl FromIterator<MessageId> for Acks {
    /// Takes the first eight different ids and leaves the rest.
    fn from_iter<I: IntoIterator<Item = MessageId>>(ids: I) -> Self {
        let mut acks = Self::new();
        for id in ids {
            if acks.len() == Self::MAX {
                break;
            }
            acks.push(id);
        }
        acks
    }
}

/// The peer, or a stranger, sent a control packet that breaks the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControlError {
    /// It ends in the middle of a field.
    Truncated,
    /// It has more bytes than any control packet.
    TooLong(usize),
    /// It is not of the control channel.
    NotControl(Opcode),
    /// The peer speaks key method 1, dead since OpenVPN 2.5.
    KeyMethodOne,
    /// It needs tls-crypt-v2, which this control channel doesn't use.
    NeedsWrappedKey(Opcode),
    /// A hard reset must have key id 0.
    HardResetKeyId(KeyId),
    /// A session id is all zero.
    ZeroSessionId,
    /// More acks than any receiver takes.
    TooManyAcks(u8),
    /// An `ACK_V1` that acknowledges nothing.
    AckWithoutAcks,
}

impl From<TooShort> for ControlError {
    fn from(_: TooShort) -> Self {
        Self::Truncated
    }
}

impl fmt::Display for ControlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("the peer's control packet is cut off"),
            Self::TooLong(len) => write!(f, "the peer's control packet has {len} bytes"),
            Self::NotControl(opcode) => write!(f, "{opcode} is not a control packet"),
            Self::KeyMethodOne => {
                f.write_str("the peer uses key method 1, which is no longer spoken")
            }
            Self::NeedsWrappedKey(opcode) => {
                write!(f, "the peer sent {opcode}, which needs tls-crypt-v2 on both sides")
            }
            Self::HardResetKeyId(id) => {
                write!(f, "the peer's hard reset has key id {id} instead of 0")
            }
            Self::ZeroSessionId => f.write_str("the peer's packet has an all-zero session id"),
            Self::TooManyAcks(n) => write!(f, "the peer's packet has {n} acks, more than 8"),
            Self::AckWithoutAcks => f.write_str("the peer's ACK acknowledges nothing"),
        }
    }
}

impl Error for ControlError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn sid(byte: u8) -> SessionId {
        SessionId::new([byte; 8]).unwrap()
    }

    #[test]
    fn a_plain_client_reset_has_fourteen_bytes() {
        let id = SessionId::new([1, 2, 3, 4, 5, 6, 7, 8]).unwrap();
        let reset = ControlPacket::message(
            Opcode::CONTROL_HARD_RESET_CLIENT_V2,
            KeyId::FIRST,
            id,
            MessageId::FIRST,
            vec![],
        );
        let bytes = reset.encode();
        assert_eq!(bytes, [0x38, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0, 0]);
        assert_eq!(bytes.len(), reset.encoded_len());
        assert_eq!(ControlPacket::parse(&bytes), Ok(reset));
    }

    #[test]
    fn nine_acks_are_refused_and_eight_are_taken() {
        let mut bytes = vec![0x28];
        bytes.extend([1; 8]);
        bytes.push(9);
        bytes.extend([0; 9 * 4]);
        bytes.extend([2; 8]);
        assert_eq!(ControlPacket::parse(&bytes), Err(ControlError::TooManyAcks(9)));
        let acks: Acks = (0..20).map(MessageId).collect();
        let packet = ControlPacket::ack(KeyId::FIRST, sid(1), acks, sid(2));
        assert_eq!(packet.acks.len(), 8);
        assert_eq!(packet.encode().len(), packet.encoded_len());
        assert_eq!(ControlPacket::parse(&packet.encode()), Ok(packet));
    }

    #[test]
    fn a_repeated_ack_in_one_packet_is_taken() {
        let mut bytes = vec![0x28];
        bytes.extend([1; 8]);
        bytes.push(2);
        bytes.extend([0; 2 * 4]);
        bytes.extend([2; 8]);
        assert_eq!(ControlPacket::parse(&bytes).unwrap().acks.len(), 2);
    }

    #[test]
    fn every_truncation_is_an_error_and_never_a_panic() {
        let acks = [MessageId(3), MessageId(4)].into_iter().collect();
        let packet = ControlPacket::message(
            Opcode::CONTROL_V1,
            KeyId::FIRST.next(),
            sid(7),
            MessageId(5),
            vec![],
        )
        .with_acks(acks, sid(9));
        let bytes = packet.encode();
        for len in 0..bytes.len() {
            assert_eq!(ControlPacket::parse(&bytes[..len]), Err(ControlError::Truncated), "{len}");
        }
    }

    #[test]
    fn forbidden_headers_are_named() {
        let packet = |first: u8, id: u8| {
            let mut bytes = vec![first];
            bytes.extend([id; 8]);
            bytes.extend([0; 5]);
            ControlPacket::parse(&bytes)
        };
        assert_eq!(packet(0x08, 1), Err(ControlError::KeyMethodOne));
        assert_eq!(packet(0x30, 1), Err(ControlError::NotControl(Opcode::DATA_V1)));
        assert_eq!(packet(0xf8, 1), Err(ControlError::NotControl(Opcode(31))));
        assert_eq!(packet(0x39, 1), Err(ControlError::HardResetKeyId(KeyId::FIRST.next())));
        assert_eq!(packet(0x20, 0), Err(ControlError::ZeroSessionId));
        assert_eq!(packet(0x28, 1), Err(ControlError::AckWithoutAcks));
        assert!(packet(0x19, 1).is_ok());
    }

    #[test]
    fn the_payload_of_a_hard_reset_is_tolerated() {
        let packet = ControlPacket::message(
            Opcode::CONTROL_HARD_RESET_SERVER_V2,
            KeyId::FIRST,
            sid(1),
            MessageId::FIRST,
            vec![0, 1, 0, 2, 0, 1],
        );
        assert_eq!(ControlPacket::parse(&packet.encode()), Ok(packet));
    }
}
