//! A CA whose key nobody keeps, and what it issued.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use pki::ocsp::{
    CertId, CertIdHash, Nonce, OcspAuthority, OcspRecords, OcspRequest, OcspSigner, OcspStatus,
    Unsuccessful, respond,
};
use pki::{
    CA_LIFETIME, CertificateId, CertificateRequest, CrlRequest, DEVICE_LIFETIME, KeyType,
    LocalSigner, NewCa, PrivateKey, Profile, Publishing, Revocation, RevocationReason, Serial,
    SignAnswer, SignRequest, Signer, Timestamp, Validity,
};

use super::{fuzz, seed};

pub(crate) fn write() {
    let serial = serial(0);
    let new = NewCa {
        key_type: KeyType::P256,
        serial,
        now: now().before(3 * DEVICE_LIFETIME),
        lifetime: CA_LIFETIME,
    };
    let signer = LocalSigner::create(&new).unwrap();
    let ca = signer.ca().der().to_vec();
    fs::write(fuzz().join("../crates/pki/src/fuzzing/ca.der"), &ca).unwrap();
    seed("pki_ca_certificate", "ca", &ca);
    seed("pki_pem", "ca", signer.ca().to_pem());
    leaves(&signer, &ca);
    lists(&signer);
    ocsp(&signer);
    keys();
}

fn leaves(signer: &LocalSigner, ca: &[u8]) {
    let gateway = Profile::Gateway { names: vec!["vpn.example.com".into(), "192.0.2.1".into()] };
    let device = Profile::Device { user: "alice".into(), device: "phone".into() };
    let server = Profile::Server { names: vec!["vpn.example.com".into()] };
    let old = Validity::starting(now().before(2 * DEVICE_LIFETIME), DEVICE_LIFETIME);
    let present = Validity::starting(now(), DEVICE_LIFETIME);
    let cases = [
        ("gateway", gateway, present, 4),
        ("device", device.clone(), present, 5),
        ("disabled", device.clone(), present, 1),
        ("unknown", device.clone(), present, 3),
        ("expired", device, old, 4),
        ("server", server, present, 4),
    ];
    for (name, profile, validity, number) in cases {
        let key = PrivateKey::generate(KeyType::P256).unwrap();
        let request = CertificateRequest {
            serial: serial(number),
            profile,
            public_key: key.public_key().clone(),
            validity,
            publishing: Publishing::default(),
        };
        let Ok(SignAnswer::Certificate(der)) =
            signer.sign_now(SignRequest::Certificate(Box::new(request)))
        else {
            panic!("the signer issues")
        };
        seed("pki_chain", name, part(&der));
        seed("pki_chain", &format!("{name}-with-ca"), [part(&der), part(ca)].concat());
    }
}

fn lists(signer: &LocalSigner) {
    let entry = |reason| Revocation { at: now(), reason };
    let revoked = BTreeMap::from([
        (serial(7), entry(RevocationReason::KeyCompromise)),
        (serial(9), entry(RevocationReason::Superseded)),
    ]);
    for (name, revoked) in [("empty", BTreeMap::new()), ("two", revoked)] {
        let (this_update, next_update) = (now(), now().after(Duration::from_secs(7 * 24 * 3600)));
        let request = CrlRequest { number: 3, this_update, next_update, revoked };
        let Ok(SignAnswer::Crl(der)) = signer.sign_now(SignRequest::Crl(request)) else {
            panic!("the signer signs")
        };
        seed("pki_crl", name, &der);
        seed("pki_crl", &format!("{name}.pem"), pki::Crl::from_der(&der).unwrap().to_pem());
    }
}

