//! CAs that may certify some names alone: what the signer, our verifier and OpenSSL make of them.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::process::Command;

use common::{Authority, Folder, NOW, block_on, device, gateway, now, server, tls_time};
use pki::{
    CA_LIFETIME, CaCertificate, CrossRequest, KeyType, NameConstraints, NameRule, PrivateKey,
    Profile, Refusal, Serial, ServerNameVerifier, SignError, Signer as _, Validity,
    certificate_to_pem,
};
use rustls_pki_types::CertificateDer;

#[test]
fn what_a_constrained_ca_signs_is_taken_by_openssl_and_by_us() {
    for key_type in [KeyType::Rsa3072, KeyType::P256] {
        let authority = Authority::within(key_type, &constraints());
        let read = CaCertificate::from_der(authority.signer.ca().der()).unwrap();
        assert_eq!(read.constraints(), constraints(), "as it stands in the certificate");
        for profile in [
            gateway(),
            server("example.com"),
            server("*.www.example.com"),
            Profile::Peer { names: vec!["mx.example.com".into(), "192.0.2.7".into()] },
        ] {
            let leaf = authority.issue(profile, KeyType::P256).cert;
            assert_eq!(judges(&authority, &[], &leaf, "sslserver"), (Ok(()), None));
        }
        for profile in [device("phone"), Profile::Client { name: "backup".into() }] {
            let leaf = authority.issue(profile, KeyType::P256).cert;
            let (_, by_openssl) = judges(&authority, &[], &leaf, "sslclient");
            assert_eq!(by_openssl, None);
        }
    }
}

#[test]
fn a_constrained_ca_signs_no_other_name() {
    let authority = Authority::within(KeyType::P256, &constraints());
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    for (profile, name) in [
        (server("example.net"), "example.net"),
        (server("lab.example.com"), "lab.example.com"),
        (server("*.example.com"), "*.example.com"),
        (Profile::Peer { names: names(&["a.example.com", "198.51.100.1"]) }, "198.51.100.1"),
        (Profile::Gateway { names: names(&["vpn.example.net"]) }, "vpn.example.net"),
        (Profile::Client { name: "backup.example.net".into() }, "backup.example.net"),
        // OpenSSL takes the common name for a host's.
        (server("192.0.2.1"), "192.0.2.1"),
    ] {
        let key = PrivateKey::generate(KeyType::P256).unwrap();
        let validity = Validity::starting(now(), pki::DEVICE_LIFETIME);
        let request = authority.request(profile, key.public_key().clone(), validity);
        let refused = block_on(pki::issue(&authority.signer, request)).unwrap_err();
        let allowed = constraints().to_string();
        assert_eq!(refused, SignError::NameOutside { name: name.to_owned(), allowed });
    }
}

#[test]
fn the_constraints_of_each_ca_on_the_way_bind_what_the_next_one_signs() {
    let (bound, free) =
        (Authority::within(KeyType::P256, &constraints()), Authority::new(KeyType::P256));
    let cross = [vouch(&bound, &free)];
    let good = free.issue(server("a.example.com"), KeyType::P256).cert;
    assert_eq!(judges(&bound, &cross, &good, "sslserver"), (Ok(()), None));
    for name in ["a.example.net", "x.lab.example.com", "198.51.100.1"] {
        let bad = free.issue(server(name), KeyType::P256).cert;
        let (ours, openssl) = judges(&bound, &cross, &bad, "sslserver");
        assert_eq!(ours, Err(Refusal::NameNotPermitted), "{name}");
        assert!(openssl.is_some_and(|said| said.contains("subtree violation")), "{name}");
    }
    let by_address_alone = free.issue(server("192.0.2.1"), KeyType::P256).cert;
    let (_, openssl) = judges(&bound, &cross, &by_address_alone, "sslserver");
    assert!(openssl.is_some(), "its common name counts as a host's");
}

#[test]
fn who_vouches_for_a_constrained_ca_passes_its_constraints_on() {
    let (bound, free) =
        (Authority::within(KeyType::P256, &constraints()), Authority::new(KeyType::P256));
    let cross = vouch(&free, &bound);
    assert_eq!(CaCertificate::from_der(&cross).unwrap().constraints(), constraints());
    let leaf = bound.issue(server("a.example.com"), KeyType::P256).cert;
    assert_eq!(judges(&free, &[cross], &leaf, "sslserver"), (Ok(()), None));
}

fn constraints() -> NameConstraints {
    let ranges =
        |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<_>>();
    let permitted = ranges(&["example.com", "192.0.2.0/24", "2001:db8::/32"]);
    NameConstraints::new(&permitted, &ranges(&["lab.example.com"]))
}

fn vouch(by: &Authority, other: &Authority) -> CertificateDer<'static> {
    let request = CrossRequest {
        serial: Serial::from_random([4; 16]),
        other: other.ca().to_vec(),
        validity: Validity::starting(now(), CA_LIFETIME),
        publishing: by.publishing.clone(),
    };
    block_on(pki::cross_sign(&by.signer, request)).unwrap()
}

/// What our verifier says of a server's certificate, and what OpenSSL says against one.
fn judges(
    trusted: &Authority,
    sent: &[CertificateDer<'static>],
    leaf: &CertificateDer<'static>,
    purpose: &str,
) -> (Result<(), Refusal>, Option<String>) {
    let verifier = ServerNameVerifier::new(&[trusted.ca()], NameRule::Any).unwrap();
    (verifier.check(leaf, sent, tls_time(now())), openssl_says(trusted, sent, leaf, purpose))
}

fn openssl_says(
    trusted: &Authority,
    sent: &[CertificateDer<'static>],
    leaf: &CertificateDer<'static>,
    purpose: &str,
) -> Option<String> {
    let folder = Folder::new(&format!("constraints-{:?}", std::thread::current().id()));
    let ca = folder.write("ca.crt", trusted.signer.ca().to_pem());
    let sent: String = sent.iter().map(certificate_to_pem).collect();
    let sent = folder.write("sent.crt", sent + &certificate_to_pem(&trusted.ca()));
    let leaf = folder.write("leaf.crt", certificate_to_pem(leaf));
    let output = Command::new("openssl")
        .args(["verify", "-x509_strict", "-attime", &NOW.to_string(), "-purpose", purpose])
        .args(["-CAfile", &ca, "-untrusted", &sent, &leaf])
        .output()
        .expect("openssl is installed");
    let said = [output.stdout, output.stderr].concat();
    (!output.status.success()).then(|| String::from_utf8_lossy(&said).into_owned())
}
