//! A whole OCSP exchange: any request, the responder with a CA that it answers for, and the judgement of what it
//! answered.
//!
//! The responder's CA is made anew in each run, and a request has to name it by the hashes of its name and key: so
//! those of the fixed CA, which the seeds have, are replaced by its own.

use std::slice;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use super::{AT, KNOWN};
use crate::ocsp::{
    CertId, CertIdHash, OcspAuthority, OcspError, OcspExpected, OcspRecords, OcspRequest,
    OcspResponse, OcspSigner, OcspStatus, ResponseError, Unsuccessful, check, respond,
};
use crate::{
    CA_LIFETIME, CaCertificate, CertificateId, CertificateRequest, KeyType, LocalSigner, NewCa,
    OCSP_SIGNER_LIFETIME, PrivateKey, Profile, Publishing, Revocation, RevocationReason, Serial,
    SignAnswer, SignRequest, Timestamp, Validity,
};

/// Requests that a responder with a CA answers, and what a client makes of the answers.
pub fn ocsp_exchange(bytes: &[u8]) {
    let asked = WORLD.addressed(bytes);
    let authority = &WORLD.authority;
    let reply = respond(slice::from_ref(authority), &ByNumber, &asked, now(), HOUR);
    let answered = OcspResponse::from_der(&reply.der);
    let Ok(request) = OcspRequest::from_der(&asked) else {
        assert!(is_unsuccessful(answered, Unsuccessful::MalformedRequest));
        return;
    };
    if !request.ids().iter().all(|id| id.is_of(&authority.ca)) {
        assert!(is_unsuccessful(answered, Unsuccessful::Unauthorized));
        return;
    }
    assert_eq!(answered.map(|response| response.answers().len()), Ok(request.ids().len()));
    for serial in request.ids().iter().filter_map(CertId::serial).take(4) {
        let issuer = &authority.ca;
        let expected = OcspExpected { issuer, serial, nonce: request.nonce(), now: now() };
        let id = CertificateId { issuer: issuer.issuer_id(), serial };
        match check(&reply.der, &expected) {
            Ok(verdict) => assert_eq!(verdict.status, ByNumber.ocsp_status(&id)),
            Err(error) => assert_eq!(error, OcspError::TwoAnswers),
        }
    }
}

fn is_unsuccessful(answered: Result<OcspResponse, ResponseError>, why: Unsuccessful) -> bool {
    answered.err() == Some(ResponseError::Unsuccessful(why))
}

struct World {
    authority: OcspAuthority,
    /// The fixed CA's hashes, and this one's.
    hashes: Vec<(Vec<u8>, Vec<u8>)>,
}

impl World {
    fn new() -> Self {
        let (serial, now) = (Serial::from_random([1; 16]), now());
        let new = NewCa { key_type: KeyType::P256, serial, now, lifetime: CA_LIFETIME };
        let signer = LocalSigner::create(&new).expect("a CA");
        let ca = crate::Signer::ca(&signer).clone();
        let hashes = hashes(&KNOWN.ca).into_iter().zip(hashes(&ca)).collect();
        let authority = OcspAuthority { signer: Arc::new(appointed(&signer)), ca };
        Self { authority, hashes }
    }

    /// The same octets, about this CA.
    fn addressed(&self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        for (from, to) in &self.hashes {
            let places = bytes.windows(from.len()).enumerate();
            let places: Vec<usize> =
                places.filter(|(_, found)| found == from).map(|(at, _)| at).collect();
            for at in places {
                bytes[at..at + to.len()].copy_from_slice(to);
            }
        }
        bytes
    }
}

/// Of name and key, by each kind of hash, as a request has them.
fn hashes(ca: &CaCertificate) -> Vec<Vec<u8>> {
    let of = |hash| {
        let id = CertId::new(hash, ca, Serial::from_random([2; 16]));
        let (name, key) = id.issuer_hashes();
        [name.to_vec(), key.to_vec()]
    };
    [CertIdHash::Sha1, CertIdHash::Sha256].into_iter().flat_map(of).collect()
}

fn appointed(signer: &LocalSigner) -> OcspSigner {
    let key = PrivateKey::generate(KeyType::P256).expect("a key");
    let request = CertificateRequest {
        serial: Serial::from_random([3; 16]),
        profile: Profile::OcspSigner { name: "OCSP".into() },
        public_key: key.public_key().clone(),
        validity: Validity::starting(now(), OCSP_SIGNER_LIFETIME),
        publishing: Publishing::default(),
    };
    match signer.sign_now(SignRequest::Certificate(Box::new(request))) {
        Ok(SignAnswer::Certificate(der)) => OcspSigner::new(der.into(), key).expect("they fit"),
        other => panic!("{other:?}"),
    }
}

/// What is known of a certificate hangs on the last octet of its number, as the seeds have it.
struct ByNumber;

impl OcspRecords for ByNumber {
    fn ocsp_status(&self, id: &CertificateId) -> OcspStatus {
        let reason = RevocationReason::KeyCompromise;
        match id.serial.as_bytes().last() {
            Some(4) => OcspStatus::Good,
            Some(7) => OcspStatus::Revoked(Revocation { at: now(), reason }),
            _ => OcspStatus::Unknown,
        }
    }
}

fn now() -> Timestamp {
    Timestamp::from_unix_secs(AT.as_secs())
}

static WORLD: LazyLock<World> = LazyLock::new(World::new);
const HOUR: Duration = Duration::from_secs(3600);
