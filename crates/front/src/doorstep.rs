//! Those whom a backend has greeted and who have proved nothing yet: each has one of its connections to itself.
//!
//! A database has a few hundred, and counts each that ends before a login against us. So few strangers have one at a time:
//! those of one host wait for each other in turn, and where there are too many in all, the host that has most makes
//! room. Invariant: who waits for a place has none, and nobody has been dialled for it.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use sources::Source;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::port::{Crowd, Most, Stranger};

/// The places of one server.
#[derive(Clone, Debug)]
pub(crate) struct Doorstep {
    crowd: Crowd,
    turns: Arc<Mutex<HashMap<Source, Weak<Semaphore>>>>,
}

/// A place, until it is dropped.
pub(crate) struct Place {
    _there: Stranger,
    _turn: OwnedSemaphorePermit,
}

impl Doorstep {
    pub(crate) fn new() -> Self {
        Self { crowd: Crowd::of(MOST), turns: Arc::default() }
    }

    /// A place for this stranger, once its host has one left; none where that takes too long.
    pub(crate) async fn place(&self, stranger: &Stranger, from: IpAddr) -> Option<Place> {
        let turns = self.turns_of(Source::host(from));
        let turn = timeout(WAITING, turns.acquire_owned()).await.ok()?.ok()?;
        Some(Place { _there: stranger.joins(&self.crowd, from)?, _turn: turn })
    }

    fn turns_of(&self, host: Source) -> Arc<Semaphore> {
        // They are whole after each change, whoever panicked.
        let mut all = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        // As many as there are hosts of strangers, at most.
        all.retain(|_, turns| turns.strong_count() > 0);
        all.get(&host).and_then(Weak::upgrade).unwrap_or_else(|| {
            let turns = Arc::new(Semaphore::new(MOST.of_a_host));
            all.insert(host, Arc::downgrade(&turns));
            turns
        })
    }
}

/// MySQL and MariaDB take 151 connections by default.
const MOST: Most = Most { all: 64, of_a_host: 8 };
/// For others of its host. Each of them has its own time.
const WAITING: Duration = Duration::from_secs(8);
