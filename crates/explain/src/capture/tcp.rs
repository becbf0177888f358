//! One direction of a TCP connection, put in order.
//!
//! What is kept is bounded: a hole that is not filled before so much has come behind it is a loss.

use std::collections::BTreeMap;

use crate::place::{Chunk, Place, Seen, Side};

/// The most that waits behind a hole.
const LONGEST_WAIT: usize = 256 * 1024;
const MOST_SEGMENTS: usize = 512;
/// Numbers that are further ahead are none of this connection.
const FURTHEST: u32 = 1 << 30;

/// A direction's bytes, from the beginning of the connection.
#[derive(Default)]
pub(super) struct Stream {
    /// The number of the next byte; none before the connection began.
    next: Option<u32>,
    waiting: BTreeMap<u32, Segment>,
    size: usize,
    /// When the first came of what waits behind a hole.
    hole: Option<u64>,
    /// Before which number this side has sent all, by its own end or the other's confirmation, and since when that is known.
    sent: Option<(u32, u64)>,
    lost: bool,
}

/// Bytes that the capture program left away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cut {
    pub(super) at: u64,
    /// The segment that was cut.
    pub(super) place: Place,
    /// How many bytes it had.
    pub(super) whole: u32,
}

struct Segment {
    at: u64,
    frame: u32,
    offset: u32,
    bytes: Vec<u8>,
    /// What stood behind the bytes and was not captured.
    cut: Option<Cut>,
}

/// What comes of a segment.
pub(super) enum Ready {
    /// Bytes in order.
    Bytes(Vec<OwnedChunk>),
    /// The same, and what stood behind them was cut off, so that the stream can't be read any more.
    Until(Vec<OwnedChunk>, Cut),
    /// Bytes are missing for good, since what came then stands behind them.
    Lost(u64),
}

/// A chunk that waited.
pub(super) struct OwnedChunk {
    segment: Segment,
}

impl OwnedChunk {
    pub(super) fn seen(&self, from: Side) -> Seen<'_> {
        let Segment { at, frame, offset, ref bytes, .. } = self.segment;
        Seen::from(Chunk { at, from, frame, offset, bytes })
    }
}

impl Stream {
    /// The connection begins with this number.
    pub(super) fn begin(&mut self, sequence: u32) {
        if self.next.is_none() {
            self.next = Some(sequence.wrapping_add(1));
        }
    }

    /// This side has sent all before this number, whether it was observed or not.
    pub(super) fn has_sent(&mut self, before: u32, at: u64) {
        let is_news = |(known, _): (u32, u64)| is_ahead(before, known);
        if self.next.is_some_and(|next| is_ahead(before, next)) && self.sent.is_none_or(is_news) {
            self.sent = Some((before, at));
        }
    }

    /// Takes a segment, of which so many bytes were not captured behind those that are there.
    pub(super) fn push(&mut self, sequence: u32, chunk: &Chunk<'_>, lacking: u32) -> Ready {
        let Some(next) = self.next else { return Ready::Bytes(Vec::new()) };
        let captured = chunk.bytes.len() as u32;
        if self.lost || captured == 0 && lacking == 0 {
            return Ready::Bytes(Vec::new());
        }
        let place = Place { frame: chunk.frame, offset: chunk.offset, length: captured };
        let whole = captured.saturating_add(lacking);
        let cut = (lacking > 0).then_some(Cut { at: chunk.at, place, whole });
        let Some(segment) = fresh(next, sequence, chunk, cut) else {
            return Ready::Bytes(Vec::new());
        };
        let ahead = sequence.wrapping_sub(next);
        if ahead == 0 || ahead > u32::MAX / 2 {
            return self.deliver(segment);
        }
        self.size += segment.bytes.len();
        let hole = *self.hole.get_or_insert(chunk.at);
        self.waiting.entry(sequence).or_insert(segment);
        if self.size > LONGEST_WAIT || self.waiting.len() > MOST_SEGMENTS {
            self.give_up();
            return Ready::Lost(hole);
        }
        Ready::Bytes(Vec::new())
    }

    fn deliver(&mut self, first: Segment) -> Ready {
        let at = first.at;
        let mut ready = Vec::new();
        let mut segment = Some(first);
        while let Some(mut now) = segment.take() {
            // What waited is read when the hole before it was filled.
            now.at = now.at.max(at);
            let next = self.next.unwrap_or(0).wrapping_add(now.bytes.len() as u32);
            self.next = Some(next);
            let cut = now.cut;
            if !now.bytes.is_empty() {
                ready.push(OwnedChunk { segment: now });
            }
            if let Some(cut) = cut {
                self.give_up();
                return Ready::Until(ready, Cut { at, ..cut });
            }
            segment = self.following(next);
        }
        self.hole = self.waiting.values().map(|segment| segment.at).min();
        Ready::Bytes(ready)
    }

    /// A waiting segment that begins at or before `next` and goes beyond it.
    fn following(&mut self, next: u32) -> Option<Segment> {
        let reached = |sequence: &u32| next.wrapping_sub(*sequence) <= u32::MAX / 2;
        while let Some(sequence) = self.waiting.keys().copied().find(reached) {
            let waited = self.waiting.remove(&sequence)?;
            self.size = self.size.saturating_sub(waited.bytes.len());
            let chunk = Chunk {
                at: waited.at,
                from: Side::Client,
                frame: waited.frame,
                offset: waited.offset,
                bytes: &waited.bytes,
            };
            if let Some(segment) = fresh(next, sequence, &chunk, waited.cut) {
                return Some(segment);
            }
        }
        None
    }

