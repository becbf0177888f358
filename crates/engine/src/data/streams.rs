//! The data worker's TCP connections: those that came, what they brought, which have to go.
//!
//! A connection is a stranger's until the control task adopts it, which it does once a cookie came
//! back over it. Until then it may send a little, control packets only, for a few seconds; strangers
//! are limited in number, for each source and together, and the oldest goes first. So nobody
//! without the tls-auth key keeps a descriptor for long. Those that another listener took, which shares its port
//! among several protocols, begin like all others.
//!
//! Invariant: every connection that was adopted, or for which that was asked too late, is reported
//! once when it is gone, unless the control task itself had it closed.

use std::time::Duration;

use clock::Now;
use datapath::StreamId;
use sysio::{AcceptError, Poller, StreamRead, TcpListener, TcpStream};
use tokio::sync::mpsc;
use wire::stream::{LENGTH, MAX_FRAME};

use crate::figures::StreamFigures;

mod connection;
mod end;
mod foreign;
mod listeners;
mod log;
mod reading;
mod strangers;
mod stream_table;

use connection::{Connection, Phase, Priority};
pub use end::StreamEnd;
pub use foreign::ForeignStream;
use listeners::Listeners;
use log::StreamLog;
pub(super) use reading::{Left, Reading};
use strangers::Strangers;
use stream_table::{FIRST_SERIAL, StreamTable};

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
    listeners: Listeners,
    connections: StreamTable,
    strangers: Strangers,
    /// The one of the packets or the order that is being handled.
    current: Option<usize>,
    figures: StreamFigures,
    log: StreamLog,
    ended: mpsc::UnboundedSender<StreamEnded>,
}

impl Streams {
    pub(super) fn new(
        worker: u16,
        workers: u16,
        sources: StreamSources,
        poller: &Poller,
        ended: mpsc::UnboundedSender<StreamEnded>,
    ) -> std::io::Result<Self> {
        let mut streams = Self {
            worker,
            listeners: Listeners::new(sources.listeners, poller)?,
            connections: StreamTable::of(worker),
            strangers: Strangers::new(workers),
            current: None,
            figures: StreamFigures::default(),
            log: StreamLog::new(),
            ended,
        };
        if let Some(socket) = sources.connected {
            streams.take(socket, Phase::Adopted, None, poller)?;
        }
        Ok(streams)
    }

    pub(super) fn figures(&self) -> StreamFigures {
        let (open, strangers) = (self.connections.len() as u64, self.strangers.len() as u64);
        StreamFigures { open, strangers, ..self.figures.clone() }
    }

    pub(super) fn poll_timeout(&self) -> Option<Duration> {
        let (due, log) = (self.connections.next_due(), self.log.poll_timeout());
        [due, self.listeners.poll_timeout(), log].into_iter().flatten().min()
    }

    pub(super) fn handle_timeout(&mut self, now: Now, poller: &Poller) {
        while let Some(slot) = self.connections.pop_due(now.boot) {
            let stranger = self.connections.at(slot).is_some_and(|c| c.phase.is_stranger());
            self.end(slot, if stranger { StreamEnd::TooSlow } else { StreamEnd::Closed }, poller);
        }
        if let Err(error) = self.listeners.handle_timeout(now.boot, poller) {
            tracing::error!(%error, "TCP connections can't be waited for any more");
        }
        self.log.handle_timeout(now.boot);
    }

