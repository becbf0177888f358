//! What goes through a socket of our own, kept for its story.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use clock::{Clock as _, SystemClock};
use explain::Side;

use super::record::Record;

/// A socket that keeps what goes through it.
pub(super) struct Tap {
    pub(super) socket: TcpStream,
    pub(super) record: Record,
}

impl Tap {
    fn keep(&mut self, from: Side, bytes: &[u8]) {
        self.record.said(now(), from, bytes);
    }
}

/// As steps are timed.
pub(super) fn now() -> u64 {
    u64::try_from(SystemClock.now().wall.as_micros()).unwrap_or(u64::MAX)
}

impl Read for Tap {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.socket.read(buffer)?;
        if let Some(bytes) = buffer.get(..length).filter(|bytes| !bytes.is_empty()) {
            self.keep(Side::Server, bytes);
        }
        Ok(length)
    }
}

impl Write for Tap {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = self.socket.write(bytes)?;
        if length == 0 {
            return Ok(0);
        }
        self.keep(Side::Client, bytes.get(..length).unwrap_or_default());
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.socket.flush()
    }
}
