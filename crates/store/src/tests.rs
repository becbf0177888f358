//! Two writers on one database: what one commits moves the other's snapshots, by the log alone.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clock::{Now, VirtualClock};
use pki::{CertificateId, CertificateStatus, IssuerId, KeyId, RevocationReason, Timestamp};

use crate::backend::Writing;
use crate::change::{Change, Proposal};
use crate::records::{Ended, Holder, NewCaGeneration, NewCertificate, NewRollover};
use crate::snapshot::Snapshot;
use crate::sqlite::Sqlite;
use crate::{
    Actor, CaGenerationId, CertificateName, DeviceId, DeviceName, EventId, EventKind, Options,
    Serial, Store, UserName,
};

#[tokio::test]
async fn another_writers_commits_move_the_snapshot() {
    let folder = Folder::new();
    let store = Store::open(&folder.database(), Arc::new(clock())).unwrap();
    // Behind the back of the owner's lock, as a second gateway on a shared database would be.
    let mut other = Sqlite::open(&folder.database(), Options::default()).unwrap();
    for change in everything() {
        let proposal = Proposal { actor: Actor::Gateway, change, at: None };
        let batch = other.commit(&[proposal], &clock(), EventId::NONE).unwrap();
        assert!(batch.outcomes.iter().all(Result::is_ok), "{:?}", batch.outcomes);
    }
    assert_eq!(store.snapshot().through(), EventId::NONE);

    let user = UserName::new("own").unwrap();
    store.user_add(&Actor::Gateway, &user, None).await.unwrap();
    let snapshot = store.snapshot();
    assert_eq!(described(&snapshot), described(&other.snapshot().unwrap()));
    let (at, reason) = (later(0), RevocationReason::KeyCompromise);
    assert_eq!(snapshot.status(&id(11)), CertificateStatus::Revoked { at, reason });
    assert_eq!(snapshot.status(&id(8)), CertificateStatus::DeviceDisabled);
    assert!(snapshot.withdrawn() > EventId::NONE);
}

#[tokio::test]
async fn an_event_that_says_too_little_has_the_snapshot_built_from_the_rows() {
    let folder = Folder::new();
    let store = Store::open(&folder.database(), Arc::new(clock())).unwrap();
    let mut other = Sqlite::open(&folder.database(), Options::default()).unwrap();
    let old = Change::EventAppend {
        kind: EventKind::USER_DISABLED,
        payload: serde_json::json!({ "user": "somebody", "user_id": 1 }),
    };
    let proposal = Proposal { actor: Actor::Gateway, change: old, at: None };
    other.commit(&[proposal], &clock(), EventId::NONE).unwrap();
    let user = UserName::new("own").unwrap();
    store.user_add(&Actor::Gateway, &user, None).await.unwrap();
    let snapshot = store.snapshot();
    assert_eq!(snapshot.through(), EventId::new(2));
    assert_eq!(snapshot.withdrawn(), EventId::new(2), "what is not known may be a withdrawal");
    assert_eq!(described(&snapshot), described(&other.snapshot().unwrap()));
}

/// Each kind of change once, all of which are made.
fn everything() -> Vec<Change> {
    let user = |name: &str| UserName::new(name).unwrap();
    let (alice, bob) = (user("alice"), user("bob"));
    let device = |name: &str| DeviceName::new(name).unwrap();
    let (phone, laptop) = (device("phone"), device("laptop"));
    let reason = RevocationReason::KeyCompromise;
    vec![
        Change::CaGenerationAdd(ca()),
        Change::UserAdd { name: alice.clone(), first_device: Some(phone.clone()) },
        Change::DeviceAdd { user: alice.clone(), device: laptop.clone() },
        Change::UserAdd { name: bob.clone(), first_device: Some(phone.clone()) },
        record(7, 1, None),
        record(8, 2, None),
        record(9, 3, None),
        record(10, 1, Some(600)),
        Change::CertificateMarkConnected { id: id(10) },
        record(11, 1, Some(900)),
        Change::CertificateRevoke { id: id(11), reason },
        named(12, "www.example.org"),
        Change::NameRevoke { name: CertificateName::new("www.example.org").unwrap(), reason },
        Change::CertificateSupersedeDue,
        Change::UserSetEnabled { name: alice.clone(), enabled: false },
        Change::UserSetEnabled { name: alice.clone(), enabled: true },
        Change::DeviceSetEnabled { user: alice.clone(), device: laptop, enabled: false },
        Change::DeviceRevoke { user: alice, device: phone, reason },
        Change::UserRename { name: bob, to: user("robert") },
        Change::UserRemove { name: user("robert") },
        Change::UserRename { name: user("alice"), to: user("alicia") },
        Change::CrlRecord(crl()),
        Change::SettingSet { name: "a".into(), value: "b".into() },
        Change::DeviceAddCertified {
            user: user("alicia"),
            device: device("tablet"),
            first: Box::new(certificate(14, "alicia/tablet")),
        },
        named(13, "OCSP 5a17c0de"),
        Change::CertificatesForget { ended: vec![ended(13), ended(7)], before: later(2000) },
        rollover(),
        Change::RolloverFinish { former: CaGenerationId::from_row(1), vouched: Vec::new() },
        Change::EventOnce {
            name: "told".into(),
            value: "once".into(),
            kind: EventKind::CERTIFICATE_ENDING,
            payload: serde_json::json!({}),
        },
    ]
}

