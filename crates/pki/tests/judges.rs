//! One question, many judges: what we say of a certificate beside what OpenSSL and GnuTLS make of our answers and
//! lists, for good, revoked, held, never issued and expired ones, over keys of each kind.
//!
//! A few certificates of each kind on every change; a thousand with `HANDFAST_LONG=1`.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Output};
use std::time::{SystemTime, UNIX_EPOCH};

use common::{Authority, DAY, Folder, HOUR, block_on, device};
use pki::ocsp::{OcspAuthority, OcspRecords, OcspRequest, OcspSigner, OcspStatus, respond};
use pki::standing::{NotTaken, Standings, Subject, Verdict};
use pki::{
    CertificateId, CrlRequest, KeyType, PrivateKey, Profile, Revocation, RevocationReason, Serial,
    Signer, Timestamp, Validity, certificate_to_pem,
};
use rustls_pki_types::CertificateDer;

#[test]
fn openssl_and_gnutls_judge_as_we_do() {
    for program in ["openssl", "ocsptool"] {
        if Command::new(program).arg("--version").output().is_err() {
            println!("SKIP openssl_and_gnutls_judge_as_we_do: {program} is not installed");
            return;
        }
    }
    let long = std::env::var_os("HANDFAST_LONG").is_some_and(|value| value == "1");
    let each = if long { 1_000 } else { 12 };
    for (ca, leaf) in [(KeyType::P256, KeyType::P256), (KeyType::Rsa2048, KeyType::Rsa2048)] {
        let court = Court::new(ca, leaf, each);
        let mut judged: BTreeMap<Case, usize> = BTreeMap::new();
        for (number, issued) in court.certificates.iter().enumerate() {
            court.judge(number, issued);
            *judged.entry(issued.case).or_default() += 1;
        }
        println!("FIGURE {ca} CA, {leaf} certificates: all agree on {judged:?}");
        assert_eq!(judged.len(), CASES.len());
    }
}

/// What a certificate has behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Case {
    Good,
    Revoked,
    Held,
    /// The CA's records do not know it: its key was copied, or nobody ever signed one of that number, which is the
    /// same to whoever asks.
    NeverRecorded,
    Expired,
}

const CASES: [Case; 5] =
    [Case::Good, Case::Revoked, Case::Held, Case::NeverRecorded, Case::Expired];

struct Issued {
    case: Case,
    certificate: CertificateDer<'static>,
    serial: Serial,
}

struct Court {
    folder: Folder,
    authority: Authority,
    ocsp: OcspAuthority,
    certificates: Vec<Issued>,
    records: Records,
    crl: Vec<u8>,
    now: Timestamp,
}

impl Court {
    fn new(ca: KeyType, leaf: KeyType, each: usize) -> Self {
        let now = machine_time();
        let mut authority = Authority::new_at(ca, now.before(10 * DAY));
        let tag = authority.signer.ca().tag();
        authority.publishing = pki::Publishing::at("http://ca.example.net", &tag).unwrap();
        // Which key it is makes no difference, and to make one takes long.
        let key = PrivateKey::generate(leaf).unwrap();
        let present = Validity::starting(now, DAY);
        let ended = Validity { not_before: now.before(2 * DAY), not_after: now.before(DAY) };
        let mut certificates = Vec::new();
        for number in 0..each {
            let case = CASES[number % CASES.len()];
            let validity = if case == Case::Expired { ended } else { present };
            let profile = device(&format!("device-{number}"));
            let request = authority.request(profile, key.public_key().clone(), validity);
            let serial = request.serial;
            let certificate = block_on(pki::issue(&authority.signer, request)).unwrap();
            certificates.push(Issued { case, certificate, serial });
        }
        let records = Records::of(&certificates, now);
        let signer = Profile::OcspSigner { name: "OCSP".into() };
        let signer = authority.issue_at(signer, ca, present);
        let request = CrlRequest {
            number: 1,
            this_update: now,
            next_update: now.after(DAY),
            revoked: records.revoked(),
        };
        let crl = block_on(pki::sign_crl(&authority.signer, request)).unwrap();
        let folder = Folder::new(&format!("judges-{ca}").replace(' ', "-"));
        folder.write("ca.pem", certificate_to_pem(&authority.ca()));
        folder.write("signer.pem", certificate_to_pem(&signer.cert));
        folder.write("crl.pem", crl.to_pem());
        let ocsp = OcspAuthority {
            ca: authority.signer.ca().clone(),
            signer: OcspSigner::new(signer.cert, signer.key).unwrap().into(),
        };
        let crl = crl.der().to_vec();
        Self { folder, authority, ocsp, certificates, records, crl, now }
    }