    /// Takes what waits at a listener, so many that others have their turn as well.
    pub(super) fn accept(&mut self, index: usize, now: Now, poller: &Poller) {
        let mut made_room = false;
        for _ in 0..ACCEPT_BURST {
            match self.listeners.accept(index) {
                // Without a descriptor to spare the kernel complains even where none waits.
                Ok(Some(socket)) => {
                    self.let_in(socket, 0, now, poller);
                    if made_room {
                        return;
                    }
                }
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
        let Some(slot) = self.connections.find(id) else {
            if let StreamOrder::Adopt = order {
                self.tell(id, StreamEnd::Gone);
            }
            return;
        };
        self.current = Some(slot);
        match order {
            StreamOrder::Adopt => self.adopt(slot),
            StreamOrder::Send(packet) => self.send_control(slot, &packet, poller),
            StreamOrder::Expire => self.connections.set_due(slot, now.boot + LINGER),
            StreamOrder::Close => self.close(slot, now, poller),
        }
        self.current = None;
    }

    /// Sends packets that stand behind their lengths.
    pub(super) fn send(&mut self, id: StreamId, framed: &[u8], poller: &Poller) {
        match self.connections.slot_of(id.serial) {
            Some(slot) => self.send_at(slot, framed, Priority::Data, poller),
            None => self.figures.unsent += wire::stream::count(framed),
        }
    }

    /// Sends what waited, where it can be sent again.
    pub(super) fn write(&mut self, slot: usize, poller: &Poller) {
        let Some(connection) = self.connections.at(slot) else { return };
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
        for connection in self.connections.iter_mut() {
            // Whatever is not taken is lost with the process.
            let _ = connection.write();
            connection.finish_sending();
        }
        self.log.finish();
    }

    /// Reads once into `buffer`, behind what the last read had left.
    pub(super) fn read(
        &mut self,
        slot: usize,
        buffer: &mut Vec<u8>,
        poller: &Poller,
    ) -> Option<Reading> {
        buffer.resize(BUFFER, 0);
        let connection = self.connections.at(slot)?;
        let stranger = connection.phase.is_stranger();
        match connection.read(buffer) {
            Ok((_, StreamRead::Bytes(_))) if connection.phase == Phase::Closing => {
                connection.forget_received();
                None
            }
            Ok((len, StreamRead::Bytes(_))) => {
                let endpoint = connection.endpoint;
                self.current = Some(slot);
                Some(Reading { endpoint, len, stranger })
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

    /// The packets of a read were handled.
    pub(super) fn took(&mut self, slot: usize, received: &[u8], left: Left, poller: &Poller) {
        self.current = None;
        let Some(connection) = self.connections.at(slot) else { return };
        match left {
            Left::Ended(why) => self.end(slot, why, poller),
            Left::Begun(_) if connection.phase.said_too_much() => {
                self.end(slot, StreamEnd::TooMuch, poller);
            }
            Left::Begun(len) => {
                connection.keep(&received[received.len().saturating_sub(len)..]);
            }
        }
    }

    /// Takes a connection that came in elsewhere. What came over it there is a read like any other, in `buffer`.
    pub(super) fn take_in(
        &mut self,
        ForeignStream { stream, received }: ForeignStream,
        buffer: &mut Vec<u8>,
        now: Now,
        poller: &Poller,
    ) -> Option<(usize, Reading)> {
        let len = received.len();
        let slot = self.let_in(stream, len, now, poller)?;
        buffer.resize(BUFFER, 0);
        let endpoint = self.connections.at(slot)?.endpoint;
        match buffer.get_mut(..len) {
            Some(room) if len > 0 => room.copy_from_slice(&received),
            // It says more when it does.
            Some(_) => return None,
            None => {
                self.end(slot, StreamEnd::TooMuch, poller);
                return None;
            }
        }
        self.current = Some(slot);
        Some((slot, Reading { endpoint, len, stranger: true }))
    }

    /// One more stranger, over whose connection so much came already.
    fn let_in(
        &mut self,
        socket: TcpStream,
        heard: usize,
        now: Now,
        poller: &Poller,
    ) -> Option<usize> {
        let (remote, due) = (socket.remote(), now.boot + STRANGER);
        for serial in self.strangers.make_room(remote.ip()) {
            self.end_serial(serial, StreamEnd::Evicted, poller);
        }
        match self.take(socket, Phase::Stranger { heard }, Some(due), poller) {
            Ok(serial) => {
                self.strangers.insert(remote.ip(), serial);
                self.connections.slot_of(serial)
            }
            Err(error) => {
                self.log.not_waited_for(remote, &error);
                None
            }
        }
    }

    fn take(
        &mut self,
        socket: TcpStream,
        phase: Phase,
        due: Option<Duration>,
        poller: &Poller,
    ) -> std::io::Result<u64> {
        let serial = self.connections.insert(socket, phase, due, poller)?;
        self.figures.begun += 1;
        Ok(serial)
    }

    fn adopt(&mut self, slot: usize) {
        let Some(connection) = self.connections.at(slot) else { return };
        if !connection.phase.is_stranger() {
            return;
        }
        connection.phase = Phase::Adopted;
        self.strangers.remove(connection.endpoint.remote.ip(), connection.serial);
        self.connections.clear_due(slot);
    }

    fn send_control(&mut self, slot: usize, packet: &[u8], poller: &Poller) {
        let Some(length) = wire::stream::length(packet.len()) else { return };
        let framed = [&length[..], packet].concat();
        self.send_at(slot, &framed, Priority::Control, poller);
    }

    fn send_at(&mut self, slot: usize, framed: &[u8], priority: Priority, poller: &Poller) {
        let Some(connection) = self.connections.at(slot) else { return };
        match connection.send(framed, priority) {
            Ok(0) => {}
            Ok(dropped) => self.figures.queue_full += dropped,
            Err(error) => return self.end(slot, StreamEnd::Broken(error.kind()), poller),
        }
        self.watch(slot, poller);
    }

    fn close(&mut self, slot: usize, now: Now, poller: &Poller) {
        self.connections.set_due(slot, now.boot + LINGER);
        let Some(connection) = self.connections.at(slot) else { return };
        let (serial, source) = (connection.serial, connection.endpoint.remote.ip());
        connection.phase = Phase::Closing;
        self.strangers.remove(source, serial);
        self.write(slot, poller);
    }

    fn watch(&mut self, slot: usize, poller: &Poller) {
        if let Err(error) = self.connections.watch(slot, poller) {
            self.end(slot, StreamEnd::Broken(error.kind()), poller);
        }
    }

    fn end_serial(&mut self, serial: u64, why: StreamEnd, poller: &Poller) {
        if let Some(slot) = self.connections.slot_of(serial) {
            self.end(slot, why, poller);
        }
    }

    fn end(&mut self, slot: usize, why: StreamEnd, poller: &Poller) {
        let Some(gone) = self.remove(slot, poller) else { return };
        if why.is_fault() {
            *self.figures.ended.entry(why.code()).or_default() += 1;
        }
        self.log.ended(gone.endpoint.remote, why);
        if gone.phase == Phase::Adopted && why != StreamEnd::Closed {
            self.tell(StreamId { worker: self.worker, serial: gone.serial }, why);
        }
    }

    fn remove(&mut self, slot: usize, poller: &Poller) -> Option<Connection> {
        let gone = self.connections.remove(slot, poller)?;
        self.strangers.remove(gone.endpoint.remote.ip(), gone.serial);
        Some(gone)
    }

    fn tell(&self, stream: StreamId, why: StreamEnd) {
        // Without a control task there is none left to tell.
        let _ = self.ended.send(StreamEnded { stream, why });
    }

    fn pause(&mut self, error: &AcceptError, now: Now, poller: &Poller) {
        if self.listeners.pause(now.boot, poller) {
            self.figures.accept_pauses += 1;
            self.log.paused(error);
        }
    }
}

/// Bytes read at once: more would not fit the cache.
const READ: usize = 256 << 10;
/// What one read brings, behind what the last one left.
const BUFFER: usize = LENGTH + MAX_FRAME + READ;
/// How long a connection may do without a session: a handshake's first three packets take two round
/// trips.
const STRANGER: Duration = Duration::from_secs(10);
/// How long a connection stays for the end of what was sent.
const LINGER: Duration = Duration::from_millis(800);
const ACCEPT_BURST: usize = 64;
