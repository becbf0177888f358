//! Threads that strangers are answered on: they yield to all others.
//!
//! An answer to a stranger costs a signature, and strangers may ask as fast as the network carries it. They take no more
//! from revocations, handshakes and traffic than such threads get.

use std::io;

use tokio::runtime::{Builder, Runtime};

/// The threads. Dropping it ends what is on them.
#[derive(Debug)]
pub(crate) struct Desk(Option<Runtime>);

impl Desk {
    /// So many threads of this name.
    pub(crate) fn open(name: &str, threads: usize) -> io::Result<Self> {
        let threads = Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_name(name)
            .on_thread_start(engine::step_back)
            .enable_all()
            .build()?;
        Ok(Self(Some(threads)))
    }

    /// Calls `make` so that what it spawns runs there.
    pub(crate) fn within<T>(&self, make: impl FnOnce() -> T) -> T {
        let _inside = self.0.as_ref().map(Runtime::enter);
        make()
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        // Whoever drops it may be a task of another runtime, which must not wait.
        if let Some(threads) = self.0.take() {
            threads.shutdown_background();
        }
    }
}

#[cfg(test)]
mod tests {
    use rustix::process::getpriority_process;

    use super::*;

    #[test]
    fn whoever_asks_is_answered_on_a_thread_that_yields() {
        let own = getpriority_process(None).unwrap();
        let desk = Desk::open("desk", 1).unwrap();
        let (said, heard) = std::sync::mpsc::channel();
        desk.within(|| tokio::spawn(async move { said.send(getpriority_process(None)) }));
        let theirs = heard.recv().unwrap().unwrap();
        assert!(theirs > own || theirs == 19, "{own} {theirs}");
        assert_eq!(getpriority_process(None).unwrap(), own);
    }

    #[tokio::test]
    async fn what_is_open_can_be_closed_by_a_task() {
        let desk = Desk::open("desk", 1).unwrap();
        let (held, gone) = tokio::sync::oneshot::channel::<()>();
        desk.within(|| {
            tokio::spawn(async move {
                let _held = held;
                std::future::pending::<()>().await;
            })
        });
        drop(desk);
        assert!(gone.await.is_err());
    }
}
