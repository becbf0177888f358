//! A reusable buffer with room in front of its content.
//!
//! Not a parser: it knows lengths, not protocols. Invariant: `start <= end <= bytes.len()`.

/// One packet's buffer. The headroom lets a header be put in front of the content without a copy.
pub struct Packet {
    bytes: Box<[u8]>,
    start: usize,
    end: usize,
}

impl Packet {
    /// An empty packet that can hold `capacity` bytes behind `headroom` bytes.
    pub fn new(headroom: usize, capacity: usize) -> Self {
        let bytes = vec![0; headroom + capacity].into_boxed_slice();
        Self { bytes, start: headroom, end: headroom }
    }

    /// The content.
    pub fn content(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// The content, to be changed in place.
    pub fn content_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.end]
    }

    /// How many bytes the content has.
    pub fn len(&self) -> usize {
        self.end - self.start
    }

    /// Whether there is no content.
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// How many bytes can be put in front of the content.
    pub fn headroom(&self) -> usize {
        self.start
    }

    /// The whole buffer with the bounds of the content in it, for in-place work on both ends.
    pub fn parts_mut(&mut self) -> (&mut [u8], std::ops::Range<usize>) {
        (&mut self.bytes, self.start..self.end)
    }

    /// Moves the bounds of the content. `None` and no change if they lie outside of the buffer.
    pub fn set_bounds(&mut self, bounds: std::ops::Range<usize>) -> Option<()> {
        if bounds.start > bounds.end || bounds.end > self.bytes.len() {
            return None;
        }
        self.start = bounds.start;
        self.end = bounds.end;
        Some(())
    }

    /// Empties the packet and puts the content's start back behind `headroom` bytes.
    pub fn reset(&mut self, headroom: usize) {
        self.start = headroom.min(self.bytes.len());
        self.end = self.start;
    }

    /// Room for content from the start on, whatever the present content is.
    pub fn room(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..]
    }

    /// Declares the first `len` bytes of [`Packet::room`] to be the content.
    pub fn filled(&mut self, len: usize) {
        self.end = (self.start + len).min(self.bytes.len());
    }
}

impl std::fmt::Debug for Packet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Packet").field("len", &self.len()).field("headroom", &self.start).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_outside_of_the_buffer_are_refused() {
        let mut packet = Packet::new(8, 32);
        assert_eq!(packet.set_bounds(0..41), None);
        assert_eq!(packet.set_bounds(4..40), Some(()));
        assert_eq!((packet.headroom(), packet.len()), (4, 36));
        packet.reset(100);
        assert!(packet.is_empty());
    }
}
