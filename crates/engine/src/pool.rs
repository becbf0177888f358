//! The threads that the control task and sessions' tasks run on: as many as there are cores, at a
//! lower priority.
//!
//! A handshake is a third of a millisecond of arithmetic. In a storm of them the pool takes what the
//! data workers and everybody else leave over, so that established flows go on.
//!
//! Each thread is a runtime of its own, and a session stays where it was put. Threads that steal from
//! each other would wake each other for every message, which costs more than it evens out. For the same
//! reason the control task lives on the first of them, and sessions beside it as long as few shake
//! hands at once: between the two nobody has to be woken. It is looked at after any few turns of
//! sessions, so a revocation does not wait behind strangers. The worker that reads control packets is on
//! the same thread.

use std::io;
use std::sync::Arc;

use rustix::process::{getpriority_process, setpriority_process};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::Notify;

/// A running pool. Dropping it ends its tasks where they wait.
#[derive(Debug)]
pub(crate) struct SessionPool {
    threads: Vec<SessionThread>,
    over: Vec<Arc<Notify>>,
}

/// The thread that a session's task runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ThreadSlot(usize);

/// The first thread, not started yet. Sessions that are put there wait until it is.
#[derive(Debug)]
pub(crate) struct ControlThread(Detached);

#[derive(Debug)]
struct SessionThread {
    runtime: Handle,
    /// Handshakes under way.
    handshakes: usize,
}

impl SessionPool {
    /// Starts all threads but the first, which is the control task's.
    pub(crate) fn start() -> io::Result<(Self, ControlThread)> {
        let count = std::thread::available_parallelism().map_or(1, usize::from).min(MOST);
        let first = runtime()?;
        let mut pool = Self { threads: vec![SessionThread::of(&first)], over: Vec::new() };
        for number in 1..count {
            let runtime = runtime()?;
            let over = Arc::new(Notify::new());
            pool.threads.push(SessionThread::of(&runtime));
            pool.over.push(Arc::clone(&over));
            run(format!("session {number}"), runtime, async move { over.notified().await })?;
        }
        Ok((pool, ControlThread(first)))
    }

    /// Where to spawn the next session: where the fewest handshakes are under way, and among equals
    /// beside the control task.
    pub(crate) fn begin(&mut self) -> (ThreadSlot, &Handle) {
        let fewest = self.threads.iter().enumerate().min_by_key(|(_, thread)| thread.handshakes);
        let at = fewest.map_or(0, |(at, _)| at);
        self.threads[at].handshakes += 1;
        (ThreadSlot(at), &self.threads[at].runtime)
    }

    /// A handshake is over, or a session now.
    pub(crate) fn end(&mut self, slot: ThreadSlot) {
        self.threads[slot.0].handshakes -= 1;
    }
}

impl ControlThread {
    /// Calls `make` in the thread's runtime, so that what it makes is waited for there.
    pub(crate) fn within<T>(&self, make: impl FnOnce() -> T) -> T {
        let _inside = self.0.handle().enter();
        make()
    }

    /// Runs the control task, and the sessions beside it until it ends.
    pub(crate) fn run(self, control: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
        run("control".to_owned(), self.0, control)
    }
}

impl SessionThread {
    fn of(runtime: &Detached) -> Self {
        Self { runtime: runtime.handle(), handshakes: 0 }
    }
}

impl Drop for SessionPool {
    fn drop(&mut self) {
        // Each thread drops its own tasks; whoever drops the pool may be a task and must not wait.
        self.over.iter().for_each(|over| over.notify_one());
    }
}

/// A runtime that goes without waiting for its tasks: a start that fails is dropped by a task of
/// another runtime, which must not wait.
#[derive(Debug)]
struct Detached(Option<Runtime>);

impl Detached {
    fn handle(&self) -> Handle {
        let runtime = self.0.as_ref().expect("it is taken out when it is dropped only");
        runtime.handle().clone()
    }

    /// Runs a task to its end on the calling thread. Spawned: to wake what is blocked on, its own
    /// thread goes through the kernel.
    fn run(&self, task: impl Future<Output = ()> + Send + 'static) {
        if let Some(runtime) = &self.0 {
            let _ = runtime.block_on(runtime.spawn(task));
        }
    }
}

impl Drop for Detached {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

fn runtime() -> io::Result<Detached> {
    let runtime = Builder::new_current_thread().enable_all().event_interval(TURNS).build()?;
    Ok(Detached(Some(runtime)))
}

fn run(
    name: String,
    runtime: Detached,
    task: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let thread = std::thread::Builder::new().name(name);
    thread.spawn(move || {
        step_back();
        runtime.run(task);
    })?;
    Ok(())
}

/// Lowers the calling thread's own priority to a tenth of the usual weight, as those of the pool have it. Nobody
/// forbids that; without it storms only hurt more.
pub fn step_back() {
    // On Linux "this process" means this thread.
    let now = getpriority_process(None).unwrap_or(0);
    let _ = setpriority_process(None, (now + NICER).min(LEAST));
}

/// A tenth of the weight of a thread at the usual priority.
const NICER: i32 = 10;
const LEAST: i32 = 19;
/// Sessions' turns between two looks at the control task, which is a few milliseconds.
const TURNS: u32 = 8;
/// More threads would only make more handshakes wait for each other's caches.
const MOST: usize = 16;

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn its_threads_yield_and_others_keep_their_priority() {
        let before = getpriority_process(None).unwrap();
        let (mut pool, control) = SessionPool::start().unwrap();
        let (said, heard) = channel();
        let first = said.clone();
        control
            .run(async move { first.send(getpriority_process(None).unwrap()).unwrap() })
            .unwrap();
        assert_eq!(heard.recv().unwrap(), (before + NICER).min(LEAST));
        if pool.threads.len() > 1 {
            pool.begin();
            pool.begin().1.spawn(async move { said.send(getpriority_process(None).unwrap()) });
            assert_eq!(heard.recv().unwrap(), (before + NICER).min(LEAST));
        }
        assert_eq!(getpriority_process(None).unwrap(), before);
    }

    #[test]
    fn dropping_it_ends_tasks_that_wait() {
        let (mut pool, control) = SessionPool::start().unwrap();
        let (held, gone) = channel::<()>();
        for _ in 0..pool.threads.len() {
            let held = held.clone();
            pool.begin().1.spawn(async move {
                let _held = held;
                std::future::pending::<()>().await;
            });
        }
        drop(held);
        control.run(async move { drop(pool) }).unwrap();
        assert!(gone.recv().is_err(), "the tasks' values were dropped");
    }

    #[test]
    fn a_handshake_alone_is_beside_the_control_task_and_many_are_spread() {
        let (mut pool, _control) = SessionPool::start().unwrap();
        let (first, _) = pool.begin();
        assert_eq!(first, ThreadSlot(0));
        pool.end(first);
        let seats: Vec<_> = (0..pool.threads.len()).map(|_| pool.begin().0).collect();
        assert_eq!(seats, (0..pool.threads.len()).map(ThreadSlot).collect::<Vec<_>>());
    }
}
