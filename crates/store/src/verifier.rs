//! Verifies the records, and remembers what is verified, so that asking again costs what is new.
//!
//! Each look is on a thread and a connection of its own. The chain has no key, so whoever writes to the database
//! can make a shorter or another one that is whole by itself: what contradicts is the hash of an event that was
//! seen here, while this process runs. Invariants: where the last look found anything wrong, nothing is built on
//! it, and the next one begins with the first event; what was once wrong with the log stays so.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, TryLockError};

use arc_swap::ArcSwapOption;
use clock::{Clock, Timestamp};
use tokio::sync::oneshot;

use crate::audit::Difference;
use crate::error::OpenError;
use crate::event::{ChainFault, ChainReport};
use crate::reader::{Reader, spawn};
use crate::sqlite::{Findings, Head, ReadOnly, Verified};

/// Verifies the records of one database. Clones are cheap and remember together.
#[derive(Clone, Debug)]
pub struct Verifier {
    path: Arc<Path>,
    clock: Arc<dyn Clock>,
    /// Held during a look.
    memory: Arc<Mutex<Memory>>,
    last: Arc<ArcSwapOption<Looked>>,
}

/// What came of a look.
type Looked = Result<Arc<Verdict>, OpenError>;

/// What looks leave for those after them.
#[derive(Debug)]
struct Memory {
    /// From where the next one goes on.
    reached: Option<Reached>,
    /// The last event of the last log that was good, which every later one has to have as well.
    known: Head,
    /// What was first wrong with the log. Nobody mends a log, and a look at one that was made anew finds it good.
    fault: Option<ChainFault>,
}

#[derive(Debug)]
struct Reached {
    verified: Verified,
    whole_at: Timestamp,
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
        let memory = Memory { reached: None, known: Head::START, fault: None };
        let (memory, last) = (Arc::new(Mutex::new(memory)), Arc::default());
        Self { path: reader.path(), clock, memory, last }
    }

    /// Takes its time, and waits for a look that is under way.
    pub async fn verify(&self, depth: Depth) -> Result<Arc<Verdict>, OpenError> {
        self.on_a_thread(move |this| this.look(depth)).await
    }

    /// What is known, with the events since then; nothing where nothing is known yet. Quick, and waits for
    /// nobody: during another look it is what the one before found.
    pub async fn glance(&self) -> Result<Option<Arc<Verdict>>, OpenError> {
        match self.last.load_full().as_deref() {
            None => Ok(None),
            Some(Ok(last)) if !last.is_good() => Ok(Some(Arc::clone(last))),
            Some(last) => {
                let last = last.clone();
                self.on_a_thread(|this| this.follow_log(last)).await.map(Some)
            }
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

    fn look(&self, depth: Depth) -> Looked {
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let records = ReadOnly::open(&self.path);
        let looked = records.and_then(|records| self.look_at(&records, &mut memory, depth));
        self.last.store(Some(Arc::new(looked.clone())));
        looked
    }

    fn look_at(&self, records: &ReadOnly, memory: &mut Memory, depth: Depth) -> Looked {
        // Whatever goes wrong from here on, the next look begins anew.
        let reached = memory.reached.take().filter(|_| depth == Depth::New);
        let (reached, found) = match reached {
            Some(mut reached) => {
                let found = records.verify_new(&mut reached.verified)?;
                (reached, found)
            }
            None => {
                let whole_at = self.clock.now().into();
                let (verified, found) = records.verify_whole(memory.known)?;
                (Reached { verified, whole_at }, found)
            }
        };
        Ok(memory.keep(reached, found))
    }

    fn follow_log(&self, last: Looked) -> Looked {
        let mut memory = match self.memory.try_lock() {
            Ok(memory) => memory,
            Err(TryLockError::WouldBlock) => return last,
            Err(TryLockError::Poisoned(memory)) => memory.into_inner(),
        };
        if memory.reached.is_none() {
            return last;
        }
        // Nothing was read of records that can't be opened: the next glance tries again.
        let records = ReadOnly::open(&self.path)?;
        let Some(mut reached) = memory.reached.take() else { return last };
        let chain = records.verify_log(&mut reached.verified);
        let found = chain.map(|chain| Findings { chain, differences: Vec::new() });
        let looked = found.map(|found| memory.keep(reached, found)).map_err(OpenError::from);
        self.last.store(Some(Arc::new(looked.clone())));
        looked
    }
}

impl Memory {
    /// What is to be said of what was found.
    fn keep(&mut self, reached: Reached, found: Findings) -> Arc<Verdict> {
        let Findings { chain, differences } = found;
        if chain.fault.is_none() {
            self.known = reached.verified.head();
        }
        self.fault = self.fault.take().or(chain.fault);
        let chain = ChainReport { fault: self.fault.clone(), ..chain };
        let verdict = Verdict { chain, differences, whole_at: reached.whole_at };
        self.reached = verdict.is_good().then_some(reached);
        Arc::new(verdict)
    }
}
