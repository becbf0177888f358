//! A throw-away CA with what it issues, and a folder for the files that other programs read.
//!
//! Each test file uses its own part of this.
#![allow(dead_code, unreachable_pub, reason = "shared by several test binaries")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use pki::{
    CA_LIFETIME, CRL_LIFETIME, CertificateRequest, Crl, CrlRequest, KeyType, LocalSigner,
    NameConstraints, NewCa, PrivateKey, Profile, PublicKey, Publishing, Revocation,
    RevocationReason, Serial, Signer, Timestamp, Validity,
};
use rustls_pki_types::{CertificateDer, UnixTime};

/// 2027-01-15; tests pass the time to whoever asks for it.
pub const NOW: u64 = 1_800_000_000;

/// A CA and a counter for serials.
#[derive(Debug)]
pub struct Authority {
    pub signer: LocalSigner,
    pub publishing: Publishing,
}

/// A certificate with its key.
#[derive(Debug)]
pub struct Issued {
    pub cert: CertificateDer<'static>,
    pub key: PrivateKey,
    pub serial: Serial,
}

impl Authority {
    pub fn new(key_type: KeyType) -> Self {
        Self::new_at(key_type, now())
    }

    pub fn new_at(key_type: KeyType, now: Timestamp) -> Self {
        let new = NewCa { key_type, serial: next_serial(), now, lifetime: CA_LIFETIME };
        let signer = LocalSigner::create(&new).unwrap();
        Self { signer, publishing: Publishing::default() }
    }

    pub fn within(key_type: KeyType, names: &NameConstraints) -> Self {
        let new = NewCa { key_type, serial: next_serial(), now: now(), lifetime: CA_LIFETIME };
        let signer = LocalSigner::create_within(&new, names).unwrap();
        Self { signer, publishing: Publishing::default() }
    }

    pub fn published(key_type: KeyType) -> Self {
        let mut authority = Self::new(key_type);
        let tag = authority.signer.ca().tag();
        authority.publishing = Publishing::at("http://vpn.example.com:8080", &tag).unwrap();
        authority
    }

    pub fn ca(&self) -> CertificateDer<'static> {
        self.signer.ca().der().clone()
    }

    pub fn issue(&self, profile: Profile, key_type: KeyType) -> Issued {
        let validity = Validity::starting(now(), pki::DEVICE_LIFETIME);
        self.issue_at(profile, key_type, validity)
    }

    pub fn issue_at(&self, profile: Profile, key_type: KeyType, validity: Validity) -> Issued {
        let key = PrivateKey::generate(key_type).unwrap();
        let request = self.request(profile, key.public_key().clone(), validity);
        let serial = request.serial;
        let cert = block_on(pki::issue(&self.signer, request)).unwrap();
        Issued { cert, key, serial }
    }

    pub fn request(
        &self,
        profile: Profile,
        public_key: PublicKey,
        validity: Validity,
    ) -> CertificateRequest {
        let publishing = self.publishing.clone();
        CertificateRequest { serial: next_serial(), profile, public_key, validity, publishing }
    }

    pub fn crl(&self, revoked: &[(Serial, RevocationReason)]) -> Crl {
        let entry = |(serial, reason): &(Serial, RevocationReason)| {
            (*serial, Revocation { at: now().before(HOUR), reason: *reason })
        };
        let revoked: BTreeMap<_, _> = revoked.iter().map(entry).collect();
        let request = CrlRequest {
            number: 7,
            this_update: now(),
            next_update: now().after(CRL_LIFETIME),
            revoked,
        };
        block_on(pki::sign_crl(&self.signer, request)).unwrap()
    }
}

pub fn now() -> Timestamp {
    Timestamp::from_unix_secs(NOW)
}

/// As TLS hands it to a verifier.
pub fn tls_time(at: Timestamp) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(at.unix_secs()))
}

pub fn device(name: &str) -> Profile {
    Profile::Device { user: "alice".into(), device: name.into() }
}

pub fn gateway() -> Profile {
    Profile::Gateway {
        names: vec!["vpn.example.com".into(), "192.0.2.1".into(), "2001:db8::1".into()],
    }
}

pub fn server(name: &str) -> Profile {
    Profile::Server { names: vec![name.into()] }
}

/// A serial that nobody else in this process has, with its highest bit set.
pub fn next_serial() -> Serial {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let mut bits = [0xa5; 16];
    bits[12..].copy_from_slice(&NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    Serial::from_random(bits)
}

/// The local signer never waits, so one look is enough.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let mut context = Context::from_waker(Waker::noop());
    match pin!(future).poll(&mut context) {
        Poll::Ready(answer) => answer,
        Poll::Pending => panic!("the local signer waits for nobody"),
    }
}

/// A folder that is gone when the test is over.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    pub fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("pki-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) -> String {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub const HOUR: Duration = Duration::from_secs(3600);
pub const DAY: Duration = Duration::from_secs(24 * 3600);
