//! Where bytes were seen, and queues that remember it.
//!
//! A queue gives back what was put in, with the places that it came from: a message that was cut into packets
//! rests on all of them. Its size is bounded by whoever pushes; how many places it remembers is bounded here.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// Who sent something. The client is whoever spoke first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// Whoever spoke first.
    Client,
    /// The other.
    Server,
}

impl Side {
    /// The other side.
    #[must_use]
    pub fn peer(self) -> Side {
        match self {
            Side::Client => Side::Server,
            Side::Server => Side::Client,
        }
    }

    /// As people write it.
    pub fn word(self) -> &'static str {
        match self {
            Side::Client => "client",
            Side::Server => "server",
        }
    }
}

/// Some bytes of what was observed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The frame's number, from 1 as capture programs count; of a live connection the number of the read or write.
    pub frame: u32,
    /// The first byte's distance from the frame's beginning.
    pub offset: u32,
    /// How many.
    pub length: u32,
}

/// Bytes as they were observed.
#[derive(Clone, Copy, Debug)]
pub struct Chunk<'a> {
    /// Microseconds since 1970, or since any other moment that all chunks share.
    pub at: u64,
    /// Who sent them.
    pub from: Side,
    /// The frame that they stand in.
    pub frame: u32,
    /// Where they begin in it.
    pub offset: u32,
    /// The bytes.
    pub bytes: &'a [u8],
}

/// Bytes that may have come in several frames. The places' lengths add up to theirs, unless what stands before them is
/// not held, or came in more pieces than are remembered: then these are the last ones.
#[derive(Clone, Debug)]
pub(crate) struct Seen<'a> {
    pub(crate) at: u64,
    pub(crate) from: Side,
    pub(crate) bytes: &'a [u8],
    pub(crate) places: Vec<Place>,
}

impl<'a> From<Chunk<'a>> for Seen<'a> {
    fn from(chunk: Chunk<'a>) -> Self {
        let Chunk { at, from, frame, offset, bytes } = chunk;
        Seen { at, from, bytes, places: vec![Place { frame, offset, length: bytes.len() as u32 }] }
    }
}

impl<'a> Seen<'a> {
    /// The last `length` bytes of it.
    pub(crate) fn tail(&self, length: usize) -> Seen<'a> {
        let skipped = self.bytes.len().saturating_sub(length);
        let all: u32 = self.places.iter().map(|place| place.length).sum();
        let mut skip = all.saturating_sub(length as u32);
        let mut places = Vec::with_capacity(self.places.len());
        for place in &self.places {
            let cut = skip.min(place.length);
            skip -= cut;
            if place.length > cut {
                places.push(Place {
                    frame: place.frame,
                    offset: place.offset + cut,
                    length: place.length - cut,
                });
            }
        }
        Seen { bytes: self.bytes.get(skipped..).unwrap_or_default(), places, ..*self }
    }

    /// The number of the first frame.
    pub(crate) fn frame(&self) -> u32 {
        self.places.first().map_or(0, |place| place.frame)
    }
}

/// The most places that are remembered of what waits: a place takes more room than the byte that may stand there.
const MOST_PLACES: usize = 1_024;

/// Bytes that wait until enough are there, and where they came from.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    bytes: VecDeque<u8>,
    pieces: VecDeque<Piece>,
    places: usize,
}

#[derive(Debug)]
struct Piece {
    length: usize,
    source: Source,
}

#[derive(Clone, Debug)]
enum Source {
    /// Byte for byte.
    Exactly(Place),
    /// What came out of an encrypted record stands for all of it.
    Inside(Vec<Place>),
    /// Before as many places as are remembered. Nothing stands before it, so that what is known of a message is
    /// where it ends.
    Forgotten,
}

impl Source {
    fn places(&self) -> usize {
        match self {
            Source::Exactly(_) => 1,
            Source::Inside(places) => places.len(),
            Source::Forgotten => 0,
        }
    }
}

impl Queue {
    /// Adds bytes that stand at a place as they are.
    pub(crate) fn push(&mut self, bytes: &[u8], place: Place) {
        self.add(bytes, Source::Exactly(place));
    }

    /// Adds bytes that stand at several.
    pub(crate) fn push_seen(&mut self, seen: &Seen<'_>) {
        let known: usize = seen.places.iter().map(|place| place.length as usize).sum();
        let (forgotten, mut rest) = seen.bytes.split_at(seen.bytes.len().saturating_sub(known));
        self.add(forgotten, Source::Forgotten);
        for place in &seen.places {
            let (bytes, after) = rest.split_at(rest.len().min(place.length as usize));
            self.push(bytes, *place);
            rest = after;
        }
    }

    /// Adds bytes that came out of these places.
    pub(crate) fn push_from(&mut self, bytes: &[u8], places: &[Place]) {
        self.add(bytes, Source::Inside(places.to_vec()));
    }

    fn add(&mut self, bytes: &[u8], source: Source) {
        if bytes.is_empty() {
            return;
        }
        let most = if matches!(source, Source::Forgotten) { 0 } else { MOST_PLACES };
        self.bytes.extend(bytes);
        self.places += source.places();
        self.pieces.push_back(Piece { length: bytes.len(), source });
        while self.places > most {
            self.forget();
        }
    }

