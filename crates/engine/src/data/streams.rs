//! The data worker's TCP connections: those that came, what they brought, which have to go.
//!
//! A connection is a stranger's until the control task adopts it, which it does once a cookie came
//! back over it. Until then it may send a little, control packets only, for a few seconds; strangers
//! are limited in number, for each source and together, and the oldest goes first. So nobody
//! without the tls-auth key keeps a descriptor for long. One that begins with another protocol is handed
//! out, where that has a taker.
//!
//! Invariant: every connection that was adopted, or for which that was asked too late, is reported
//! once when it is gone, unless the control task itself had it closed.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use clock::Now;
use datapath::{Carrier, Endpoint, StreamId};
use sysio::{AcceptError, Interest, Poller, StreamRead, TcpListener, TcpStream};
use tokio::sync::mpsc;
use wire::data::{DataHeaderError, parse_header};
use wire::stream::{FrameError, Frames, LENGTH, MAX_FRAME};

use super::{FIRST_LISTENER, FIRST_STREAM};
use crate::figures::StreamFigures;

mod connection;
mod end;
mod foreign;
mod strangers;

use connection::{Connection, Phase, Priority};
pub use end::StreamEnd;
pub use foreign::{ForeignStream, ForeignStreams};
use strangers::Strangers;

/// A connection that the control task had adopted is gone.
#[derive(Debug)]
pub struct StreamEnded {
    /// Which one.
    pub stream: StreamId,
    /// Why.
    pub why: StreamEnd,
}

/// What the control plane asks of one connection.
#[derive(Debug)]
pub enum StreamOrder {
    /// A session lives on it from here on.
    Adopt,
    /// Send this control packet.
    Send(Vec<u8>),
    /// Its session is over. It may stay a moment for what is still to be acknowledged.
    Expire,
    /// Send what waits, then close it.
    Close,
}

/// What a data worker begins with.
#[derive(Debug, Default)]
pub(crate) struct StreamSources {
    /// A server's.
    pub(crate) listeners: Vec<TcpListener>,
    /// A client's.
    pub(crate) connected: Option<TcpStream>,
}

/// The one connection of a client.
pub(crate) const CLIENT_STREAM: StreamId = StreamId { worker: 0, serial: FIRST_SERIAL };

/// The connections of one data worker.
pub(super) struct Streams {
    worker: u16,
    listeners: Vec<TcpListener>,
    slots: Vec<Option<Connection>>,
    free: Vec<usize>,
    by_serial: BTreeMap<u64, usize>,
    next_serial: u64,
    strangers: Strangers,
    /// When which connection has to be gone.
    due: BTreeSet<(Duration, u64)>,
    /// No descriptor is left: no connection is taken before this.
    paused_until: Option<Duration>,
    /// The one of the packets or the order that is being handled.
    current: Option<usize>,
    figures: StreamFigures,
    ended: mpsc::UnboundedSender<StreamEnded>,
    foreign: ForeignStreams,
}

/// What was read of a connection.
pub(super) struct Reading {
    pub(super) endpoint: Endpoint,
    pub(super) len: usize,
    pub(super) stranger: bool,
    /// It holds everything that ever came over the connection.
    is_first: bool,
}

impl Streams {
    pub(super) fn new(
        worker: u16,
        workers: u16,
        sources: StreamSources,
        poller: &Poller,
        ended: mpsc::UnboundedSender<StreamEnded>,
        foreign: ForeignStreams,
    ) -> std::io::Result<Self> {
        let mut streams = Self {
            worker,
            listeners: sources.listeners,
            slots: Vec::new(),
            free: Vec::new(),
            by_serial: BTreeMap::new(),
            next_serial: FIRST_SERIAL,
            strangers: Strangers::new(workers),
            due: BTreeSet::new(),
            paused_until: None,
            current: None,
            figures: StreamFigures::default(),
            ended,
            foreign,
        };
        streams.listen(poller)?;
        if let Some(socket) = sources.connected {
            streams.take(socket, Phase::Adopted, None, poller)?;
        }
        Ok(streams)
    }

