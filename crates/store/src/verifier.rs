//! Verifies the records, and remembers what is verified, so that asking again costs what is new.
//!
//! Each look is on a thread and a connection of its own. Invariant: where the last look found anything wrong,
//! nothing is built on it: the next one begins with the first event.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, TryLockError};

use arc_swap::ArcSwapOption;
use clock::{Clock, Timestamp};
use tokio::sync::oneshot;

use crate::audit::Difference;
use crate::error::OpenError;
use crate::event::ChainReport;
use crate::reader::{Reader, spawn};
use crate::sqlite::{ReadOnly, Verified};

/// Verifies the records of one database. Clones are cheap and remember together.
#[derive(Clone, Debug)]
pub struct Verifier {
    path: Arc<Path>,
    clock: Arc<dyn Clock>,
    /// Held during a look.
    verified: Arc<Mutex<Option<Verified>>>,
    last: Arc<ArcSwapOption<Verdict>>,
}

/// How much a look verifies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// The events since the last look, and every row beside the log; everything where there was none.
    New,
    /// Everything from the first event on, and what is in each certificate.
    Whole,
}

/// What a look found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Of the log.
    pub chain: ChainReport,
    /// Where the records are not what the log says: somebody changed them beside the store.
    pub differences: Vec<Difference>,
    /// When everything was verified last.
    pub whole_at: Timestamp,
}

impl Verdict {
    /// Whether nothing is wrong.
    pub fn is_good(&self) -> bool {
        self.chain.fault.is_none() && self.differences.is_empty()
    }
}

impl Verifier {
    /// Of the database that `reader` reads; nothing is verified yet.
    pub fn of(reader: &Reader, clock: Arc<dyn Clock>) -> Self {
        Self { path: reader.path(), clock, verified: Arc::default(), last: Arc::default() }
    }

    /// Takes its time, and waits for a look that is under way.
    pub async fn verify(&self, depth: Depth) -> Result<Arc<Verdict>, OpenError> {
        self.on_a_thread(move |this| this.look(depth)).await
    }

    /// What is known, with the events since then; nothing where nothing is known yet. Quick, and waits for
    /// nobody: during another look it is what the one before found.
    pub async fn glance(&self) -> Result<Option<Arc<Verdict>>, OpenError> {
        match self.last.load_full() {
            Some(last) if last.is_good() => {
                self.on_a_thread(|this| this.follow_log(last)).await.map(Some)
            }
            last => Ok(last),
        }
    }

    async fn on_a_thread<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, OpenError> + Send + 'static,
    ) -> Result<T, OpenError> {
        let (reply, answer) = oneshot::channel();
        let this = self.clone();
        spawn("store-verify", &self.path, move || drop(reply.send(work(&this))))?;
        answer.await.unwrap_or(Err(OpenError::Absent(self.path.to_path_buf())))
    }

    fn look(&self, depth: Depth) -> Result<Arc<Verdict>, OpenError> {
        let mut kept = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        let records = ReadOnly::open(&self.path)?;
        // Whatever goes wrong here, the next look begins anew.
        let so_far = kept.take().filter(|_| depth == Depth::New).zip(self.last.load_full());
        let (verified, findings, whole_at) = match so_far {
            Some((mut verified, last)) => {
                let findings = records.verify_new(&mut verified)?;
                (verified, findings, last.whole_at)
            }
            None => {
                let begun = self.clock.now().into();
                let (verified, findings) = records.verify_whole()?;
                (verified, findings, begun)
            }
        };
        let (chain, differences) = (findings.chain, findings.differences);
        let verdict = Arc::new(Verdict { chain, differences, whole_at });
        *kept = verdict.is_good().then_some(verified);
        self.last.store(Some(Arc::clone(&verdict)));
        Ok(verdict)
    }

    fn follow_log(&self, last: Arc<Verdict>) -> Result<Arc<Verdict>, OpenError> {
        let mut kept = match self.verified.try_lock() {
            Ok(kept) => kept,
            Err(TryLockError::WouldBlock) => return Ok(last),
            Err(TryLockError::Poisoned(kept)) => kept.into_inner(),
        };
        let Some(mut verified) = kept.take() else { return Ok(last) };
        let chain = ReadOnly::open(&self.path)?.verify_log(&mut verified)?;
        let verdict = Arc::new(Verdict { chain, ..(*last).clone() });
        *kept = verdict.is_good().then_some(verified);
        self.last.store(Some(Arc::clone(&verdict)));
        Ok(verdict)
    }
}
