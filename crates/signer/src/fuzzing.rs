//! What a fuzzer feeds: questions as whoever owns the gateway's end may put them. Not an API.

use std::sync::LazyLock;
use std::time::Duration;

use clock::Now;
use pki::{CaCertificate, KeyId, KeyType, LocalSigner, NewCa, PrivateKey, Serial, SignAnswer};
use pki::{SignRequest, Signer as _};

use crate::protocol::{Ask, Reply};
use crate::{Keeper, Last, frame};

/// Takes any bytes.
pub type Target = fn(&[u8]);

/// All of them, by name.
pub const TARGETS: [(&str, Target); 1] = [("ask", ask)];

/// Questions, and what is signed if they are put to a CA: never another CA, never two lists of one number.
pub fn ask(bytes: &[u8]) {
    let _ = frame::decode::<Reply>(bytes);
    let Ok(ask) = frame::decode::<Ask>(bytes) else { return };
    let written = frame::encode(&ask).expect("a question is written");
    assert_eq!(frame::decode::<Ask>(&written[frame::HEADER..]).as_ref(), Ok(&ask));
    if let Ask::Sign { request, .. } = ask {
        put(request);
    }
}

fn put(request: SignRequest) {
    let mut keeper = Keeper::new(NOW);
    let key = PrivateKey::from_pkcs8(&KNOWN.1).expect("a key");
    let ca = LocalSigner::new(&KNOWN.0, key).expect("a CA");
    let id = KeyId::of_spki(ca.ca().spki());
    keeper.add(ca, &Last::None);
    match keeper.sign(&id, request.clone(), NOW) {
        Ok(SignAnswer::Certificate(der)) => assert!(CaCertificate::from_der(&der).is_err()),
        Ok(SignAnswer::Crl(_)) => assert!(keeper.sign(&id, request, NOW).is_err()),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    assert!(keeper.sign(&KeyId::from_bytes([0; 32]), crl(), NOW).is_err());
}

fn crl() -> SignRequest {
    let this_update = NOW.into();
    SignRequest::Crl(pki::CrlRequest {
        number: 1,
        this_update,
        next_update: this_update.after(pki::CRL_LIFETIME),
        revoked: std::collections::BTreeMap::new(),
    })
}

/// 2027-01-15.
const NOW: Now = Now { boot: Duration::from_secs(9), wall: Duration::from_secs(1_800_000_000) };

/// A CA's certificate and its key.
static KNOWN: LazyLock<(Vec<u8>, Vec<u8>)> = LazyLock::new(|| {
    let serial = Serial::from_random([1; 16]);
    let new =
        NewCa { key_type: KeyType::P256, serial, now: NOW.into(), lifetime: pki::CA_LIFETIME };
    let made = LocalSigner::create(&new).expect("a CA");
    (made.ca().der().to_vec(), made.key().pkcs8().to_vec())
});
