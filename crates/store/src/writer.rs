//! The one writer: a thread that hands changes to the database and publishes what came of them.
//!
//! Requests that are waiting are taken as one batch into one transaction. After the commit, in this
//! order: the snapshot is moved on by the events of the log and published, followers are told,
//! answers are given. A fault of the storage fails the whole batch: nothing of it is acknowledged.
//!
//! Invariant: a snapshot moves by events, so that another writer's commits move it by the same code. Where
//! an event says too little, as those of format 1 do, it is built from the rows anew.

use std::sync::Arc;

use arc_swap::ArcSwap;
use clock::{Clock, Revision};
use tokio::sync::{mpsc, oneshot, watch};

use crate::backend::{Batch, Writing};
use crate::change::Proposal;
use crate::error::StoreError;
use crate::event::Event;
use crate::lock::FolderLock;
use crate::snapshot::Snapshot;

/// How many requests wait at most; whoever asks beyond that waits for room.
pub(crate) const QUEUE: usize = 256;

/// How many requests share a transaction at most.
const BATCH: usize = 128;

/// What the writer thread is asked.
pub(crate) enum Request {
    Change(Proposal, Reply),
    Stop(oneshot::Sender<()>),
}

/// Where the events of a change go.
pub(crate) type Reply = oneshot::Sender<Result<Vec<Event>, StoreError>>;

/// The thread's state.
pub(crate) struct Writer {
    pub(crate) backend: Box<dyn Writing>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) snapshot: Arc<ArcSwap<Snapshot>>,
    pub(crate) latest: watch::Sender<Revision>,
    pub(crate) lock: FolderLock,
}

impl Writer {
    /// Runs until it is told to stop, or nobody is left who could ask.
    pub(crate) fn run(mut self, mut queue: mpsc::Receiver<Request>) {
        let mut waiting = Vec::with_capacity(BATCH);
        let mut stops = Vec::new();
        while stops.is_empty() && queue.blocking_recv_many(&mut waiting, BATCH) > 0 {
            let (mut proposals, mut replies) = (Vec::new(), Vec::new());
            for request in waiting.drain(..) {
                match request {
                    Request::Change(proposal, reply) => {
                        proposals.push(proposal);
                        replies.push(reply);
                    }
                    Request::Stop(done) => stops.push(done),
                }
            }
            self.serve(&proposals, replies);
            self.backend.rest();
        }
        drop(queue);
        self.backend.close();
        // The next owner may open only once this one has let go of the database.
        drop(self.lock);
        for done in stops {
            let _ = done.send(());
        }
    }

    fn serve(&mut self, proposals: &[Proposal], replies: Vec<Reply>) {
        if proposals.is_empty() {
            return;
        }
        // Whoever asked may have gone; the change is made all the same.
        match self.commit(proposals) {
            Ok(batch) => replies.into_iter().zip(batch.outcomes).for_each(|(reply, outcome)| {
                let _ = reply.send(outcome);
            }),
            Err(fault) => replies.into_iter().for_each(|reply| {
                let _ = reply.send(Err(fault.clone()));
            }),
        }
    }

    fn commit(&mut self, proposals: &[Proposal]) -> Result<Batch, StoreError> {
        let known = self.snapshot.load().through();
        let batch = self.backend.commit(proposals, &*self.clock, known)?;
        self.publish(&batch)?;
        Ok(batch)
    }

    fn publish(&self, batch: &Batch) -> Result<(), StoreError> {
        let present = self.snapshot.load();
        let next = match present.after(batch.events()) {
            Ok(next) => next,
            // An event of an earlier format does not say enough; the rows always do.
            Err(_) => self.backend.snapshot()?,
        };
        let through = next.through();
        if through != present.through() {
            self.snapshot.store(Arc::new(next));
            self.latest.send_replace(through.revision());
        }
        Ok(())
    }
}
