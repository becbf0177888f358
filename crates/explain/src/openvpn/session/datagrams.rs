//! Datagrams of which a frame of a capture may hold several.

use super::super::joined::Sender;
use super::Session;
use crate::field::Field;
use crate::place::{Chunk, Side};
use crate::story::Wrapping;

/// The value that says how many datagrams a frame held, and what that is.
pub(crate) const DATAGRAMS: &str = "datagrams_in_frame";
const OFFLOADED: &str =
    "datagrams in this frame of the capture; on the wire each was one by itself";

impl Session {
    /// Takes what a frame of a capture has as one datagram, which may be several.
    pub(crate) fn datagram(&mut self, chunk: Chunk<'_>, way: u64) {
        let stride = self.stride(&chunk).unwrap_or(chunk.bytes.len()).max(1);
        let count = chunk.bytes.len().div_ceil(stride);
        let told = self.facts.all().len();
        for (bytes, number) in chunk.bytes.chunks(stride).zip(0u32..) {
            let offset = chunk.offset.saturating_add(number.saturating_mul(stride as u32));
            let one = Chunk { offset, bytes, ..chunk };
            if self.again.is_copy(&one, 0, way) {
                continue;
            }
            self.sender(chunk.from).sent(bytes);
            self.packet(&one.into());
        }
        if count > 1 {
            let several = Field::number(DATAGRAMS, count as u64).known(OFFLOADED);
            self.facts.add_to_each(told, &several);
        }
    }

    /// A datagram whose code fits is one.
    fn stride(&mut self, chunk: &Chunk<'_>) -> Option<usize> {
        let stride = self.sender(chunk.from).stride(chunk.bytes)?;
        let form = self.form.filter(|_| !self.keys.is_empty());
        let whole = form.and_then(|form| form.open(&self.keys, chunk.from, chunk.bytes));
        let fits = whole.is_some_and(|whole| whole.wrapping == Wrapping::Right);
        (!fits).then_some(stride)
    }

    fn sender(&mut self, side: Side) -> &mut Sender {
        let [client, server] = &mut self.senders;
        match side {
            Side::Client => client,
            Side::Server => server,
        }
    }
}
