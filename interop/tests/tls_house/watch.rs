//! What a process has while a crowd is there, and what a crowd has of this one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::memory_of;

/// The most memory that a process has at any moment.
pub(crate) struct Watch {
    over: Arc<AtomicBool>,
    thread: thread::JoinHandle<u64>,
}

impl Watch {
    pub(crate) fn start(process: u32) -> Self {
        let over = Arc::<AtomicBool>::default();
        let ends = Arc::clone(&over);
        let thread = thread::spawn(move || {
            let mut most = 0;
            while !ends.load(Ordering::Relaxed) {
                most = most.max(memory_of(process));
                thread::sleep(Duration::from_millis(100));
            }
            most
        });
        Self { over, thread }
    }

    pub(crate) fn end(self) -> u64 {
        self.over.store(true, Ordering::Relaxed);
        self.thread.join().expect("no panic")
    }
}

/// As many as a crowd takes in this process.
pub(crate) fn raise_descriptors(wanted: u64) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let present = getrlimit(Resource::Nofile);
    let current = present.current.unwrap_or(u64::MAX).max(wanted);
    let maximum = present.maximum.map(|most| most.max(wanted));
    // What root may not raise shows in the figures.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(current), maximum });
}
