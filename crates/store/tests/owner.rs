//! Who may open a store, and what is said when it can't be opened.

mod common;

use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::{ADMIN, Folder, clock, open, user};
use rusqlite::Connection;
use store::{Fault, FolderLock, LockError, OpenError, Options, Reader, Store, StoreError};

fn try_open(folder: &Folder) -> Result<Store, OpenError> {
    Store::open(&folder.database(), Arc::new(clock()))
}

#[tokio::test]
async fn a_second_owner_is_told_who_the_first_is() {
    let folder = Folder::new();
    let first = open(&folder);
    let Err(OpenError::Locked(LockError::Held { holder, .. })) = try_open(&folder) else {
        panic!("no owner")
    };
    assert_eq!(holder, Some(std::process::id()));
    first.close().await;
    try_open(&folder).unwrap().close().await;
}

#[tokio::test]
async fn the_lock_of_a_former_release_that_is_closing_is_honoured_and_then_removed() {
    let folder = Folder::new();
    let former = folder.path().join("handfast.db.lock");
    std::fs::write(&former, "process 7 (handfast)\n").unwrap();
    let held = File::open(&former).unwrap();
    held.try_lock().unwrap();
    let Err(OpenError::Locked(LockError::Held { holder, .. })) = try_open(&folder) else {
        panic!("no owner")
    };
    assert_eq!(holder, Some(7));
    drop(held);
    try_open(&folder).unwrap().close().await;
    assert!(!former.exists());
}

#[tokio::test]
async fn a_folder_that_was_taken_is_free_only_when_store_and_taker_have_let_go() {
    let folder = Folder::new();
    let lock = FolderLock::take(folder.path()).unwrap();
    let (database, clock) = (folder.database(), Arc::new(clock()));
    let options = Options::default();
    let store = Store::open_in_taken_folder(&database, clock, options, lock.clone()).unwrap();
    drop(lock);
    assert!(FolderLock::take(folder.path()).is_err());
    store.close().await;
    FolderLock::take(folder.path()).unwrap();
}

