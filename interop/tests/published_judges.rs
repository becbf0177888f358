//! One question, many judges, over HTTP: what OpenSSL, curl, GnuTLS and `handfast ocsp ask` are told of a
//! certificate by a running gateway, for good, revoked, held, expired and never recorded ones of both CAs of a
//! rollover.
//!
//! ```text
//!    asker (openssl, ocsptool, curl, handfast) ── router ── gateway (TCP 80)
//! ```
//!
//! A few certificates of each kind; a thousand for each kind of key with `HANDFAST_LONG=1`.

mod forged;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::Arc;

use clock::SystemClock;
use interop::{World, binary, long, skip};
use pki::{KeyType, PrivateKey, Profile, Publishing};
use store::{DeviceName, Holder, Store, UserName};
use sysio::lab::Host;

use forged::{DAY, Forger, Pair, record_all, revoke};

#[test]
fn all_judges_agree_over_http_on_certificates_of_both_cas_with_p256_keys() {
    let name = "all_judges_agree_over_http_on_certificates_of_both_cas_with_p256_keys";
    judged(name, "\"p256\"", KeyType::P256);
}

#[test]
fn all_judges_agree_over_http_on_certificates_of_both_cas_with_rsa_keys() {
    let name = "all_judges_agree_over_http_on_certificates_of_both_cas_with_rsa_keys";
    judged(name, "\"rsa\"", KeyType::Rsa2048);
}

fn judged(name: &str, setting: &str, key: KeyType) {
    for program in ["openssl", "ocsptool", "curl", "base64"] {
        if Command::new(program).arg("--version").output().is_err() {
            return skip(name, &format!("{program} is not installed"));
        }
    }
    let settings = [("ca.key_type", setting), ("device.key_type", setting)];
    let Some(mut world) = World::start(name, &settings) else { return };
    world.handfast(&["user", "add", "held"]);
    let out = world.file("held").display().to_string();
    world.handfast(&["profile", "held", "--out", &out, "--os", "linux", "--form", "split"]);
    let each = if long() { 500 } else { CASES.len() };
    let first = Generation::made(&mut world, key, each);
    world.handfast(&["ca", "rollover", "start"]);
    let second = Generation::made(&mut world, key, each);
    world.handfast(&["user", "disable", "held"]);

    let asker = world.host();
    for (number, generation) in [first, second].into_iter().enumerate() {
        let court = Court::new(&world, &asker, number, &generation);
        let mut judged: BTreeMap<&str, usize> = BTreeMap::new();
        for (case, pair) in &generation.certificates {
            court.judge(*case, pair);
            *judged.entry(case.word()).or_default() += 1;
        }
        println!("FIGURE {key}, CA {}: all judges agree on {judged:?}", number + 1);
        assert_eq!(judged.len(), CASES.len());
    }
}

/// What a certificate has behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Case {
    Good,
    Revoked,
    Held,
    Expired,
    /// The records do not know it, whether it was ever signed or not.
    NeverRecorded,
}

const CASES: [Case; 5] =
    [Case::Good, Case::Revoked, Case::Held, Case::Expired, Case::NeverRecorded];

impl Case {
    fn word(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Revoked => "revoked",
            Self::Held => "held",
            Self::Expired => "expired",
            Self::NeverRecorded => "never recorded",
        }
    }

    /// What OCSP says.
    fn by_ocsp(self) -> &'static str {
        match self {
            Self::Good | Self::Expired => "good",
            Self::Revoked | Self::Held => "revoked",
            Self::NeverRecorded => "unknown",
        }
    }

    /// What the list says: nothing of what was never revoked.
    fn by_list(self) -> &'static str {
        match self {
            Self::Revoked | Self::Held => "revoked",
            _ => "good",
        }
    }
}

/// A CA with certificates of each case.
struct Generation {
    ca: String,
    tag: String,
    certificates: Vec<(Case, Pair)>,
}

