//! The reliability layer of one key generation: both windows and the acknowledgements.
//!
//! It knows packets and times, not TLS and not wrapping. Every buffer in it is bounded by a window.

mod acks;
mod receive;
mod send;

use std::collections::BTreeSet;
use std::time::Duration;

use wire::control::{Acks, ControlPacket};
use wire::{MessageId, Opcode};

use crate::dropped::DropReason;

use acks::AckList;
use receive::ReceiveWindow;
use send::SendWindow;

/// Acknowledgements that ride on a packet with a message.
pub(crate) const PIGGYBACKED_ACKS: usize = 4;

/// Messages that are delivered before any is acknowledged. Stock's former versions send no more than these
/// before they hear something: a longer hello would never end.
const UNHEARD: usize = 4;

/// One generation's reliability state.
pub(crate) struct Reliable {
    send: SendWindow,
    receive: ReceiveWindow,
    acks: AckList,
    /// Messages that nobody has vouched for, and that are not acknowledged meanwhile: see
    /// [`Reliable::settle`].
    doubtful: Option<BTreeSet<u32>>,
}

/// A packet to be addressed and wrapped.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Outgoing {
    pub(crate) opcode: Opcode,
    pub(crate) acks: Acks,
    pub(crate) message_id: Option<MessageId>,
    pub(crate) payload: Vec<u8>,
}

impl Reliable {
    /// Begins with our reset as message 0; the peer's message 0 is awaited.
    pub(crate) fn with_reset(reset: Opcode, room: usize) -> Self {
        let (send, receive) = (SendWindow::with_reset(reset, room), ReceiveWindow::from(0));
        Self { send, receive, acks: AckList::new(), doubtful: None }
    }

    /// The same for a session that is up, which bytes of anybody must not disturb.
    pub(crate) fn with_soft_reset(room: usize) -> Self {
        let doubtful = Some(BTreeSet::new());
        Self { doubtful, ..Self::with_reset(Opcode::CONTROL_SOFT_RESET_V1, room) }
    }

    /// Both resets went through the gate: each side goes on with message 1.
    pub(crate) fn after_gate(room: usize) -> Self {
        let mut acks = AckList::new();
        acks.note_sent(0);
        let (send, receive) = (SendWindow::after_gate(room), ReceiveWindow::from(1));
        Self { send, receive, acks, doubtful: None }
    }

    /// Takes acknowledgements and message of a packet of this generation.
    pub(crate) fn receive(
        &mut self,
        packet: ControlPacket,
        now: Duration,
    ) -> Result<(), DropReason> {
        for id in packet.acks.iter() {
            self.send.acknowledge(id.0, now);
        }
        let Some(id) = packet.message_id else { return Ok(()) };
        if !self.receive.takes(id.0) {
            return Err(DropReason::BeyondWindow);
        }
        if packet.opcode != Opcode::CONTROL_V1 {
            self.acks.add(id.0);
            self.receive.pass_reset();
        } else {
            match &mut self.doubtful {
                // A duplicate is acknowledged again: the first acknowledgement may be lost.
                None => self.acks.add(id.0),
                // No more than the window holds, and [`UNHEARD`].
                Some(doubtful) => drop(doubtful.insert(id.0)),
            }
            if id == MessageId::FIRST {
                // Nobody begins TLS unasked, so our reset has arrived, whatever became of its
                // acknowledgement.
                self.send.acknowledge(0, now);
            }
            self.receive.store(id.0, packet.payload);
        }
        Ok(())
    }

    /// TLS has understood what was delivered, and speaks: the peer says nothing more before it has heard
    /// that, so what waits in the window is not its own.
    pub(crate) fn settle(&mut self) {
        let Some(doubtful) = self.doubtful.take() else { return };
        let delivered = doubtful.into_iter().filter(|id| self.receive.was_delivered(*id));
        delivered.for_each(|id| self.acks.add(id));
        self.receive.forget_stored();
    }

    /// What was delivered was not the peer's TLS. As nothing of it was acknowledged, the peer sends its
    /// own again. False if TLS has spoken since, after which there is no way back.
    pub(crate) fn rewind(&mut self) -> bool {
        let Some(doubtful) = &mut self.doubtful else { return false };
        doubtful.clear();
        self.receive.rewind();
        true
    }

    /// The next chunk of TLS in order; resets carry none.
    pub(crate) fn next_chunk(&mut self) -> Option<Vec<u8>> {
        let chunk = self.receive.pop()?;
        let delivered =
            |ids: &BTreeSet<u32>| ids.iter().filter(|id| self.receive.was_delivered(**id)).count();
        if self.doubtful.as_ref().is_some_and(|ids| delivered(ids) >= UNHEARD) {
            self.doubtful.take().into_iter().flatten().for_each(|id| self.acks.add(id));
        }
        Some(chunk)
    }

    /// Queues TLS bytes.
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.send.write(bytes);
    }

    /// The next packet that is due: messages first, then acknowledgements that found no message.
    pub(crate) fn poll(&mut self, now: Duration) -> Option<Outgoing> {
        if let Some((id, opcode, payload)) = self.send.poll(now) {
            let acks = self.acks.take(PIGGYBACKED_ACKS);
            return Some(Outgoing { opcode, acks, message_id: Some(MessageId(id)), payload });
        }
        if !self.acks.has_new() {
            return None;
        }
        let acks = self.acks.take(Acks::MAX);
        Some(Outgoing { opcode: Opcode::ACK_V1, acks, message_id: None, payload: Vec::new() })
    }

    /// Forgets what is unacknowledged or unsent. What the peer sends is still acknowledged.
    pub(crate) fn abandon(&mut self) {
        self.send.clear();
    }

    /// When the earliest retransmission is due.
    pub(crate) fn next_timeout(&self) -> Option<Duration> {
        self.send.next_timeout()
    }

    /// Nothing is in flight and nothing waits for the window.
    pub(crate) fn all_acknowledged(&self) -> bool {
        self.send.is_empty()
    }

    /// Our reset has arrived.
    pub(crate) fn reset_acknowledged(&self) -> bool {
        self.send.reset_acknowledged()
    }
}

