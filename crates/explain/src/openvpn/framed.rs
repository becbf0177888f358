//! OpenVPN's packets in a stream, each behind its length.

use wire::stream::{LENGTH, MAX_FRAME};

use super::Session;
use crate::place::{Queue, Seen, Side};

/// A session over TCP.
pub(crate) struct Framed {
    pub(crate) session: Session,
    client: Queue,
    server: Queue,
    broken: bool,
}

impl Framed {
    pub(crate) fn new(session: Session) -> Self {
        Self { session, client: Queue::default(), server: Queue::default(), broken: false }
    }

    /// Takes what follows in the stream of a side.
    pub(crate) fn bytes(&mut self, seen: &Seen<'_>) {
        if self.broken {
            return;
        }
        self.queue(seen.from).push_seen(seen);
        while let Some(header) = self.queue(seen.from).peek::<LENGTH>() {
            let length = usize::from(u16::from_be_bytes(header));
            if length == 0 || length > MAX_FRAME {
                self.broken = true;
                return;
            }
            let Some((framed, places)) = self.queue(seen.from).take(LENGTH + length) else {
                return;
            };
            let framed = Seen { at: seen.at, from: seen.from, bytes: &framed, places };
            self.session.packet(&framed.tail(length));
        }
    }

    /// Bytes of this side were not captured, so that nobody knows where its next packet begins.
    pub(crate) fn lost(&mut self, seen: &Seen<'_>) {
        self.session.lost(seen);
    }

    fn queue(&mut self, side: Side) -> &mut Queue {
        match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
    }
}