impl Generation {
    /// By the CA that signs at present. The gateway is down meanwhile.
    fn made(world: &mut World, key: KeyType, each: usize) -> Self {
        world.bring_down();
        let forger = Forger::with_the_key_of(&world.data());
        let tag = forger.tag();
        let publishing = Publishing::at("http://203.0.113.2", &tag).expect("addresses");
        // Records have one holder for a key, and no key again that was compromised.
        let keys = CASES.map(|_| PrivateKey::generate(key).expect("a key"));
        let make = |number: usize| {
            let case = CASES[number % CASES.len()];
            let profile = match case {
                Case::Held => Profile::Device { user: "held".into(), device: "default".into() },
                _ => Profile::Server { names: vec![host(case, &tag)] },
            };
            let validity = if case == Case::Expired { (-3000, -60) } else { (-3000, 30 * DAY) };
            let key = &keys[number % CASES.len()];
            (case, forger.issue_for(key, profile, validity, publishing.clone()))
        };
        let certificates: Vec<_> = (0..each).map(make).collect();
        let device = device(world);
        let known = certificates.iter().filter(|(case, _)| *case != Case::NeverRecorded);
        let rows: Vec<_> = known
            .map(|(case, pair)| match case {
                Case::Held => (pair, Holder::Device(device)),
                _ => (pair, Holder::Other(host(*case, &tag))),
            })
            .collect();
        record_all(&world.data(), &rows);
        let to_revoke = Holder::Other(host(Case::Revoked, &tag));
        revoke(world, |certificate| certificate.holder == to_revoke);
        world.bring_up();
        Self { ca: forger.ca_pem(), tag, certificates }
    }
}

fn host(case: Case, tag: &str) -> String {
    format!("{}-{tag}.example", case.word().replace(' ', "-"))
}

/// The number of the device that is disabled later.
fn device(world: &World) -> store::DeviceId {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let store = Store::open(&world.data().join("handfast.db"), Arc::new(SystemClock));
        let store = store.expect("the store opens");
        let names = (UserName::new("held").expect("a name"), DeviceName::default_device());
        let device = store.device_show(&names.0, &names.1).await.expect("a device").device;
        store.close().await;
        device.id
    })
}

/// Those who ask a gateway about the certificates of one CA.
struct Court<'a> {
    asker: &'a Host,
    folder: PathBuf,
    url: String,
}

impl<'a> Court<'a> {
    fn new(world: &World, asker: &'a Host, number: usize, generation: &Generation) -> Self {
        let folder = world.file(&format!("court-{number}"));
        fs::create_dir(&folder).expect("a folder");
        let court =
            Self { asker, folder, url: format!("http://203.0.113.2/ca/{}", generation.tag) };
        court.write("ca.pem", &generation.ca);
        let [list, pem] = ["list.der", "list.pem"].map(|name| court.path(name));
        court.run("curl", &["-sSf", "-o", &list, &format!("{}.crl", court.url)]);
        court.run("openssl", &["crl", "-in", &list, "-inform", "DER", "-out", &pem]);
        let certificate = court.path("published.crt");
        court.run("curl", &["-sSf", "-o", &certificate, &format!("{}.crt", court.url)]);
        let published = fs::read(&certificate).expect("a certificate");
        let own = pki::certificates_from_pem(&generation.ca).expect("a certificate");
        assert_eq!(published, own[0].to_vec(), "the CA's own certificate is published");
        let leaf = court.write("leaf.pem", &generation.certificates[0].1.certificate);
        let access = ["x509", "-in", &leaf, "-noout", "-ext", "authorityInfoAccess"];
        let named = court.run("openssl", &access);
        assert!(named.contains(&format!("CA Issuers - URI:{}.crt", court.url)), "{named}");
        court
    }