#[cfg(test)]
mod tests {
    use wire::{KeyId, SessionId};

    use super::*;

    const NOW: Duration = Duration::from_secs(100);

    #[test]
    fn a_duplicate_is_acknowledged_again() {
        let mut reliable = Reliable::with_reset(Opcode::CONTROL_SOFT_RESET_V1, 100);
        let _reset = reliable.poll(NOW);
        for _ in 0..2 {
            reliable.receive(message(0), NOW).expect("taken");
            let out = reliable.poll(NOW).expect("an acknowledgement");
            assert_eq!(out.opcode, Opcode::ACK_V1);
            assert!(out.acks.contains(MessageId(0)));
        }
        assert_eq!(reliable.poll(NOW), None);
    }

    #[test]
    fn a_packet_beyond_the_window_is_dropped_and_not_acknowledged() {
        let mut reliable = Reliable::with_reset(Opcode::CONTROL_SOFT_RESET_V1, 100);
        let _reset = reliable.poll(NOW);
        assert_eq!(reliable.receive(message(12), NOW), Err(DropReason::BeyondWindow));
        assert_eq!(reliable.poll(NOW), None);
        assert_eq!(reliable.receive(message(11), NOW), Ok(()));
    }

    #[test]
    fn a_new_acknowledgement_rides_on_a_message() {
        let mut reliable = Reliable::after_gate(100);
        reliable.receive(message(1), NOW).expect("taken");
        reliable.write(b"tls");
        let out = reliable.poll(NOW).expect("a message");
        assert_eq!((out.opcode, out.message_id), (Opcode::CONTROL_V1, Some(MessageId(1))));
        assert!(out.acks.contains(MessageId(1)) && out.acks.contains(MessageId(0)));
        assert_eq!(reliable.poll(NOW), None);
    }

    #[test]
    fn tls_bytes_as_message_0_acknowledge_our_reset() {
        let mut reliable = Reliable::with_reset(Opcode::CONTROL_SOFT_RESET_V1, 100);
        let _reset = reliable.poll(NOW);
        let hello = ControlPacket { opcode: Opcode::CONTROL_V1, ..message(0) };
        reliable.receive(hello, NOW).expect("taken");
        assert!(reliable.reset_acknowledged() && reliable.all_acknowledged());
        assert_eq!(reliable.next_chunk(), Some(vec![0]));
    }

    #[test]
    fn chunks_come_out_in_order() {
        let mut reliable = Reliable::after_gate(100);
        for id in [3, 1, 2] {
            reliable.receive(message(id), NOW).expect("taken");
        }
        let chunks: Vec<_> = std::iter::from_fn(|| reliable.next_chunk()).collect();
        assert_eq!(chunks, [vec![1], vec![2], vec![3]]);
    }

    #[test]
    fn what_is_doubtful_is_not_acknowledged_before_tls_speaks_and_then_only_if_it_was_delivered() {
        let mut reliable = Reliable::with_soft_reset(100);
        let _reset = reliable.poll(NOW);
        for id in [0, 1, 3] {
            reliable.receive(message(id), NOW).expect("taken");
        }
        let acks = reliable.poll(NOW).expect("for the reset").acks;
        assert!(acks.contains(MessageId(0)) && !acks.contains(MessageId(1)));
        assert_eq!(reliable.next_chunk(), Some(vec![1]));
        reliable.settle();
        let acks = reliable.poll(NOW).expect("for the message").acks;
        assert!(acks.contains(MessageId(1)) && !acks.contains(MessageId(3)));
        assert!(!reliable.rewind());
        reliable.receive(message(3), NOW).expect("taken again");
        assert!(reliable.poll(NOW).expect("at once").acks.contains(MessageId(3)));
    }

    #[test]
    fn a_hello_of_many_small_packets_is_acknowledged_though_tls_can_not_have_understood_it() {
        let mut reliable = Reliable::with_soft_reset(100);
        let _reset = reliable.poll(NOW);
        for id in 0..4 {
            reliable.receive(message(id), NOW).expect("taken");
            while reliable.next_chunk().is_some() {}
        }
        assert!(!reliable.poll(NOW).expect("for the reset").acks.contains(MessageId(1)));
        reliable.receive(message(4), NOW).expect("taken");
        while reliable.next_chunk().is_some() {}
        let acks = reliable.poll(NOW).expect("for the messages").acks;
        assert!((1..=4).all(|id| acks.contains(MessageId(id))));
        // From here on each is acknowledged as it comes, and nothing is kept for it.
        reliable.receive(message(5), NOW).expect("taken");
        assert!(reliable.poll(NOW).expect("at once").acks.contains(MessageId(5)));
        assert!(reliable.doubtful.is_none());
    }

    fn message(id: u32) -> ControlPacket {
        let session = SessionId::new([1; 8]).expect("not zero");
        let opcode = if id == 0 { Opcode::CONTROL_SOFT_RESET_V1 } else { Opcode::CONTROL_V1 };
        ControlPacket::message(opcode, KeyId::FIRST, session, MessageId(id), vec![id as u8])
    }
}