    /// Room for what one read brings, behind what the last one left.
    pub(super) fn buffer(&self) -> Vec<u8> {
        let used = !self.listeners.is_empty() || !self.slots.is_empty();
        vec![0; if used { LENGTH + MAX_FRAME + READ } else { 0 }]
    }

    pub(super) fn figures(&self) -> StreamFigures {
        let (open, strangers) = (self.by_serial.len() as u64, self.strangers.len() as u64);
        StreamFigures { open, strangers, ..self.figures.clone() }
    }

    pub(super) fn poll_timeout(&self) -> Option<Duration> {
        let due = self.due.first().map(|(at, _)| *at);
        [due, self.paused_until].into_iter().flatten().min()
    }

    pub(super) fn handle_timeout(&mut self, now: Now, poller: &Poller) {
        while let Some((at, serial)) = self.due.first().copied()
            && at <= now.boot
        {
            self.due.remove(&(at, serial));
            let Some(slot) = self.by_serial.get(&serial).copied() else { continue };
            let stranger = self.at(slot).is_some_and(|c| c.phase.is_stranger());
            self.end(slot, if stranger { StreamEnd::TooSlow } else { StreamEnd::Closed }, poller);
        }
        if self.paused_until.is_some_and(|until| until <= now.boot) {
            self.paused_until = None;
            if let Err(error) = self.listen(poller) {
                tracing::error!(%error, "TCP connections can't be waited for any more");
            }
        }
    }

    /// Takes what waits at a listener, so many that others have their turn as well.
    pub(super) fn accept(&mut self, index: usize, now: Now, poller: &Poller) {
        let mut made_room = false;
        for _ in 0..ACCEPT_BURST {
            let Some(listener) = self.listeners.get(index) else { return };
            match listener.accept() {
                // Without a descriptor to spare the kernel complains even where none waits.
                Ok(Some(socket)) if made_room => return self.let_in(socket, now, poller),
                Ok(Some(socket)) => self.let_in(socket, now, poller),
                Ok(None) => return,
                Err(AcceptError::Gone(error)) => tracing::trace!(%error, "accepting"),
                Err(error @ AcceptError::NoRoom(_)) => {
                    // A stranger's descriptor does for the next one.
                    let Some(serial) = self.strangers.oldest().filter(|_| !made_room) else {
                        return self.pause(&error, now, poller);
                    };
                    self.end_serial(serial, StreamEnd::Evicted, poller);
                    made_room = true;
                }
                Err(error @ AcceptError::Fatal(_)) => return self.pause(&error, now, poller),
            }
        }
    }

    pub(super) fn handle_order(
        &mut self,
        id: StreamId,
        order: StreamOrder,
        now: Now,
        poller: &Poller,
    ) {
        let Some(slot) =
            self.by_serial.get(&id.serial).copied().filter(|_| id.worker == self.worker)
        else {
            if let StreamOrder::Adopt = order {
                self.tell(id, StreamEnd::Gone);
            }
            return;
        };
        self.current = Some(slot);
        match order {
            StreamOrder::Adopt => self.adopt(slot),
            StreamOrder::Send(packet) => self.send_control(slot, &packet, poller),
            StreamOrder::Expire => self.set_due(slot, now.boot + LINGER),
            StreamOrder::Close => self.close(slot, now, poller),
        }
        self.current = None;
    }

    /// Sends packets that stand behind their lengths.
    pub(super) fn send(&mut self, id: StreamId, framed: &[u8], poller: &Poller) {
        match self.by_serial.get(&id.serial).copied() {
            Some(slot) => self.send_at(slot, framed, Priority::Data, poller),
            None => self.figures.unsent += wire::stream::count(framed),
        }
    }

    /// Sends what waited, where it can be sent again.
    pub(super) fn write(&mut self, slot: usize, poller: &Poller) {
        let Some(connection) = self.at(slot) else { return };
        if let Err(error) = connection.write() {
            return self.end(slot, StreamEnd::Broken(error.kind()), poller);
        }
        self.watch(slot, poller);
    }

