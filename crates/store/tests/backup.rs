//! All records in one file, and back: beside a running owner, killed in the middle, or damaged.

#![allow(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

mod common;

use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use common::{ADMIN, Folder, Seeded, open, user};
use store::{Beside, CopyError, EventKind, Store, backup, restore};

#[tokio::test]
async fn a_backup_beside_a_running_owner_is_one_private_file_with_everything() {
    let folder = Folder::new();
    let store = filled(&folder, 300).await;
    let (file, beside) = (folder.path().join("backup"), beside());
    backup(&folder.database(), &file, &beside).unwrap();
    let names: Vec<_> =
        names(folder.path()).into_iter().filter(|n| n.starts_with("backup")).collect();
    assert_eq!(names, ["backup"]);
    assert_eq!(std::fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
    store.user_add(&ADMIN, &user("later"), None).await.unwrap();

    let other = Folder::new();
    let restoring = restore(&file, &other.database()).unwrap();
    assert_eq!(restoring.beside, beside);
    assert!(!other.database().exists());
    restoring.finish().unwrap();
    let back = open(&other);
    assert_eq!(back.user_list().await.unwrap().len(), 300);
    let head = back.chain_verify().await.unwrap();
    assert_eq!((head.fault, head.events), (None, 300));
    assert_eq!(back.event_list(first(), 999).await.unwrap(), {
        let mut events = store.event_list(first(), 999).await.unwrap();
        events.retain(|event| event.payload["user"] != "later");
        events
    });
    back.event_append(&ADMIN, EventKind::CONFIG_RELOADED, serde_json::json!({})).await.unwrap();
    back.close().await;
}

#[tokio::test]
async fn a_backup_takes_nobodys_place_and_follows_no_link() {
    let folder = Folder::new();
    let store = filled(&folder, 1).await;
    let (file, victim) = (folder.path().join("backup"), folder.path().join("victim"));
    std::fs::write(&victim, "mine").unwrap();
    symlink(&victim, &file).unwrap();
    let there = backup(&folder.database(), &file, &[]);
    assert!(matches!(&there, Err(CopyError::Exists(path)) if *path == file), "{there:?}");
    std::fs::remove_file(&file).unwrap();
    symlink(&victim, folder.path().join("backup.partial")).unwrap();
    backup(&folder.database(), &file, &[]).unwrap();
    assert_eq!(std::fs::read_to_string(&victim).unwrap(), "mine");
    let there = restore(&file, &folder.database()).unwrap().finish();
    assert!(matches!(there, Err(CopyError::Exists(_))), "{there:?}");
    store.close().await;
}

#[tokio::test]
async fn what_is_no_backup_or_was_changed_is_not_restored() {
    let folder = Folder::new();
    filled(&folder, 50).await.close().await;
    let other = Folder::new();
    let none = restore(&folder.database(), &other.database());
    assert!(matches!(none, Err(CopyError::NotACopy(_))), "{none:?}");
    let file = folder.path().join("backup");
    backup(&folder.database(), &file, &beside()).unwrap();
    change(&file, b"user-33", b"user-34");
    let damaged = restore(&file, &other.database());
    assert!(matches!(damaged, Err(CopyError::Damaged(_))), "{damaged:?}");
    assert!(names(other.path()).is_empty(), "{:?}", names(other.path()));
}

#[tokio::test]
async fn a_backup_or_restore_that_is_killed_leaves_nothing_half_done_under_its_name() {
    let (folder, other) = (Folder::new(), Folder::new());
    let store = filled(&folder, 3_000).await;
    let (file, mut seeded, mut whole) = (folder.path().join("backup"), Seeded(0x5eed_0008), 0);
    for _ in 0..40 {
        killed(&folder.database(), &file, &other.database(), seeded.next() % 300_000);
        if file.exists() {
            whole += 1;
            restore(&file, &other.path().join("tried")).unwrap();
        }
        if other.database().exists() {
            let back = open(&other);
            assert_eq!(back.user_list().await.unwrap().len(), 3_000);
            back.close().await;
        }
        let _ = std::fs::remove_file(&file);
        let _ = std::fs::remove_file(other.database());
    }
    println!("40 kills, {whole} of them after the backup");
    store.close().await;
}

/// A child that makes a backup and restores it, and is killed after so many microseconds.
fn killed(database: &Path, file: &Path, to: &Path, after: u64) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_child_makes_a_backup_and_restores_it", "--ignored", "--nocapture"])
        .env("BACKUP_OF", database)
        .env("BACKUP_FILE", file)
        .env("BACKUP_TO", to)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = [0; 1];
    let mut output = child.stdout.take().unwrap();
    while output.read(&mut said).unwrap() == 1 && said != *b"!" {}
    thread::sleep(Duration::from_micros(after));
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
#[ignore = "the other tests run this as a process of its own"]
fn the_child_makes_a_backup_and_restores_it() {
    let path = |name| std::env::var_os(name).map(PathBuf::from);
    let Some(database) = path("BACKUP_OF") else { return };
    let (file, to) = (path("BACKUP_FILE").unwrap(), path("BACKUP_TO").unwrap());
    println!("!");
    backup(&database, &file, &beside()).unwrap();
    restore(&file, &to).unwrap().finish().unwrap();
    thread::sleep(Duration::from_secs(10));
}

async fn filled(folder: &Folder, users: usize) -> Store {
    let store = open(folder);
    let names: Vec<_> = (0..users).map(|number| user(&format!("user-{number}"))).collect();
    for some in names.chunks(100) {
        let adding = some.iter().map(|name| {
            let (store, name) = (store.clone(), name.clone());
            tokio::spawn(async move { store.user_add(&ADMIN, &name, None).await.map(drop) })
        });
        for added in adding.collect::<Vec<_>>() {
            added.await.unwrap().unwrap();
        }
    }
    store
}

fn beside() -> Vec<Beside> {
    let file =
        |name: &str, content: &[u8]| Beside { name: name.into(), content: content.to_vec().into() };
    vec![file("ca.crt", b"a certificate"), file("handfast.toml", b"[vpn]\n")]
}

fn change(file: &Path, from: &[u8], to: &[u8]) {
    let bytes = std::fs::read(file).unwrap();
    let at = bytes.windows(from.len()).position(|window| window == from).unwrap();
    let mut file = std::fs::File::options().write(true).open(file).unwrap();
    file.seek(SeekFrom::Start(at as u64)).unwrap();
    file.write_all(to).unwrap();
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn first() -> store::EventId {
    store::EventId::NONE
}
