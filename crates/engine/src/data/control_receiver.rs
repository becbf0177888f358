//! The worker without peers, which reads what isn't a data packet. It has no thread of its own but runs
//! on the control task's: a client that connects sends five packets and more, and to wake another
//! thread for each costs as much as the arithmetic of its handshake. Without peers and connections it has
//! no deadlines.

use std::io;
use std::ops::ControlFlow::{self, Break, Continue};
use std::time::Duration;

use sysio::PollerEvents;

use super::worker::DataWorker;

/// A worker that takes its turns when it is asked to.
pub(crate) struct ControlReceiver {
    worker: DataWorker,
    events: PollerEvents,
}

impl ControlReceiver {
    /// Runs on the thread with the runtime that this is called in.
    pub(super) fn new(worker: DataWorker) -> io::Result<Self> {
        Ok(Self { events: worker.events()?, worker })
    }

    /// Waits until there is something to do, and takes a turn, which is one read of each socket. Says
    /// whether they may hold more; or that it was the last turn. A call that is given up loses nothing.
    pub(crate) async fn turn(&mut self) -> ControlFlow<(), bool> {
        let mut turn = Break(());
        let take = || {
            turn = self.worker.turn(Some(Duration::ZERO));
            turn == Continue(false)
        };
        // A runtime that waits for nothing any more is ending.
        self.events.when_ready(take).await.map_or(Break(()), |()| turn)
    }
}