    /// Ends the connection of the packets that were being handled when that panicked: what was read of
    /// it is lost.
    pub(super) fn drop_current(&mut self, poller: &Poller) {
        if let Some(slot) = self.current.take() {
            self.end(slot, StreamEnd::InternalError, poller);
        }
    }

    /// Gives every connection what waits for it, as far as that goes at once.
    pub(super) fn finish_sending(&mut self) {
        for connection in self.slots.iter_mut().flatten() {
            // Whatever is not taken is lost with the process.
            let _ = connection.write();
            connection.finish_sending();
        }
    }

    /// Reads once into `buffer`, behind what the last read had left.
    pub(super) fn read(
        &mut self,
        slot: usize,
        buffer: &mut [u8],
        poller: &Poller,
    ) -> Option<Reading> {
        let connection = self.at(slot)?;
        let stranger = connection.phase.is_stranger();
        match connection.read(buffer) {
            Ok((_, StreamRead::Bytes(_))) if connection.phase == Phase::Closing => {
                connection.forget_received();
                None
            }
            Ok((len, StreamRead::Bytes(_))) => {
                let endpoint = connection.endpoint;
                let is_first = connection.phase == Phase::Stranger { heard: len };
                self.current = Some(slot);
                Some(Reading { endpoint, len, stranger, is_first })
            }
            Ok((_, StreamRead::Nothing)) => None,
            Ok((_, StreamRead::End)) => {
                self.end(slot, StreamEnd::PeerClosed, poller);
                None
            }
            Err(error) => {
                self.end(slot, StreamEnd::Broken(error.kind()), poller);
                None
            }
        }
    }