    fn judge(&self, case: Case, pair: &Pair) {
        let leaf = self.write("leaf.pem", &pair.certificate);
        let word = case.by_ocsp();
        for nonce in ["-nonce", "-no_nonce"] {
            let said = self.openssl_ocsp(&leaf, nonce);
            assert!(said.contains(&format!("leaf.pem: {word}")), "{case:?} {nonce}: {said}");
            assert_eq!(said.contains("certificateHold"), case == Case::Held, "{said}");
        }
        let said = self.curl_get(&leaf);
        assert!(said.contains(&format!("leaf.pem: {word}")), "{case:?} by GET: {said}");
        for nonce in ["--nonce", "--no-nonce"] {
            let said = self.ocsptool(&leaf, nonce);
            let (status, whole) = (format!("Certificate Status: {word}"), "Success");
            assert!(said.contains(&status) && said.contains(whole), "{case:?}: {said}");
        }
        let (fine, said) = self.openssl_verify(&leaf);
        let reason = match case {
            Case::Good | Case::NeverRecorded => "OK",
            Case::Revoked | Case::Held => "certificate revoked",
            Case::Expired => "certificate has expired",
        };
        assert_eq!(fine, reason == "OK", "{case:?}: {said}");
        assert!(said.contains(reason), "{case:?}: {said}");
        let said = self.ours(&leaf);
        let answer = |source: &str| {
            let sources = said["sources"].as_array().expect("sources");
            sources.iter().find(|said| said["source"] == source).expect("it was asked")
        };
        assert_eq!(answer("ocsp")["answer"], word, "{case:?}: {said}");
        assert_eq!(answer("crl")["answer"], case.by_list(), "{case:?}: {said}");
    }

    fn openssl_ocsp(&self, leaf: &str, nonce: &str) -> String {
        let (ca, url) = (self.path("ca.pem"), format!("{}/ocsp", self.url));
        let about = ["ocsp", "-issuer", &ca, "-cert", leaf, "-CAfile", &ca, "-url", &url, nonce];
        let said = self.run("openssl", &about);
        assert!(said.contains("Response verify OK"), "{said}");
        said
    }

    /// RFC 5019: the request in the path.
    fn curl_get(&self, leaf: &str) -> String {
        let [ca, request, response] = ["ca.pem", "q.der", "r.der"].map(|name| self.path(name));
        let about = ["ocsp", "-issuer", &ca, "-cert", leaf, "-no_nonce"];
        self.run("openssl", &[&about[..], &["-reqout", &request]].concat());
        let text = self.run("base64", &["-w0", &request]);
        let text = text.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
        let url = format!("{}/ocsp/{text}", self.url);
        self.run("curl", &["-sSf", "-o", &response, &url]);
        let judge = ["-respin", &response, "-CAfile", &ca];
        let said = self.run("openssl", &[&about[..], &judge].concat());
        assert!(said.contains("Response verify OK"), "{said}");
        said
    }

    fn ocsptool(&self, leaf: &str, nonce: &str) -> String {
        let (ca, url) = (self.path("ca.pem"), format!("--ask={}/ocsp", self.url));
        let about = ["--load-cert", leaf, "--load-issuer", &ca, nonce, &url];
        // It ends with 1 where a certificate is not good.
        said(&self.output("ocsptool", &about))
    }

    fn openssl_verify(&self, leaf: &str) -> (bool, String) {
        let [ca, list] = ["ca.pem", "list.pem"].map(|name| self.path(name));
        let strict = ["verify", "-crl_check_all", "-x509_strict", "-CAfile", &ca];
        let output = self.output("openssl", &[&strict[..], &["-CRLfile", &list, leaf]].concat());
        (output.status.success(), said(&output))
    }

    fn ours(&self, leaf: &str) -> serde_json::Value {
        let program = binary().display().to_string();
        let output =
            self.output(&program, &["ocsp", "ask", leaf, "--ca", &self.path("ca.pem"), "--json"]);
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", said(&output)))
    }

    fn run(&self, program: &str, arguments: &[&str]) -> String {
        let output = self.output(program, arguments);
        assert!(output.status.success(), "{program} {arguments:?}: {}", said(&output));
        said(&output)
    }

    fn output(&self, program: &str, arguments: &[&str]) -> Output {
        let mut command = Command::new(program);
        command.args(arguments);
        self.asker.netns.output(command).expect("it starts")
    }

    fn write(&self, name: &str, text: &str) -> String {
        fs::write(self.folder.join(name), text).expect("written");
        self.path(name)
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned()
}