    fn judge(&self, number: usize, issued: &Issued) {
        let leaf = self.folder.write("leaf.pem", certificate_to_pem(&issued.certificate));
        let word = match issued.case {
            Case::Good | Case::Expired => "good",
            Case::Revoked | Case::Held => "revoked",
            Case::NeverRecorded => "unknown",
        };
        assert_eq!(self.ours(issued), word, "{number}: {:?}", issued.case);
        let nonce = number.is_multiple_of(2);
        let openssl = self.openssl_ocsp(&leaf, nonce);
        assert!(openssl.contains(&format!("leaf.pem: {word}")), "{:?}: {openssl}", issued.case);
        let gnutls = self.ocsptool(&leaf, nonce);
        let said = format!("Certificate Status: {word}");
        assert!(
            gnutls.contains(&said) && gnutls.contains("Success"),
            "{:?}: {gnutls}",
            issued.case
        );
        if issued.case == Case::Held {
            assert!(openssl.contains("certificateHold"), "{openssl}");
        }

        let (fine, verified) = self.openssl_verify(&leaf);
        let by_list = self.by_our_list(issued);
        match issued.case {
            // A list has nothing to say of what was never revoked.
            Case::Good | Case::NeverRecorded => {
                assert!(fine && by_list == "good", "{:?}: {verified}", issued.case);
            }
            Case::Revoked | Case::Held => {
                assert!(!fine && verified.contains("certificate revoked"), "{verified}");
                assert_eq!(by_list, "revoked");
            }
            Case::Expired => assert!(!fine && verified.contains("certificate has expired")),
        }
    }

    fn subject(&self, issued: &Issued) -> Subject {
        Subject::of(&issued.certificate, [self.authority.signer.ca()]).unwrap()
    }

