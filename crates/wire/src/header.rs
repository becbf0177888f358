//! The first bytes of every packet: opcode, key id, and the ids that follow.
//!
//! Opcodes are open (any five bits), as a stranger's packet has to be named before it is dropped;
//! the other ids can't hold values that the protocol forbids.

use std::fmt;

/// What kind of packet this is: the upper five bits of its first byte.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Opcode(pub u8);

impl Opcode {
    /// First packet of a client with key method 1, which nobody speaks any more.
    pub const CONTROL_HARD_RESET_CLIENT_V1: Opcode = Opcode(1);
    /// First packet of a server with key method 1.
    pub const CONTROL_HARD_RESET_SERVER_V1: Opcode = Opcode(2);
    /// Starts a renegotiation; carries the new key id.
    pub const CONTROL_SOFT_RESET_V1: Opcode = Opcode(3);
    /// A chunk of the TLS stream.
    pub const CONTROL_V1: Opcode = Opcode(4);
    /// Acknowledgements only.
    pub const ACK_V1: Opcode = Opcode(5);
    /// Data with the one-byte header.
    pub const DATA_V1: Opcode = Opcode(6);
    /// First packet of a TLS client.
    pub const CONTROL_HARD_RESET_CLIENT_V2: Opcode = Opcode(7);
    /// First packet of a TLS server.
    pub const CONTROL_HARD_RESET_SERVER_V2: Opcode = Opcode(8);
    /// Data with the four-byte header.
    pub const DATA_V2: Opcode = Opcode(9);
    /// As [`Self::CONTROL_HARD_RESET_CLIENT_V2`] with a wrapped client key (tls-crypt-v2).
    pub const CONTROL_HARD_RESET_CLIENT_V3: Opcode = Opcode(10);
    /// As [`Self::CONTROL_V1`] with a wrapped client key (tls-crypt-v2).
    pub const CONTROL_WKC_V1: Opcode = Opcode(11);

    /// True for the data channel.
    pub fn is_data(self) -> bool {
        matches!(self, Self::DATA_V1 | Self::DATA_V2)
    }

    /// True for the control channel of a living protocol version.
    pub fn is_control(self) -> bool {
        matches!(self.0, 3..=5 | 7 | 8 | 10 | 11)
    }

    /// True for the packet that begins a connection, from either side.
    pub fn is_hard_reset(self) -> bool {
        matches!(self.0, 7 | 8 | 10)
    }

    /// True if a wrapped client key follows in the clear.
    pub fn carries_wrapped_key(self) -> bool {
        matches!(self, Self::CONTROL_HARD_RESET_CLIENT_V3 | Self::CONTROL_WKC_V1)
    }

    /// The first byte of a packet with this opcode.
    pub fn first_byte(self, key_id: KeyId) -> u8 {
        (self.0 & 0x1f) << 3 | key_id.get()
    }

    fn name(self) -> Option<&'static str> {
        Some(match self.0 {
            1 => "CONTROL_HARD_RESET_CLIENT_V1",
            2 => "CONTROL_HARD_RESET_SERVER_V1",
            3 => "CONTROL_SOFT_RESET_V1",
            4 => "CONTROL_V1",
            5 => "ACK_V1",
            6 => "DATA_V1",
            7 => "CONTROL_HARD_RESET_CLIENT_V2",
            8 => "CONTROL_HARD_RESET_SERVER_V2",
            9 => "DATA_V2",
            10 => "CONTROL_HARD_RESET_CLIENT_V3",
            11 => "CONTROL_WKC_V1",
            _ => return None,
        })
    }
}

impl fmt::Debug for Opcode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Opcode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "opcode {}", self.0),
        }
    }
}

/// Which generation of keys a packet belongs to: 0 for the first, then 1..=7 in turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(u8);

impl KeyId {
    /// The key id of a connection's first handshake. It never comes back.
    pub const FIRST: KeyId = KeyId(0);

    /// A key id from its number, 0 to 7.
    pub fn new(id: u8) -> Option<KeyId> {
        (id <= 7).then_some(KeyId(id))
    }

    /// The number.
    pub fn get(self) -> u8 {
        self.0
    }

