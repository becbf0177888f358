//! The one writer: a thread that hands changes to the database and publishes what came of them.
//!
//! Requests that are waiting are taken as one batch into one transaction. After the commit, in this
//! order: the snapshot is moved on by the events of the log and published, followers are told,
//! answers are given. A fault of the storage fails the whole batch: nothing of it is acknowledged, but
//! for changes that withdraw a right. For them, in this order: the reserve is given up and the disk is
//! tried again; else they are in force from memory (`waiting.rs`), and written before anything else is.
//!
//! Invariant: a snapshot moves by events, so that another writer's commits move it by the same code. Where
//! an event says too little, as those of format 1 do, it is built from the rows anew.

use std::sync::Arc;

use arc_swap::ArcSwap;
use clock::{Clock, Revision};
use tokio::sync::{mpsc, watch};

use crate::backend::{Batch, Writing};
use crate::change::{Made, Proposal};
use crate::error::{Fault, StoreError};
use crate::event::Event;
use crate::lock::FolderLock;
use crate::request::{Reply, Request};
use crate::snapshot::Snapshot;
use crate::waiting::{Backlog, MOST};

/// How many requests wait at most; whoever asks beyond that waits for room.
pub(crate) const QUEUE: usize = 256;

/// How many requests share a transaction at most.
const BATCH: usize = 128;

/// The thread's state.
pub(crate) struct Writer {
    pub(crate) backend: Box<dyn Writing>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) snapshot: Arc<ArcSwap<Snapshot>>,
    pub(crate) latest: watch::Sender<Revision>,
    pub(crate) backlog: Backlog,
    pub(crate) lock: FolderLock,
}

/// A change, and who waits for it.
type Asked = (Proposal, Reply);

/// What came of each proposal of a batch.
type Outcomes = Vec<Result<Vec<Event>, StoreError>>;

impl Writer {
    /// Runs until it is told to stop, or nobody is left who could ask.
    pub(crate) fn run(mut self, mut queue: mpsc::Receiver<Request>) {
        let mut waiting = Vec::with_capacity(BATCH);
        let mut stops = Vec::new();
        while stops.is_empty() && queue.blocking_recv_many(&mut waiting, BATCH) > 0 {
            let mut asked = Vec::new();
            for request in waiting.drain(..) {
                match request {
                    Request::Change(proposal, reply) => asked.push((*proposal, reply)),
                    Request::WriteWaiting => {}
                    Request::Stop(done) => stops.push(done),
                }
            }
            self.serve(asked);
            if self.backend.rest(self.clock.now()) {
                self.backlog.remind();
            }
        }
        drop(queue);
        self.serve(Vec::new());
        let lost = self.backlog.proposals.len();
        self.backend.close();
        // The next owner may open only once this one has let go of the database.
        drop(self.lock);
        for done in stops {
            let _ = done.send(lost);
        }
    }

    /// Whoever asked may have gone; the change is made all the same.
    fn serve(&mut self, asked: Vec<Asked>) {
        if asked.is_empty() && self.backlog.proposals.is_empty() {
            return self.backlog.refill();
        }
        match self.commit(&asked) {
            Ok(outcomes) => answer(asked, outcomes, true),
            Err(error) => self.serve_without_disk(asked, error),
        }
    }

    fn serve_without_disk(&mut self, asked: Vec<Asked>, error: StoreError) {
        let (mut urgent, others): (Vec<_>, Vec<_>) =
            asked.into_iter().partition(|(proposal, _)| proposal.change.may_take_the_reserve());
        refuse(others, &error);
        let StoreError::Storage(fault) = &error else { return refuse(urgent, &error) };
        if matches!(fault, Fault::DiskFull(_))
            && let Some(outcomes) = self.commit_with_reserve(&urgent)
        {
            return answer(urgent, outcomes, true);
        }
        let unheld = urgent.extract_if(.., |(proposal, _)| !proposal.change.withdraws()).collect();
        refuse(unheld, &error);
        self.hold(urgent, fault);
    }

    /// Gives up a piece of the reserve after the other, until the disk takes what waits and these.
    fn commit_with_reserve(&mut self, urgent: &[Asked]) -> Option<Outcomes> {
        if urgent.is_empty() && self.backlog.proposals.is_empty() {
            return None;
        }
        let mut done = None;
        while done.is_none() && self.backlog.reserve.give_up() {
            done = self.commit(urgent).ok();
        }
        self.backlog.reserve.fill();
        done
    }

