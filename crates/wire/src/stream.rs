//! Packets in a TCP stream: each behind its length.
//!
//! Only the framing; what a packet is, others know. Invariant: nothing is ever waited for beyond
//! [`MAX_FRAME`] bytes, and a stream that once broke the framing is read no further, since nothing
//! in it tells where the next packet begins.

use std::fmt;

/// Bytes of the length in front of each packet, which it does not count.
pub const LENGTH: usize = 2;
/// The longest packet taken: an Ethernet jumbo frame and what wraps it. Stock takes 1.8 kB.
pub const MAX_FRAME: usize = 9216;

/// The length that goes in front of a packet of `len` bytes; none if the other side would not take
/// such a packet.
pub fn length(len: usize) -> Option<[u8; LENGTH]> {
    let taken = (1..=MAX_FRAME).contains(&len);
    u16::try_from(len).ok().filter(|_| taken).map(u16::to_be_bytes)
}

/// Takes complete packets off the front of what was received.
///
/// 1. Iterate; each item is a packet without its length.
/// 2. Ask [`Frames::finish`] what is left: the beginning of a packet that has to stand in front of
///    what is received next, or the reason why the stream is of no more use.
#[derive(Debug)]
pub struct Frames<'b> {
    rest: &'b mut [u8],
    most: usize,
    broken: Option<FrameError>,
}

impl<'b> Frames<'b> {
    /// What was received, from a packet's first byte on.
    pub fn new(received: &'b mut [u8]) -> Self {
        Self { rest: received, most: MAX_FRAME, broken: None }
    }

    /// Takes no packet that is longer, for whoever has not shown yet that there is reason to.
    #[must_use]
    pub fn at_most(self, most: usize) -> Self {
        Self { most: most.min(MAX_FRAME), ..self }
    }

    /// What is left behind the last complete packet: at most [`MAX_FRAME`] and a length, less one.
    ///
    /// # Errors
    /// When the stream broke the framing.
    pub fn finish(self) -> Result<&'b mut [u8], FrameError> {
        match self.broken {
            None => Ok(self.rest),
            Some(error) => Err(error),
        }
    }
}

impl<'b> Iterator for Frames<'b> {
    type Item = &'b mut [u8];

    fn next(&mut self) -> Option<&'b mut [u8]> {
        if self.broken.is_some() {
            return None;
        }
        let len = match first_length(self.rest)? {
            Ok(len) if len > self.most => {
                self.broken = Some(FrameError::TooLong(len));
                return None;
            }
            Ok(len) => len,
            Err(error) => {
                self.broken = Some(error);
                return None;
            }
        };
        if self.rest.len() < LENGTH + len {
            return None;
        }
        let (frame, rest) = std::mem::take(&mut self.rest).split_at_mut(LENGTH + len);
        self.rest = rest;
        frame.get_mut(LENGTH..)
    }
}

/// The length of the first packet with its length, if it is complete.
pub fn whole_frame(framed: &[u8]) -> Option<usize> {
    let whole = LENGTH + first_length(framed)?.ok()?;
    (whole <= framed.len()).then_some(whole)
}

/// How many of the first bytes are complete packets, if no more than `most` are wanted. For what
/// was framed here.
pub fn whole_frames(framed: &[u8], most: usize) -> usize {
    let mut end = 0;
    while let Some(whole) = framed.get(end..).and_then(whole_frame)
        && end + whole <= most
    {
        end += whole;
    }
    end
}

/// How many bytes from `sent` on belong to the packet of which a part was sent.
pub fn left_of_frame(framed: &[u8], sent: usize) -> usize {
    let mut end = 0;
    while end < sent {
        let Some(Ok(len)) = framed.get(end..).and_then(first_length) else {
            return framed.len().saturating_sub(sent);
        };
        end += LENGTH + len;
    }
    end.min(framed.len()).saturating_sub(sent)
}

/// How many packets these bytes hold.
pub fn count(framed: &[u8]) -> u64 {
    let (mut end, mut count) = (0, 0);
    while let Some(whole) = framed.get(end..).and_then(whole_frame) {
        end += whole;
        count += 1;
    }
    count
}