    /// The packets in what was read.
    pub(super) fn frames<'b>(received: &'b mut [u8], reading: &Reading) -> Reads<'b> {
        let stranger = reading.stranger;
        let most = if stranger { STRANGERS_FRAME } else { MAX_FRAME };
        let frames = Frames::new(received).at_most(most);
        Reads { frames, stranger, early_data: false, is_first: reading.is_first }
    }

    /// The packets of a read were handled.
    pub(super) fn took(&mut self, slot: usize, received: &[u8], left: Left, poller: &Poller) {
        self.current = None;
        let Some(connection) = self.at(slot) else { return };
        match left {
            Left::Foreign(why) => self.hand_out(slot, received, why, poller),
            Left::Ended(why) => self.end(slot, why, poller),
            Left::Begun(_) if connection.phase.said_too_much() => {
                self.end(slot, StreamEnd::TooMuch, poller);
            }
            Left::Begun(len) => {
                connection.keep(&received[received.len().saturating_sub(len)..]);
            }
        }
    }

    /// Gives a connection away with all that came over it; without a taker, this is its end.
    fn hand_out(&mut self, slot: usize, received: &[u8], why: StreamEnd, poller: &Poller) {
        let foreign = self.foreign.clone();
        let Some(room) = foreign.room() else { return self.end(slot, why, poller) };
        let Some(gone) = self.remove(slot, poller) else { return };
        self.figures.handed_out += 1;
        tracing::debug!(remote = %gone.endpoint.remote, "a TCP connection of another protocol");
        room.send(ForeignStream { stream: gone.into_socket(), received: received.to_vec() });
    }

    fn let_in(&mut self, socket: TcpStream, now: Now, poller: &Poller) {
        let (remote, due) = (socket.remote(), now.boot + STRANGER);
        for serial in self.strangers.make_room(remote.ip()) {
            self.end_serial(serial, StreamEnd::Evicted, poller);
        }
        match self.take(socket, Phase::Stranger { heard: 0 }, Some(due), poller) {
            Ok(serial) => self.strangers.insert(remote.ip(), serial),
            Err(error) => tracing::debug!(%error, "a connection can't be waited for"),
        }
    }

    fn take(
        &mut self,
        socket: TcpStream,
        phase: Phase,
        due: Option<Duration>,
        poller: &Poller,
    ) -> std::io::Result<u64> {
        let serial = self.next_serial;
        let slot = self.free.pop().unwrap_or(self.slots.len());
        if let Err(error) = poller.add(&socket, token(slot), Interest::Readable) {
            self.free.extend((slot < self.slots.len()).then_some(slot));
            return Err(error);
        }
        self.next_serial += 1;
        self.figures.begun += 1;
        let (remote, local): (SocketAddr, _) = (socket.remote(), Some(socket.local().ip()));
        let carrier = Carrier::Tcp(StreamId { worker: self.worker, serial });
        let endpoint = Endpoint { carrier, remote, local, ifindex: 0 };
        let connection = Connection::new(serial, endpoint, socket, phase, due);
        match self.slots.get_mut(slot) {
            Some(free) => *free = Some(connection),
            None => self.slots.push(Some(connection)),
        }
        self.by_serial.insert(serial, slot);
        self.due.extend(due.map(|at| (at, serial)));
        Ok(serial)
    }

    fn adopt(&mut self, slot: usize) {
        let Some(connection) = self.at(slot) else { return };
        if !connection.phase.is_stranger() {
            return;
        }
        connection.phase = Phase::Adopted;
        let (serial, source, due) =
            (connection.serial, connection.endpoint.remote.ip(), connection.due.take());
        self.strangers.remove(source, serial);
        if let Some(at) = due {
            self.due.remove(&(at, serial));
        }
    }

    fn send_control(&mut self, slot: usize, packet: &[u8], poller: &Poller) {
        let Some(length) = wire::stream::length(packet.len()) else { return };
        let framed = [&length[..], packet].concat();
        self.send_at(slot, &framed, Priority::Control, poller);
    }

    fn send_at(&mut self, slot: usize, framed: &[u8], priority: Priority, poller: &Poller) {
        let Some(connection) = self.at(slot) else { return };
        match connection.send(framed, priority) {
            Ok(0) => {}
            Ok(dropped) => self.figures.queue_full += dropped,
            Err(error) => return self.end(slot, StreamEnd::Broken(error.kind()), poller),
        }
        self.watch(slot, poller);
    }

    fn close(&mut self, slot: usize, now: Now, poller: &Poller) {
        self.set_due(slot, now.boot + LINGER);
        let Some(connection) = self.at(slot) else { return };
        let (serial, source) = (connection.serial, connection.endpoint.remote.ip());
        connection.phase = Phase::Closing;
        self.strangers.remove(source, serial);
        self.write(slot, poller);
    }

    /// The earlier time counts, so that none stays by being closed twice.
    fn set_due(&mut self, slot: usize, at: Duration) {
        let Some(connection) = self.at(slot) else { return };
        let serial = connection.serial;
        match connection.due {
            Some(before) if before <= at => return,
            before => {
                connection.due = Some(at);
                if let Some(before) = before {
                    self.due.remove(&(before, serial));
                }
            }
        }
        self.due.insert((at, serial));
    }

    /// Waits until it can be written to only while something is to be written.
    fn watch(&mut self, slot: usize, poller: &Poller) {
        let Some(connection) = self.at(slot) else { return };
        if let Some(interest) = connection.other_interest()
            && let Err(error) = poller.modify(connection, token(slot), interest)
        {
            self.end(slot, StreamEnd::Broken(error.kind()), poller);
        }
    }

    fn end_serial(&mut self, serial: u64, why: StreamEnd, poller: &Poller) {
        if let Some(slot) = self.by_serial.get(&serial).copied() {
            self.end(slot, why, poller);
        }
    }

    fn end(&mut self, slot: usize, why: StreamEnd, poller: &Poller) {
        let Some(gone) = self.remove(slot, poller) else { return };
        if why.is_fault() {
            *self.figures.ended.entry(why.code()).or_default() += 1;
        }
        tracing::debug!(remote = %gone.endpoint.remote, %why, "a TCP connection ended");
        if gone.phase == Phase::Adopted && why != StreamEnd::Closed {
            self.tell(StreamId { worker: self.worker, serial: gone.serial }, why);
        }
    }

    fn remove(&mut self, slot: usize, poller: &Poller) -> Option<Connection> {
        let gone = self.slots.get_mut(slot).and_then(Option::take)?;
        // Closing it takes it out as well.
        let _ = poller.remove(&gone);
        self.free.push(slot);
        self.by_serial.remove(&gone.serial);
        self.strangers.remove(gone.endpoint.remote.ip(), gone.serial);
        if let Some(at) = gone.due {
            self.due.remove(&(at, gone.serial));
        }
        Some(gone)
    }

    fn tell(&self, stream: StreamId, why: StreamEnd) {
        // Without a control task there is none left to tell.
        let _ = self.ended.send(StreamEnded { stream, why });
    }

    fn listen(&self, poller: &Poller) -> std::io::Result<()> {
        for (index, listener) in self.listeners.iter().enumerate() {
            poller.add(listener, FIRST_LISTENER + index as u32, Interest::Readable)?;
        }
        Ok(())
    }

    /// What can't be accepted would be reported again at once, for ever.
    fn pause(&mut self, error: &AcceptError, now: Now, poller: &Poller) {
        if self.paused_until.is_none() {
            tracing::warn!(%error, "no TCP connection is taken for a moment");
            self.figures.accept_pauses += 1;
            for listener in &self.listeners {
                // One that is not there needs no removal.
                let _ = poller.remove(listener);
            }
        }
        self.paused_until = Some(now.boot + PAUSE);
    }

    fn at(&mut self, slot: usize) -> Option<&mut Connection> {
        self.slots.get_mut(slot)?.as_mut()
    }
}

