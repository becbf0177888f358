//! Makes one of our own sessions answer a soft reset as version 3 does: with an acknowledgement and no
//! reset of its own, so that its first TLS bytes are message 0 of the new key id.
//!
//! It sits between the session and the line and rewrites control packets of the generation in which
//! the session answered: on the way out the reset becomes an acknowledgement and message ids go down by one,
//! on the way in acknowledged ids go up by one. What the session begins itself passes as it is.

use std::sync::Arc;

use clock::Now;
use tunnel::{DropReason, Session};
use wire::control::{Acks, ControlPacket};
use wire::tls_auth::ReplayStamp;
use wire::wrap::ControlWrap;
use wire::{KeyId, MessageId, Opcode};

/// The rewriting of one side.
pub struct VersionThree {
    own: Arc<ControlWrap>,
    peers: Arc<ControlWrap>,
    /// The current generation, and whether the peer began it.
    generation: (KeyId, bool),
    /// The peer's soft reset that was taken last, until something else comes.
    reset: Option<(Option<ReplayStamp>, ControlPacket)>,
}

impl VersionThree {
    pub fn new(own: Arc<ControlWrap>, peers: Arc<ControlWrap>) -> Self {
        Self { own, peers, generation: (KeyId::FIRST, false), reset: None }
    }

    /// Hands a datagram of the peer to the session.
    pub fn hand_in(
        &mut self,
        session: &mut Session,
        datagram: &[u8],
        now: Now,
    ) -> Result<(), DropReason> {
        let Ok(unwrapped) = self.own.open(datagram) else {
            return session.handle_datagram(datagram, now);
        };
        let (stamp, mut packet) = unwrapped.into_parts();
        if self.generation == (packet.key_id, true) {
            packet.acks = packet.acks.iter().map(|id| MessageId(id.0 + 1)).collect();
        }
        let taken = session.handle_datagram(&self.seal_as_peer(even(stamp), &packet), now);
        let reset = taken.is_ok() && packet.opcode == Opcode::CONTROL_SOFT_RESET_V1;
        self.reset = reset.then_some((stamp, packet));
        taken
    }

    /// The session's next datagram for the peer.
    pub fn hand_out(&mut self, session: &mut Session, now: Now) -> Option<Vec<u8>> {
        let datagram = session.poll_transmit(now)?;
        let unwrapped = self.peers.open(&datagram).expect("sealed by the session");
        let (stamp, mut packet) = unwrapped.into_parts();
        if packet.opcode == Opcode::CONTROL_SOFT_RESET_V1 {
            self.note_reset(session, &packet, now);
        }
        if self.generation == (packet.key_id, true) {
            packet = renumbered(packet);
        }
        Some(self.own.seal(stamp.unwrap_or(ReplayStamp::first(0)), &packet))
    }

    /// The session has begun a generation. If that was an answer, nobody but us sees its reset, so that
    /// the acknowledgement comes from here.
    fn note_reset(&mut self, session: &mut Session, packet: &ControlPacket, now: Now) {
        if self.generation.0 == packet.key_id {
            return;
        }
        let asked = self.reset.take().filter(|(_, reset)| {
            reset.key_id == packet.key_id && Some(reset.session_id) == session.peer_session_id()
        });
        self.generation = (packet.key_id, asked.is_some());
        let Some((stamp, reset)) = asked else { return };
        let acks = Acks::from_iter([MessageId::FIRST]);
        let ack = ControlPacket::ack(packet.key_id, reset.session_id, acks, session.id());
        let taken = session.handle_datagram(&self.seal_as_peer(odd(stamp), &ack), now);
        taken.expect("an acknowledgement");
    }

    fn seal_as_peer(&self, stamp: Option<ReplayStamp>, packet: &ControlPacket) -> Vec<u8> {
        self.peers.seal(stamp.unwrap_or(ReplayStamp::first(0)), packet)
    }
}

fn renumbered(packet: ControlPacket) -> ControlPacket {
    match packet.message_id {
        None => packet,
        Some(MessageId::FIRST) => {
            ControlPacket { opcode: Opcode::ACK_V1, message_id: None, ..packet }
        }
        Some(MessageId(id)) => ControlPacket { message_id: Some(MessageId(id - 1)), ..packet },
    }
}

/// The peer's stamps take the even ids, so that there is an odd one for each packet made here.
fn even(stamp: Option<ReplayStamp>) -> Option<ReplayStamp> {
    stamp.map(|stamp| ReplayStamp { id: stamp.id * 2, ..stamp })
}

fn odd(stamp: Option<ReplayStamp>) -> Option<ReplayStamp> {
    stamp.map(|stamp| ReplayStamp { id: stamp.id * 2 + 1, ..stamp })
}