#[tokio::test]
async fn a_reader_reads_beside_the_owner() {
    let folder = Folder::new();
    let store = open(&folder);
    let reader = Reader::open(&folder.database()).unwrap();
    assert!(reader.user_list().await.unwrap().is_empty());
    store.user_add(&ADMIN, &user("alice"), None).await.unwrap();
    assert_eq!(reader.user_list().await.unwrap().len(), 1);
    store.close().await;
    assert_eq!(Reader::open(&folder.database()).unwrap().user_list().await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_opening_again() {
    let folder = Folder::new();
    let store = open(&folder);
    store.user_add(&ADMIN, &user("alice"), None).await.unwrap();
    let through = store.snapshot().through();
    store.close().await;
    let store = open(&folder);
    assert_eq!(store.snapshot().through(), through);
    assert!(store.snapshot().users().any(|u| u.name == user("alice")));
}

#[tokio::test]
async fn a_closed_store_says_so() {
    let folder = Folder::new();
    let store = open(&folder);
    store.clone().close().await;
    let late = store.user_add(&ADMIN, &user("alice"), None).await;
    assert!(matches!(late, Err(StoreError::Closed)));
}

#[tokio::test]
async fn nobody_else_can_read_the_files() {
    let folder = Folder::new();
    let store = open(&folder);
    store.user_add(&ADMIN, &user("alice"), None).await.unwrap();
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{}", entry.path().display());
    }
}

#[test]
fn a_store_that_is_not_there_is_not_made_by_reading() {
    let folder = Folder::new();
    let absent = Reader::open(&folder.database());
    assert!(matches!(absent, Err(OpenError::Absent(path)) if path == folder.database()));
    assert!(!folder.database().exists());
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let nowhere = Folder::new().database();
    let error = Store::open(&nowhere, Arc::new(clock())).unwrap_err();
    let folder = nowhere.parent().unwrap().display().to_string();
    assert_eq!(error.to_string(), format!("the data folder {folder} can't be used"));
}

#[tokio::test]
async fn the_store_of_a_later_release_is_left_alone() {
    let folder = Folder::new();
    open(&folder).close().await;
    let conn = Connection::open(folder.database()).unwrap();
    conn.pragma_update(None, "user_version", 99).unwrap();
    drop(conn);
    assert!(matches!(try_open(&folder), Err(OpenError::SchemaNewer { found: 99, known: 8 })));
    let reading = Reader::open(&folder.database());
    assert!(matches!(reading, Err(OpenError::SchemaNewer { found: 99, known: 8 })));
}

#[tokio::test]
async fn a_store_of_an_earlier_release_has_to_be_brought_up_to_date_by_its_owner() {
    let folder = Folder::new();
    open(&folder).close().await;
    let conn = Connection::open(folder.database()).unwrap();
    conn.pragma_update(None, "user_version", 0).unwrap();
    drop(conn);
    let reading = Reader::open(&folder.database());
    assert!(matches!(reading, Err(OpenError::SchemaOlder { found: 0, known: 8 })));
}

#[tokio::test]
async fn a_lock_inside_the_database_is_told_and_costs_nothing() {
    let folder = Folder::new();
    let store = open(&folder);
    let stranger = Connection::open(folder.database()).unwrap();
    stranger.execute_batch("BEGIN IMMEDIATE").unwrap();
    let refused = store.user_add(&ADMIN, &user("alice"), None).await;
    assert!(matches!(refused, Err(StoreError::Storage(Fault::Busy(_)))));
    stranger.execute_batch("ROLLBACK").unwrap();
    store.user_add(&ADMIN, &user("alice"), None).await.unwrap();
}

#[tokio::test]
async fn who_is_disabled_is_out_while_a_stranger_has_the_lock_and_it_is_waited_for_once() {
    let folder = Folder::new();
    let store = open(&folder);
    let alice = user("alice");
    store.user_add(&ADMIN, &alice, None).await.unwrap();
    let stranger = Connection::open(folder.database()).unwrap();
    stranger.execute_batch("BEGIN IMMEDIATE").unwrap();
    let asked = Instant::now();
    let disabled = store.user_set_enabled(&ADMIN, &alice, false).await.unwrap();
    // Once is five seconds.
    assert!(asked.elapsed() < Duration::from_secs(9), "{:?}", asked.elapsed());
    assert!(!disabled.on_disk);
    let snapshot = store.snapshot();
    assert!(snapshot.users().all(|user| user.disabled_at.is_some()), "it is in force");
    stranger.execute_batch("ROLLBACK").unwrap();
    store.user_add(&ADMIN, &user("bob"), None).await.unwrap();
    store.close().await;
    let written = open(&folder).user_show(&alice).await.unwrap().user;
    assert!(written.disabled_at.is_some(), "and it is written");
}

#[test]
fn another_programs_file_is_left_alone() {
    let folder = Folder::new();
    let text = b"these are the notes of somebody else, and they are not a database at all, not one";
    std::fs::write(folder.database(), text.repeat(20)).unwrap();
    assert!(matches!(try_open(&folder), Err(OpenError::Foreign(_))));
    assert_eq!(std::fs::read(folder.database()).unwrap(), text.repeat(20));

    let folder = Folder::new();
    let conn = Connection::open(folder.database()).unwrap();
    conn.execute_batch("CREATE TABLE recipes (name TEXT)").unwrap();
    drop(conn);
    assert!(matches!(try_open(&folder), Err(OpenError::Foreign(_))));
}

#[tokio::test]
async fn a_damaged_store_is_called_damaged() {
    let folder = Folder::new();
    let store = open(&folder);
    for number in 0..50 {
        store.user_add(&ADMIN, &user(&format!("user-{number}")), None).await.unwrap();
    }
    store.close().await;
    let mut bytes = std::fs::read(folder.database()).unwrap();
    bytes[4096..].fill(0xa5);
    std::fs::write(folder.database(), bytes).unwrap();
    let error = try_open(&folder).unwrap_err();
    assert!(matches!(error, OpenError::Storage(Fault::Corrupt(_))), "{error:?}");
    assert!(error.to_string().contains("restore"), "{error}");
}