/// The packets of one read, in order, up to the first that its sender may not send.
pub(super) struct Reads<'b> {
    frames: Frames<'b>,
    stranger: bool,
    early_data: bool,
    /// No packet came over the connection yet.
    is_first: bool,
}

/// What becomes of a connection after the packets of a read.
pub(super) enum Left {
    /// So many of its last bytes are the beginning of a packet.
    Begun(usize),
    /// Its first bytes are no packet; the name under which that is counted.
    Foreign(StreamEnd),
    /// It has to end.
    Ended(StreamEnd),
}

impl Reads<'_> {
    /// What is left for the next read, or why none follows. `forged`: a control packet among them
    /// failed its check.
    pub(super) fn finish(self, forged: bool) -> Left {
        let why = match self.frames.finish() {
            _ if self.early_data => return Left::Ended(StreamEnd::EarlyData),
            _ if forged => return Left::Ended(StreamEnd::Forged),
            Err(FrameError::Empty) => StreamEnd::EmptyFrame,
            Err(FrameError::TooLong(_)) => StreamEnd::LongFrame,
            Ok(rest) => return Left::Begun(rest.len()),
        };
        if self.is_first { Left::Foreign(why) } else { Left::Ended(why) }
    }
}

impl<'b> Iterator for Reads<'b> {
    type Item = &'b mut [u8];

    fn next(&mut self) -> Option<&'b mut [u8]> {
        let packet = self.frames.next()?;
        self.is_first = false;
        self.early_data |= self.stranger && !is_control(packet);
        (!self.early_data).then_some(packet)
    }
}

fn is_control(packet: &[u8]) -> bool {
    matches!(parse_header(packet), Err(DataHeaderError::NotData(_)))
}

fn token(slot: usize) -> u32 {
    FIRST_STREAM + slot as u32
}

const FIRST_SERIAL: u64 = 1;
/// Bytes read at once: more would not fit the cache.
const READ: usize = 256 << 10;
/// How long a connection may do without a session: a handshake's first three packets take two round
/// trips.
const STRANGER: Duration = Duration::from_secs(10);
/// What a control packet may come to. Other protocols' first bytes announce more.
const STRANGERS_FRAME: usize = 2048;
/// How long a connection stays for the end of what was sent.
const LINGER: Duration = Duration::from_millis(800);
/// How long no connection is taken where no descriptor is left.
const PAUSE: Duration = Duration::from_millis(500);
const ACCEPT_BURST: usize = 64;
