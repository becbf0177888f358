//! Changes that are in force and not on the disk: what they are, and who looks that they get there.
//!
//! A change that withdraws a right does not wait for a disk that is full, read-only or broken. Its
//! events are worked out in memory and move the snapshot; it stands here, in the order in which it was
//! taken, until the disk takes it. Invariant: with what waits made on top of what the disk has, in order
//! and at the times that were noted, come the very events that were told.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::sleep;
use std::time::Duration;

use clock::Timestamp;
use tokio::sync::{mpsc, watch};

use crate::change::Proposal;
use crate::error::{Fault, OpenError};
use crate::reader::spawn;
use crate::request::Request;
use crate::reserve::Reserve;
use crate::snapshot::Snapshot;

#[cfg(test)]
mod tests;

/// How many changes wait at most; others are refused as they would be without a memory.
pub(crate) const MOST: usize = 512;
/// How many of them only tell of closed sessions: whoever closes many leaves room for what keeps people out.
pub(crate) const MOST_TALES: usize = MOST / 2;

/// How far the disk is behind. Get it with [`Store::waiting`](crate::Store::waiting).
#[derive(Clone, Debug, Default)]
pub struct Waiting {
    /// Changes that are in force and not on the disk.
    pub changes: usize,
    /// Why the disk did not take what it was given last; none once it did.
    pub fault: Option<Fault>,
    /// How many changes that had waited were written, since the store was opened.
    pub written: u64,
    /// When the last of them was.
    pub written_at: Option<Timestamp>,
    /// Bytes kept free for revocations on a full disk.
    pub reserve: u64,
}

/// The writer's side of it.
pub(crate) struct Backlog {
    /// In their order, each with its time.
    pub(crate) proposals: Vec<Proposal>,
    /// The records as the disk has them.
    pub(crate) on_disk: Arc<Snapshot>,
    pub(crate) reserve: Reserve,
    state: watch::Sender<Waiting>,
    retry: SyncSender<()>,
}

impl Backlog {
    /// Nothing waits. Whoever has the receiver is told how it stands; the writer of `requests` is asked
    /// to try again, as long as something waits or the reserve is short.
    pub(crate) fn new(
        on_disk: Arc<Snapshot>,
        reserve: Reserve,
        requests: mpsc::WeakSender<Request>,
        path: &Path,
    ) -> Result<(Self, watch::Receiver<Waiting>), OpenError> {
        let (retry, asked) = sync_channel(1);
        spawn("store-retry", path, move || remind(&asked, &requests))?;
        let first = Waiting { reserve: reserve.bytes(), ..Waiting::default() };
        let (state, receiver) = watch::channel(first);
        Ok((Self { proposals: Vec::new(), on_disk, reserve, state, retry }, receiver))
    }

    /// How many more may wait that only tell of something.
    pub(crate) fn room_for_tales(&self) -> usize {
        let waiting = self.proposals.iter().filter(|proposal| proposal.change.only_tells()).count();
        MOST_TALES.saturating_sub(waiting)
    }

    /// Those that wait, with these behind them.
    pub(crate) fn before<'a>(
        &'a self,
        others: impl IntoIterator<Item = &'a Proposal>,
    ) -> Vec<Proposal> {
        self.proposals.iter().chain(others).cloned().collect()
    }

    /// Everything is on the disk.
    pub(crate) fn written(&mut self, at: Timestamp) {
        let count = self.proposals.drain(..).count() as u64;
        let reserve = self.reserve.bytes();
        self.state.send_if_modified(|state| {
            let news = count > 0 || state.fault.is_some() || state.reserve != reserve;
            (state.changes, state.fault, state.reserve) = (0, None, reserve);
            state.written += count;
            state.written_at = if count > 0 { Some(at) } else { state.written_at };
            news
        });
        self.remind_if(self.reserve.is_short());
    }

    /// Nothing waits: time to have the reserve whole again.
    pub(crate) fn refill(&mut self) {
        self.reserve.fill();
        let reserve = self.reserve.bytes();
        self.state.send_if_modified(|state| {
            let former = std::mem::replace(&mut state.reserve, reserve);
            former != reserve
        });
        self.remind_if(self.reserve.is_short());
    }

    /// The disk refused; what waits goes on waiting.
    pub(crate) fn stands(&self, fault: &Fault) {
        let (changes, reserve) = (self.proposals.len(), self.reserve.bytes());
        self.state.send_if_modified(|state| {
            let same = state.fault.as_ref().is_some_and(|former| former.is_like(fault));
            let news = !same || state.changes != changes || state.reserve != reserve;
            (state.changes, state.reserve, state.fault) = (changes, reserve, Some(fault.clone()));
            news
        });
        self.remind_if(changes > 0 || self.reserve.is_short());
    }

    fn remind_if(&self, lacking: bool) {
        if lacking {
            self.remind();
        }
    }

    /// Has the writer wake up in a moment. One reminder that is under way already is as good.
    pub(crate) fn remind(&self) {
        let _ = self.retry.try_send(());
    }
}

/// Ends with the writer.
fn remind(asked: &Receiver<()>, requests: &mpsc::WeakSender<Request>) {
    while asked.recv().is_ok() {
        sleep(PAUSE);
        let Some(requests) = requests.upgrade() else { return };
        if requests.blocking_send(Request::WriteWaiting).is_err() {
            return;
        }
    }
}

/// Between two tries, each of which costs one failed write.
const PAUSE: Duration = Duration::from_secs(1);
