//! What was verified is not looked at again until somebody asks for it, and what is new always is.

#![allow(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

mod common;

use std::fs;
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

#[tokio::test]
async fn a_log_that_was_cut_off_and_is_whole_by_itself_is_found_by_every_look_and_for_good() {
    for depth in [Depth::New, Depth::Whole] {
        let (folder, store) = known().await;
        let verifier = verifier(&store);
        let revocation = verifier.verify(Depth::New).await.unwrap().chain.events;
        cut_off_from(&folder, revocation);
        let fault = ChainFault::Missing { event: EventId::new(revocation) };
        let found = verifier.verify(depth).await.unwrap();
        assert_eq!(found.chain.fault.as_ref(), Some(&fault), "{depth:?}");
        assert!(store.chain_verify().await.unwrap().fault.is_none(), "it is whole by itself");
        assert_eq!(store.audit().await.unwrap(), [], "and the rows are what it says");
        store.user_add(&ADMIN, &user("later"), None).await.unwrap();
        for depth in [Depth::New, Depth::Whole, Depth::New] {
            let again = verifier.verify(depth).await.unwrap();
            assert_eq!(again.chain.fault.as_ref(), Some(&fault), "{depth:?}");
            assert_eq!(verifier.glance().await.unwrap(), Some(again));
        }
        store.close().await;
    }
}

#[tokio::test]
async fn an_event_that_was_put_back_as_it_was_does_not_clear_the_alarm() {
    let (folder, store) = known().await;
    let verifier = verifier(&store);
    assert!(verifier.verify(Depth::New).await.unwrap().is_good());
    tamper(&folder, "UPDATE events SET at_ms = at_ms + 1 WHERE id = 2");
    let found = verifier.verify(Depth::Whole).await.unwrap();
    assert_eq!(found.chain.fault, Some(ChainFault::Altered { event: EventId::new(2) }));
    tamper(&folder, "UPDATE events SET at_ms = at_ms - 1 WHERE id = 2");
    let again = verifier.verify(Depth::Whole).await.unwrap();
    assert_eq!(again.chain.fault, found.chain.fault);
    store.close().await;
}

#[tokio::test]
async fn what_is_known_of_the_log_is_remembered_beside_a_row_that_was_changed() {
    let (folder, store) = known().await;
    let verifier = verifier(&store);
    let revocation = verifier.verify(Depth::New).await.unwrap().chain.events;
    tamper(&folder, "UPDATE users SET name = 'eve' WHERE name = 'bob'");
    assert_eq!(verifier.verify(Depth::New).await.unwrap().differences.len(), 1);
    tamper(&folder, "UPDATE users SET name = 'bob' WHERE name = 'eve'");
    cut_off_from(&folder, revocation);
    assert!(!verifier.verify(Depth::New).await.unwrap().is_good());
    store.close().await;
}

#[tokio::test]
async fn a_look_that_can_not_be_made_is_said_until_one_can() {
    let (folder, store) = known().await;
    let verifier = verifier(&store);
    let hide = "ALTER TABLE chain_head RENAME TO hidden";
    let show = "ALTER TABLE hidden RENAME TO chain_head";
    tamper(&folder, hide);
    assert!(verifier.verify(Depth::New).await.is_err());
    assert!(verifier.glance().await.is_err(), "the first one failed");
    tamper(&folder, show);
    assert!(verifier.verify(Depth::New).await.unwrap().is_good());
    assert!(verifier.glance().await.unwrap().unwrap().is_good());
    tamper(&folder, hide);
    assert!(verifier.glance().await.is_err(), "not what the last one found");
    tamper(&folder, show);
    assert!(verifier.glance().await.is_err(), "nobody has looked since");
    assert!(verifier.verify(Depth::New).await.unwrap().is_good());
    assert!(verifier.glance().await.unwrap().unwrap().is_good());
    store.close().await;
}

#[tokio::test]
async fn records_that_can_not_be_opened_for_a_moment_cost_no_look_from_the_first_event_on() {
    let (folder, store) = known().await;
    let verifier = verifier(&store);
    let first = verifier.verify(Depth::New).await.unwrap();
    let away = folder.database().with_extension("away");
    fs::rename(folder.database(), &away).unwrap();
    assert!(verifier.glance().await.is_err());
    assert!(verifier.verify(Depth::New).await.is_err());
    assert!(verifier.verify(Depth::Whole).await.is_err());
    fs::rename(&away, folder.database()).unwrap();
    store.user_add(&ADMIN, &user("later"), None).await.unwrap();
    let glance = verifier.glance().await.unwrap().unwrap();
    assert_eq!(glance.chain, store.chain_verify().await.unwrap());
    assert_eq!(glance.whole_at, first.whole_at, "it went on from there");
    store.close().await;
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

/// Takes the last event out, which revokes a certificate, with what it did, and leaves records that nothing is to
/// be seen of by themselves.
fn cut_off_from(folder: &Folder, revocation: u64) {
    tamper(
        folder,
        &format!(
            "DELETE FROM revocations WHERE event = {revocation}; \
             DELETE FROM events WHERE id = {revocation}; \
             UPDATE chain_head SET event = {before}, hash = (SELECT hash FROM events WHERE id = {before})",
            before = revocation - 1
        ),
    );
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
