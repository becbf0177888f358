//! Puts the peer's messages back in order.

use std::collections::BTreeMap;

/// Messages accepted out of order.
const WINDOW: u32 = 12;

/// The receive window of one generation.
pub(crate) struct ReceiveWindow {
    next: u32,
    stored: BTreeMap<u32, Vec<u8>>,
}

impl ReceiveWindow {
    /// Expects `next` first.
    pub(crate) fn from(next: u32) -> Self {
        Self { next, stored: BTreeMap::new() }
    }

    /// True for everything that is to be acknowledged: duplicates, and what fits the window.
    pub(crate) fn takes(&self, id: u32) -> bool {
        id < self.next.saturating_add(WINDOW)
    }

    /// Keeps a message unless it is a duplicate.
    pub(crate) fn store(&mut self, id: u32, payload: Vec<u8>) {
        if id >= self.next && self.takes(id) {
            self.stored.entry(id).or_insert(payload);
        }
    }

    /// Message 0 was a reset. It has no payload, so it counts on arrival, unless TLS bytes took its
    /// place before.
    pub(crate) fn pass_reset(&mut self) {
        if self.next == 0 && !self.stored.contains_key(&0) {
            self.next = 1;
        }
    }

    /// The next message in order.
    pub(crate) fn pop(&mut self) -> Option<Vec<u8>> {
        let payload = self.stored.remove(&self.next)?;
        self.next = self.next.saturating_add(1);
        Some(payload)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duplicates_are_taken_and_delivered_once() {
        let mut window = ReceiveWindow::from(1);
        window.store(1, vec![1]);
        window.store(1, vec![9]);
        assert_eq!(window.pop(), Some(vec![1]));
        assert!(window.takes(1));
        window.store(1, vec![9]);
        assert_eq!(window.pop(), None);
    }

    #[test]
    fn never_more_than_the_window_is_stored() {
        let mut window = ReceiveWindow::from(1);
        for id in (0..1000).rev() {
            window.store(id, vec![0]);
        }
        assert_eq!(window.stored.len(), WINDOW as usize);
        window.store(u32::MAX, vec![0]);
        assert_eq!(window.stored.len(), WINDOW as usize);
    }

    #[test]
    fn the_reset_is_no_chunk() {
        let mut window = ReceiveWindow::from(0);
        window.store(1, vec![1]);
        assert_eq!(window.pop(), None);
        window.pass_reset();
        assert_eq!((window.next, window.pop()), (1, Some(vec![1])));
    }

    #[test]
    fn what_comes_first_is_message_0_and_the_other_a_duplicate() {
        let mut window = ReceiveWindow::from(0);
        window.store(0, vec![7]);
        window.pass_reset();
        assert_eq!((window.pop(), window.pop()), (Some(vec![7]), None));
        let mut window = ReceiveWindow::from(0);
        window.pass_reset();
        window.store(0, vec![7]);
        window.store(1, vec![1]);
        assert_eq!((window.pop(), window.pop()), (Some(vec![1]), None));
    }
}
