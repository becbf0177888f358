//! pkilint finds no error in what we issue. Needs `pip install pkilint`; its programs are looked
//! for in PKILINT_DIR, then on the PATH.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::env;
use std::path::PathBuf;
use std::process::Command;

use common::{Authority, Folder, device, gateway, server};
use pki::ocsp::{
    CertId, CertIdHash, Nonce, OcspAuthority, OcspRecords, OcspRequest, OcspSigner, OcspStatus,
    respond,
};
use pki::{
    CA_LIFETIME, CertificateId, CrossRequest, KeyType, NameConstraints, Profile, Revocation,
    RevocationReason, Serial, Signer, Validity, certificate_to_pem, cross_sign,
};
use rustls_pki_types::CertificateDer;

#[test]
fn pkilint_finds_nothing_wrong_in_a_ca_its_certificates_and_its_lists() {
    let (Some(lint_cert), Some(lint_crl)) = (find("lint_pkix_cert"), find("lint_crl")) else {
        return skip();
    };
    let folder = Folder::new("pkilint");
    for key_type in [KeyType::Rsa3072, KeyType::P256] {
        let authority = Authority::published(key_type);
        let some_names = Authority::within(key_type, &some_names());
        let phone = authority.issue(device("phone"), KeyType::Rsa2048);
        let certificates = [
            ("ca", authority.ca()),
            ("gateway-rsa", authority.issue(gateway(), KeyType::Rsa2048).cert),
            ("gateway-p256", authority.issue(gateway(), KeyType::P256).cert),
            ("server", authority.issue(server("www.example.com"), KeyType::P256).cert),
            ("peer", authority.issue(peer("mx.example.com"), KeyType::Rsa2048).cert),
            ("device", phone.cert),
            ("ocsp-signer", authority.issue(ocsp_signer(), KeyType::P256).cert),
            ("cross", cross(&authority, key_type)),
            ("ca-of-some-names", some_names.ca()),
            ("server-of-some-names", some_names.issue(gateway(), KeyType::P256).cert),
        ];
        for (name, cert) in certificates {
            let file = folder.write(name, certificate_to_pem(&cert));
            assert_clean(Command::new(&lint_cert).args(["lint", "-s", "NOTICE", &file]), name);
        }
        let revoked = [(phone.serial, RevocationReason::KeyCompromise)];
        for (name, crl) in [("empty", authority.crl(&[])), ("crl", authority.crl(&revoked))] {
            let file = folder.write(name, crl.to_pem());
            let lint = ["lint", "-t", "CRL", "-p", "PKIX", "-s", "NOTICE", &file];
            assert_clean(Command::new(&lint_crl).args(lint), name);
        }
        assert_eq!(
            authority.signer.ca().validity().not_before,
            common::now().before(25 * common::HOUR)
        );
    }
}

#[test]
fn pkilint_finds_nothing_wrong_in_ocsp_answers() {
    let Some(lint_ocsp) = find("lint_ocsp_response") else { return skip() };
    let folder = Folder::new("pkilint-ocsp");
    for key_type in [KeyType::Rsa2048, KeyType::P256] {
        let authority = Authority::published(key_type);
        let phone = authority.issue(device("phone"), KeyType::P256);
        let ca = authority.signer.ca().clone();
        let signer = authority.issue(ocsp_signer(), key_type);
        let signer = OcspSigner::new(signer.cert, signer.key).unwrap().into();
        let ocsp = [OcspAuthority { ca, signer }];
        let at = common::now().before(common::HOUR);
        let revocation = Revocation { at, reason: RevocationReason::Superseded };
        for status in [OcspStatus::Good, OcspStatus::Revoked(revocation), OcspStatus::Unknown] {
            let id = CertId::new(CertIdHash::Sha256, &ocsp[0].ca, phone.serial);
            let request = OcspRequest::new(id, Some(Nonce::from_random([1; 32]))).to_der();
            let reply = respond(&ocsp, &Always(status), &request, common::now(), common::HOUR);
            let file = folder.write("response", reply.der);
            assert_clean(
                Command::new(&lint_ocsp).args(["lint", "-s", "NOTICE", &file]),
                "response",
            );
        }
    }
}

fn some_names() -> NameConstraints {
    let ranges =
        |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<_>>();
    let permitted = ranges(&["example.com", "192.0.2.0/24", "2001:db8::/32"]);
    NameConstraints::new(&permitted, &ranges(&["lab.example.com", "192.0.2.128/25"]))
}

/// The certificate in which a CA vouches for another.
fn cross(by: &Authority, key_type: KeyType) -> CertificateDer<'static> {
    let other = Authority::published(key_type);
    let request = CrossRequest {
        serial: Serial::from_random([6; 16]),
        other: other.ca().to_vec(),
        validity: Validity::starting(common::now(), CA_LIFETIME)
            .within(by.signer.ca().validity())
            .within(other.signer.ca().validity()),
        publishing: by.publishing.clone(),
    };
    common::block_on(cross_sign(&by.signer, request)).unwrap()
}

struct Always(OcspStatus);

impl OcspRecords for Always {
    fn ocsp_status(&self, _: &CertificateId) -> OcspStatus {
        self.0
    }
}

fn peer(name: &str) -> Profile {
    Profile::Peer { names: vec![name.to_owned()] }
}

fn ocsp_signer() -> Profile {
    Profile::OcspSigner { name: "OCSP of the test".into() }
}

fn skip() {
    println!("SKIP pkilint: its programs are not on the PATH; pip install pkilint");
}

/// pkilint exits with the number of findings and writes nothing when there is none.
#[track_caller]
fn assert_clean(lint: &mut Command, name: &str) {
    let output = lint.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.trim().is_empty(), "{name}: {said}{errors}");
}

fn find(program: &str) -> Option<PathBuf> {
    let folder = env::var_os("PKILINT_DIR").map(PathBuf::from);
    let path = env::var_os("PATH").unwrap_or_default();
    folder
        .into_iter()
        .chain(env::split_paths(&path))
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}
