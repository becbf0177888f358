//! What is kept of orders among the records' secrets, also what the disk does not take yet.
//!
//! Not here: what it is. Invariant: what was put in is had from here, whether or not it was written; and it is written
//! as soon as the disk takes it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use store::{Actor, Secret, Store, StoreError};

use crate::doors::BoxFuture;

/// Where secrets are kept.
pub(super) trait Shelf {
    /// One of them.
    fn get<'a>(&'a self, place: &'a str) -> BoxFuture<'a, Result<Option<Secret>, StoreError>>;

    /// Keeps one, in place of a former one.
    fn put<'a>(&'a self, place: &'a str, secret: Secret) -> BoxFuture<'a, Result<(), StoreError>>;
}

/// Secrets, by their places.
#[derive(Debug)]
pub(super) struct Drawer<S> {
    shelf: S,
    /// What is not written yet.
    waiting: Mutex<BTreeMap<String, Arc<Secret>>>,
    /// Whoever writes has it, so that what was put in later is written later.
    turn: tokio::sync::Mutex<()>,
}

impl<S: Shelf> Drawer<S> {
    pub(super) fn before(shelf: S) -> Self {
        Self { shelf, waiting: Mutex::default(), turn: tokio::sync::Mutex::default() }
    }

    /// What was put there last.
    pub(super) async fn get(&self, place: &str) -> Result<Option<Secret>, StoreError> {
        let waiting = self.waiting().get(place).cloned();
        match waiting {
            Some(secret) => Ok(Some(Secret::clone(&secret))),
            None => self.shelf.get(place).await,
        }
    }

    /// Keeps it, if only in memory at first.
    pub(super) async fn put(&self, place: &str, secret: Secret) {
        self.waiting().insert(place.to_owned(), Arc::new(secret));
        if let Err(error) = self.write_one(place).await {
            tracing::error!(%error, place, "kept in memory alone; it is written once that can be");
        }
    }

    /// Writes what waits.
    pub(super) async fn write(&self) {
        let waiting: Vec<_> = self.waiting().keys().cloned().collect();
        for place in waiting {
            match self.write_one(&place).await {
                Ok(()) => tracing::info!(place, "written"),
                Err(error) => tracing::debug!(%error, place, "kept in memory alone still"),
            }
        }
    }

    async fn write_one(&self, place: &str) -> Result<(), StoreError> {
        let _turn = self.turn.lock().await;
        let Some(secret) = self.waiting().get(place).cloned() else { return Ok(()) };
        self.shelf.put(place, Secret::clone(&secret)).await?;
        let mut waiting = self.waiting();
        // Another one may have been put in meanwhile.
        if waiting.get(place).is_some_and(|one| Arc::ptr_eq(one, &secret)) {
            waiting.remove(place);
        }
        Ok(())
    }

    fn waiting(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Secret>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shelf for Store {
    fn get<'a>(&'a self, place: &'a str) -> BoxFuture<'a, Result<Option<Secret>, StoreError>> {
        Box::pin(self.secret_get(place))
    }

    fn put<'a>(&'a self, place: &'a str, secret: Secret) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move { self.secret_put(&Actor::Gateway, place, secret).await.map(drop) })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use store::Fault;

    use super::*;

    #[tokio::test]
    async fn what_a_full_disk_does_not_take_is_there_all_the_same_and_written_later() {
        let drawer = Drawer::before(Board::default());
        drawer.shelf.is_full.store(true, Ordering::Relaxed);
        drawer.put("a", Secret::new(b"first".to_vec())).await;
        assert_eq!(there(&drawer, "a").await.as_deref(), Some(&b"first"[..]));
        assert!(drawer.shelf.written().is_empty());
        drawer.put("a", Secret::new(b"second".to_vec())).await;
        assert_eq!(there(&drawer, "a").await.as_deref(), Some(&b"second"[..]));
        drawer.shelf.is_full.store(false, Ordering::Relaxed);
        drawer.write().await;
        assert_eq!(drawer.shelf.written()["a"].expose(), b"second");
        assert!(drawer.waiting().is_empty(), "it is written once");
        assert_eq!(there(&drawer, "a").await.as_deref(), Some(&b"second"[..]));
    }

    async fn there(drawer: &Drawer<Board>, place: &str) -> Option<Vec<u8>> {
        drawer.get(place).await.unwrap().map(|secret| secret.expose().to_vec())
    }

    #[derive(Default)]
    struct Board {
        written: Mutex<BTreeMap<String, Secret>>,
        is_full: AtomicBool,
    }

    impl Board {
        fn written(&self) -> MutexGuard<'_, BTreeMap<String, Secret>> {
            self.written.lock().unwrap()
        }
    }

    impl Shelf for Board {
        fn get<'a>(&'a self, place: &'a str) -> BoxFuture<'a, Result<Option<Secret>, StoreError>> {
            Box::pin(async move { Ok(self.written().get(place).cloned()) })
        }

        fn put<'a>(
            &'a self,
            place: &'a str,
            secret: Secret,
        ) -> BoxFuture<'a, Result<(), StoreError>> {
            Box::pin(async move {
                if self.is_full.load(Ordering::Relaxed) {
                    let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
                    return Err(StoreError::Storage(Fault::DiskFull(Arc::new(full))));
                }
                self.written().insert(place.to_owned(), secret);
                Ok(())
            })
        }
    }
}
