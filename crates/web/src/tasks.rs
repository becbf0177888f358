//! The tasks of one connection: HTTP/2's streams and tunnels. None of them outlives it.

use std::future::{Future, poll_fn};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use hyper::rt::Executor;
use tokio::task::JoinSet;

/// Spawns tasks that end with the connection.
#[derive(Clone, Debug)]
pub(crate) struct Tasks(Arc<Mutex<Option<JoinSet<()>>>>);

/// Ends all tasks when it is dropped, and lets none begin behind that.
#[derive(Debug)]
pub(crate) struct Owner(Tasks);

impl Tasks {
    pub(crate) fn new() -> (Self, Owner) {
        let tasks = Self(Arc::new(Mutex::new(Some(JoinSet::new()))));
        (tasks.clone(), Owner(tasks))
    }

    /// Begins one, unless the connection is over.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        if let Some(set) = self.set().as_mut() {
            // Those that are done would pile up over thousands of requests.
            while set.try_join_next().is_some() {}
            set.spawn(task);
        }
    }

    fn set(&self) -> MutexGuard<'_, Option<JoinSet<()>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Owner {
    /// Until all have ended.
    pub(crate) async fn all_done(&self) {
        poll_fn(|context| {
            let mut set = self.0.set();
            let Some(set) = set.as_mut() else { return Poll::Ready(()) };
            loop {
                match set.poll_join_next(context) {
                    Poll::Ready(Some(_)) => {}
                    Poll::Ready(None) => return Poll::Ready(()),
                    Poll::Pending => return Poll::Pending,
                }
            }
        })
        .await;
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        let ended = self.0.set().take();
        drop(ended);
    }
}

impl<F> Executor<F> for Tasks
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, task: F) {
        self.spawn(async {
            task.await;
        });
    }
}
