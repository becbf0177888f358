//! Puts the peer's messages back in order.

use std::collections::BTreeMap;

/// Messages accepted out of order.
const WINDOW: u32 = 12;

/// The receive window of one generation.
pub(crate) struct ReceiveWindow {
    next: u32,
    stored: BTreeMap<u32, Vec<u8>>,
    beginning: Beginning,
    /// As message 0. It may be somebody else's, and the peer may never have sent any.
    reset_came: bool,
}

/// Which message is the first of TLS.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Beginning {
    /// Message 0 if it has TLS bytes, whatever came before; message 1 if it is a reset.
    Open,
    /// It was delivered.
    Passed,
}

impl ReceiveWindow {
    /// Expects `next` first.
    pub(crate) fn from(next: u32) -> Self {
        let beginning = if next == 0 { Beginning::Open } else { Beginning::Passed };
        Self { next, stored: BTreeMap::new(), beginning, reset_came: false }
    }

    /// True for everything that is to be acknowledged: duplicates, and what fits the window.
    pub(crate) fn takes(&self, id: u32) -> bool {
        id < self.next.saturating_add(WINDOW)
    }

    /// Keeps a message unless it is a duplicate.
    pub(crate) fn store(&mut self, id: u32, payload: Vec<u8>) {
        if id == 0 && self.beginning == Beginning::Open {
            self.next = 0;
        }
        if id >= self.next && self.takes(id) {
            self.stored.entry(id).or_insert(payload);
        }
    }

    /// Message 0 was a reset. It has no payload, so it counts on arrival, unless TLS bytes took its
    /// place before.
    pub(crate) fn pass_reset(&mut self) {
        self.reset_came = true;
        if self.beginning == Beginning::Open && !self.stored.contains_key(&0) {
            self.next = 1;
        }
    }

    /// The next message in order.
    pub(crate) fn pop(&mut self) -> Option<Vec<u8>> {
        let payload = self.stored.remove(&self.next)?;
        self.next = self.next.saturating_add(1);
        self.beginning = Beginning::Passed;
        Some(payload)
    }

    pub(crate) fn was_delivered(&self, id: u32) -> bool {
        id < self.next
    }

    /// Forgets what is not delivered.
    pub(crate) fn forget_stored(&mut self) {
        self.stored.clear();
    }

    /// What was delivered was not the peer's TLS: expects its first message again.
    pub(crate) fn rewind(&mut self) {
        self.next = u32::from(self.reset_came);
        self.beginning = Beginning::Open;
        self.stored.clear();
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
    fn tls_bytes_are_message_0_also_after_a_reset_and_until_any_were_delivered() {
        let mut window = ReceiveWindow::from(0);
        window.store(0, vec![7]);
        window.pass_reset();
        assert_eq!((window.pop(), window.pop()), (Some(vec![7]), None));
        let mut window = ReceiveWindow::from(0);
        window.pass_reset();
        window.store(1, vec![1]);
        window.store(0, vec![7]);
        assert_eq!((window.pop(), window.pop()), (Some(vec![7]), Some(vec![1])));
        let mut window = ReceiveWindow::from(0);
        window.pass_reset();
        window.store(1, vec![1]);
        assert_eq!(window.pop(), Some(vec![1]));
        window.store(0, vec![7]);
        assert_eq!(window.pop(), None);
        let mut window = ReceiveWindow::from(0);
        window.store(0, vec![7]);
        assert_eq!(window.pop(), Some(vec![7]));
        window.store(0, vec![7]);
        window.pass_reset();
        assert_eq!(window.pop(), None, "a duplicate");
    }

    #[test]
    fn a_window_that_is_rewound_expects_the_first_message_and_has_forgotten_the_others() {
        for (reset, first) in [(true, 1), (false, 0)] {
            let mut window = ReceiveWindow::from(0);
            if reset {
                window.pass_reset();
            }
            window.store(first, vec![9]);
            window.store(first + 2, vec![9]);
            assert_eq!(window.pop(), Some(vec![9]));
            window.rewind();
            (first..first + 3).for_each(|id| window.store(id, vec![id as u8]));
            let all: Vec<_> = std::iter::from_fn(|| window.pop()).flatten().collect();
            assert_eq!(all, (first as u8..first as u8 + 3).collect::<Vec<_>>());
        }
    }
}
