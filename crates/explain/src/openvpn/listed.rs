//! Control packets, one by one, as they are kept: a story writes out what is a number here.

use wire::control::Acks;
use wire::{KeyId, MessageId, Opcode, SessionId};

use crate::place::{Seen, Side};
use crate::story::{Packet, Wrapping};

/// One packet.
#[derive(Clone, Copy)]
pub(crate) struct Listed {
    pub(super) at: u64,
    pub(crate) frame: u32,
    pub(crate) from: Side,
    pub(crate) opcode: Opcode,
    pub(crate) key_id: KeyId,
    pub(super) session: SessionId,
    pub(crate) acks: Acks,
    pub(crate) message: Option<MessageId>,
    pub(super) payload: u32,
    pub(super) again: bool,
    pub(super) stamp: Option<(u32, u32)>,
    pub(crate) wrapping: Wrapping,
}

impl Listed {
    /// What stands in the clear of any control packet.
    pub(super) fn envelope(
        seen: &Seen<'_>,
        opcode: Opcode,
        key_id: KeyId,
        session: SessionId,
    ) -> Listed {
        Listed {
            at: seen.at,
            frame: seen.frame(),
            from: seen.from,
            opcode,
            key_id,
            session,
            acks: Acks::new(),
            message: None,
            payload: 0,
            again: false,
            stamp: None,
            wrapping: Wrapping::None,
        }
    }

    /// As a story has it that began at this time.
    pub(crate) fn told(&self, began: u64) -> Packet {
        Packet {
            at: self.at.saturating_sub(began),
            frame: self.frame,
            from: self.from,
            opcode: self.opcode.0,
            name: self.opcode.to_string(),
            key_id: self.key_id.get(),
            session: self.session.to_string(),
            acks: self.acks.iter().map(|id| id.0).collect(),
            message: self.message.map(|id| id.0),
            payload: self.payload,
            again: self.again,
            stamp: self.stamp,
            wrapping: self.wrapping,
        }
    }
}
