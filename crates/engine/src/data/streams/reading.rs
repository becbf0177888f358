//! What one read of a TCP connection brought, cut into packets, and what becomes of the connection after them.

use datapath::Endpoint;
use wire::data::{DataHeaderError, parse_header};
use wire::stream::{FrameError, Frames, MAX_FRAME};

use super::end::StreamEnd;

/// What was read of a connection.
pub(in crate::data) struct Reading {
    pub(in crate::data) endpoint: Endpoint,
    pub(in crate::data) len: usize,
    pub(super) stranger: bool,
}

impl Reading {
    /// The packets in what was read.
    pub(in crate::data) fn packets<'b>(&self, received: &'b mut [u8]) -> Reads<'b> {
        let most = if self.stranger { STRANGERS_FRAME } else { MAX_FRAME };
        let frames = Frames::new(received).at_most(most);
        Reads { frames, stranger: self.stranger, early_data: false }
    }
}

/// The packets of one read, in order, up to the first that its sender may not send.
pub(in crate::data) struct Reads<'b> {
    frames: Frames<'b>,
    stranger: bool,
    early_data: bool,
}

/// What becomes of a connection after the packets of a read.
pub(in crate::data) enum Left {
    /// So many of its last bytes are the beginning of a packet.
    Begun(usize),
    /// It has to end.
    Ended(StreamEnd),
}

impl Reads<'_> {
    /// What is left for the next read, or why none follows. `forged`: a control packet among them
    /// failed its check.
    pub(in crate::data) fn finish(self, forged: bool) -> Left {
        match self.frames.finish() {
            _ if self.early_data => Left::Ended(StreamEnd::EarlyData),
            _ if forged => Left::Ended(StreamEnd::Forged),
            Err(FrameError::Empty) => Left::Ended(StreamEnd::EmptyFrame),
            Err(FrameError::TooLong(_)) => Left::Ended(StreamEnd::LongFrame),
            Ok(rest) => Left::Begun(rest.len()),
        }
    }
}

impl<'b> Iterator for Reads<'b> {
    type Item = &'b mut [u8];

    fn next(&mut self) -> Option<&'b mut [u8]> {
        let packet = self.frames.next()?;
        self.early_data |= self.stranger && !is_control(packet);
        (!self.early_data).then_some(packet)
    }
}

fn is_control(packet: &[u8]) -> bool {
    matches!(parse_header(packet), Err(DataHeaderError::NotData(_)))
}

/// What a control packet may come to. Other protocols' first bytes announce more.
const STRANGERS_FRAME: usize = 2048;