fn ca() -> NewCaGeneration {
    NewCaGeneration {
        issuer: id(1).issuer,
        serial: serial(1),
        subject: "CN=a CA".into(),
        not_before: later(0),
        not_after: later(1000),
        der: vec![0x30, 1],
        key: None,
    }
}

fn rollover() -> Change {
    let cross = |number| {
        let holder = Holder::Other(format!("CA {number}"));
        NewCertificate { holder, ..certificate(number, "CA") }
    };
    Change::RolloverStart(Box::new(NewRollover {
        former: CaGenerationId::from_row(1),
        generation: NewCaGeneration {
            issuer: IssuerId::of_name(b"another CA"),
            serial: serial(2),
            subject: "CN=another CA".into(),
            ..ca()
        },
        by_former: cross(20),
        by_new: cross(21),
        roles: vec!["ca/signs-devices"],
    }))
}

fn crl() -> crate::NewCrl {
    crate::NewCrl {
        generation: CaGenerationId::from_row(1),
        number: 1,
        this_update: later(0),
        next_update: later(100),
        through: EventId::new(4),
        der: vec![0x30, 3],
    }
}

fn record(number: u64, device: i64, supersedes_within: Option<u64>) -> Change {
    let supersedes_within = supersedes_within.map(Duration::from_secs);
    Change::CertificateRecord(Box::new(NewCertificate {
        serial: serial(number),
        holder: Holder::Device(DeviceId::from_row(device)),
        subject: format!("CN={number}"),
        not_before: later(0),
        not_after: later(1000),
        issued_by: CaGenerationId::from_row(1),
        public_key: KeyId::of_spki(&number.to_be_bytes()),
        der: number.to_be_bytes().to_vec(),
        key: None,
        setting: None,
        supersedes_within,
    }))
}

fn named(number: u64, name: &str) -> Change {
    let Change::CertificateRecord(mut new) = record(number, 1, None) else { unreachable!() };
    new.holder = Holder::Other(name.to_owned());
    Change::CertificateRecord(new)
}

fn certificate(number: u64, name: &str) -> NewCertificate {
    let Change::CertificateRecord(new) = named(number, name) else { unreachable!() };
    *new
}

fn ended(number: u64) -> Ended {
    Ended { id: id(number), key: None }
}

fn described(snapshot: &Snapshot) -> Vec<String> {
    let users = snapshot.users().map(|user| format!("{user:?}"));
    let devices = snapshot.devices().map(|device| format!("{device:?}"));
    let certificates = snapshot.certificates().map(|entry| format!("{entry:?}"));
    let mut lines: Vec<_> = users.chain(devices).chain(certificates).collect();
    lines.sort();
    let crl = snapshot.crl(CaGenerationId::from_row(1));
    lines.push(format!("{:?} {crl:?}", snapshot.through()));
    lines
}

fn id(number: u64) -> CertificateId {
    CertificateId { issuer: IssuerId::of_name(b"a CA"), serial: serial(number) }
}

fn serial(number: u64) -> Serial {
    Serial::from_bytes(&number.to_be_bytes()).unwrap()
}

fn later(seconds: u64) -> Timestamp {
    Timestamp::from_unix_secs(NOW + seconds)
}

const NOW: u64 = 1_800_000_000;

fn clock() -> VirtualClock {
    VirtualClock::new(Now { boot: Duration::from_secs(9), wall: Duration::from_secs(NOW) })
}

struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let id = std::thread::current().id();
        let name = format!("handfast-two-writers-{}-{id:?}", std::process::id());
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
