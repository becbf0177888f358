//! Random changes: the snapshot that was moved on step by step is the one that is built anew, and no
//! right goes without a word of it.

mod common;

use std::time::Duration;

use common::{
    ADMIN, Folder, Seeded, add_ca, device, device_certificate, device_of, id, open, user,
};
use store::{CaGenerationId, CertificateStatus, RevocationReason, Snapshot, Store};

#[tokio::test]
async fn the_snapshot_moved_on_by_changes_equals_the_one_built_at_start() {
    for seed in 0..12 {
        let (folder, store, ca) = with_ca().await;
        let mut seeded = Seeded(seed);
        for number in 2..120 {
            change(&store, &mut seeded, ca, number).await;
        }
        let moved_on = describe(&store.snapshot());
        assert_eq!(listed(&store, ca).await, standing(&store.snapshot()), "seed {seed}");
        store.close().await;
        let store = open(&folder);
        assert_eq!(moved_on, describe(&store.snapshot()), "seed {seed}");
        assert_eq!(store.chain_verify().await.unwrap().fault, None, "seed {seed}");
    }
}

#[tokio::test]
async fn whatever_takes_a_right_away_is_a_withdrawal_and_a_first_connect_is_none() {
    for seed in 0..12 {
        let (_folder, store, ca) = with_ca().await;
        let mut seeded = Seeded(seed);
        for number in 2..120 {
            let before = store.snapshot();
            change(&store, &mut seeded, ca, number).await;
            let after = store.snapshot();
            let lost = (2..=number).map(id).any(|id| {
                before.status(&id) == CertificateStatus::Good
                    && after.status(&id) != CertificateStatus::Good
            });
            if lost {
                assert!(after.withdrawn() > before.through(), "seed {seed}, {number}");
            }
            if standing(&before) != standing(&after) {
                assert!(after.standing_changed() > before.through(), "seed {seed}, {number}");
            }
        }
        let mut new = device_certificate(500, holder(&store).await, ca);
        new.supersedes_within = None;
        store.certificate_record(&ADMIN, new).await.unwrap();
        let before = store.snapshot();
        assert!(store.certificate_mark_connected(&id(500)).await.unwrap().value.first);
        assert!(store.snapshot().through() > before.through());
        assert_eq!(store.snapshot().withdrawn(), before.withdrawn(), "seed {seed}");
    }
}

/// A store that knows one CA.
async fn with_ca() -> (Folder, Store, CaGenerationId) {
    let folder = Folder::new();
    let store = open(&folder);
    let ca = add_ca(&store).await.id;
    (folder, store, ca)
}

/// A device of its own.
async fn holder(store: &Store) -> store::DeviceId {
    let added = store.user_add(&ADMIN, &user("somebody"), Some(&device("first"))).await;
    added.expect("a new name").value.devices.first().expect("a device").device.id
}

/// One change, which the store may refuse.
async fn change(store: &Store, seeded: &mut Seeded, ca: CaGenerationId, number: u64) {
    let name = user(&format!("user-{}", seeded.below(4)));
    let own = device(&format!("device-{}", seeded.below(3)));
    let enabled = seeded.below(2) == 0;
    let any = id(2 + seeded.next() % number);
    let reason = RevocationReason::Unspecified;
    match seeded.below(13) {
        12 => {
            let all = store.snapshot().devices().map(|device| device.id).collect();
            store.leases_free(all, common::later(1)).await.expect("freed");
        }
        0 | 1 => drop(store.user_add(&ADMIN, &name, Some(&own)).await),
        2 | 3 => drop(store.device_add(&ADMIN, &name, &own).await),
        4 => drop(store.user_set_enabled(&ADMIN, &name, enabled).await),
        5 => drop(store.device_set_enabled(&ADMIN, &name, &own, enabled).await),
        6 => drop(store.device_remove(&ADMIN, &name, &own).await),
        7 if seeded.below(3) == 0 => drop(store.user_remove(&ADMIN, &name).await),
        7 => {
            let to = user(&format!("user-{}", seeded.below(4)));
            drop(store.user_rename(&ADMIN, &name, &to).await);
        }
        8 => drop(store.certificate_revoke(&ADMIN, &any, reason).await),
        9 => drop(store.certificate_mark_connected(&any).await),
        _ => {
            let snapshot = store.snapshot();
            let Some(holder) = device_of(&snapshot, &name, &own) else { return };
            let mut new = device_certificate(number, holder, ca);
            new.supersedes_within = enabled.then_some(Duration::from_secs(600));
            let recorded = store.certificate_record(&ADMIN, new).await;
            recorded.expect("a new serial for a device on record");
        }
    }
}

/// What the records have the CRL list.
async fn listed(store: &Store, ca: CaGenerationId) -> Against {
    let listed = store.listed(ca).await.expect("read");
    let revoked = listed.revocations.iter().map(|r| (r.id.to_string(), (r.at, r.reason)));
    let hold = |h: &store::Hold| (h.id.to_string(), (h.at, RevocationReason::CertificateHold));
    revoked.chain(listed.holds.iter().map(hold)).collect()
}

/// What the snapshot has OCSP say against certificates.
fn standing(snapshot: &Snapshot) -> Against {
    let bad = |entry: &std::sync::Arc<store::CertificateEntry>| {
        Some((entry.id.to_string(), snapshot.standing(entry)?))
    };
    snapshot.certificates().filter_map(bad).collect()
}

/// Since when and why certificates don't hold, by their names.
type Against = std::collections::BTreeMap<String, (store::Timestamp, RevocationReason)>;

fn describe(snapshot: &Snapshot) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for user in snapshot.users() {
        lines.push(format!("{user:?}"));
    }
    for device in snapshot.devices() {
        lines.push(format!("{device:?}"));
    }
    for entry in snapshot.certificates() {
        let identity = snapshot.identity(&entry.id);
        lines.push(format!("{entry:?} {:?} {identity:?}", snapshot.status(&entry.id)));
    }
    lines.sort();
    lines.push(format!("{}", snapshot.through()));
    lines
}
