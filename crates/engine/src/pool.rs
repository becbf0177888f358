//! The threads that sessions' tasks run on: as many as there are cores, at a lower priority.
//!
//! A handshake is half a millisecond of arithmetic. In a storm of them the pool takes what the data
//! workers, the control task and everybody else leave over, so that established flows go on and a
//! revocation does not wait behind strangers.
//!
//! Each thread is a runtime of its own, and a session stays where it was put. Threads that steal from
//! each other would wake each other for every message, which costs more than it evens out.

use std::io;
use std::sync::Arc;

use rustix::process::{getpriority_process, setpriority_process};
use tokio::runtime::{Builder, Handle};
use tokio::sync::Notify;

/// A running pool. Dropping it ends its tasks where they wait.
#[derive(Debug)]
pub(crate) struct SessionPool {
    threads: Vec<Handle>,
    next: usize,
    over: Vec<Arc<Notify>>,
}

impl SessionPool {
    /// Starts the threads.
    pub(crate) fn start() -> io::Result<Self> {
        let count = std::thread::available_parallelism().map_or(1, usize::from).min(MOST);
        let mut pool = Self { threads: Vec::new(), next: 0, over: Vec::new() };
        for number in 0..count {
            let runtime = Builder::new_current_thread().enable_time().build()?;
            let over = Arc::new(Notify::new());
            pool.threads.push(runtime.handle().clone());
            pool.over.push(Arc::clone(&over));
            let thread = std::thread::Builder::new().name(format!("session {number}"));
            thread.spawn(move || {
                step_back();
                runtime.block_on(over.notified());
            })?;
        }
        Ok(pool)
    }

    /// Where to spawn the next session: each thread in turn.
    pub(crate) fn next(&mut self) -> &Handle {
        self.next = (self.next + 1) % self.threads.len();
        &self.threads[self.next]
    }
}

impl Drop for SessionPool {
    fn drop(&mut self) {
        // Each thread drops its own tasks; whoever drops the pool may be a task and must not wait.
        self.over.iter().for_each(|over| over.notify_one());
    }
}

/// Lowers the calling thread's own priority, which nobody forbids; without it storms only hurt more.
fn step_back() {
    // On Linux "this process" means this thread.
    let now = getpriority_process(None).unwrap_or(0);
    let _ = setpriority_process(None, (now + NICER).min(LEAST));
}

/// A tenth of the weight of a thread at the usual priority.
const NICER: i32 = 10;
const LEAST: i32 = 19;
/// More threads would only make more handshakes wait for each other's caches.
const MOST: usize = 16;

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn its_threads_yield_and_others_keep_their_priority() {
        let before = getpriority_process(None).unwrap();
        let mut pool = SessionPool::start().unwrap();
        let (said, heard) = channel();
        pool.next().spawn(async move { said.send(getpriority_process(None).unwrap()) });
        assert_eq!(heard.recv().unwrap(), (before + NICER).min(LEAST));
        assert_eq!(getpriority_process(None).unwrap(), before);
    }

    #[test]
    fn dropping_it_ends_tasks_that_wait() {
        let mut pool = SessionPool::start().unwrap();
        let (held, gone) = channel::<()>();
        pool.next().spawn(async move {
            let _held = held;
            std::future::pending::<()>().await;
        });
        drop(pool);
        assert!(gone.recv().is_err(), "the task's values were dropped");
    }
}
