//! What was verified is not looked at again until somebody asks for it, and what is new always is.

#![allow(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

mod common;

use std::sync::Arc;

use clock::SystemClock;
use common::{ADMIN, Folder, add_ca, device, device_certificate, open, user};
use rusqlite::Connection;
use store::{ChainFault, Depth, EventId, RevocationReason, Store, Verifier};

#[tokio::test]
async fn each_look_goes_on_where_the_last_one_ended() {
    let (folder, store) = known().await;
    let verifier = verifier(&store);
    assert_eq!(verifier.glance().await.unwrap(), None, "nothing is known yet");
    let first = verifier.verify(Depth::New).await.unwrap();
    assert!(first.is_good(), "{first:?}");
    for number in 0..5 {
        store.user_add(&ADMIN, &user(&format!("later-{number}")), None).await.unwrap();
        let glance = verifier.glance().await.unwrap().unwrap();
        let look = verifier.verify(Depth::New).await.unwrap();
        assert_eq!(glance, look);
        assert!(look.is_good(), "{look:?}");
        assert_eq!(look.chain, store.chain_verify().await.unwrap(), "as the whole log says");
        assert_eq!(look.whole_at, first.whole_at);
    }
    store.close().await;
    drop(folder);
}

#[tokio::test]
async fn a_row_that_was_changed_since_the_last_look_is_found_and_its_mend_is_seen() {
    let (folder, store) = known().await;
    let verifier = verifier(&store);
    assert!(verifier.verify(Depth::New).await.unwrap().is_good());
    tamper(&folder, "UPDATE users SET name = 'eve' WHERE name = 'bob'");
    let found = verifier.verify(Depth::New).await.unwrap();
    assert_eq!(found.differences.len(), 1, "{found:?}");
    let glance = verifier.glance().await.unwrap();
    assert_eq!(glance, Some(found), "status says it from then on");
    tamper(&folder, "UPDATE users SET name = 'bob' WHERE name = 'eve'");
    let mended = verifier.verify(Depth::New).await.unwrap();
    assert!(mended.is_good(), "{mended:?}");
    store.close().await;
}

#[tokio::test]
async fn an_event_that_was_altered_behind_the_last_look_is_found_by_a_glance() {
    let (folder, store) = known().await;
    let verifier = verifier(&store);
    let verified = verifier.verify(Depth::New).await.unwrap().chain.events;
    store.user_add(&ADMIN, &user("later"), None).await.unwrap();
    tamper(&folder, &format!("UPDATE events SET at_ms = 1 WHERE id = {}", verified + 1));
    let found = verifier.glance().await.unwrap().unwrap();
    let event = EventId::new(verified + 1);
    assert_eq!(found.chain.fault, Some(ChainFault::Altered { event }));
    store.close().await;
}

#[tokio::test]
async fn a_tail_that_was_cut_off_and_a_last_event_that_was_altered_are_found_by_a_glance() {
    for (sql, altered) in [
        ("DELETE FROM events WHERE id = ", false),
        ("UPDATE events SET hash = zeroblob(32) WHERE id = ", true),
    ] {
        let (folder, store) = known().await;
        let verifier = verifier(&store);
        let verified = verifier.verify(Depth::New).await.unwrap().chain.events;
        tamper(&folder, &format!("{sql}{verified}"));
        let found = verifier.glance().await.unwrap().unwrap();
        let event = EventId::new(verified);
        let expected = match altered {
            true => ChainFault::Altered { event },
            false => ChainFault::Missing { event },
        };
        assert_eq!(found.chain.fault, Some(expected));
        store.close().await;
    }
}

#[tokio::test]
async fn what_only_a_whole_look_sees_is_found_by_one() {
    let planted = [
        "UPDATE events SET at_ms = 1 WHERE id = 2",
        "UPDATE certificates SET der = x'3000' WHERE id = 1",
    ];
    for sql in planted {
        let (folder, store) = known().await;
        let verifier = verifier(&store);
        assert!(verifier.verify(Depth::New).await.unwrap().is_good());
        tamper(&folder, sql);
        assert!(verifier.verify(Depth::New).await.unwrap().is_good(), "{sql}: verified before");
        assert!(!verifier.verify(Depth::Whole).await.unwrap().is_good(), "{sql}");
        assert!(!verifier.verify(Depth::New).await.unwrap().is_good(), "{sql}: not forgotten");
        store.close().await;
    }
}

fn verifier(store: &Store) -> Verifier {
    Verifier::of(store, Arc::new(SystemClock))
}

/// alice with a phone, one certificate of which is revoked; and bob.
async fn known() -> (Folder, Store) {
    let folder = Folder::new();
    let store = open(&folder);
    let ca = add_ca(&store).await.id;
    let added = store.user_add(&ADMIN, &user("alice"), Some(&device("phone"))).await.unwrap().value;
    let phone = added.devices.first().unwrap().device.id;
    store.user_add(&ADMIN, &user("bob"), None).await.unwrap();
    for number in [7, 8] {
        store.certificate_record(&ADMIN, device_certificate(number, phone, ca)).await.unwrap();
    }
    let reason = RevocationReason::KeyCompromise;
    store.certificate_revoke(&ADMIN, &common::id(8), reason).await.unwrap();
    (folder, store)
}

fn tamper(folder: &Folder, sql: &str) {
    let conn = Connection::open(folder.database()).unwrap();
    conn.execute_batch("PRAGMA foreign_keys = OFF; PRAGMA busy_timeout = 5000;").unwrap();
    conn.execute_batch(
        "DROP TRIGGER IF EXISTS events_are_not_altered; DROP TRIGGER IF EXISTS events_are_not_deleted;",
    )
    .unwrap();
    conn.execute_batch(sql).unwrap();
}
