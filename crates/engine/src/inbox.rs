//! What waits for a session's task: orders and control packets.
//!
//! Not a channel of tokio: one reserves room for 32 messages of the largest kind at its birth, and
//! two of them would be a good part of what an idle session weighs. An empty inbox holds nothing.
//!
//! Orders come before packets and are never lost; there are a few for each session. Packets are
//! bounded: a peer that sends faster than it is served will send again. The end of the TCP connection that
//! they came over comes behind them, since one may be a goodbye.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use wire::wrap::Unwrapped;

use crate::data::StreamEnd;
use crate::messages::ToSession;

/// Both ends of a new inbox.
pub(crate) fn inbox() -> (Inlet, Inbox) {
    let shared = Arc::new(Shared::default());
    (Inlet(Arc::clone(&shared)), Inbox(shared))
}

/// Where messages go in. Dropping it ends the session's task.
pub(crate) struct Inlet(Arc<Shared>);

/// Where the session's task takes them out.
pub(crate) struct Inbox(Arc<Shared>);

/// One message.
#[derive(Debug)]
pub(crate) enum Message {
    Order(ToSession),
    Packet(Unwrapped),
    /// No packet follows: the TCP connection is gone.
    StreamEnded(StreamEnd),
}

#[derive(Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    arrived: Notify,
}

#[derive(Default)]
struct Waiting {
    orders: VecDeque<ToSession>,
    packets: VecDeque<Unwrapped>,
    stream_ended: Option<StreamEnd>,
    closed: bool,
}

impl Inlet {
    /// Hands an order over. A task that has ended needs none.
    pub(crate) fn order(&self, order: ToSession) {
        self.0.lock().orders.push_back(order);
        self.0.arrived.notify_one();
    }

    /// Hands a control packet over, unless too many wait.
    pub(crate) fn packet(&self, packet: Unwrapped) {
        let mut waiting = self.0.lock();
        if waiting.packets.len() < PACKETS {
            waiting.packets.push_back(packet);
            drop(waiting);
            self.0.arrived.notify_one();
        }
    }

    /// Says, behind all packets, that the TCP connection that they came over is gone.
    pub(crate) fn stream_ended(&self, why: StreamEnd) {
        self.0.lock().stream_ended = Some(why);
        self.0.arrived.notify_one();
    }
}

impl Drop for Inlet {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.arrived.notify_one();
    }
}

impl Inbox {
    /// The next message; `None` once the other end is gone and all orders are taken. A call that is
    /// given up loses nothing.
    pub(crate) async fn next(&mut self) -> Option<Message> {
        loop {
            if let Some(taken) = self.0.lock().take() {
                return taken;
            }
            self.0.arrived.notified().await;
        }
    }

    /// A packet that waits, unless an order does, which comes first.
    pub(crate) fn packet(&mut self) -> Option<Unwrapped> {
        let mut waiting = self.0.lock();
        if waiting.orders.is_empty() && !waiting.closed {
            waiting.packets.pop_front()
        } else {
            None
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // No message is ever half put in.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// A message, the end, or nothing yet.
    fn take(&mut self) -> Option<Option<Message>> {
        if let Some(order) = self.orders.pop_front() {
            return Some(Some(Message::Order(order)));
        }
        if self.closed {
            return Some(None);
        }
        if let Some(packet) = self.packets.pop_front() {
            return Some(Some(Message::Packet(packet)));
        }
        if let Some(why) = self.stream_ended.take() {
            return Some(Some(Message::StreamEnded(why)));
        }
        // What a busy moment needed is given back.
        (self.orders, self.packets) = (VecDeque::new(), VecDeque::new());
        None
    }
}

/// Control packets waiting for one session: its receive window and as many repetitions.
const PACKETS: usize = 32;

#[cfg(test)]
mod tests {
    use tunnel::Close;
    use wire::control::ControlPacket;
    use wire::wrap::ControlWrap;
    use wire::{KeyId, MessageId, Opcode, SessionId};

    use super::*;

    #[tokio::test]
    async fn orders_come_before_packets_and_are_never_lost() {
        let (inlet, mut inbox) = inbox();
        (0..100).for_each(|n| inlet.packet(packet(n)));
        (0..100).for_each(|_| inlet.order(ToSession::Renegotiate));
        inlet.order(ToSession::Close(Close::Replaced));
        for _ in 0..100 {
            let next = inbox.next().await;
            assert!(matches!(next, Some(Message::Order(ToSession::Renegotiate))));
        }
        assert!(matches!(inbox.next().await, Some(Message::Order(ToSession::Close(_)))));
        for n in 0..PACKETS {
            let next = inbox.next().await;
            assert!(matches!(next, Some(Message::Packet(next)) if next == packet(n as u8)));
        }
        drop(inlet);
        assert!(inbox.next().await.is_none());
    }

    #[tokio::test]
    async fn a_wait_that_is_given_up_loses_nothing() {
        let (inlet, mut inbox) = inbox();
        for n in 0..10 {
            let waits = tokio::time::timeout(std::time::Duration::ZERO, inbox.next()).await;
            assert!(waits.is_err());
            inlet.packet(packet(n));
            assert!(matches!(inbox.next().await, Some(Message::Packet(next)) if next == packet(n)));
        }
        inlet.order(ToSession::Close(Close::Replaced));
        drop(inlet);
        assert!(matches!(inbox.next().await, Some(Message::Order(_))));
        assert!(inbox.next().await.is_none());
    }

    fn packet(n: u8) -> Unwrapped {
        let session = SessionId::new([1; 8]).unwrap();
        let (opcode, id) = (Opcode::CONTROL_V1, MessageId(1));
        let packet = ControlPacket::message(opcode, KeyId::FIRST, session, id, vec![n]);
        ControlWrap::Plain.open(&packet.encode()).unwrap()
    }
}
