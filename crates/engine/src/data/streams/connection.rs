//! One TCP connection: its socket, the beginning of a packet that was received, what waits to be sent.
//!
//! Invariant: what waits begins where the last send ended and ends with a whole packet, so no packet
//! leaves cut in half, however full the queue is.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use datapath::Endpoint;
use sysio::{Interest, StreamRead, TcpStream};
use wire::stream::{count, left_of_frame, whole_frames};

/// See the module's text.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) serial: u64,
    pub(super) endpoint: Endpoint,
    pub(super) phase: Phase,
    /// When it has to be gone.
    pub(super) due: Option<Duration>,
    socket: TcpStream,
    begun: Vec<u8>,
    waiting: Waiting,
    said_finish: bool,
    interest: Interest,
}

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Without a session; so many bytes came.
    Stranger { heard: usize },
    /// A session's.
    Adopted,
    /// What comes is not looked at, and when all is sent it ends.
    Closing,
}

/// What is dropped first where the queue is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Priority {
    /// Data: the flows inside the tunnel send it again.
    Data,
    /// Control: has room of its own.
    Control,
}

impl Phase {
    pub(super) fn is_stranger(self) -> bool {
        matches!(self, Phase::Stranger { .. })
    }

    pub(super) fn said_too_much(self) -> bool {
        matches!(self, Phase::Stranger { heard } if heard > STRANGERS_BYTES)
    }
}

impl Connection {
    pub(super) fn new(
        serial: u64,
        endpoint: Endpoint,
        socket: TcpStream,
        phase: Phase,
        due: Option<Duration>,
    ) -> Self {
        Self {
            serial,
            endpoint,
            phase,
            due,
            socket,
            begun: Vec::new(),
            waiting: Waiting::default(),
            said_finish: false,
            interest: Interest::Readable,
        }
    }

