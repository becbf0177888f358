//! Capture files: from the bytes of a .pcap or .pcapng to stories.
//!
//! Frames are read one after the other through the caller's reader, so that a file may be larger than memory;
//! conversations that began in it are followed, a bounded number of them, and the others are counted by why
//! they are not told. Nothing in a file makes it panic or keep more than its bounds.

mod answerers;
mod conversation;
mod endpoint;
mod flows;
mod frames;
mod layers;
mod tcp;
pub mod written;

use std::error::Error;
use std::fmt;
use std::io::Read;
use std::sync::Arc;

use crate::key_log::KeyLog;
use crate::story::{LeftOut, Stories, Story, Wanted};
use crate::tries;

pub use self::answerers::{Answerer, answerers};
pub use self::endpoint::{Endpoint, NotAnEndpoint};
pub use crate::openvpn::{Keys, Opened, TunnelPacket};

/// What is known beside the file.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Secrets of TLS.
    pub log: Arc<KeyLog>,
    /// Keys of tls-auth.
    pub keys: Keys,
}

/// Tells what a capture holds.
///
/// # Errors
/// Where the file is none, or is damaged. One that ends within a frame is told up to there.
pub fn read(source: impl Read + Send, known: Known) -> Result<Stories, CaptureError> {
    read_only(source, known, None)
}

/// Tells of what a capture holds whatever has that end, and as many conversations of it as would be told of all.
///
/// # Errors
/// As [`read`], and where nothing in the file has that end.
pub fn read_only(
    source: impl Read + Send,
    known: Known,
    only: Option<Endpoint>,
) -> Result<Stories, CaptureError> {
    let mut flows = flows::Flows::new(known, only, false);
    let end = frames::each(source, |frame| flows.frame(frame))?;
    stories(flows, end)
}

/// The same, and the packets of the tunnels in it are opened where their keys can be made: each is handed on at
/// once, so that none is kept.
///
/// # Errors
/// As [`read_only`].
pub fn read_opening(
    source: impl Read + Send,
    known: Known,
    only: Option<Endpoint>,
    mut each: impl FnMut(&TunnelPacket) + Send,
) -> Result<(Stories, Opened), CaptureError> {
    let mut flows = flows::Flows::new(known, only, true);
    let end = frames::each(source, |frame| {
        flows.frame(frame);
        flows.take_opened().iter().for_each(&mut each);
    })?;
    let opened = flows.counts();
    Ok((stories(flows, end)?, opened))
}

/// Fills in the bytes that steps begin with, from the same capture once more: a first reading does not know yet which of
/// them are told.
///
/// # Errors
/// As [`read`].
pub fn fill_bytes(source: impl Read + Send, stories: &mut Stories) -> Result<(), CaptureError> {
    let of = |story: &Story| Wanted::of(&story.steps);
    let wanted: Vec<Wanted> = stories.stories.iter().map(of).collect();
    frames::each(source, |frame| {
        for (story, wanted) in stories.stories.iter_mut().zip(&wanted) {
            wanted.take(frame.number, frame.bytes, &mut story.steps);
        }
    })?;
    Ok(())
}

fn stories(flows: flows::Flows, end: frames::End) -> Result<Stories, CaptureError> {
    if flows.misses_it() {
        return Err(CaptureError::NothingThere);
    }
    let mut stories = flows.finish();
    tries::compare(&mut stories.stories);
    if end == frames::End::WithinFrame {
        let reason = "the file ends within a frame, as if whoever wrote it was stopped".to_owned();
        stories.left_out.push(LeftOut { reason, count: 1 });
    }
    Ok(stories)
}

/// A file that can't be read, or holds nothing of what was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CaptureError {
    /// It is neither .pcap nor .pcapng.
    NoCapture,
    /// It could not be read.
    Unreadable,
    /// A frame is longer than any network's.
    FrameTooLong,
    /// Nothing in it is from or to the end that was asked for.
    NothingThere,
    /// It is damaged from this frame on.
    Damaged {
        /// The number of the frame, from 1.
        frame: u32,
    },
}

impl fmt::Display for CaptureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCapture => f.write_str("it is no capture: neither .pcap nor .pcapng"),
            Self::Unreadable => f.write_str("it can't be read to its end"),
            Self::FrameTooLong => f.write_str("it has a frame that is longer than any network's"),
            Self::NothingThere => f.write_str("nothing in it is from there or to there"),
            Self::Damaged { frame } => write!(f, "it is damaged from frame {frame} on"),
        }
    }
}

impl Error for CaptureError {}
