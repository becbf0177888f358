//! Questions to the signer: each kind, and certificates of each profile.

use std::collections::BTreeMap;
use std::time::Duration;

use pki::{
    CertificateRequest, CrlRequest, KeyId, KeyType, NameConstraints, PrivateKey, Profile,
    Publishing, Revocation, RevocationReason, Serial, SignRequest, Timestamp, Validity,
};
use signer::frame;
use signer::protocol::{Ask, CaWish};

use super::seed;

pub(crate) fn write() {
    put("cas", &Ask::Cas);
    let (key_type, lifetime) = (KeyType::P256, DAY * 3650);
    let some = NameConstraints::new(&["vpn.example".parse().unwrap()], &[]);
    put("make-ca", &Ask::MakeCa(CaWish { key_type, serial: serial(1), lifetime, names: some }));
    let names = vec!["vpn.example".to_owned()];
    let (user, device) = ("alice".to_owned(), "phone".to_owned());
    for (name, profile) in [
        ("gateway", Profile::Gateway { names: names.clone() }),
        ("server", Profile::Server { names }),
        ("device", Profile::Device { user, device }),
        ("ocsp-signer", Profile::OcspSigner { name: "OCSP".to_owned() }),
    ] {
        sign(name, SignRequest::Certificate(Box::new(certificate(profile))));
    }
    let revocation = Revocation { at: now(), reason: RevocationReason::KeyCompromise };
    let revoked = BTreeMap::from([(serial(2), revocation)]);
    let next_update = now().after(DAY * 7);
    sign(
        "crl",
        SignRequest::Crl(CrlRequest { number: 5, this_update: now(), next_update, revoked }),
    );
}

fn certificate(profile: Profile) -> CertificateRequest {
    let key = PrivateKey::generate(KeyType::P256).unwrap();
    CertificateRequest {
        serial: serial(3),
        profile,
        public_key: key.public_key().clone(),
        validity: Validity::starting(now(), DAY * 14),
        publishing: Publishing::at("http://vpn.example", "aabbccdd").unwrap(),
    }
}

fn sign(name: &str, request: SignRequest) {
    put(name, &Ask::Sign { ca: KeyId::from_bytes([7; 32]), request });
}

fn put(name: &str, ask: &Ask) {
    seed("signer_ask", name, &frame::encode(ask).unwrap()[frame::HEADER..]);
}

fn serial(number: u8) -> Serial {
    Serial::from_random([number; 16])
}

fn now() -> Timestamp {
    Timestamp::from_unix_secs(1_800_000_000)
}

const DAY: Duration = Duration::from_secs(86_400);