    /// The first place that is remembered.
    fn forget(&mut self) {
        let mut length = 0;
        while let Some(first) = self.pieces.pop_front() {
            length += first.length;
            self.places = self.places.saturating_sub(first.source.places());
            if first.source.places() > 0 {
                break;
            }
        }
        self.pieces.push_front(Piece { length, source: Source::Forgotten });
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The first bytes, if there are as many; they stay.
    pub(crate) fn peek<const N: usize>(&self) -> Option<[u8; N]> {
        let mut first = [0; N];
        (self.len() >= N).then(|| {
            first.iter_mut().zip(&self.bytes).for_each(|(to, from)| *to = *from);
            first
        })
    }

    /// The first bytes, at most `most`; they stay.
    pub(crate) fn beginning(&self, most: usize) -> Vec<u8> {
        self.first(most.min(self.len()))
    }

    /// Takes the first `length` bytes and their places, if there are as many.
    pub(crate) fn take(&mut self, length: usize) -> Option<(Vec<u8>, Vec<Place>)> {
        if self.len() < length {
            return None;
        }
        let bytes = self.first(length);
        self.bytes.drain(..length);
        let mut places = Vec::new();
        let mut wanted = length;
        while wanted > 0 {
            let Some(piece) = self.pieces.front_mut() else { break };
            let taken = piece.length.min(wanted);
            piece.take(taken, &mut places);
            wanted -= taken;
            if piece.length == 0 {
                self.places = self.places.saturating_sub(piece.source.places());
                self.pieces.pop_front();
            }
        }
        Some((bytes, places))
    }

    /// The first bytes, copied in at most two pieces.
    fn first(&self, length: usize) -> Vec<u8> {
        let (front, back) = self.bytes.as_slices();
        let (front, _) = front.split_at(front.len().min(length));
        [front, back.get(..length - front.len()).unwrap_or_default()].concat()
    }

    pub(crate) fn clear(&mut self) {
        *self = Queue::default();
    }
}

impl Piece {
    fn take(&mut self, taken: usize, places: &mut Vec<Place>) {
        self.length -= taken;
        match &mut self.source {
            Source::Exactly(place) => {
                add_place(places, Place { length: taken as u32, ..*place });
                place.offset += taken as u32;
                place.length = place.length.saturating_sub(taken as u32);
            }
            Source::Inside(all) => all.iter().for_each(|place| add_place(places, *place)),
            Source::Forgotten => {}
        }
    }
}

/// Adds a place, joined to the last one where it goes on from there.
pub(crate) fn add_place(places: &mut Vec<Place>, place: Place) {
    match places.last_mut() {
        Some(last) if *last == place => {}
        Some(last) if last.frame == place.frame && last.offset + last.length == place.offset => {
            last.length += place.length;
        }
        _ => places.push(place),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_rests_on_every_frame_that_it_was_cut_into() {
        let mut queue = Queue::default();
        queue.push(&[1, 2, 3], Place { frame: 1, offset: 40, length: 3 });
        queue.push(&[4, 5], Place { frame: 4, offset: 40, length: 2 });
        assert_eq!(queue.take(6), None);
        assert_eq!(queue.take(1), Some((vec![1], vec![Place { frame: 1, offset: 40, length: 1 }])));
        let rest =
            [Place { frame: 1, offset: 41, length: 2 }, Place { frame: 4, offset: 40, length: 1 }];
        assert_eq!(queue.take(3), Some((vec![2, 3, 4], rest.to_vec())));
        assert_eq!((queue.len(), queue.peek::<1>(), queue.peek::<2>()), (1, Some([5]), None));
    }

    #[test]
    fn what_comes_in_more_pieces_than_are_remembered_rests_on_the_last_of_them() {
        let mut queue = Queue::default();
        let place = |frame| Place { frame, offset: 40, length: 1 };
        (0..3_000).for_each(|frame| queue.push(&[frame as u8], place(frame)));
        let (bytes, places) = queue.take(1_900).expect("they are there");
        assert_eq!((bytes.len(), places), (1_900, vec![]));
        let (bytes, places) = queue.take(100).expect("they are there");
        assert_eq!((bytes[99], places), (1_999u32 as u8, (1_976..2_000).map(place).collect()));
        let (_, places) = queue.take(1_000).expect("they are there");
        assert_eq!(places, (2_000..3_000).map(place).collect::<Vec<_>>());
        queue.push(&[0], place(1));
        let seen = Seen { at: 0, from: Side::Client, bytes: &[1, 2, 3], places: vec![place(7)] };
        queue.push_seen(&seen);
        let all = queue.take(4);
        assert_eq!(all, Some((vec![0, 1, 2, 3], vec![place(7)])), "none of it is lost");
        assert_eq!((queue.len(), queue.places), (0, 0));
    }

    #[test]
    fn what_came_out_of_a_record_stands_for_all_of_it() {
        let record = Place { frame: 7, offset: 0, length: 90 };
        let mut queue = Queue::default();
        queue.push_from(&[1, 2, 3], &[record]);
        assert_eq!(queue.take(1), Some((vec![1], vec![record])));
        assert_eq!(queue.take(2), Some((vec![2, 3], vec![record])));
    }
}