/// Questions about two certificates, and answers by whoever the CA appointed and by somebody else.
fn ocsp(signer: &LocalSigner) {
    let device = Profile::Device { user: "mallory".into(), device: "phone".into() };
    let appointed = Profile::OcspSigner { name: "OCSP".into() };
    for (who, profile) in [("appointed", appointed), ("device", device)] {
        let ocsp = [authority(signer, profile)];
        for (name, number) in [("good", 4), ("revoked", 7), ("unknown", 3)] {
            let id = |hash| CertId::new(hash, signer.ca(), serial(number));
            let nonce = Nonce::from_random([7; 32]);
            let requests = [
                ("sha1", OcspRequest::new(id(CertIdHash::Sha1), None)),
                ("sha256-nonce", OcspRequest::new(id(CertIdHash::Sha256), Some(nonce))),
                ("both", OcspRequest::of_many(vec![id(CertIdHash::Sha1), id(CertIdHash::Sha256)])),
            ];
            for (form, request) in requests {
                let asked = request.to_der();
                seed("pki_ocsp_request", &format!("{name}-{form}"), &asked);
                seed("pki_ocsp_exchange", &format!("{name}-{form}"), &asked);
                let hour = Duration::from_secs(3600);
                let reply = respond(&ocsp, &ByNumber, &asked, now(), hour);
                seed("pki_ocsp_response", &format!("{who}-{name}-{form}"), reply.der);
            }
        }
    }
    seed("pki_ocsp_response", "unauthorized", Unsuccessful::Unauthorized.to_der());
}

fn authority(signer: &LocalSigner, profile: Profile) -> OcspAuthority {
    let key = PrivateKey::generate(KeyType::P256).unwrap();
    let request = CertificateRequest {
        serial: serial(20),
        profile,
        public_key: key.public_key().clone(),
        validity: Validity::starting(now(), DEVICE_LIFETIME),
        publishing: Publishing::default(),
    };
    let Ok(SignAnswer::Certificate(der)) =
        signer.sign_now(SignRequest::Certificate(Box::new(request)))
    else {
        panic!("the signer issues")
    };
    let signer_of_answers = OcspSigner::new(der.into(), key).unwrap().into();
    OcspAuthority { ca: signer.ca().clone(), signer: signer_of_answers }
}

struct ByNumber;

impl OcspRecords for ByNumber {
    fn ocsp_status(&self, id: &CertificateId) -> OcspStatus {
        match id.serial.as_bytes().last() {
            Some(4) => OcspStatus::Good,
            Some(7) => OcspStatus::Revoked(Revocation {
                at: now(),
                reason: RevocationReason::KeyCompromise,
            }),
            _ => OcspStatus::Unknown,
        }
    }
}

fn keys() {
    for (name, kind) in
        [("p256", &rcgen::PKCS_ECDSA_P256_SHA256), ("ed25519", &rcgen::PKCS_ED25519)]
    {
        let key = rcgen::KeyPair::generate_for(kind).unwrap();
        let params = rcgen::CertificateParams::new(vec!["a.example.com".to_owned()]).unwrap();
        let request = params.serialize_request(&key).unwrap();
        seed("pki_csr", name, request.der());
        seed("pki_csr", &format!("{name}.pem"), request.pem().unwrap());
        seed("pki_private_key", name, key.serialize_der());
        let certificate = params.self_signed(&key).unwrap();
        seed("pki_ca_certificate", &format!("{name}-leaf"), certificate.der());
        seed("pki_pem", name, certificate.pem() + &key.serialize_pem());
    }
    for (name, kind) in [("ours-p256", KeyType::P256), ("rsa", KeyType::Rsa3072)] {
        let key = PrivateKey::generate(kind).unwrap();
        seed("pki_private_key", name, key.pkcs8());
        seed("pki_csr", &format!("{name}.spki"), key.public_key().spki());
    }
}

fn part(der: &[u8]) -> Vec<u8> {
    [&(der.len() as u16).to_be_bytes()[..], der].concat()
}

fn serial(number: u8) -> Serial {
    let mut bits = [0xa5; 16];
    bits[15] = number;
    Serial::from_random(bits)
}

fn now() -> Timestamp {
    Timestamp::from_unix_secs(1_800_000_000)
}
