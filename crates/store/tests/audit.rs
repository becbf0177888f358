//! Rows that were changed beside the store are found by the log.

#![allow(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

mod common;

use std::time::{Duration, Instant};

use common::{ADMIN, Folder, Seeded, add_ca, device, device_certificate, id, open, user};
use rusqlite::Connection;
use store::{CaGenerationId, DeviceId, Difference, RevocationReason, Store};

#[tokio::test]
async fn records_that_only_the_store_changed_are_what_the_log_says() {
    for seed in 0..6 {
        let folder = Folder::new();
        let store = open(&folder);
        let ca = add_ca(&store).await.id;
        let mut seeded = Seeded(seed);
        for number in 2..80 {
            change(&store, &mut seeded, ca, number).await;
        }
        store.setting_set(&ADMIN, "a", "b").await.unwrap();
        assert_eq!(store.audit().await.unwrap(), [], "seed {seed}");
        store.close().await;
    }
}

#[tokio::test]
async fn each_row_that_was_changed_by_sql_is_named() {
    for (sql, expected) in PLANTED {
        let folder = Folder::new();
        known(&folder).await;
        let conn = Connection::open(folder.database()).unwrap();
        conn.execute_batch("PRAGMA foreign_keys = OFF").unwrap();
        conn.execute_batch(sql).unwrap();
        drop(conn);
        let store = open(&folder);
        let found = store.audit().await.unwrap();
        let told: Vec<_> = found.iter().map(ToString::to_string).collect();
        assert!(told.iter().any(|told| told.starts_with(expected)), "{sql}: {told:?}");
        assert_eq!(store.chain_verify().await.unwrap().fault, None, "{sql}: the log is whole");
        store.close().await;
    }
}

/// What somebody may do beside the store, and the beginning of what is said.
const PLANTED: [(&str, &str); 17] = [
    (
        "DELETE FROM revocations",
        "certificate 08 of alice/phone: the records say not revoked, the log says revoked on ",
    ),
    (
        "UPDATE revocations SET reason = 4",
        "certificate 08 of alice/phone: the records say revoked on 2027-01-15 (superseded), ",
    ),
    (
        "UPDATE users SET disabled_at = NULL WHERE name = 'bob'",
        "user bob: the records say enabled, the log says disabled since 2027-01-15",
    ),
    (
        "UPDATE users SET name = 'eve' WHERE name = 'bob'",
        "user eve: the records say that its name is eve",
    ),
    (
        "UPDATE devices SET disabled_at = NULL WHERE name = 'tablet'",
        "device alice/tablet: the records say enabled",
    ),
    (
        "UPDATE certificates SET device = 2 WHERE id = 1",
        "certificate 07 of alice/tablet: the records say that it is that of device 2",
    ),
    (
        "UPDATE certificates SET holder = 'gateway', device = NULL WHERE id = 1",
        "certificate 07 of the gateway: ",
    ),
    (
        "UPDATE certificates SET der = x'3000' WHERE id = 1",
        "certificate 07 of alice/phone: the records say another",
    ),
    (
        "UPDATE certificates SET public_key = zeroblob(32) WHERE id = 2",
        "certificate 08 of alice/phone: the records say another certificate or key",
    ),
    (
        "INSERT INTO certificates (issued_by, serial, hash, holder, device, subject, not_before, not_after, \
         recorded_at, der) SELECT issued_by, x'63', zeroblob(32), holder, device, subject, not_before, \
         not_after, recorded_at, der FROM certificates WHERE id = 1",
        "certificate 63 of alice/phone: the records say that it was issued, the log says nothing",
    ),
    (
        "UPDATE users SET removed_at = 1 WHERE name = 'bob'",
        "user bob: the records say nothing of it",
    ),
    (
        "UPDATE leases SET ipv4 = 99 WHERE device = 1",
        "device alice/phone: the records say host number 99",
    ),
    (
        "UPDATE certificates SET not_after = not_after + 1 WHERE id = 1",
        "certificate 07 of alice/phone: ",
    ),
    ("UPDATE settings SET value = 'c'", "the settings in the records: "),
    (
        "UPDATE ca_generations SET der = x'3000'",
        "generation 1 of the CA: the records say another certificate",
    ),
    (
        "UPDATE ca_generations SET not_after = not_after + 1",
        "generation 1 of the CA: the records say another certificate",
    ),
    (
        "UPDATE ca_generations SET subject = 'CN=another'",
        "generation 1 of the CA: the records say another certificate",
    ),
];

