//! Data packets in clear: their headers, and the payloads that are not the user's.

use std::error::Error;
use std::fmt;

use crate::header::{KeyId, Opcode, PeerId, split_first_byte};

/// The keepalive payload.
pub const PING: [u8; 16] = [
    0x2a, 0x18, 0x7b, 0xf3, 0x64, 0x1e, 0xb4, 0xcb, 0x07, 0xed, 0x2d, 0x0a, 0x98, 0x1f, 0xc7, 0x48,
];
/// What each OCC message begins with.
pub const OCC_MAGIC: [u8; 16] = [
    0x28, 0x7f, 0x34, 0x6b, 0xd4, 0xef, 0x7a, 0x81, 0x2d, 0x56, 0xb8, 0xd3, 0xaf, 0xc5, 0x45, 0x9c,
];
/// "I am leaving", for peers without `EXIT` on the control channel.
pub const OCC_EXIT: [u8; 17] = {
    let mut message = [6; 17];
    let mut index = 0;
    while index < OCC_MAGIC.len() {
        message[index] = OCC_MAGIC[index];
        index += 1;
    }
    message
};

/// The front of a data packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataHeader {
    /// One byte; the owner is found by the packet's address.
    V1 {
        /// The key generation.
        key_id: KeyId,
    },
    /// Four bytes.
    V2 {
        /// The key generation.
        key_id: KeyId,
        /// The owner.
        peer_id: PeerId,
    },
}

impl DataHeader {
    /// Bytes of a V1 header.
    pub const V1_LEN: usize = 1;
    /// Bytes of a V2 header.
    pub const V2_LEN: usize = 4;

    /// The key generation.
    pub fn key_id(self) -> KeyId {
        match self {
            Self::V1 { key_id } | Self::V2 { key_id, .. } => key_id,
        }
    }

    /// Its bytes on the wire.
    pub fn wire_len(self) -> usize {
        match self {
            Self::V1 { .. } => Self::V1_LEN,
            Self::V2 { .. } => Self::V2_LEN,
        }
    }

    /// Four bytes, of which the first [`Self::wire_len`] count.
    pub fn to_bytes(self) -> [u8; 4] {
        match self {
            Self::V1 { key_id } => [Opcode::DATA_V1.first_byte(key_id), 0, 0, 0],
            Self::V2 { key_id, peer_id } => {
                let [a, b, c] = peer_id.to_bytes();
                [Opcode::DATA_V2.first_byte(key_id), a, b, c]
            }
        }
    }
}

/// Reads the front of a data packet.
pub fn parse_header(packet: &[u8]) -> Result<DataHeader, DataHeaderError> {
    let (opcode, key_id) = split_first_byte(packet).ok_or(DataHeaderError::Truncated)?;
    match opcode {
        Opcode::DATA_V1 => Ok(DataHeader::V1 { key_id }),
        Opcode::DATA_V2 => match *packet {
            [_, a, b, c, ..] => {
                Ok(DataHeader::V2 { key_id, peer_id: PeerId::from_bytes([a, b, c]) })
            }
            _ => Err(DataHeaderError::Truncated),
        },
        opcode => Err(DataHeaderError::NotData(opcode)),
    }
}

/// What an opened data packet holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payload {
    /// A keepalive.
    Ping,
    /// A message between the two programs.
    Occ(Occ),
    /// The user's.
    Packet,
}

impl Payload {
    /// Recognised by exact content.
    pub fn classify(plaintext: &[u8]) -> Payload {
        if plaintext == PING {
            return Self::Ping;
        }
        match plaintext.strip_prefix(&OCC_MAGIC) {
            Some([op, ..]) => Self::Occ(Occ::from_op(*op)),
            Some([]) => Self::Occ(Occ::Unknown(u8::MAX)),
            None => Self::Packet,
        }
    }
}

/// An OCC message. The others' contents have no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occ {
    /// Asks for the options string. May be left unanswered.
    Request,
    /// The options string.
    Reply,
    /// The peer leaves.
    Exit,
    /// Measurements of the MTU, and what nobody knows.
    Unknown(u8),
}

impl Occ {
    fn from_op(op: u8) -> Self {
        match op {
            0 => Self::Request,
            1 => Self::Reply,
            6 => Self::Exit,
            op => Self::Unknown(op),
        }
    }
}

/// The answer to [`Occ::Request`].
pub fn occ_reply(options: &str) -> Vec<u8> {
    let mut reply = OCC_MAGIC.to_vec();
    reply.push(1);
    reply.extend(options.bytes().filter(|byte| *byte != 0));
    reply.push(0);
    reply
}

/// The sender misbehaved: this is no data packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataHeaderError {
    /// It ends before its header.
    Truncated,
    /// Another opcode.
    NotData(Opcode),
}

impl fmt::Display for DataHeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("the data packet is cut off"),
            Self::NotData(opcode) => write!(f, "{opcode} is not a data packet"),
        }
    }
}

impl Error for DataHeaderError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_come_back_as_they_went() {
        for first in 0..=255u8 {
            let packet = [first, 1, 2, 3, 9];
            match parse_header(&packet) {
                Ok(header) => {
                    assert_eq!(header.to_bytes()[..header.wire_len()], packet[..header.wire_len()])
                }
                Err(error) => assert_eq!(error, DataHeaderError::NotData(Opcode(first >> 3))),
            }
        }
    }

    #[test]
    fn short_packets_are_refused() {
        assert_eq!(parse_header(&[]), Err(DataHeaderError::Truncated));
        assert_eq!(parse_header(&[0x48, 0, 0]), Err(DataHeaderError::Truncated));
        assert_eq!(parse_header(&[0x31]).unwrap().key_id().get(), 1);
    }

    #[test]
    fn special_payloads_are_told_by_exact_content() {
        assert_eq!(Payload::classify(&PING), Payload::Ping);
        assert_eq!(Payload::classify(&OCC_EXIT), Payload::Occ(Occ::Exit));
        assert_eq!(Payload::classify(&occ_reply("V4")), Payload::Occ(Occ::Reply));
        assert_eq!(Payload::classify(&PING[..15]), Payload::Packet);
        assert_eq!(Payload::classify(&[PING.as_slice(), &[0]].concat()), Payload::Packet);
        assert_eq!(Payload::classify(&[0x45, 0, 0, 20]), Payload::Packet);
        assert_eq!(Payload::classify(&OCC_MAGIC), Payload::Occ(Occ::Unknown(255)));
    }
}
