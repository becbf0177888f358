//! For tests: a CA with its CRL and its signer, and records that a test writes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use clock::{Now, VirtualClock};
use pki::ocsp::{CertId, CertIdHash, OcspRecords, OcspSigner, OcspStatus};
use pki::{
    CA_LIFETIME, CaCertificate, CertificateId, CertificateRequest, Crl, CrlRequest, KeyType,
    LocalSigner, NewCa, OCSP_SIGNER_LIFETIME, PrivateKey, Profile, Publishing, Serial, SignAnswer,
    SignRequest, Signer, Timestamp, Validity,
};

use crate::{IssuerPublication, Publication, Records, Service, Tokens};

/// Records that a test writes.
#[derive(Debug, Default)]
pub(crate) struct Written {
    revision: AtomicU64,
    status: Mutex<BTreeMap<Serial, OcspStatus>>,
}

impl Written {
    pub(crate) fn write(&self, serial: Serial, status: OcspStatus) {
        self.status.lock().unwrap_or_else(PoisonError::into_inner).insert(serial, status);
        self.revision.fetch_add(1, Ordering::Relaxed);
    }
}

impl OcspRecords for Written {
    fn ocsp_status(&self, id: &CertificateId) -> OcspStatus {
        let status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        status.get(&id.serial).copied().unwrap_or(OcspStatus::Unknown)
    }
}

impl Records for Written {
    fn revision(&self) -> u64 {
        self.revision.load(Ordering::Relaxed)
    }
}

/// A service that publishes one CA's.
pub(crate) struct World {
    pub(crate) service: Arc<Service>,
    pub(crate) tokens: Tokens,
    pub(crate) clock: VirtualClock,
    pub(crate) records: Arc<Written>,
    signer: LocalSigner,
}

impl World {
    pub(crate) fn new() -> Self {
        let wall = Duration::from_secs(1_800_000_000);
        let clock = VirtualClock::new(Now { boot: Duration::ZERO, wall });
        let serial = Serial::from_random([3; 16]);
        let new = NewCa { key_type: KeyType::P256, serial, now: at(wall), lifetime: CA_LIFETIME };
        let signer = LocalSigner::create(&new).unwrap();
        let records = Arc::new(Written::default());
        let service = Service::new(records.clone(), Arc::new(clock.clone()));
        let tokens = Tokens::default();
        let service = Arc::new(service.with_tokens(tokens.clone()));
        let world = Self { service, tokens, clock, records, signer };
        world.publish(1);
        world
    }

    pub(crate) fn ca(&self) -> &CaCertificate {
        self.signer.ca()
    }

    pub(crate) fn now(&self) -> Timestamp {
        use clock::Clock;
        Timestamp::from(self.clock.now())
    }

    /// A CRL of this number, and a new signer.
    pub(crate) fn publish(&self, number: u64) {
        let crl = self.crl(number);
        let issuer = IssuerPublication::new(self.ca(), Some(&crl), Some(self.ocsp_signer().into()));
        self.service.publish(Publication::new(vec![issuer]));
    }

    pub(crate) fn crl(&self, number: u64) -> Crl {
        let (this_update, next_update) = (self.now(), self.now().after(WEEK));
        let request = CrlRequest { number, this_update, next_update, revoked: BTreeMap::new() };
        match self.signer.sign_now(SignRequest::Crl(request)).unwrap() {
            SignAnswer::Crl(der) => Crl::from_der(&der).unwrap(),
            SignAnswer::Certificate(_) => panic!("a list was asked for"),
        }
    }

    fn ocsp_signer(&self) -> OcspSigner {
        let key = PrivateKey::generate(KeyType::P256).unwrap();
        let request = CertificateRequest {
            serial: Serial::from_random([9; 16]),
            profile: Profile::OcspSigner { name: "OCSP".into() },
            public_key: key.public_key().clone(),
            validity: Validity::starting(self.now(), OCSP_SIGNER_LIFETIME),
            publishing: Publishing::default(),
        };
        match self.signer.sign_now(SignRequest::Certificate(Box::new(request))).unwrap() {
            SignAnswer::Certificate(der) => OcspSigner::new(der.into(), key).unwrap(),
            SignAnswer::Crl(_) => panic!("a certificate was asked for"),
        }
    }

    pub(crate) fn id(&self, serial: Serial) -> CertId {
        CertId::new(CertIdHash::Sha1, self.ca(), serial)
    }
}

fn at(wall: Duration) -> Timestamp {
    Timestamp::from_unix_secs(wall.as_secs())
}

pub(crate) const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);