    /// The key id of the renegotiation that follows: 0, 1, ... 7, 1, 2, ...
    #[must_use]
    pub fn next(self) -> KeyId {
        KeyId(if self.0 >= 7 { 1 } else { self.0 + 1 })
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One side's name for a connection. Never all zero: stock peers drop such packets.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId([u8; 8]);

impl SessionId {
    /// The length on the wire.
    pub const LEN: usize = 8;

    /// A session id from its bytes; none if all are zero.
    pub fn new(bytes: [u8; 8]) -> Option<SessionId> {
        (bytes != [0; 8]).then_some(SessionId(bytes))
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8; 8] {
        &self.0
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The number of a control message, from 0 in each key generation and direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(pub u32);

impl MessageId {
    /// The id of the reset packet.
    pub const FIRST: MessageId = MessageId(0);

    /// The id of the message that follows; none once the numbers are used up.
    pub fn next(self) -> Option<MessageId> {
        self.0.checked_add(1).map(MessageId)
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The 24-bit number that a server gives to a client, in every `DATA_V2` header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(u32);

impl PeerId {
    /// "No peer id": the packet's owner is found by its address.
    pub const UNSET: PeerId = PeerId(0xff_ffff);

    /// A peer id from its number, at most 24 bits.
    pub fn new(id: u32) -> Option<PeerId> {
        (id <= 0xff_ffff).then_some(PeerId(id))
    }

    /// The number.
    pub fn get(self) -> u32 {
        self.0
    }

    /// True for [`Self::UNSET`].
    pub fn is_unset(self) -> bool {
        self == Self::UNSET
    }

    /// As in a packet.
    pub fn from_bytes(bytes: [u8; 3]) -> PeerId {
        PeerId(u32::from_be_bytes([0, bytes[0], bytes[1], bytes[2]]))
    }

    /// As in a packet.
    pub fn to_bytes(self) -> [u8; 3] {
        let [_, a, b, c] = self.0.to_be_bytes();
        [a, b, c]
    }
}

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Reads opcode and key id; none for an empty packet.
pub fn split_first_byte(packet: &[u8]) -> Option<(Opcode, KeyId)> {
    let byte = *packet.first()?;
    Some((Opcode(byte >> 3), KeyId(byte & 7)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_ids_go_round_without_using_zero_again() {
        let mut id = KeyId::FIRST;
        let seen: Vec<u8> = (0..10)
            .map(|_| {
                id = id.next();
                id.get()
            })
            .collect();
        assert_eq!(seen, [1, 2, 3, 4, 5, 6, 7, 1, 2, 3]);
        assert_eq!(KeyId::new(8), None);
    }

    #[test]
    fn the_first_bytes_seen_on_the_wire_are_the_documented_ones() {
        let first = |opcode: Opcode| opcode.first_byte(KeyId::FIRST);
        assert_eq!(first(Opcode::CONTROL_HARD_RESET_CLIENT_V2), 0x38);
        assert_eq!(first(Opcode::CONTROL_HARD_RESET_SERVER_V2), 0x40);
        assert_eq!(first(Opcode::CONTROL_V1), 0x20);
        assert_eq!(first(Opcode::ACK_V1), 0x28);
        assert_eq!(first(Opcode::DATA_V1), 0x30);
        assert_eq!(first(Opcode::DATA_V2), 0x48);
    }

    #[test]
    fn every_first_byte_splits_and_joins_again() {
        for byte in 0..=255u8 {
            let (opcode, key_id) = split_first_byte(&[byte]).unwrap();
            assert_eq!(opcode.first_byte(key_id), byte);
        }
        assert_eq!(split_first_byte(&[]), None);
    }

    #[test]
    fn an_all_zero_session_id_can_not_be_made() {
        assert_eq!(SessionId::new([0; 8]), None);
        assert_eq!(
            SessionId::new([0, 0, 0, 0, 0, 0, 0, 1]).unwrap().to_string(),
            "0000000000000001"
        );
    }

    #[test]
    fn peer_ids_have_24_bits() {
        assert_eq!(PeerId::new(0x0100_0000), None);
        assert!(PeerId::from_bytes([0xff; 3]).is_unset());
        assert_eq!(PeerId::new(0x01_0203).unwrap().to_bytes(), [1, 2, 3]);
    }
}