    /// Puts them in force from memory, and lets them wait for the disk.
    fn hold(&mut self, mut asked: Vec<Asked>, fault: &Fault) {
        let mut tales = self.backlog.room_for_tales();
        let too_many = |(proposal, _): &mut Asked| {
            let tells = proposal.change.only_tells();
            let taken = tells && tales == 0;
            tales = tales.saturating_sub(usize::from(tells));
            taken
        };
        let beyond = asked.extract_if(.., too_many).collect();
        refuse(beyond, &fault.clone().into());
        let room = MOST.saturating_sub(self.backlog.proposals.len()).min(asked.len());
        refuse(asked.split_off(room), &fault.clone().into());
        if asked.is_empty() {
            // What waits is in force already. Followers that are woken for nothing would try again at once.
            return self.backlog.stands(fault);
        }
        let now = self.clock.now();
        asked.iter_mut().for_each(|(proposal, _)| proposal.at = Some(now));
        let Some((next, outcomes)) = self.rehearse(&asked) else {
            self.backlog.stands(fault);
            return refuse(asked, &fault.clone().into());
        };
        let changing = asked.iter().zip(&outcomes).filter(|(_, outcome)| changes(outcome));
        self.backlog.proposals.extend(changing.map(|((proposal, _), _)| proposal.clone()));
        // Who sees the snapshot has to find that it is ahead of the disk.
        self.backlog.stands(fault);
        self.show(next);
        let on_disk = self.backlog.proposals.is_empty();
        answer(asked, outcomes, on_disk);
    }

    /// The records with what waits and these made on top of what the disk has, and what came of these.
    fn rehearse(&mut self, asked: &[Asked]) -> Option<(Snapshot, Outcomes)> {
        let all = self.backlog.before(asked.iter().map(|(proposal, _)| proposal));
        let known = self.backlog.on_disk.through();
        let waited = self.backlog.proposals.len();
        let batch = self.backend.rehearse(&all, &*self.clock, known).ok()?;
        let next = self.backlog.on_disk.after(batch.events()).ok()?;
        Some((next, batch.outcomes.into_iter().skip(waited).collect()))
    }

    /// What waits and these, on the disk; and what came of these.
    fn commit(&mut self, asked: &[Asked]) -> Result<Outcomes, StoreError> {
        let all = self.backlog.before(asked.iter().map(|(proposal, _)| proposal));
        let known = self.backlog.on_disk.through();
        let waited = self.backlog.proposals.len();
        let batch = self.backend.commit(&all, &*self.clock, known)?;
        // Who sees the snapshot has to find that the disk has it.
        self.backlog.written(self.clock.now().into());
        self.publish(&batch, waited > 0)?;
        Ok(batch.outcomes.into_iter().skip(waited).collect())
    }

    /// Followers are told also where what waited was written: some go by what the disk has.
    fn publish(&mut self, batch: &Batch, waited: bool) -> Result<(), StoreError> {
        let next = match self.backlog.on_disk.after(batch.events()) {
            Ok(next) => next,
            // An event of an earlier format does not say enough; the rows always do.
            Err(_) => self.backend.snapshot()?,
        };
        if waited || next.through() != self.backlog.on_disk.through() {
            self.show(next);
            self.backlog.on_disk = self.snapshot.load_full();
        }
        Ok(())
    }

    fn show(&self, next: Snapshot) {
        let through = next.through();
        self.snapshot.store(Arc::new(next));
        self.latest.send_replace(through.revision());
    }
}

fn changes(outcome: &Result<Vec<Event>, StoreError>) -> bool {
    outcome.as_ref().is_ok_and(|events| !events.is_empty())
}

fn answer(asked: Vec<Asked>, outcomes: Outcomes, on_disk: bool) {
    for ((_, reply), outcome) in asked.into_iter().zip(outcomes) {
        let _ = reply.send(outcome.map(|events| Made { events, on_disk }));
    }
}

fn refuse(asked: Vec<Asked>, error: &StoreError) {
    for (_, reply) in asked {
        let _ = reply.send(Err(error.clone()));
    }
}
