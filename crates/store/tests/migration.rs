//! A database of format 1: it is brought up to date once, loses nothing, and may be killed meanwhile.

#![allow(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

mod common;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use common::{Folder, clock};
use pki::{CertificateId, CertificateStatus, KeyId, RevocationReason};
use rusqlite::Connection;
use store::{Actor, Certificate, ChainReport, Ended, EventId, Store, Timestamp};

#[tokio::test]
async fn a_store_of_format_1_opens_twice_with_all_its_records() {
    let folder = of_format_1();
    for _ in 0..2 {
        let store = Store::open(&folder.database(), Arc::new(clock())).unwrap();
        assert_eq!(store.user_list().await.unwrap().len(), 5);
        assert_eq!(store.device_list(None).await.unwrap().len(), 8);
        let certificates = store.certificate_list().await.unwrap();
        assert_eq!(certificates.len(), 12);
        for certificate in &certificates {
            let der = certificate.der.clone().into();
            assert_eq!(CertificateId::of(&der), Ok(certificate.id));
            assert_eq!(KeyId::of_certificate(&der), Ok(certificate.public_key));
        }
        let generation = store.ca_generation_list().await.unwrap().remove(0);
        let listed = store.listed(generation.id).await.unwrap();
        let reasons: Vec<_> = listed.revocations.iter().map(|r| r.reason).collect();
        assert_eq!(
            reasons,
            [
                RevocationReason::Superseded,
                RevocationReason::KeyCompromise,
                RevocationReason::CessationOfOperation
            ]
        );
        // Carol was disabled by event 42, and her certificate is on hold since then.
        let disabled = store.event_list(EventId::new(41), 1).await.unwrap().remove(0);
        let holds: Vec<_> = listed.holds.iter().map(|hold| hold.at).collect();
        assert_eq!(holds, [disabled.second()]);
        assert_eq!(store.audit().await.unwrap(), []);
        let successor = certificates.iter().find(|c| c.superseded_by.is_some()).unwrap();
        let by = successor.superseded_by.unwrap();
        assert_eq!(store.snapshot().status(&by), CertificateStatus::Good);
        assert_eq!(store.crl_latest(generation.id).await.unwrap().unwrap().number, 4);
        assert_eq!(store.event_latest().await.unwrap(), EventId::new(50));
        let ChainReport { events, fault, .. } = store.chain_verify().await.unwrap();
        assert_eq!((events, fault), (50, None));
        store.close().await;
    }
}

#[tokio::test]
async fn what_ended_is_forgotten_of_a_former_release_too_and_nothing_is_missed() {
    let folder = of_format_1();
    let store = Store::open(&folder.database(), Arc::new(clock())).unwrap();
    let all = store.certificate_list().await.unwrap();
    let ended = |c: &Certificate| Ended { id: c.id, key: None };
    let end_of_time = Timestamp::from_unix_secs(1 << 40);
    let forgotten =
        store.certificates_forget(&Actor::Gateway, all.iter().map(ended).collect(), end_of_time);
    forgotten.await.unwrap();
    let left = store.certificate_list().await.unwrap();
    assert!(left.len() < all.len(), "the gateway had some");
    assert_eq!(store.audit().await.unwrap(), []);
    store.close().await;
}

#[test]
fn a_migration_that_is_killed_at_any_write_begins_anew_or_is_done() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut kills = 0;
    for write in 1.. {
        let folder = of_format_1();
        if !killed_at_write(&folder.database(), write) {
            break;
        }
        kills += 1;
        runtime.block_on(async {
            let store = Store::open(&folder.database(), Arc::new(clock())).unwrap();
            let certificates = store.certificate_list().await.unwrap();
            assert_eq!(certificates.len(), 12, "killed at write {write}");
            let report = store.chain_verify().await.unwrap();
            assert_eq!((report.events, report.fault), (50, None), "killed at write {write}");
            store.close().await;
            let conn = Connection::open(folder.database()).unwrap();
            let faults: Vec<String> = conn
                .prepare("PRAGMA foreign_key_check")
                .unwrap()
                .query_map([], |row| row.get(0))
                .unwrap()
                .collect::<Result<_, _>>()
                .unwrap();
            assert_eq!(faults, Vec::<String>::new(), "killed at write {write}");
        });
    }
    println!("killed at each of {kills} writes, nothing lost");
    assert!(kills > 10, "only {kills} writes were seen");
}

#[test]
#[ignore = "the other tests run this as a process of its own"]
fn the_child_opens_the_store() {
    let Ok(database) = std::env::var("STORE_CHILD") else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let store = Store::open(Path::new(&database), Arc::new(clock())).unwrap();
        store.close().await;
    });
}

/// Opens the store in a process that gets SIGKILL at its nth write to a file; whether it got there.
fn killed_at_write(database: &Path, write: u32) -> bool {
    let kill = format!("inject=pwrite64:signal=SIGKILL:when={write}");
    let child = std::process::Command::new("strace")
        .args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=pwrite64", "-e", &kill])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "the_child_opens_the_store", "--ignored"])
        .env("STORE_CHILD", database)
        .stdout(std::process::Stdio::null())
        .status()
        .expect("strace is installed");
    !child.success()
}

/// A copy of the folder that a former release wrote.
fn of_format_1() -> Folder {
    let folder = Folder::new();
    let former =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/89f73ea/data/handfast.db");
    std::fs::copy(former, folder.database()).unwrap();
    folder
}
