//! Changes over a database that takes none for a while: what is in force, what is written, what is lost.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::io::{Error, ErrorKind};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use clock::{Clock, Now, SystemClock};
use tokio::time::timeout;

use super::{MOST, MOST_TALES};
use crate::backend::{Batch, Writing};
use crate::change::Proposal;
use crate::error::{Fault, StoreError};
use crate::ids::EventId;
use crate::lock::FolderLock;
use crate::reserve::Reserve;
use crate::snapshot::Snapshot;
use crate::sqlite::Sqlite;
use crate::{Actor, Committed, Deed, Event, EventKind, Options, Refused, Store, UserName};

#[tokio::test]
async fn what_withdraws_is_in_force_at_once_and_written_as_it_was_told_once_the_disk_takes_it() {
    let (folder, disk) = (Folder::new(), Disk::default());
    let store = disk.store(&folder);
    let (alice, bob) = (user("alice"), user("bob"));
    store.user_add(&Actor::Gateway, &alice, None).await.unwrap();
    store.user_add(&Actor::Gateway, &bob, None).await.unwrap();
    disk.refuses(Some(full()));

    let mut told = Vec::new();
    told.extend(not_on_disk(store.user_set_enabled(&Actor::Gateway, &alice, false).await));
    told.extend(not_on_disk(kick(&store).await));
    told.extend(not_on_disk(store.user_remove(&Actor::Gateway, &bob).await));
    let snapshot = store.snapshot();
    assert!(snapshot.users().all(|user| user.name == alice && !user.enabled()), "{snapshot:?}");
    assert!(snapshot.withdrawn() > EventId::new(2));
    assert_eq!(store.waiting().borrow().changes, 3);
    assert_eq!(store.event_latest().await.unwrap(), EventId::new(2));
    let again = store.user_set_enabled(&Actor::Gateway, &alice, false).await.unwrap();
    assert!(again.is_unchanged() && !again.on_disk);
    let gone = store.user_set_enabled(&Actor::Gateway, &bob, false).await;
    assert!(matches!(gone, Err(StoreError::Refused(Refused::UserUnknown(_)))), "{gone:?}");
    for others in [
        store.user_add(&Actor::Gateway, &bob, None).await.map(drop),
        store.user_set_enabled(&Actor::Gateway, &alice, true).await.map(drop),
    ] {
        assert!(matches!(others, Err(StoreError::Storage(Fault::DiskFull(_)))), "{others:?}");
    }

    disk.refuses(None);
    all_written(&store).await;
    assert_eq!(store.event_list(EventId::new(2), 99).await.unwrap(), told);
    assert_eq!(store.chain_verify().await.unwrap().fault, None);
    let after = store.user_add(&Actor::Gateway, &bob, None).await.unwrap();
    assert_eq!(after.events[0].id, EventId::new(6));
    assert!(after.on_disk);
    assert_eq!(store.close().await, 0);
}

#[tokio::test]
async fn deeds_that_withdraw_are_in_force_together_and_one_that_gives_waits_for_the_disk() {
    let (folder, disk) = (Folder::new(), Disk::default());
    let store = disk.store(&folder);
    for name in ["alice", "bob"] {
        store.user_add(&Actor::Gateway, &user(name), None).await.unwrap();
    }
    disk.refuses(Some(full()));
    let set = |name: &str, enabled| Deed::UserSetEnabled { name: user(name), enabled };
    let mixed = vec![set("alice", false), set("bob", true)];
    let refused = store.deeds_do(&Actor::Gateway, mixed).await;
    assert!(matches!(refused, Err(StoreError::Storage(Fault::DiskFull(_)))), "{refused:?}");
    let both = vec![set("alice", false), set("bob", false)];
    let told = not_on_disk(store.deeds_do(&Actor::Gateway, both).await);
    assert_eq!(told.len(), 2);
    assert!(store.snapshot().users().all(|user| !user.enabled()));
    disk.refuses(None);
    all_written(&store).await;
    assert_eq!(store.event_list(EventId::new(2), 99).await.unwrap(), told);
}

#[tokio::test]
async fn what_waits_is_written_before_what_comes_next() {
    let (folder, disk) = (Folder::new(), Disk::default());
    let store = disk.store(&folder);
    let alice = user("alice");
    store.user_add(&Actor::Gateway, &alice, None).await.unwrap();
    disk.refuses(Some(full()));
    let told = not_on_disk(store.user_set_enabled(&Actor::Gateway, &alice, false).await);
    disk.refuses(None);
    let next = store.user_set_enabled(&Actor::Gateway, &alice, true).await.unwrap();
    assert_eq!(store.event_list(EventId::new(1), 99).await.unwrap(), [told, next.events].concat());
    assert_eq!(store.waiting().borrow().written, 1);
}

