//! The event log: nothing is missed by those who follow it, and nothing can be altered unnoticed.

#![allow(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{ADMIN, Folder, clock, later, open, user};
use rusqlite::Connection;
use serde_json::json;
use store::{Actor, ChainFault, EventId, EventKind, Reader, Store};

#[tokio::test]
async fn a_follower_misses_nothing() {
    const CHANGES: usize = 300;
    let folder = Folder::new();
    let store = open(&folder);
    let mut revisions = store.revisions();
    let following = store.clone();
    let seen = tokio::spawn(async move {
        let mut seen = Vec::new();
        while seen.len() < CHANGES {
            revisions.changed().await.unwrap();
            let latest = EventId::new(revisions.borrow_and_update().get());
            let after = seen.last().copied().unwrap_or(EventId::NONE);
            let events = following.event_list(after, CHANGES).await.unwrap();
            assert!(events.last().unwrap().id >= latest);
            seen.extend(events.iter().map(|event| event.id));
        }
        seen
    });
    let changes: Vec<_> = (0..CHANGES)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move {
                let name = user(&format!("user-{number}"));
                store.user_add(&ADMIN, &name, None).await.unwrap();
                let there = store.snapshot().users().any(|user| user.name == name);
                assert!(there, "acknowledged too early");
            })
        })
        .collect();
    for change in changes {
        change.await.unwrap();
    }
    let seen = seen.await.unwrap();
    assert_eq!(seen, (1..=CHANGES as u64).map(EventId::new).collect::<Vec<_>>());
}

#[tokio::test]
async fn the_log_is_read_from_a_time_on_whatever_the_clock_did() {
    let folder = Folder::new();
    let clock = Arc::new(clock());
    let store = Store::open(&folder.database(), clock.clone()).unwrap();
    assert_eq!(store.event_before(later(0)).await.unwrap(), EventId::NONE, "nothing is there");
    for name in ["a", "b", "c"] {
        store.user_add(&ADMIN, &user(name), None).await.unwrap();
        clock.advance(Duration::from_secs(60));
    }
    clock.set_wall(Duration::from_secs(1_000_000));
    store.user_add(&ADMIN, &user("d"), None).await.unwrap();
    for (time, before) in [(0, 0), (1, 1), (60, 1), (61, 2), (120, 2)] {
        let found = store.event_before(later(time)).await.unwrap();
        assert_eq!(found, EventId::new(before), "{time}");
    }
    assert_eq!(store.event_before(later(121)).await.unwrap(), EventId::new(4), "none is so late");
}

#[tokio::test]
async fn a_follower_is_told_when_the_store_closes() {
    let folder = Folder::new();
    let store = open(&folder);
    let mut revisions = store.revisions();
    store.close().await;
    assert!(revisions.changed().await.is_err());
}

#[tokio::test]
async fn an_event_without_a_record_has_time_actor_and_payload() {
    let folder = Folder::new();
    let store = open(&folder);
    let jump = json!({ "by_seconds": -90 });
    store.event_append(&Actor::Gateway, EventKind::CLOCK_JUMPED, jump.clone()).await.unwrap();
    let events = store.event_list(EventId::NONE, 10).await.unwrap();
    let event = events.first().unwrap();
    assert_eq!(event.at, common::later(0));
    assert_eq!((event.actor.as_str(), &event.kind), ("gateway", &EventKind::CLOCK_JUMPED));
    assert_eq!(event.payload, jump);
}

#[tokio::test]
async fn an_untouched_chain_is_whole() {
    let folder = Folder::new();
    let report = verify_after(&folder, |_| {}).await;
    assert_eq!((report.events, report.fault), (5, None));
}

#[tokio::test]
async fn the_database_itself_refuses_to_alter_events() {
    let folder = Folder::new();
    verify_after(&folder, |conn| {
        for sql in ["UPDATE events SET actor = 'me' WHERE id = 2", "DELETE FROM events"] {
            let refused = conn.execute(sql, []).unwrap_err().to_string();
            assert!(refused.contains("append-only"), "{refused}");
        }
    })
    .await;
}

#[tokio::test]
async fn the_first_altered_event_is_named() {
    let altered = [
        "UPDATE events SET payload = replace(payload, 'user-2', 'user-9') WHERE id IN (3, 5)",
        "UPDATE events SET at_ms = at_ms + 1 WHERE id = 3",
        "UPDATE events SET actor = 'gateway' WHERE id = 3",
        "UPDATE events SET kind = 'user_removed' WHERE id = 3",
        "UPDATE events SET hash = zeroblob(32) WHERE id = 3",
        "UPDATE events SET hash = x'00' WHERE id = 3",
        "UPDATE events SET payload = cast(x'ff' AS TEXT) WHERE id = 3",
    ];
    for sql in altered {
        let report = verify_after(&Folder::new(), |conn| tamper(conn, sql)).await;
        let event = EventId::new(3);
        assert_eq!(
            (report.events, report.fault),
            (2, Some(ChainFault::Altered { event })),
            "{sql}"
        );
    }
}

#[tokio::test]
async fn the_first_missing_event_is_named() {
    let cases = [
        ("DELETE FROM events WHERE id = 1", 1),
        ("DELETE FROM events WHERE id = 3", 3),
        ("DELETE FROM events WHERE id >= 4", 4),
    ];
    for (sql, event) in cases {
        let report = verify_after(&Folder::new(), |conn| tamper(conn, sql)).await;
        let event = EventId::new(event);
        assert_eq!(report.fault, Some(ChainFault::Missing { event }), "{sql}");
    }
}

#[tokio::test]
async fn a_head_that_was_set_back_is_noticed() {
    let sql = "UPDATE chain_head SET event = 4, hash = (SELECT hash FROM events WHERE id = 4)";
    let report = verify_after(&Folder::new(), |conn| tamper(conn, sql)).await;
    assert_eq!(report.fault, Some(ChainFault::BeyondHead { event: EventId::new(5) }));
    let sql = "UPDATE chain_head SET hash = zeroblob(32)";
    let report = verify_after(&Folder::new(), |conn| tamper(conn, sql)).await;
    assert_eq!(report.fault, Some(ChainFault::Altered { event: EventId::new(5) }));
}

/// Five events, a visit by somebody else, then the check.
async fn verify_after(folder: &Folder, visit: impl FnOnce(&Connection)) -> store::ChainReport {
    let store = open(folder);
    for number in 0..5 {
        store.user_add(&ADMIN, &user(&format!("user-{number}")), None).await.unwrap();
    }
    store.close().await;
    visit(&Connection::open(folder.database()).unwrap());
    Reader::open(&folder.database()).unwrap().chain_verify().await.unwrap()
}

fn tamper(conn: &Connection, sql: &str) {
    conn.execute_batch(
        "DROP TRIGGER events_are_not_altered; DROP TRIGGER events_are_not_deleted; \
         PRAGMA foreign_keys = OFF;",
    )
    .unwrap();
    conn.execute_batch(sql).unwrap();
}
