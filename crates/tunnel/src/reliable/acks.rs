//! Which of the peer's messages to acknowledge: new ones first, then the latest ones once more.
//!
//! Repeating the latest acknowledgements in every packet saves a retransmission when one is lost,
//! and carries the server's cookie back until the server has answered.

use std::collections::VecDeque;

use wire::MessageId;
use wire::control::Acks;

/// The latest acknowledgements that are repeated.
const REPEATED: usize = 8;
/// Not yet sent ones; the receive window can't bring more at a time.
const NEW: usize = 12;

/// Acknowledgements to send.
pub(crate) struct AckList {
    new: VecDeque<u32>,
    sent: VecDeque<u32>,
}

impl AckList {
    pub(crate) fn new() -> Self {
        Self { new: VecDeque::with_capacity(NEW), sent: VecDeque::with_capacity(REPEATED + 1) }
    }

    /// Owes an acknowledgement.
    pub(crate) fn add(&mut self, id: u32) {
        if self.new.len() < NEW && !self.new.contains(&id) {
            self.new.push_back(id);
        }
    }

    /// Remembers one that left by another way.
    pub(crate) fn note_sent(&mut self, id: u32) {
        self.sent.retain(|sent| *sent != id);
        self.sent.push_front(id);
        self.sent.truncate(REPEATED);
    }

    pub(crate) fn has_new(&self) -> bool {
        !self.new.is_empty()
    }

    /// Up to `limit` of them for one packet.
    pub(crate) fn take(&mut self, limit: usize) -> Acks {
        let mut acks = Acks::new();
        while acks.len() < limit
            && let Some(id) = self.new.pop_front()
        {
            acks.push(MessageId(id));
            self.note_sent(id);
        }
        for id in &self.sent {
            if acks.len() >= limit {
                break;
            }
            acks.push(MessageId(*id));
        }
        acks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_ones_go_first_and_the_latest_are_repeated() {
        let mut list = AckList::new();
        (0..3).for_each(|id| list.add(id));
        assert_eq!(ids(list.take(4)), [0, 1, 2]);
        list.add(3);
        assert_eq!(ids(list.take(4)), [3, 2, 1, 0]);
        assert!(!list.has_new());
        (4..9).for_each(|id| list.add(id));
        assert_eq!(ids(list.take(4)), [4, 5, 6, 7]);
        assert_eq!(ids(list.take(8)), [8, 7, 6, 5, 4, 3, 2, 1]);
    }

    #[test]
    fn the_list_is_bounded() {
        let mut list = AckList::new();
        (0..1000).for_each(|id| list.add(id));
        assert_eq!(list.new.len(), NEW);
        while list.has_new() {
            list.take(4);
        }
        assert_eq!(list.sent.len(), REPEATED);
    }

    fn ids(acks: Acks) -> Vec<u32> {
        acks.iter().map(|id| id.0).collect()
    }
}