#[tokio::test]
async fn what_the_disk_never_took_is_counted_at_the_end() {
    let (folder, disk) = (Folder::new(), Disk::default());
    let store = disk.store(&folder);
    let alice = user("alice");
    store.user_add(&Actor::Gateway, &alice, None).await.unwrap();
    disk.refuses(Some(Fault::ReadOnly(Arc::new(Error::from(ErrorKind::ReadOnlyFilesystem)))));
    not_on_disk(store.user_set_enabled(&Actor::Gateway, &alice, false).await);
    assert_eq!(store.close().await, 1);
    let store = Store::open(&folder.database(), Arc::new(SystemClock)).unwrap();
    assert!(store.snapshot().users().all(|user| user.enabled()), "who knew that?");
}

#[tokio::test]
async fn more_than_can_wait_is_refused_and_closed_sessions_leave_room_for_what_keeps_people_out() {
    let (folder, disk) = (Folder::new(), Disk::default());
    let store = disk.store(&folder);
    let names: Vec<_> = (0..=MOST - MOST_TALES).map(|n| user(&format!("u{n}"))).collect();
    for name in &names {
        store.user_add(&Actor::Gateway, name, None).await.unwrap();
    }
    disk.refuses(Some(full()));
    for _ in 0..MOST_TALES {
        not_on_disk(kick(&store).await);
    }
    assert!(matches!(kick(&store).await, Err(StoreError::Storage(Fault::DiskFull(_)))));
    assert_eq!(store.waiting().borrow().changes, MOST_TALES);
    let (last, held) = names.split_last().unwrap();
    for name in held {
        not_on_disk(store.user_set_enabled(&Actor::Gateway, name, false).await);
    }
    let one_more = store.user_set_enabled(&Actor::Gateway, last, false).await;
    assert!(matches!(one_more, Err(StoreError::Storage(Fault::DiskFull(_)))));
    assert_eq!(store.waiting().borrow().changes, MOST);
}

#[tokio::test]
async fn the_room_that_is_kept_is_given_up_for_what_withdraws_and_taken_back() {
    let folder = Folder::new();
    let mut reserve = Reserve::beside(&folder.database(), 1 << 20);
    reserve.fill();
    let whole = reserve.bytes();
    if whole == 0 {
        println!("SKIP: this file system keeps no room");
        return;
    }
    assert!(reserve.give_up() && reserve.bytes() < whole);
    assert_eq!(Reserve::beside(&folder.database(), 1 << 20).bytes(), reserve.bytes());
    while reserve.give_up() {}
    assert_eq!(reserve.bytes(), 0);
    reserve.fill();
    assert_eq!(reserve.bytes(), whole);
}

async fn kick(store: &Store) -> Result<Committed<()>, StoreError> {
    let payload = serde_json::json!({ "user": "alice", "device": "phone" });
    store.event_append(&Actor::Gateway, EventKind::SESSION_KICKED, payload).await
}

fn not_on_disk<T>(committed: Result<Committed<T>, StoreError>) -> Vec<Event> {
    let committed = committed.map_err(|error| error.to_string()).unwrap();
    assert!(!committed.on_disk);
    committed.events
}

async fn all_written(store: &Store) {
    let mut waiting = store.waiting();
    let written = waiting.wait_for(|waiting| waiting.changes == 0);
    timeout(Duration::from_secs(20), written).await.expect("it is tried again").unwrap();
}

/// What commits meet.
#[derive(Clone, Default)]
struct Disk(Arc<Mutex<Option<Fault>>>);

impl Disk {
    fn refuses(&self, with: Option<Fault>) {
        *self.0.lock().unwrap() = with;
    }

    fn store(&self, folder: &Folder) -> Store {
        let path = folder.database();
        let lock = FolderLock::take(&folder.0).unwrap();
        let inner = Sqlite::open(&path, Options::default()).unwrap();
        let backend = Unwilling { inner, disk: self.clone() };
        let reserve = Reserve::beside(&path, 0);
        Store::over(&path, Arc::new(SystemClock), Box::new(backend), reserve, lock).unwrap()
    }
}

struct Unwilling {
    inner: Sqlite,
    disk: Disk,
}

impl Writing for Unwilling {
    fn commit(
        &mut self,
        proposals: &[Proposal],
        clock: &dyn Clock,
        known: EventId,
    ) -> Result<Batch, Fault> {
        match self.disk.0.lock().unwrap().clone() {
            Some(fault) => Err(fault),
            None => self.inner.commit(proposals, clock, known),
        }
    }

    fn rehearse(
        &mut self,
        proposals: &[Proposal],
        clock: &dyn Clock,
        known: EventId,
    ) -> Result<Batch, Fault> {
        self.inner.rehearse(proposals, clock, known)
    }

    fn snapshot(&self) -> Result<Snapshot, StoreError> {
        self.inner.snapshot()
    }

    fn rest(&mut self, now: Now) -> bool {
        self.inner.rest(now)
    }

    fn close(self: Box<Self>) {
        Box::new(self.inner).close();
    }
}

fn full() -> Fault {
    Fault::DiskFull(Arc::new(Error::from(ErrorKind::StorageFull)))
}

fn user(name: &str) -> UserName {
    UserName::new(name).unwrap()
}

struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let (process, Now { boot, .. }) = (std::process::id(), SystemClock.now());
        let name = format!("handfast-waiting-{process}-{}", boot.as_nanos());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn database(&self) -> PathBuf {
        self.0.join("store.db")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
