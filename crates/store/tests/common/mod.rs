//! Helpers for the store's tests: throw-away folders, seeded choices, and the child process that
//! gets killed.

#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

pub(crate) mod child;
pub(crate) mod disk;
pub(crate) mod trace;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use clock::{Now, Timestamp, VirtualClock};
use pki::{IssuerId, KeyId};
use store::{
    Actor, CaGeneration, CaGenerationId, CertificateId, DeviceId, DeviceName, Holder,
    NewCaGeneration, NewCertificate, Secret, Serial, Snapshot, Store, UserName,
};

/// A folder that goes away with this value.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path =
            std::env::temp_dir().join(format!("handfast-store-{}-{count}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.0.join("store.db")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Choices that are the same for the same seed (splitmix64).
pub(crate) struct Seeded(pub u64);

impl Seeded {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(limit.max(1)).unwrap()).unwrap()
    }
}

pub(crate) const START: u64 = 1_800_000_000;

/// So many seconds after the start.
pub(crate) fn later(seconds: u64) -> Timestamp {
    Timestamp::from_unix_secs(START + seconds)
}

pub(crate) fn clock() -> VirtualClock {
    VirtualClock::new(Now { boot: Duration::from_secs(100), wall: Duration::from_secs(START) })
}

pub(crate) fn open(folder: &Folder) -> Store {
    Store::open(&folder.database(), Arc::new(clock())).unwrap()
}

pub(crate) const ADMIN: Actor = Actor::Local { uid: 0, name: None };

pub(crate) fn user(name: &str) -> UserName {
    UserName::new(name).unwrap()
}

pub(crate) fn device(name: &str) -> DeviceName {
    DeviceName::new(name).unwrap()
}

pub(crate) fn serial(number: u64) -> Serial {
    Serial::from_bytes(&number.to_be_bytes()).unwrap()
}

/// The id of a certificate of the first CA generation.
pub(crate) fn id(number: u64) -> CertificateId {
    CertificateId { issuer: IssuerId::of_name(b"Handfast CA 1"), serial: serial(number) }
}

/// Adds the first CA generation.
pub(crate) async fn add_ca(store: &Store) -> CaGeneration {
    let new = NewCaGeneration {
        issuer: id(1).issuer,
        serial: serial(1),
        subject: "CN=Handfast CA 1".into(),
        not_before: later(0),
        not_after: later(315_360_000),
        der: vec![0x30, 1],
        key: Some(Secret::new(b"the key of the CA".to_vec())),
    };
    store.ca_generation_add(&ADMIN, new).await.unwrap().value
}

/// A device of a snapshot by its names.
pub(crate) fn device_of(
    snapshot: &Snapshot,
    user: &UserName,
    name: &DeviceName,
) -> Option<DeviceId> {
    let named = |d: &&Arc<store::Device>| d.user_name == *user && d.name == *name;
    snapshot.devices().find(named).map(|device| device.id)
}

/// A certificate for a device, as the CA would issue it.
pub(crate) fn device_certificate(
    number: u64,
    device: DeviceId,
    issued_by: CaGenerationId,
) -> NewCertificate {
    NewCertificate {
        serial: serial(number),
        holder: Holder::Device(device),
        subject: format!("CN=device {device}"),
        not_before: later(0),
        not_after: later(31_536_000),
        issued_by,
        public_key: KeyId::of_spki(&number.to_be_bytes()),
        der: number.to_be_bytes().to_vec(),
        key: None,
        setting: None,
        supersedes_within: None,
    }
}
