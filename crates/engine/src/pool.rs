//! The threads that sessions' tasks run on: as many as there are cores, at a lower priority.
//!
//! A handshake is half a millisecond of arithmetic. In a storm of them the pool takes what the data
//! thread, the control task and everybody else leave over, so that established flows go on and a
//! revocation does not wait behind strangers.

use std::io;

use rustix::process::{getpriority_process, setpriority_process};
use tokio::runtime::{Builder, Handle, Runtime};

/// A running pool. Dropping it ends its tasks where they wait.
#[derive(Debug)]
pub(crate) struct SessionPool(Option<Runtime>, Handle);

impl SessionPool {
    /// Starts the threads.
    pub(crate) fn start() -> io::Result<Self> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(MOST);
        let runtime = Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_name("session")
            .on_thread_start(step_back)
            .enable_time()
            .build()?;
        let handle = runtime.handle().clone();
        Ok(Self(Some(runtime), handle))
    }

    /// To spawn on.
    pub(crate) fn handle(&self) -> &Handle {
        &self.1
    }
}

impl Drop for SessionPool {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            // Whoever drops this may be a task, which must not wait for threads.
            runtime.shutdown_background();
        }
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
    use super::*;

    #[test]
    fn its_threads_yield_and_others_keep_their_priority() {
        let before = getpriority_process(None).unwrap();
        let pool = SessionPool::start().unwrap();
        let (said, heard) = std::sync::mpsc::channel();
        pool.handle().spawn(async move { said.send(getpriority_process(None).unwrap()) });
        assert_eq!(heard.recv().unwrap(), (before + NICER).min(LEAST));
        assert_eq!(getpriority_process(None).unwrap(), before);
    }
}
