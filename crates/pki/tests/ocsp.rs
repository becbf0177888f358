//! Our OCSP beside OpenSSL's, in both roles: it reads our requests and believes our answers, and we read
//! its requests and believe its answers.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::fs;
use std::process::{Command, Output};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use common::{Authority, Folder, Issued, device};
use pki::ocsp::{
    CertId, CertIdHash, Nonce, OcspAuthority, OcspExpected, OcspRecords, OcspRequest, OcspSigner,
    OcspStatus, check, respond,
};
use pki::{
    CertificateId, KeyType, Profile, Revocation, RevocationReason, Serial, Signer, Timestamp,
    Validity, certificate_to_pem,
};

#[test]
fn openssl_believes_our_answers_and_hears_the_time_and_the_reason() {
    for key_type in [KeyType::Rsa2048, KeyType::P256] {
        let world = World::new(key_type);
        for hash in ["-sha1", "-sha256"] {
            for nonce in ["-nonce", "-no_nonce"] {
                let said = world.openssl_asks_us(&world.good, hash, nonce);
                assert!(said.contains("Response verify OK"), "{said}");
                assert!(said.contains("leaf.crt: good"), "{said}");
                assert!(!said.contains("WARNING"), "{said}");
            }
        }
        let said = world.openssl_asks_us(&world.revoked, "-sha1", "-nonce");
        assert!(said.contains("leaf.crt: revoked"), "{said}");
        assert!(said.contains("Reason: keyCompromise"), "{said}");
        let said = world.openssl_asks_us(&world.never_recorded, "-sha256", "-nonce");
        assert!(said.contains("leaf.crt: unknown"), "{said}");
    }
}

#[test]
fn we_believe_openssls_answers_and_not_its_replays() {
    let world = World::new(KeyType::P256);
    for (issued, status) in [
        (&world.good, OcspStatus::Good),
        (&world.revoked, OcspStatus::Revoked(world.revocation)),
        (&world.never_recorded, OcspStatus::Unknown),
    ] {
        for hash in [CertIdHash::Sha1, CertIdHash::Sha256] {
            let id = CertId::new(hash, world.authority.signer.ca(), issued.serial);
            let nonce = Nonce::from_random([5; 32]);
            let answer = world.we_ask_openssl(&OcspRequest::new(id, Some(nonce.clone())));
            let expected = OcspExpected { nonce: Some(&nonce), ..world.expect(issued) };
            assert_eq!(check(&answer, &expected).unwrap().status, status);
            let other = Nonce::from_random([6; 32]);
            let expected = OcspExpected { nonce: Some(&other), ..expected };
            assert!(check(&answer, &expected).is_err());
        }
    }
}

/// A CA of this moment, since `openssl ocsp` goes by the machine's clock.
struct World {
    folder: Folder,
    authority: Authority,
    ocsp: OcspAuthority,
    good: Issued,
    revoked: Issued,
    never_recorded: Issued,
    revocation: Revocation,
    now: Timestamp,
}

impl World {
    fn new(key_type: KeyType) -> Self {
        let now = machine_time();
        let authority = Authority::new_at(key_type, now);
        let validity = Validity::starting(now, common::DAY);
        let issue = |profile| authority.issue_at(profile, key_type, validity);
        let signer = issue(Profile::OcspSigner { name: "OCSP of the test".into() });
        let folder = Folder::new(&format!("ocsp-{key_type}-{now}").replace([' ', ':'], "-"));
        folder.write("signer.crt", certificate_to_pem(&signer.cert));
        folder.write("signer.key", signer.key.to_pem().as_bytes());
        folder.write("ca.crt", certificate_to_pem(&authority.ca()));
        let reason = RevocationReason::KeyCompromise;
        Self {
            good: issue(device("good")),
            revoked: issue(device("revoked")),
            never_recorded: issue(device("never-recorded")),
            ocsp: OcspAuthority {
                ca: authority.signer.ca().clone(),
                signer: OcspSigner::new(signer.cert, signer.key).unwrap().into(),
            },
            revocation: Revocation { at: now.before(common::HOUR), reason },
            folder,
            authority,
            now,
        }
    }

    fn openssl_asks_us(&self, issued: &Issued, hash: &str, nonce: &str) -> String {
        let path = |name: &str| self.folder.path().join(name).display().to_string();
        let (ca, request, response) = (path("ca.crt"), path("request.der"), path("response.der"));
        let leaf = self.folder.write("leaf.crt", certificate_to_pem(&issued.cert));
        let ask = ["ocsp", hash, "-issuer", &ca, "-cert", &leaf, nonce];
        ok(&openssl(&[&ask[..], &["-reqout", &request]].concat()));
        let asked = fs::read(&request).unwrap();
        let ocsp = std::slice::from_ref(&self.ocsp);
        let reply = respond(ocsp, self, &asked, self.now, Duration::from_secs(3600));
        fs::write(&response, reply.der).unwrap();
        // What it asked with had its nonce already.
        let judge = ["-no_nonce", "-respin", &response, "-reqin", &request, "-CAfile", &ca];
        let output =
            openssl(&[&["ocsp", hash, "-issuer", &ca, "-cert", &leaf][..], &judge].concat());
        ok(&output)
    }

    fn we_ask_openssl(&self, request: &OcspRequest) -> Vec<u8> {
        let index = self.folder.write("index.txt", self.index());
        let path = |name: &str| self.folder.path().join(name).display().to_string();
        let (ca, signer, key) = (path("ca.crt"), path("signer.crt"), path("signer.key"));
        let asked = self.folder.write("asked.der", request.to_der());
        let answer = path("answer.der");
        let output = openssl(&[
            "ocsp", "-index", &index, "-CA", &ca, "-rsigner", &signer, "-rkey", &key, "-ndays",
            "1", "-reqin", &asked, "-respout", &answer,
        ]);
        ok(&output);
        fs::read(&answer).unwrap()
    }

    /// As `openssl ca` keeps it: state, end, revocation with its reason, number, file, subject.
    fn index(&self) -> String {
        let ended = "991231235959Z";
        let time = self.revocation.at.to_string();
        let digits: String = time.chars().filter(char::is_ascii_digit).skip(2).collect();
        let (good, revoked) = (self.good.serial, self.revoked.serial);
        format!(
            "V\t{ended}\t\t{good}\tunknown\t/CN=a\n\
             R\t{ended}\t{digits}Z,keyCompromise\t{revoked}\tunknown\t/CN=b\n"
        )
    }

    fn expect(&self, issued: &Issued) -> OcspExpected<'_> {
        let issuer = self.authority.signer.ca();
        // OpenSSL has looked at the clock after us.
        OcspExpected { issuer, serial: issued.serial, nonce: None, now: machine_time() }
    }
}

impl OcspRecords for World {
    fn ocsp_status(&self, id: &CertificateId) -> OcspStatus {
        let is = |serial: Serial| id.serial == serial;
        if is(self.good.serial) {
            OcspStatus::Good
        } else if is(self.revoked.serial) {
            OcspStatus::Revoked(self.revocation)
        } else {
            OcspStatus::Unknown
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the other program goes by the machine's clock")]
fn machine_time() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp::from_unix_secs(since.as_secs())
}

fn openssl(arguments: &[&str]) -> Output {
    Command::new("openssl").args(arguments).output().unwrap()
}

/// Both of its outputs, once it has succeeded.
#[track_caller]
fn ok(output: &Output) -> String {
    let said = [&output.stdout[..], &output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(output.status.success(), "{said}");
    said
}