    /// When the first came of what waits behind a hole, or showed that more was sent, where something does.
    pub(super) fn hole(&self) -> Option<u64> {
        let waits = self.hole.filter(|_| !self.waiting.is_empty());
        let lacks =
            |(before, _): &(u32, u64)| self.next.is_some_and(|next| is_ahead(*before, next));
        let shown = self.sent.filter(lacks).map(|(_, at)| at);
        waits.or(shown).filter(|_| !self.lost)
    }

    fn give_up(&mut self) {
        self.waiting.clear();
        self.size = 0;
        self.lost = true;
    }
}

fn is_ahead(number: u32, of: u32) -> bool {
    (1..FURTHEST).contains(&number.wrapping_sub(of))
}

/// The part of a segment that was not had yet.
fn fresh(next: u32, sequence: u32, chunk: &Chunk<'_>, cut: Option<Cut>) -> Option<Segment> {
    let behind = next.wrapping_sub(sequence);
    let had = if behind <= u32::MAX / 2 { behind as usize } else { 0 };
    // What was cut off may have come before, in other pieces.
    let cut = cut.filter(|cut| had < cut.whole as usize);
    let bytes = chunk.bytes.get(had..).unwrap_or_default().to_vec();
    let offset = chunk.offset.saturating_add(had as u32);
    (!bytes.is_empty() || cut.is_some()).then_some(Segment {
        at: chunk.at,
        frame: chunk.frame,
        offset,
        bytes,
        cut,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_come_out_in_order_whatever_order_they_came_in() {
        let mut stream = Stream::default();
        stream.begin(u32::MAX - 2);
        assert_eq!(push(&mut stream, u32::MAX, b"bc"), b"");
        assert_eq!(push(&mut stream, 1, b"defg"), b"");
        assert_eq!(push(&mut stream, u32::MAX - 1, b"ab"), b"abcdefg");
        assert_eq!(push(&mut stream, 2, b"efgh"), b"h");
        assert_eq!(stream.hole(), None);
    }

    #[test]
    fn a_segment_that_was_cut_ends_the_stream_where_its_bytes_end() {
        let cut = |stream: &mut Stream, sequence, bytes, lacking| match stream.push(
            sequence,
            &chunk(bytes),
            lacking,
        ) {
            Ready::Until(chunks, cut) => {
                let all = chunks.iter().flat_map(|chunk| chunk.segment.bytes.clone());
                Some((all.collect::<Vec<u8>>(), cut.place.length, cut.whole))
            }
            Ready::Bytes(_) | Ready::Lost(_) => None,
        };
        let mut stream = Stream::default();
        stream.begin(0);
        assert_eq!(push(&mut stream, 1, b"abcd"), b"abcd");
        // All of it came before, in smaller pieces.
        assert_eq!(cut(&mut stream, 1, b"ab", 2), None);
        assert_eq!(cut(&mut stream, 7, b"gh", 4), None);
        assert_eq!(cut(&mut stream, 5, b"ef", 0), Some((b"efgh".to_vec(), 2, 6)));
        assert_eq!(push(&mut stream, 13, b"mn"), b"");
        assert_eq!(stream.hole(), None);
    }

    #[test]
    fn what_a_side_has_sent_by_its_end_and_was_not_observed_is_a_hole() {
        let mut stream = Stream::default();
        stream.has_sent(500, 1);
        stream.begin(u32::MAX - 4);
        assert_eq!(push(&mut stream, u32::MAX - 3, b"abc"), b"abc");
        stream.has_sent(u32::MAX - 2, 2);
        stream.has_sent(1 << 31, 3);
        assert_eq!(stream.hole(), None, "it was observed, or is no number of this connection");
        stream.has_sent(3, 4);
        stream.has_sent(1, 5);
        assert_eq!(stream.hole(), Some(4));
        assert_eq!(push(&mut stream, u32::MAX, b"defg"), b"defg");
        assert_eq!(stream.hole(), None, "it came later");
    }

    #[test]
    fn a_hole_that_stays_is_a_loss_and_ends_the_stream() {
        let mut stream = Stream::default();
        stream.begin(0);
        let mut lost = false;
        for n in 1..=600u32 {
            lost |= matches!(stream.push(n * 1000, &chunk(b"x"), 0), Ready::Lost(_));
        }
        assert!(lost);
        assert_eq!(push(&mut stream, 1, b"a"), b"");
    }

    fn push(stream: &mut Stream, sequence: u32, bytes: &[u8]) -> Vec<u8> {
        match stream.push(sequence, &chunk(bytes), 0) {
            Ready::Bytes(chunks) => {
                chunks.iter().flat_map(|chunk| chunk.segment.bytes.clone()).collect()
            }
            Ready::Lost(_) | Ready::Until(..) => panic!("nothing is lost here"),
        }
    }

    fn chunk(bytes: &[u8]) -> Chunk<'_> {
        Chunk { at: 0, from: Side::Client, frame: 1, offset: 0, bytes }
    }
}
