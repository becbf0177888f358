//! Entry points for fuzz targets: everything here that reads what a stranger wrote. Not an API.
//!
//! Each takes any bytes, must not panic, and checks that what was understood is written and read
//! again without change. Chains are judged against one fixed CA, so that inputs it has issued pass.

mod exchange;

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use rustls_pki_types::{CertificateDer, UnixTime};

use crate::{
    CaCertificate, CertificateId, CertificateStatus, Crl, Csr, Fingerprint, GatewayVerifier,
    NameRule, PrivateKey, PublicKey, ServerNameVerifier, StatusSource, Timestamp,
    certificate_to_pem, certificates_from_pem, csr_text, identity_from_pem, ocsp,
};

pub use exchange::ocsp_exchange;

/// Takes any bytes.
pub type Target = fn(&[u8]);

/// All of them, by name.
pub const TARGETS: [(&str, Target); 9] = [
    ("csr", csr),
    ("crl", crl),
    ("ca_certificate", ca_certificate),
    ("chain", chain),
    ("ocsp_exchange", ocsp_exchange),
    ("ocsp_request", ocsp_request),
    ("ocsp_response", ocsp_response),
    ("pem", pem),
    ("private_key", private_key),
];

/// Certificate signing requests.
pub fn csr(bytes: &[u8]) {
    if let Ok(request) = Csr::from_der(bytes) {
        let spki = request.public_key().spki();
        assert_eq!(PublicKey::from_spki(spki).as_ref(), Ok(request.public_key()));
    }
    if let Some(text) = csr_text(bytes) {
        // A request in DER is the same request as text.
        let taken = Csr::from_pem(&text);
        assert!(Csr::from_der(bytes).is_err() || taken == Csr::from_der(bytes));
    }
    let _ = Csr::from_pem(&String::from_utf8_lossy(bytes));
    let _ = PublicKey::from_spki(bytes);
}

/// Revocation lists, and whether the fixed CA signed them.
pub fn crl(bytes: &[u8]) {
    let _ = Crl::from_pem(&String::from_utf8_lossy(bytes));
    let Ok(list) = Crl::from_der(bytes) else { return };
    assert_eq!(Crl::from_pem(&list.to_pem()).as_ref(), Ok(&list));
    let _ = list.verify(&KNOWN.ca);
    let now = crate::Timestamp::from_wall(AT);
    let _ = (list.age(now), list.renew_at(), list.is_due(now), list.is_expired(now));
    let _ = format!("{list:?}");
}

/// A certificate that is to be trusted as a CA.
pub fn ca_certificate(bytes: &[u8]) {
    let Ok(ca) = CaCertificate::from_der(bytes) else { return };
    assert_eq!(ca.der().as_ref(), bytes);
    let _ = (ca.name(), ca.tag(), ca.validity(), ca.serial(), ca.to_pem());
    let _ = format!("{ca:?}");
    let _ = GatewayVerifier::new(&[ca.der().clone()], Arc::new(BySerial));
}

/// Chains as TLS hands them over: each certificate behind two octets of length, leaf first.
pub fn chain(bytes: &[u8]) {
    let mut chain = Vec::new();
    let mut rest = bytes;
    while let Some((len, after)) = rest.split_first_chunk() {
        let len = usize::from(u16::from_be_bytes(*len)).min(after.len());
        let (certificate, after) = after.split_at(len);
        chain.push(CertificateDer::from(certificate));
        rest = after;
    }
    let Some((leaf, above)) = chain.split_first() else { return };
    let now = UnixTime::since_unix_epoch(AT);
    let _ = KNOWN.gateway.check(leaf, now).map_err(|refusal| refusal.to_string());
    for server in &KNOWN.servers {
        let _ = server.check(leaf, above, now).map_err(|refusal| refusal.to_string());
    }
}

/// OCSP requests, which the responder answers, and whose answer is judged.
pub fn ocsp_request(bytes: &[u8]) {
    let reply = ocsp::respond(&[], &Nothing, bytes, Timestamp::from_unix_secs(AT.as_secs()), AT);
    ocsp::OcspResponse::from_der(&reply.der).expect_err("no CA is answered for");
    let Ok(request) = ocsp::OcspRequest::from_der(bytes) else { return };
    let again = ocsp::OcspRequest::from_der(&request.to_der());
    assert_eq!(again.as_ref(), Ok(&request));
    for id in request.ids() {
        let _ = id.is_of(&KNOWN.ca);
    }
}

/// OCSP responses, fetched or stapled.
pub fn ocsp_response(bytes: &[u8]) {
    let Ok(response) = ocsp::OcspResponse::from_der(bytes) else { return };
    let serials = response.answers().iter().filter_map(|answer| answer.id.serial());
    for serial in serials.take(8) {
        let now = Timestamp::from_unix_secs(AT.as_secs());
        let issuer = &KNOWN.ca;
        let expected = ocsp::OcspExpected { issuer, serial, nonce: None, now };
        let _ = ocsp::check(bytes, &expected).map_err(|error| error.to_string());
    }
}

/// PEM text with certificates and keys.
pub fn pem(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(found) = certificates_from_pem(&text) {
        let again: String = found.iter().map(certificate_to_pem).collect();
        assert_eq!(certificates_from_pem(&again), Ok(found));
    }
    let _ = PrivateKey::from_pem(&text);
    let _ = identity_from_pem(&text, &text);
}

/// Private keys in PKCS#8.
pub fn private_key(bytes: &[u8]) {
    let Ok(key) = PrivateKey::from_pkcs8(bytes) else { return };
    let again = PrivateKey::from_pem(&key.to_pem()).expect("a written key is read");
    assert_eq!(again.public_key(), key.public_key());
}

/// 2027-01-15.
const AT: Duration = Duration::from_secs(1_800_000_000);

/// Its key was forgotten when the corpus was made.
const CA: &[u8] = include_bytes!("fuzzing/ca.der");

struct Known {
    ca: CaCertificate,
    gateway: Arc<GatewayVerifier>,
    servers: Vec<Arc<ServerNameVerifier>>,
}

static KNOWN: LazyLock<Known> = LazyLock::new(|| {
    let ca = CaCertificate::from_der(CA).expect("the file holds a CA certificate");
    let trusted = [ca.der().clone()];
    let rules = [
        NameRule::Any,
        NameRule::Name(crate::RESERVED_GATEWAY_NAME.to_owned()),
        NameRule::NamePrefix("vpn.".to_owned()),
    ];
    let gateway = GatewayVerifier::new(&trusted, Arc::new(BySerial)).expect("a CA");
    let servers = rules.into_iter().map(|r| ServerNameVerifier::new(&trusted, r).expect("a CA"));
    Known { gateway, servers: servers.collect(), ca }
});

/// Every standing occurs.
#[derive(Debug)]
struct BySerial;

impl StatusSource for BySerial {
    fn certificate_status(&self, id: &CertificateId, _: &Fingerprint) -> CertificateStatus {
        match id.serial.as_bytes().last().map(|last| last & 7) {
            Some(1) => CertificateStatus::DeviceDisabled,
            Some(2) => CertificateStatus::UserDisabled,
            Some(3) => CertificateStatus::Unknown,
            _ => CertificateStatus::Good,
        }
    }
}

#[derive(Debug)]
struct Nothing;

impl ocsp::OcspRecords for Nothing {
    fn ocsp_status(&self, _: &CertificateId) -> ocsp::OcspStatus {
        ocsp::OcspStatus::Unknown
    }
}
