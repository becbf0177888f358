//! What goes through a socket of our own, kept for its story.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use clock::{Clock as _, SystemClock};
use explain::Side;

use super::super::standing::is_cut;
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
        let written = self.socket.write(bytes);
        // Whether a server that cuts the connection off at once does so a moment before the first words or behind them is
        // chance: they are told all the same.
        if written.as_ref().is_err_and(is_cut) && self.record.is_empty() {
            self.keep(Side::Client, bytes);
        }
        let length = written?;
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

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::time::Duration;

    use explain::KeyLog;
    use explain::live::Speech;

    use super::*;

    #[test]
    fn the_first_words_to_a_server_that_has_cut_the_connection_off_are_told() {
        let door = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut socket = TcpStream::connect(door.local_addr().unwrap()).unwrap();
        let (peer, _) = door.accept().unwrap();
        // What is not read when a socket is closed makes a reset of it.
        socket.write_all(b"x").unwrap();
        peer.peek(&mut [0]).unwrap();
        drop(peer);
        std::thread::sleep(Duration::from_millis(100));
        let record = Record::new("tcp", &super::super::kept::Kept::default());
        let mut tap = Tap { socket, record };
        let hello = [22, 3, 1, 0, 5, 99, 0, 0, 1, 0];
        assert!(is_cut(&tap.write(&hello).unwrap_err()));
        let story = tap.record.live.story(Speech::Tls, KeyLog::default()).unwrap();
        assert_eq!(story.steps[0].from, Side::Client);
        assert!(tap.write(&hello).is_err());
        let story = tap.record.live.story(Speech::Tls, KeyLog::default()).unwrap();
        assert_eq!(story.steps.len(), 1, "what was not said later is not told");
    }
}
