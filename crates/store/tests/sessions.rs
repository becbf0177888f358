//! Sessions on record: noted in batches, found by device, time and address, forgotten in time.

#![allow(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

mod common;

use std::net::IpAddr;

use clock::Timestamp;
use common::{ADMIN, Folder, open, user};
use store::{DeviceId, DeviceName, SessionNote, SessionQuery, Store};

#[tokio::test]
async fn a_session_is_found_by_its_device_its_time_and_its_address() {
    let folder = Folder::new();
    let store = open(&folder);
    let (alice, bob) = (device(&store, "alice").await, device(&store, "bob").await);
    let events = store.event_latest().await.unwrap();
    let (early, late) = (note(alice, 1, 1_000), note(bob, 2, 5_000));
    let ended =
        SessionNote { seen: at(1_600), bytes_in: 7, ended: Some("kicked".into()), ..early.clone() };
    store.sessions_note([early, late.clone()].into()).await.unwrap();
    store.sessions_note([ended].into()).await.unwrap();
    assert_eq!(store.event_latest().await.unwrap(), events, "no event tells of sessions");

    let all = store.session_list(query()).await.unwrap();
    assert_eq!(all.iter().map(|one| one.number).collect::<Vec<_>>(), [2, 1]);
    assert_eq!((all[1].bytes_in, all[1].ended.as_deref()), (7, Some("kicked")));
    assert_eq!((all[0].user.as_str(), all[0].ended.as_deref()), ("bob", None));
    let of_alice = SessionQuery { user: Some(user("alice")), ..query() };
    assert_eq!(numbers(&store, of_alice).await, [1]);
    let none = DeviceName::new("none").unwrap();
    let of_none = SessionQuery { user: Some(user("alice")), device: Some(none), ..query() };
    assert_eq!(numbers(&store, of_none).await, [0; 0]);
    assert_eq!(numbers(&store, SessionQuery { since: at(2_000), ..query() }).await, [2]);
    let had = |address: &str, time| SessionQuery {
        address: Some((ip(address), Some(at(time)))),
        ..query()
    };
    assert_eq!(numbers(&store, had("10.71.0.1", 1_500)).await, [1]);
    assert_eq!(numbers(&store, had("fd00::1", 1_000)).await, [1]);
    assert_eq!(numbers(&store, had("10.71.0.1", 1_601)).await, [0; 0]);
    assert_eq!(numbers(&store, had("10.71.0.1", 999)).await, [0; 0]);
    assert_eq!(numbers(&store, had("10.71.0.2", 9_000)).await, [2], "an open one has it still");
    let ever = SessionQuery { address: Some((ip("10.71.0.1"), None)), ..query() };
    assert_eq!(numbers(&store, ever).await, [1], "everybody who had it");
    store.sessions_end("gateway_ended").await.unwrap();
    let possible = numbers(&store, had("10.71.0.2", 5_300)).await;
    assert_eq!(possible, [2], "a killed gateway had noted it minutes ago");
    assert_eq!(numbers(&store, had("10.71.0.2", 5_311)).await, [0; 0]);

    let seen = store.seen_list().await.unwrap();
    assert_eq!((seen[&alice], seen[&bob]), (at(1_600), at(5_000)));
}

#[tokio::test]
async fn what_nobody_ended_is_ended_and_what_is_old_or_too_much_goes() {
    let folder = Folder::new();
    let store = open(&folder);
    let alice = device(&store, "alice").await;
    store.sessions_note((1..=10).map(|n| note(alice, n, n * 1_000)).collect()).await.unwrap();
    store.sessions_forget(at(3_500), 100).await.unwrap();
    assert_eq!(store.session_list(query()).await.unwrap().len(), 10, "open ones stay");
    store.sessions_end("gateway_ended").await.unwrap();
    let all = store.session_list(query()).await.unwrap();
    assert!(all.iter().all(|one| one.ended.as_deref() == Some("gateway_ended")));
    store.sessions_forget(at(3_500), 100).await.unwrap();
    assert_eq!(numbers(&store, query()).await, [10, 9, 8, 7, 6, 5, 4]);
    store.sessions_forget(at(0), 3).await.unwrap();
    assert_eq!(numbers(&store, query()).await, [10, 9, 8]);
    assert_eq!(store.seen_list().await.unwrap()[&alice], at(10_000));
}