fn first_length(bytes: &[u8]) -> Option<Result<usize, FrameError>> {
    let length = *bytes.first_chunk::<LENGTH>()?;
    Some(match usize::from(u16::from_be_bytes(length)) {
        0 => Err(FrameError::Empty),
        len if len > MAX_FRAME => Err(FrameError::TooLong(len)),
        len => Ok(len),
    })
}

/// The peer broke the framing. Nothing behind it can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// A length of zero.
    Empty,
    /// A length beyond what is taken.
    TooLong(usize),
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FrameError::Empty => f.write_str("the peer announced a packet of no bytes"),
            FrameError::TooLong(len) => {
                write!(f, "the peer announced a packet of {len} bytes, which is too long for any")
            }
        }
    }
}

impl std::error::Error for FrameError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_come_out_as_they_went_in_however_the_stream_is_cut() {
        let sizes = [1, 1400, 14, MAX_FRAME, 2, 54];
        let stream = framed(&sizes);
        for step in [1, 2, 3, 13, 1401, 4096, stream.len()] {
            assert_eq!(read_in_steps(&stream, step), Ok(sizes.to_vec()), "in steps of {step}");
        }
    }

    #[test]
    fn what_breaks_the_framing_ends_the_stream_behind_the_good_packets() {
        let broken = [framed(&[3, 5]), vec![0, 0, 1, 2, 3]].concat();
        assert_eq!(read_in_steps(&broken, 4), Err((vec![3, 5], FrameError::Empty)));
        let long = [framed(&[3]), 9217u16.to_be_bytes().to_vec()].concat();
        assert_eq!(read_in_steps(&long, 64), Err((vec![3], FrameError::TooLong(9217))));
        let mut hello = *b"\x16\x03\x01\x02\x00";
        let mut frames = Frames::new(&mut hello).at_most(2048);
        assert_eq!(frames.next(), None);
        assert_eq!(frames.finish(), Err(FrameError::TooLong(0x1603)));
        let mut bytes = [0, 0, 0, 1, 7];
        let mut frames = Frames::new(&mut bytes);
        assert_eq!((frames.next(), frames.next()), (None, None));
        assert_eq!(frames.finish(), Err(FrameError::Empty));
    }

    #[test]
    fn a_cut_behind_whole_packets_is_found_from_either_side() {
        let stream = framed(&[10, 20, 30]);
        for (most, whole) in [(0, 0), (11, 0), (12, 12), (33, 12), (34, 34), (66, 66), (99, 66)] {
            assert_eq!(whole_frames(&stream, most), whole, "at most {most}");
        }
        for (sent, left) in [(0, 0), (1, 11), (12, 0), (13, 21), (34, 0), (65, 1), (66, 0)] {
            assert_eq!(left_of_frame(&stream, sent), left, "{sent} sent");
        }
        assert_eq!(count(&stream), 3);
    }

    #[test]
    fn a_length_is_given_to_what_may_be_sent() {
        assert_eq!(length(0x0102), Some([1, 2]));
        assert_eq!((length(0), length(MAX_FRAME + 1), length(65_536)), (None, None, None));
    }

    type Read = Result<Vec<usize>, (Vec<usize>, FrameError)>;

    fn read_in_steps(stream: &[u8], step: usize) -> Read {
        let (mut sizes, mut waiting) = (Vec::new(), Vec::new());
        for chunk in stream.chunks(step) {
            waiting.extend_from_slice(chunk);
            let mut frames = Frames::new(&mut waiting);
            for frame in &mut frames {
                assert!(frame.iter().all(|byte| *byte == frame.len() as u8));
                sizes.push(frame.len());
            }
            match frames.finish() {
                Ok(rest) => waiting = rest.to_vec(),
                Err(error) => return Err((sizes, error)),
            }
        }
        assert!(waiting.is_empty());
        Ok(sizes)
    }

    fn framed(sizes: &[usize]) -> Vec<u8> {
        let frame = |len: &usize| [&length(*len).unwrap()[..], &vec![*len as u8; *len]].concat();
        sizes.iter().flat_map(frame).collect()
    }
}
