//! Whom a session talks with: both ids, and the wrapping of its packets.
//!
//! Packets come in and go out here; what they carry is not looked at. The peer is the sender of the
//! first packet that passed, for good.

use clock::Now;
use wire::control::ControlPacket;
use wire::key_material::Role;
use wire::tls_auth::ReplayStamp;
use wire::wrap::Unwrapped;
use wire::{KeyId, MessageId, Opcode, SessionId};

use crate::dropped::DropReason;
use crate::reliable::{Outgoing, PIGGYBACKED_ACKS};
use crate::wrapping::Wrapping;

/// Both ends of a session's control channel.
pub(crate) struct Link {
    id: SessionId,
    peer: Option<SessionId>,
    wrapping: Wrapping,
}

impl Link {
    pub(crate) fn new(id: SessionId, peer: Option<SessionId>, wrapping: Wrapping) -> Self {
        Self { id, peer, wrapping }
    }

    pub(crate) fn id(&self) -> SessionId {
        self.id
    }

    pub(crate) fn peer(&self) -> Option<SessionId> {
        self.peer
    }

    pub(crate) fn wrapping(&self) -> &Wrapping {
        &self.wrapping
    }

    /// Both hard-reset ids as (client, server), which the PRF mixes in.
    pub(crate) fn pair(&self, role: Role) -> (SessionId, SessionId) {
        let peer = self.peer.unwrap_or(self.id);
        match role {
            Role::TlsClient => (self.id, peer),
            Role::TlsServer => (peer, self.id),
        }
    }

    /// Bytes of TLS that fit a control datagram of this size.
    pub(crate) fn room(&self, max_datagram: usize) -> usize {
        self.wrapping.payload_room(max_datagram, PIGGYBACKED_ACKS)
    }

    pub(crate) fn open(&self, datagram: &[u8]) -> Result<Unwrapped, DropReason> {
        self.wrapping.open(datagram)
    }

    pub(crate) fn check_sender(&self, packet: &ControlPacket) -> Result<(), DropReason> {
        if packet.acked_session.is_some_and(|acked| acked != self.id) {
            return Err(DropReason::WrongAckedSession);
        }
        match self.peer {
            Some(peer) if peer == packet.session_id => Ok(()),
            Some(_) => Err(DropReason::WrongSession),
            // The client's first answer: a reset that acknowledges ours.
            None if packet.opcode != Opcode::CONTROL_HARD_RESET_SERVER_V2 => {
                Err(DropReason::UnexpectedOpcode)
            }
            None if packet.acks.contains(MessageId::FIRST) => Ok(()),
            None => Err(DropReason::WrongAckedSession),
        }
    }

    /// Notes the stamp of a packet that [`Self::check_sender`] let pass, and the peer by the first one.
    pub(crate) fn accept(
        &mut self,
        stamp: Option<ReplayStamp>,
        sender: SessionId,
        now: Now,
    ) -> Result<(), DropReason> {
        self.wrapping.check_replay(stamp, now)?;
        self.peer.get_or_insert(sender);
        Ok(())
    }

    pub(crate) fn seal(&mut self, key_id: KeyId, out: Outgoing, now: Now) -> Vec<u8> {
        let packet = ControlPacket {
            opcode: out.opcode,
            key_id,
            session_id: self.id,
            acked_session: self.peer.filter(|_| !out.acks.is_empty()),
            acks: out.acks,
            message_id: out.message_id,
            payload: out.payload,
        };
        self.wrapping.seal(&packet, now)
    }
}
