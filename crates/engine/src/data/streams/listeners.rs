//! Where a data worker's TCP connections come in.
//!
//! Invariant: while no descriptor is left nothing is waited for here, since what can't be accepted would be
//! reported again at once, for ever.

use std::io;
use std::time::Duration;

use sysio::{AcceptError, Interest, Poller, TcpListener, TcpStream};

use crate::data::FIRST_LISTENER;

/// The listeners of one data worker.
#[derive(Debug)]
pub(super) struct Listeners {
    sockets: Vec<TcpListener>,
    /// No descriptor is left: no connection is taken before this.
    paused_until: Option<Duration>,
}

impl Listeners {
    pub(super) fn new(sockets: Vec<TcpListener>, poller: &Poller) -> io::Result<Self> {
        let listeners = Self { sockets, paused_until: None };
        listeners.watch(poller)?;
        Ok(listeners)
    }

    /// Takes the next connection of a listener; `None` where none waits.
    pub(super) fn accept(&self, index: usize) -> Result<Option<TcpStream>, AcceptError> {
        self.sockets.get(index).map_or(Ok(None), TcpListener::accept)
    }

    /// Takes none for a moment. Says whether it did before.
    pub(super) fn pause(&mut self, boot: Duration, poller: &Poller) -> bool {
        let took = self.paused_until.is_none();
        if took {
            for listener in &self.sockets {
                // One that is not there needs no removal.
                let _ = poller.remove(listener);
            }
        }
        self.paused_until = Some(boot + PAUSE);
        took
    }

    /// When it goes on after a pause.
    pub(super) fn poll_timeout(&self) -> Option<Duration> {
        self.paused_until
    }

    /// Goes on, if the moment has passed.
    pub(super) fn handle_timeout(&mut self, boot: Duration, poller: &Poller) -> io::Result<()> {
        if self.paused_until.is_none_or(|until| until > boot) {
            return Ok(());
        }
        self.paused_until = None;
        self.watch(poller)
    }

    fn watch(&self, poller: &Poller) -> io::Result<()> {
        for (index, listener) in self.sockets.iter().enumerate() {
            poller.add(listener, FIRST_LISTENER + index as u32, Interest::Readable)?;
        }
        Ok(())
    }
}

/// How long no connection is taken where no descriptor is left.
const PAUSE: Duration = Duration::from_millis(500);