#[tokio::test]
async fn what_was_seen_while_the_clock_was_ahead_gives_way_to_what_is_seen_since() {
    let folder = Folder::new();
    let store = open(&folder);
    let alice = device(&store, "alice").await;
    let now = common::later(0).unix_secs();
    store.sessions_note([note(alice, 1, now + 86_400)].into()).await.unwrap();
    store.sessions_note([note(alice, 2, now - 5)].into()).await.unwrap();
    let seen = store.seen_list().await.unwrap()[&alice];
    assert!(seen.unix_secs() <= now + 60, "{seen}");
}

#[tokio::test]
async fn a_device_is_seen_without_a_session_on_record_and_what_it_said_of_its_profile_stays() {
    let folder = Folder::new();
    let store = open(&folder);
    let (alice, bob) = (device(&store, "alice").await, device(&store, "bob").await);
    let mark = store::SettingsMark::from_bytes([7; 8]);
    let told = SessionNote { profile: Some(mark), ..note(alice, 1, 5_000) };
    store.sessions_note([told].into()).await.unwrap();
    let events = store.event_latest().await.unwrap();
    store.devices_seen([(alice, at(7_000)), (bob, at(6_000))].into()).await.unwrap();
    store.devices_seen([(bob, at(5_500))].into()).await.unwrap();
    let seen = store.seen_list().await.unwrap();
    assert_eq!((seen[&alice], seen[&bob]), (at(7_000), at(6_000)), "the latest counts");
    assert_eq!(store.profiles().await.unwrap().told[&alice], mark);
    let visit = SessionNote { tells_profile: false, ..note(alice, 2, 90_000) };
    store.sessions_note([visit].into()).await.unwrap();
    assert_eq!(store.profiles().await.unwrap().told[&alice], mark, "it says nothing of it");
    assert_eq!(numbers(&store, query()).await, [2, 1], "only the visit is on record beside it");
    assert_eq!(store.event_latest().await.unwrap(), events, "no event tells of it");
}

#[tokio::test]
async fn a_long_session_is_kept_by_its_end_and_an_open_one_is_always_of_late() {
    let folder = Folder::new();
    let store = open(&folder);
    let alice = device(&store, "alice").await;
    let long =
        SessionNote { seen: at(9_000), ended: Some("kicked".into()), ..note(alice, 1, 1_000) };
    store.sessions_note([long, note(alice, 2, 2_000)].into()).await.unwrap();
    store.sessions_forget(at(5_000), 100).await.unwrap();
    assert_eq!(numbers(&store, query()).await, [2, 1], "one ended after that time, one is open");
    assert_eq!(numbers(&store, SessionQuery { since: at(9_500), ..query() }).await, [2]);
    store.sessions_forget(at(9_001), 100).await.unwrap();
    assert_eq!(numbers(&store, query()).await, [2]);
}

async fn numbers(store: &Store, query: SessionQuery) -> Vec<u64> {
    store.session_list(query).await.unwrap().iter().map(|one| one.number).collect()
}

async fn device(store: &Store, name: &str) -> DeviceId {
    let first = DeviceName::default_device();
    store.user_add(&ADMIN, &user(name), Some(&first)).await.unwrap().value.devices[0].device.id
}

fn note(device: DeviceId, number: u64, time: u64) -> SessionNote {
    SessionNote {
        opened: at(time),
        number,
        device,
        source: "192.0.2.7:4000".parse().unwrap(),
        tcp: false,
        addresses: vec![ip(&format!("10.71.0.{number}")), ip(&format!("fd00::{number:x}"))],
        client: "OpenVPN 2.6.14 linux".into(),
        tells_profile: true,
        profile: None,
        seen: at(time),
        bytes_in: 0,
        bytes_out: 0,
        ended: None,
    }
}

fn at(time: u64) -> Timestamp {
    Timestamp::from_unix_secs(time)
}

fn query() -> SessionQuery {
    SessionQuery { limit: 100, ..SessionQuery::default() }
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}
