//! The connections of a data worker in their places: by slot for the poller, by serial number for everybody
//! else, and by the time at which they have to be gone.
//!
//! Not here: why one has to go, and who is told.
//!
//! Invariant: a connection is in all of these tables or in none, and a serial number is never used twice.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::time::Duration;

use datapath::{Carrier, Endpoint, StreamId};
use sysio::{Interest, Poller, TcpStream};

use super::connection::{Connection, Phase};
use crate::data::FIRST_STREAM;

/// The first connection's number.
pub(super) const FIRST_SERIAL: u64 = 1;

/// See the module's text.
#[derive(Debug)]
pub(super) struct StreamTable {
    worker: u16,
    slots: Vec<Option<Connection>>,
    free: Vec<usize>,
    by_serial: BTreeMap<u64, usize>,
    next_serial: u64,
    /// When which connection has to be gone.
    due: BTreeSet<(Duration, u64)>,
}

impl StreamTable {
    /// None yet, at the worker of this number.
    pub(super) fn of(worker: u16) -> Self {
        Self {
            worker,
            slots: Vec::new(),
            free: Vec::new(),
            by_serial: BTreeMap::new(),
            next_serial: FIRST_SERIAL,
            due: BTreeSet::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.by_serial.len()
    }

    /// Takes a connection in, and waits for what it brings.
    pub(super) fn insert(
        &mut self,
        socket: TcpStream,
        phase: Phase,
        due: Option<Duration>,
        poller: &Poller,
    ) -> io::Result<u64> {
        let serial = self.next_serial;
        let slot = self.free.pop().unwrap_or(self.slots.len());
        if let Err(error) = poller.add(&socket, token(slot), Interest::Readable) {
            self.free.extend((slot < self.slots.len()).then_some(slot));
            return Err(error);
        }
        self.next_serial += 1;
        let (remote, local) = (socket.remote(), Some(socket.local().ip()));
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

    pub(super) fn remove(&mut self, slot: usize, poller: &Poller) -> Option<Connection> {
        let gone = self.slots.get_mut(slot).and_then(Option::take)?;
        // Closing it takes it out as well.
        let _ = poller.remove(&gone);
        self.free.push(slot);
        self.by_serial.remove(&gone.serial);
        if let Some(at) = gone.due {
            self.due.remove(&(at, gone.serial));
        }
        Some(gone)
    }

    pub(super) fn at(&mut self, slot: usize) -> Option<&mut Connection> {
        self.slots.get_mut(slot)?.as_mut()
    }

    pub(super) fn slot_of(&self, serial: u64) -> Option<usize> {
        self.by_serial.get(&serial).copied()
    }

    /// The slot of the connection that an id names, if it is one of this worker's.
    pub(super) fn find(&self, id: StreamId) -> Option<usize> {
        self.slot_of(id.serial).filter(|_| id.worker == self.worker)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Connection> {
        self.slots.iter_mut().flatten()
    }

    /// It has to be gone by then. The earlier time counts, so that none stays by being closed twice.
    pub(super) fn set_due(&mut self, slot: usize, at: Duration) {
        let Some(connection) = self.slots.get_mut(slot).and_then(Option::as_mut) else { return };
        match connection.due {
            Some(before) if before <= at => return,
            before => {
                connection.due = Some(at);
                if let Some(before) = before {
                    self.due.remove(&(before, connection.serial));
                }
            }
        }
        self.due.insert((at, connection.serial));
    }

    /// It may stay.
    pub(super) fn clear_due(&mut self, slot: usize) {
        let Some(connection) = self.slots.get_mut(slot).and_then(Option::as_mut) else { return };
        if let Some(at) = connection.due.take() {
            self.due.remove(&(at, connection.serial));
        }
    }

    pub(super) fn next_due(&self) -> Option<Duration> {
        self.due.first().map(|(at, _)| *at)
    }

    /// The slot of the next one that has to be gone by now.
    pub(super) fn pop_due(&mut self, boot: Duration) -> Option<usize> {
        while let Some((at, serial)) = self.due.first().copied()
            && at <= boot
        {
            self.due.remove(&(at, serial));
            if let Some(slot) = self.slot_of(serial) {
                return Some(slot);
            }
        }
        None
    }

    /// Waits until it can be written to only while something is to be written.
    pub(super) fn watch(&mut self, slot: usize, poller: &Poller) -> io::Result<()> {
        let Some(connection) = self.at(slot) else { return Ok(()) };
        match connection.other_interest() {
            Some(interest) => poller.modify(connection, token(slot), interest),
            None => Ok(()),
        }
    }
}

fn token(slot: usize) -> u32 {
    FIRST_STREAM + slot as u32
}
