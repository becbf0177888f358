//! The tasks of one connection: HTTP/2's streams and tunnels. None of them outlives it.

use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use hyper::rt::Executor;
use tokio::task::{AbortHandle, Id, JoinError, JoinSet};

/// Spawns tasks that end with the connection.
#[derive(Clone, Debug)]
pub(crate) struct Tasks(Arc<Mutex<Option<Running>>>);

#[derive(Debug, Default)]
struct Running {
    set: JoinSet<()>,
    handles: HashMap<Id, AbortHandle>,
}

impl Running {
    fn ended(&mut self, task: Result<(Id, ()), JoinError>) {
        let id = task.map_or_else(|error| error.id(), |(id, ())| id);
        self.handles.remove(&id);
    }
}

/// Ends all tasks when it is dropped, and lets none begin behind that.
#[derive(Debug)]
pub(crate) struct Owner(Tasks);

impl Tasks {
    pub(crate) fn new() -> (Self, Owner) {
        let tasks = Self(Arc::new(Mutex::new(Some(Running::default()))));
        (tasks.clone(), Owner(tasks))
    }

    /// Begins one, unless the connection is over.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        if let Some(running) = self.running().as_mut() {
            // Those that are done would pile up over thousands of requests.
            while let Some(ended) = running.set.try_join_next_with_id() {
                running.ended(ended);
            }
            let handle = running.set.spawn(task);
            running.handles.insert(handle.id(), handle);
        }
    }

    /// Ends one of them; `false` where it is none.
    pub(crate) fn end(&self, id: Id) -> bool {
        let running = self.running();
        let handle = running.as_ref().and_then(|running| running.handles.get(&id));
        handle.inspect(|handle| handle.abort()).is_some()
    }

    fn running(&self) -> MutexGuard<'_, Option<Running>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Owner {
    /// Until all have ended.
    pub(crate) async fn all_done(&self) {
        poll_fn(|context| {
            let mut running = self.0.running();
            let Some(running) = running.as_mut() else { return Poll::Ready(()) };
            loop {
                match running.set.poll_join_next_with_id(context) {
                    Poll::Ready(Some(ended)) => running.ended(ended),
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
        let ended = self.0.running().take();
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