/// alice with a phone (one good certificate, one revoked) and a disabled tablet; bob, disabled.
async fn known(folder: &Folder) {
    let store = open(folder);
    let ca = add_ca(&store).await.id;
    let (alice, bob) = (user("alice"), user("bob"));
    let added = store.user_add(&ADMIN, &alice, Some(&device("phone"))).await.unwrap().value;
    let phone = added.devices.first().unwrap().device.id;
    store.device_add(&ADMIN, &alice, &device("tablet")).await.unwrap();
    store.device_set_enabled(&ADMIN, &alice, &device("tablet"), false).await.unwrap();
    store.user_add(&ADMIN, &bob, None).await.unwrap();
    store.user_set_enabled(&ADMIN, &bob, false).await.unwrap();
    for number in [7, 8] {
        record(&store, number, phone, ca).await;
    }
    let reason = RevocationReason::KeyCompromise;
    store.certificate_revoke(&ADMIN, &id(8), reason).await.unwrap();
    store.setting_set(&ADMIN, "a", "b").await.unwrap();
    assert_eq!(store.audit().await.unwrap(), Vec::<Difference>::new());
    store.close().await;
}

async fn record(store: &Store, number: u64, device: DeviceId, ca: CaGenerationId) {
    store.certificate_record(&ADMIN, device_certificate(number, device, ca)).await.unwrap();
}

/// One change, which the store may refuse.
async fn change(store: &Store, seeded: &mut Seeded, ca: CaGenerationId, number: u64) {
    let name = user(&format!("user-{}", seeded.below(4)));
    let own = device(&format!("device-{}", seeded.below(3)));
    let enabled = seeded.below(2) == 0;
    match seeded.below(9) {
        0 | 1 => drop(store.user_add(&ADMIN, &name, Some(&own)).await),
        2 => drop(store.device_add(&ADMIN, &name, &own).await),
        3 => drop(store.user_set_enabled(&ADMIN, &name, enabled).await),
        4 => drop(store.device_set_enabled(&ADMIN, &name, &own, enabled).await),
        5 if enabled => drop(store.device_remove(&ADMIN, &name, &own).await),
        5 => drop(
            store.user_rename(&ADMIN, &name, &user(&format!("user-{}", seeded.below(4)))).await,
        ),
        6 => drop(store.certificate_mark_connected(&id(2 + seeded.next() % number)).await),
        _ => {
            let Some(holder) = common::device_of(&store.snapshot(), &name, &own) else { return };
            let mut new = device_certificate(number, holder, ca);
            new.supersedes_within = enabled.then_some(std::time::Duration::from_secs(600));
            store.certificate_record(&ADMIN, new).await.unwrap();
        }
    }
}

/// How long they take is printed; the bound is one that even a busy machine keeps. Ten thousand where
/// `HANDFAST_LONG=1`: most of the time goes into making them.
#[tokio::test]
async fn thousands_of_devices_are_compared_quickly() {
    let count =
        if std::env::var_os("HANDFAST_LONG").is_some_and(|v| v == "1") { 10_000 } else { 2_000 };
    let folder = Folder::new();
    let store = open(&folder);
    let ca = add_ca(&store).await.id;
    let alice = user("alice");
    store.user_add(&ADMIN, &alice, None).await.unwrap();
    let mut waiting = Vec::new();
    for number in 0..count {
        let store = store.clone();
        let alice = alice.clone();
        waiting.push(async move {
            let name = device(&format!("d{number}"));
            let added = store.device_add(&ADMIN, &alice, &name).await.unwrap().value.id;
            record(&store, 10 + number, added, ca).await;
        });
    }
    for batch in waiting.into_iter().map(tokio::spawn).collect::<Vec<_>>() {
        batch.await.unwrap();
    }
    let begun = Instant::now();
    assert_eq!(store.audit().await.unwrap(), []);
    let took = begun.elapsed();
    println!("{count} devices compared in {took:?}");
    assert!(took < Duration::from_millis(2 * count), "{took:?}");
}
