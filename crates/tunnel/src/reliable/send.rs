//! Cuts the TLS stream into messages and repeats them until they are acknowledged.
//!
//! Timers: a message is due at once, then after 2, 4 and 8 seconds, and every 8 seconds
//! from there. Stock doubles without end; the cap costs a few packets on a dead path and saves a
//! handshake on a lossy one. A message that three later ones overtook is due at once.

use std::collections::VecDeque;
use std::time::Duration;

use wire::Opcode;

/// Messages in flight. The smallest receive window in the field is 8.
const WINDOW: u32 = 6;
const FIRST_INTERVAL: Duration = Duration::from_secs(2);
const LAST_INTERVAL: Duration = Duration::from_secs(8);
/// Later acknowledgements that make a message due.
const OVERTAKEN: u8 = 3;

/// The send window of one generation.
pub(crate) struct SendWindow {
    next: u32,
    in_flight: VecDeque<Message>,
    waiting: VecDeque<u8>,
    room: usize,
    reset_acknowledged: bool,
}

struct Message {
    id: u32,
    opcode: Opcode,
    payload: Vec<u8>,
    /// Not yet sent while `None`.
    due: Option<Duration>,
    interval: Duration,
    overtaken: u8,
}

impl SendWindow {
    /// Message 0 is `reset`. At most `room` bytes go into one message.
    pub(crate) fn with_reset(reset: Opcode, room: usize) -> Self {
        let mut window = Self::after_gate(room);
        window.next = 0;
        window.reset_acknowledged = false;
        window.push(reset, Vec::new());
        window
    }

    /// Message 0 has been sent and acknowledged.
    pub(crate) fn after_gate(room: usize) -> Self {
        Self {
            next: 1,
            in_flight: VecDeque::with_capacity(WINDOW as usize),
            waiting: VecDeque::new(),
            room: room.max(1),
            reset_acknowledged: true,
        }
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.waiting.extend(bytes);
    }

    /// The lowest message that is due, as (id, opcode, payload).
    pub(crate) fn poll(&mut self, now: Duration) -> Option<(u32, Opcode, Vec<u8>)> {
        self.fill();
        let message = self.in_flight.iter_mut().find(|message| message.is_due(now))?;
        message.due = Some(now + message.interval);
        message.interval = (message.interval * 2).min(LAST_INTERVAL);
        Some((message.id, message.opcode, message.payload.clone()))
    }

    pub(crate) fn acknowledge(&mut self, id: u32, now: Duration) {
        let Some(at) =
            self.in_flight.iter().position(|message| message.id == id && message.due.is_some())
        else {
            return;
        };
        self.in_flight.remove(at);
        self.reset_acknowledged |= id == 0;
        for earlier in self.in_flight.iter_mut().take(at) {
            earlier.overtaken += 1;
            if earlier.overtaken >= OVERTAKEN {
                earlier.overtaken = 0;
                earlier.due = Some(now);
            }
        }
    }

    pub(crate) fn clear(&mut self) {
        self.in_flight.clear();
        self.waiting = VecDeque::new();
    }

    pub(crate) fn next_timeout(&self) -> Option<Duration> {
        self.in_flight.iter().filter_map(|message| message.due).min()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.in_flight.is_empty() && self.waiting.is_empty()
    }

    pub(crate) fn reset_acknowledged(&self) -> bool {
        self.reset_acknowledged
    }

    fn fill(&mut self) {
        while !self.waiting.is_empty() && self.window_is_open() {
            let len = self.waiting.len().min(self.room);
            let payload = self.waiting.drain(..len).collect();
            self.push(Opcode::CONTROL_V1, payload);
        }
        if self.waiting.is_empty() {
            // A handshake's flight is the most that ever waits, and an idle session keeps nothing of it.
            self.waiting = VecDeque::new();
        }
    }

    fn window_is_open(&self) -> bool {
        let lowest = self.in_flight.front().map_or(self.next, |message| message.id);
        self.next - lowest < WINDOW
    }

    fn push(&mut self, opcode: Opcode, payload: Vec<u8>) {
        let id = self.next;
        self.next = self.next.saturating_add(1);
        let (interval, overtaken) = (FIRST_INTERVAL, 0);
        self.in_flight.push_back(Message { id, opcode, payload, due: None, interval, overtaken });
    }
}

impl Message {
    fn is_due(&self, now: Duration) -> bool {
        self.due.is_none_or(|due| due <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Duration = Duration::from_secs(1000);

    #[test]
    fn an_unacknowledged_message_comes_again_after_2_4_8_and_8_seconds() {
        let mut window = SendWindow::with_reset(Opcode::CONTROL_HARD_RESET_CLIENT_V2, 100);
        let mut sent = Vec::new();
        for second in 0..32 {
            while window.poll(START + Duration::from_secs(second)).is_some() {
                sent.push(second);
            }
        }
        assert_eq!(sent, [0, 2, 6, 14, 22, 30]);
    }

    #[test]
    fn never_more_than_six_messages_are_in_flight() {
        let mut window = SendWindow::after_gate(10);
        window.write(&[0; 200]);
        let sent: Vec<_> =
            std::iter::from_fn(|| window.poll(START)).map(|message| message.0).collect();
        assert_eq!(sent, [1, 2, 3, 4, 5, 6]);
        window.acknowledge(3, START);
        assert_eq!(window.poll(START), None);
        window.acknowledge(1, START);
        assert_eq!(window.poll(START).map(|message| message.0), Some(7));
    }

    #[test]
    fn three_later_acknowledgements_make_a_message_due() {
        let mut window = SendWindow::after_gate(10);
        window.write(&[0; 60]);
        while window.poll(START).is_some() {}
        let now = START + Duration::from_millis(50);
        for id in [2, 3] {
            window.acknowledge(id, now);
            assert_eq!(window.poll(now), None);
        }
        window.acknowledge(2, now);
        assert_eq!(window.poll(now), None, "a repeated acknowledgement does not count");
        window.acknowledge(4, now);
        assert_eq!(window.poll(now).map(|message| message.0), Some(1));
        assert_eq!(window.poll(now), None);
    }

    #[test]
    fn an_unknown_or_unsent_id_acknowledges_nothing() {
        let mut window = SendWindow::with_reset(Opcode::CONTROL_SOFT_RESET_V1, 10);
        window.acknowledge(0, START);
        assert!(!window.reset_acknowledged());
        let _reset = window.poll(START);
        window.acknowledge(7, START);
        assert!(!window.reset_acknowledged());
        window.acknowledge(0, START);
        assert!(window.reset_acknowledged() && window.is_empty());
    }
}