    fn ours(&self, issued: &Issued) -> &'static str {
        let id = pki::ocsp::CertId::new(
            pki::ocsp::CertIdHash::Sha1,
            self.authority.signer.ca(),
            issued.serial,
        );
        let answer = self.respond(&OcspRequest::new(id, None).to_der());
        let standings = Standings::new(&[self.authority.ca()]);
        match standings.take_ocsp(&self.subject(issued), &answer, self.now) {
            Ok(()) => word(standings.verdict(&self.subject(issued), self.now)),
            Err(NotTaken::Unknown) => "unknown",
            Err(why) => panic!("{why}"),
        }
    }

    fn by_our_list(&self, issued: &Issued) -> &'static str {
        let standings = Standings::new(&[self.authority.ca()]);
        standings.take_crl(&self.subject(issued), &self.crl, self.now).unwrap();
        word(standings.verdict(&self.subject(issued), self.now))
    }

    fn respond(&self, request: &[u8]) -> Vec<u8> {
        let ocsp = std::slice::from_ref(&self.ocsp);
        respond(ocsp, &self.records, request, self.now, HOUR).der
    }

    fn openssl_ocsp(&self, leaf: &str, nonce: bool) -> String {
        let [ca, request, response] =
            ["ca.pem", "request.der", "response.der"].map(|n| self.path(n));
        let nonce = if nonce { "-nonce" } else { "-no_nonce" };
        let about = ["-issuer", &ca, "-cert", leaf];
        run("openssl", &[&["ocsp"][..], &about, &[nonce, "-reqout", &request]].concat());
        fs::write(&response, self.respond(&fs::read(&request).unwrap())).unwrap();
        let judge = ["-no_nonce", "-respin", &response, "-reqin", &request, "-CAfile", &ca];
        let said = run("openssl", &[&["ocsp"][..], &about, &judge].concat());
        assert!(said.contains("Response verify OK"), "{said}");
        said
    }

    fn ocsptool(&self, leaf: &str, nonce: bool) -> String {
        let [ca, signer] = ["ca.pem", "signer.pem"].map(|name| self.path(name));
        let [request, response] = ["request.gnutls", "response.gnutls"].map(|name| self.path(name));
        let nonce = if nonce { "--nonce" } else { "--no-nonce" };
        let about = ["--generate-request", "--load-issuer", &ca, "--load-cert", leaf, nonce];
        let _ = fs::remove_file(&request);
        run("ocsptool", &[&about[..], &["--outder", "--outfile", &request]].concat());
        fs::write(&response, self.respond(&fs::read(&request).unwrap())).unwrap();
        let judge = ["--verify-response", "--load-response", &response, "--inder"];
        run("ocsptool", &[&judge[..], &["--load-issuer", &ca, "--load-signer", &signer]].concat())
    }

    fn openssl_verify(&self, leaf: &str) -> (bool, String) {
        let [ca, crl] = ["ca.pem", "crl.pem"].map(|name| self.path(name));
        let strict = ["verify", "-crl_check_all", "-x509_strict", "-CAfile", &ca];
        let output = output("openssl", &[&strict[..], &["-CRLfile", &crl, leaf]].concat());
        (output.status.success(), said(&output))
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Good { .. } => "good",
        Verdict::Revoked(_) => "revoked",
        Verdict::Open => "open",
    }
}

struct Records(BTreeMap<Serial, OcspStatus>);

impl Records {
    fn of(certificates: &[Issued], now: Timestamp) -> Self {
        let revoked = |reason| OcspStatus::Revoked(Revocation { at: now.before(HOUR), reason });
        let known = certificates.iter().filter_map(|issued| {
            let status = match issued.case {
                Case::Good | Case::Expired => OcspStatus::Good,
                Case::Revoked => revoked(RevocationReason::KeyCompromise),
                Case::Held => revoked(RevocationReason::CertificateHold),
                Case::NeverRecorded => return None,
            };
            Some((issued.serial, status))
        });
        Self(known.collect())
    }

    fn revoked(&self) -> BTreeMap<Serial, Revocation> {
        let revoked = self.0.iter().filter_map(|(serial, status)| match status {
            OcspStatus::Revoked(why) => Some((*serial, *why)),
            OcspStatus::Good | OcspStatus::Unknown => None,
        });
        revoked.collect()
    }
}

impl OcspRecords for Records {
    fn ocsp_status(&self, id: &CertificateId) -> OcspStatus {
        self.0.get(&id.serial).copied().unwrap_or(OcspStatus::Unknown)
    }
}

#[track_caller]
fn run(program: &str, arguments: &[&str]) -> String {
    let output = output(program, arguments);
    let said = said(&output);
    assert!(output.status.success(), "{program} {arguments:?}: {said}");
    said
}

fn output(program: &str, arguments: &[&str]) -> Output {
    Command::new(program).args(arguments).output().unwrap()
}

fn said(output: &Output) -> String {
    let both = [&output.stdout[..], &output.stderr].concat();
    String::from_utf8_lossy(&both).into_owned()
}

#[expect(clippy::disallowed_methods, reason = "the other programs go by the machine's clock")]
fn machine_time() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp::from_unix_secs(since.as_secs())
}