    /// Receives once, behind the beginning of a packet that was received before. Returns how many
    /// bytes of `buffer` are filled, that beginning included.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<(usize, StreamRead)> {
        let begun = self.begun.len();
        let Some((front, room)) = buffer.split_at_mut_checked(begun) else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        let room = match self.phase {
            Phase::Stranger { .. } => room.get_mut(..STRANGERS_BYTES).unwrap_or_default(),
            _ => room,
        };
        let read = self.socket.recv(room)?;
        let StreamRead::Bytes(count) = read else { return Ok((0, read)) };
        front.copy_from_slice(&self.begun);
        self.begun = Vec::new();
        if let Phase::Stranger { heard } = &mut self.phase {
            *heard += count;
        }
        Ok((begun + count, read))
    }

    /// Keeps the beginning of a packet for the next read.
    pub(super) fn keep(&mut self, begun: &[u8]) {
        self.begun = begun.to_vec();
    }

    pub(super) fn forget_received(&mut self) {
        self.begun = Vec::new();
    }

    /// Sends whole packets, keeps what the kernel does not take, and returns how many it dropped
    /// where that is too much.
    pub(super) fn send(&mut self, framed: &[u8], priority: Priority) -> io::Result<u64> {
        let sent = if self.waiting.is_empty() { self.socket.send(framed)? } else { 0 };
        let Some(rest) = framed.get(sent..).filter(|rest| !rest.is_empty()) else { return Ok(0) };
        // A packet that has begun to leave goes on in any case.
        let (owed, rest) = rest.split_at(left_of_frame(framed, sent));
        self.waiting.push(owed);
        let room = priority.limit().saturating_sub(self.waiting.len());
        let (kept, dropped) = rest.split_at(whole_frames(rest, room));
        self.waiting.push(kept);
        Ok(count(dropped))
    }

    /// Sends what waits, as much as the kernel takes.
    pub(super) fn write(&mut self) -> io::Result<()> {
        if !self.waiting.is_empty() {
            let sent = self.socket.send(self.waiting.bytes())?;
            self.waiting.sent(sent);
        }
        if self.phase == Phase::Closing {
            self.finish_sending();
        }
        Ok(())
    }

    /// Tells the peer that nothing follows, once nothing waits.
    pub(super) fn finish_sending(&mut self) {
        if self.waiting.is_empty() && !std::mem::replace(&mut self.said_finish, true) {
            self.socket.finish_sending();
        }
    }

    /// What it has to be waited for, if that is something else than before.
    pub(super) fn other_interest(&mut self) -> Option<Interest> {
        let wanted = if self.waiting.is_empty() { Interest::Readable } else { Interest::Both };
        (std::mem::replace(&mut self.interest, wanted) != wanted).then_some(wanted)
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Priority {
    fn limit(self) -> usize {
        match self {
            Priority::Data => QUEUE - CONTROL_ROOM,
            Priority::Control => QUEUE,
        }
    }
}

/// Bytes that the kernel did not take yet. Without any there is no memory either.
#[derive(Debug, Default)]
struct Waiting {
    bytes: Vec<u8>,
    start: usize,
}

impl Waiting {
    fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    fn bytes(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }

    fn push(&mut self, bytes: &[u8]) {
        // Moved to the front only when that frees as much as it moves.
        if self.start > self.len() {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    fn sent(&mut self, count: usize) {
        self.start += count;
        if self.start >= self.bytes.len() {
            *self = Self::default();
        }
    }
}

/// What may wait for one connection.
const QUEUE: usize = 512 << 10;
/// The part of it that data leaves free.
const CONTROL_ROOM: usize = 64 << 10;
/// What a handshake's first three packets may come to, with repetitions.
const STRANGERS_BYTES: usize = 16 << 10;

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::Ipv4Addr;

    use datapath::{Carrier, StreamId};
    use sysio::TcpListener;
    use wire::stream::Frames;

    use super::*;

    #[test]
    fn a_peer_that_does_not_read_costs_its_own_packets_and_gets_whole_ones() {
        let (mut connection, mut peer) = pair();
        let data = frames(100, 1400);
        let mut dropped = 0;
        for _ in 0..200 {
            dropped += connection.send(&data, Priority::Data).unwrap();
            assert!(connection.waiting.len() <= QUEUE - CONTROL_ROOM + 1402);
        }
        assert!(dropped > 0);
        assert_eq!(connection.other_interest(), Some(Interest::Both));
        let control = frames(1, 54);
        assert_eq!(connection.send(&control, Priority::Control).unwrap(), 0);
        for _ in 0..2000 {
            connection.send(&control, Priority::Control).unwrap();
            assert!(connection.waiting.len() <= QUEUE + 1402);
        }
        let reader = std::thread::spawn(move || {
            let mut all = Vec::new();
            peer.read_to_end(&mut all).unwrap();
            all
        });
        connection.phase = Phase::Closing;
        while !connection.said_finish {
            connection.write().unwrap();
        }
        assert_eq!(connection.other_interest(), Some(Interest::Readable));
        assert_eq!(connection.waiting.bytes.capacity(), 0);
        let mut all = reader.join().unwrap();
        let mut frames = Frames::new(&mut all);
        let sizes: Vec<_> = frames.by_ref().map(|frame| frame.len()).collect();
        assert_eq!(frames.finish(), Ok(&mut [][..]));
        assert!(sizes.iter().all(|size| [1400, 54].contains(size)));
        assert_eq!(sizes.iter().filter(|size| **size == 1400).count() as u64, 20_000 - dropped);
        assert!(sizes.contains(&54));
    }

    #[test]
    fn what_waits_leaves_in_order_and_leaves_no_memory_behind() {
        let mut waiting = Waiting::default();
        let (mut pushed, mut sent) = (0u8, 0u8);
        for step in 1..60usize {
            for _ in 0..step % 7 {
                waiting.push(&[pushed]);
                pushed += 1;
            }
            let count = waiting.len().min(step % 5);
            for byte in &waiting.bytes()[..count] {
                assert_eq!(*byte, sent);
                sent += 1;
            }
            waiting.sent(count);
        }
        waiting.sent(waiting.len());
        assert!(waiting.is_empty() && waiting.bytes.capacity() == 0);
    }

    fn frames(count: usize, len: usize) -> Vec<u8> {
        let frame = [&(len as u16).to_be_bytes()[..], &vec![0x48; len]].concat();
        frame.repeat(count)
    }

    fn pair() -> (Connection, std::net::TcpStream) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let peer = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let socket = loop {
            if let Some(socket) = listener.accept().unwrap() {
                break socket;
            }
        };
        let carrier = Carrier::Tcp(StreamId { worker: 0, serial: 1 });
        let endpoint = Endpoint { carrier, ..Endpoint::new(0, socket.remote()) };
        (Connection::new(1, endpoint, socket, Phase::Adopted, None), peer)
    }
}
