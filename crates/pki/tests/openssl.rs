//! What OpenSSL makes of our certificates, lists and requests, by its command line.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::process::{Command, Output};

use common::{Authority, Folder, NOW, device, gateway, now, server};
use pki::{
    CaCertificate, CaError, Crl, CrlError, Csr, CsrError, KeyFamily, KeyRefused, KeyType,
    LocalSigner, PrivateKey, RevocationReason, Signer, certificate_to_pem, certificates_from_pem,
};

#[test]
fn openssl_accepts_what_holds_and_refuses_what_is_revoked_under_strict_rules() {
    for ca_key in [KeyType::Rsa3072, KeyType::P256] {
        let authority = Authority::published(ca_key);
        let good = authority.issue(device("good"), KeyType::Rsa2048);
        let bad = authority.issue(device("bad"), KeyType::P256);
        let folder = Folder::new(&format!("verify-{ca_key}"));
        let ca = folder.write("ca.crt", authority.signer.ca().to_pem());
        let crl = authority.crl(&[(bad.serial, RevocationReason::KeyCompromise)]);
        let crl = folder.write("ca.crl", crl.to_pem());
        let verify = |cert: &str, purpose: &str| {
            let now = NOW.to_string();
            openssl(&[
                "verify",
                "-x509_strict",
                "-crl_check",
                "-attime",
                &now,
                "-purpose",
                purpose,
                "-CAfile",
                &ca,
                "-CRLfile",
                &crl,
                cert,
            ])
        };

        let good = folder.write("good.crt", certificate_to_pem(&good.cert));
        assert_ok(&verify(&good, "sslclient"));
        assert_fails(&verify(&good, "sslserver"), "purpose");
        let bad = folder.write("bad.crt", certificate_to_pem(&bad.cert));
        assert_fails(&verify(&bad, "sslclient"), "certificate revoked");
        for key_type in [KeyType::Rsa2048, KeyType::P256] {
            let gateway = authority.issue(gateway(), key_type);
            let gateway = folder.write("gateway.crt", certificate_to_pem(&gateway.cert));
            assert_ok(&verify(&gateway, "sslserver"));
            assert_fails(&verify(&gateway, "sslclient"), "purpose");
        }
    }
}

#[test]
fn another_cas_root_that_says_less_than_ours_is_read_and_put_to_no_work_here() {
    let folder = Folder::new("foreign");
    let root = |name: &str, extensions: &[&str]| {
        let key = folder.path().join(format!("{name}.key")).display().to_string();
        let mut arguments = vec!["req", "-x509", "-new", "-nodes", "-newkey", "ec"];
        arguments.extend(["-pkeyopt", "ec_paramgen_curve:P-256", "-subj", "/CN=a CA elsewhere"]);
        arguments.extend(["-keyout", &key]);
        arguments.extend(extensions.iter().flat_map(|extension| ["-addext", extension]));
        let made = openssl(&arguments);
        assert_ok(&made);
        let key = PrivateKey::from_pem(&std::fs::read_to_string(key).unwrap()).unwrap();
        (certificates_from_pem(&String::from_utf8(made.stdout).unwrap()).unwrap().remove(0), key)
    };
    let (silent, key) = root("silent", &["subjectKeyIdentifier=none"]);
    let read = CaCertificate::from_der(&silent).unwrap();
    assert_eq!(read.key_id(), key.public_key().key_id(), "made as ours are");
    assert_eq!(LocalSigner::new(&silent, key).err(), Some(CaError::NoKeyId));

    let (no_lists, key) = root("no-lists", &["keyUsage=critical,keyCertSign"]);
    let read = CaCertificate::from_der(&no_lists).unwrap();
    assert!(!read.signs_lists());
    assert_eq!(LocalSigner::new(&no_lists, key).err(), Some(CaError::NotACrlSigner));
    let key = folder.path().join("no-lists.key").display().to_string();
    let list = [&key, &folder.write("no-lists.crt", read.to_pem())];
    let config = "[ca]\ndefault_ca=a\n[a]\ndatabase=index\ndefault_md=sha256\ndefault_crl_days=7\n\
                  crl_extensions=e\n[e]\nauthorityKeyIdentifier=keyid\n";
    let index = folder.write("index", "");
    let config = folder.write("conf", config.replace("index", &index));
    let signed =
        openssl(&["ca", "-gencrl", "-config", &config, "-keyfile", list[0], "-cert", list[1]]);
    assert_ok(&signed);
    let crl = Crl::from_pem(&String::from_utf8_lossy(&signed.stdout)).unwrap();
    assert_eq!(crl.verify(&read), Err(CrlError::NotAListSigner));
}

#[test]
fn openssl_verifies_the_revocation_list_and_shows_what_is_in_it() {
    let authority = Authority::new(KeyType::Rsa3072);
    let device = authority.issue(device("bad"), KeyType::P256);
    let folder = Folder::new("crl");
    let ca = folder.write("ca.crt", authority.signer.ca().to_pem());
    let crl = authority.crl(&[(device.serial, RevocationReason::Superseded)]);
    let crl = folder.write("ca.crl", crl.to_pem());

    assert!(
        stderr(&openssl(&["crl", "-in", &crl, "-CAfile", &ca, "-noout"])).contains("verify OK")
    );
    let text = stdout(&openssl(&["crl", "-in", &crl, "-text", "-noout"]));
    assert_contains(&text, "Version 2 (0x1)");
    assert_contains(&text, "X509v3 CRL Number: \n                7");
    assert_contains(&text, "X509v3 Authority Key Identifier");
    assert_contains(&text, &format!("Serial Number: {}", device.serial));
    assert_contains(&text, "Superseded");
}

#[test]
fn openssl_reads_the_extensions_that_the_profiles_promise() {
    let authority = Authority::published(KeyType::Rsa3072);
    let text = text_of(&certificate_to_pem(&authority.ca()));
    assert_contains(&text, "Version: 3 (0x2)");
    assert_contains(&text, "Basic Constraints: critical\n                CA:TRUE\n");
    assert_contains(&text, "Key Usage: critical\n                Certificate Sign, CRL Sign\n");
    assert_contains(&text, "Subject Key Identifier");
    assert_contains(&text, &format!("Subject: CN = Handfast CA {}", authority.signer.ca().tag()));
    assert_contains(&text, "Public-Key: (3072 bit)");

    let text = text_of(&certificate_to_pem(&authority.issue(gateway(), KeyType::Rsa2048).cert));
    assert_contains(&text, "Subject: CN = gateway.handfast.internal");
    assert_contains(&text, "Basic Constraints: critical\n                CA:FALSE\n");
    assert_contains(&text, "critical\n                Digital Signature, Key Encipherment\n");
    assert_contains(&text, "TLS Web Server Authentication\n");
    assert_contains(
        &text,
        "DNS:gateway.handfast.internal, DNS:vpn.example.com, IP Address:192.0.2.1, \
         IP Address:2001:DB8:0:0:0:0:0:1\n",
    );
    assert_contains(&text, "OCSP - URI:http://vpn.example.com:8080/ca/");
    assert_contains(&text, "URI:http://vpn.example.com:8080/ca/");
    assert!(!text.contains("DirName"), "the authority key id is the key id alone: {text}");

    let text = text_of(&certificate_to_pem(&authority.issue(gateway(), KeyType::P256).cert));
    assert_contains(&text, "critical\n                Digital Signature\n");

    let text = text_of(&certificate_to_pem(&authority.issue(device("pc"), KeyType::Rsa2048).cert));
    assert_contains(&text, "Subject: CN = alice/pc");
    assert_contains(&text, "critical\n                Digital Signature\n");
    assert_contains(&text, "TLS Web Client Authentication\n");
    assert_contains(&text, "Not Before: Jan 14 07:00:00 2027 GMT");
}

#[test]
fn a_certificate_without_a_public_url_promises_no_list() {
    let authority = Authority::new(KeyType::P256);
    let text =
        text_of(&certificate_to_pem(&authority.issue(server("a.example"), KeyType::P256).cert));
    assert!(!text.contains("CRL Distribution"), "{text}");
    assert!(!text.contains("Authority Information Access"), "{text}");
}

#[test]
fn a_request_made_by_openssl_gives_its_key_and_nothing_else() {
    let folder = Folder::new("csr");
    for (newkey, family) in [
        (&["-newkey", "rsa:2048"][..], KeyFamily::Rsa(2048)),
        (&["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"], KeyFamily::P256),
        (&["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384"], KeyFamily::P384),
        (&["-newkey", "ed25519"], KeyFamily::Ed25519),
    ] {
        let csr = Csr::from_pem(&request(&folder, newkey)).unwrap();
        assert_eq!(csr.public_key().family(), family);
        let authority = Authority::new(KeyType::P256);
        let validity = pki::Validity::starting(now(), pki::DEVICE_LIFETIME);
        let request = authority.request(device("own"), csr.public_key().clone(), validity);
        let cert = common::block_on(pki::issue(&authority.signer, request)).unwrap();
        let text = text_of(&certificate_to_pem(&cert));
        assert_contains(&text, "Subject: CN = alice/own");
        assert!(!text.contains("evil"), "{text}");
    }
}

#[test]
fn requests_that_are_weak_foreign_or_tampered_with_are_told_apart() {
    let folder = Folder::new("bad-csr");
    let refused = |newkey: &[&str]| Csr::from_pem(&request(&folder, newkey)).unwrap_err();
    assert_eq!(refused(&["-newkey", "rsa:1024"]), CsrError::Key(KeyRefused::Weak(1024)));
    let p521 = refused(&["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-521"]);
    assert_eq!(p521, CsrError::Key(KeyRefused::Unsupported));
    let sha1 = refused(&["-newkey", "rsa:2048", "-sha1"]);
    assert_eq!(sha1, CsrError::UnsupportedSignature);
    assert!(matches!(Csr::from_pem("hello"), Err(CsrError::Pem(_))));
    assert_eq!(Csr::from_der(b"hello"), Err(CsrError::Malformed));
}

#[test]
fn a_request_signed_by_another_key_than_its_own_is_refused() {
    let folder = Folder::new("mismatch-csr");
    let der = |pem: &str| {
        let path = folder.write("in.csr", pem);
        openssl(&["req", "-in", &path, "-outform", "DER"]).stdout
    };
    let ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
    let mut one = der(&request(&folder, &ec));
    let other = der(&request(&folder, &ec));
    assert!(Csr::from_der(&one).is_ok());
    // The point of the key, 04 and 64 octets, follows the curve's OID; swap it for the other's.
    let curve = [0x06, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
    let at = |der: &[u8]| der.windows(curve.len()).position(|w| w == curve).unwrap() + 13;
    let (to, from) = (at(&one), at(&other));
    one[to + 1..to + 65].copy_from_slice(&other[from + 1..from + 65]);
    assert_eq!(Csr::from_der(&one), Err(CsrError::KeyMismatch));
}

#[test]
fn a_chopped_or_flipped_request_is_refused_or_gives_the_same_key() {
    let folder = Folder::new("flipped-csr");
    let path = folder.write("in.csr", request(&folder, &["-newkey", "rsa:2048"]));
    let der = openssl(&["req", "-in", &path, "-outform", "DER"]).stdout;
    let whole = Csr::from_der(&der).unwrap();
    for at in 0..der.len() {
        assert!(Csr::from_der(&der[..at]).is_err(), "chopped at {at}");
        let mut flipped = der.clone();
        flipped[at] ^= 1 << (at % 8);
        // Outside what is signed the parser lets a tag pass that makes no difference.
        if let Ok(read) = Csr::from_der(&flipped) {
            assert_eq!(read, whole, "flipped at {at}");
        }
    }
}

#[test]
fn a_list_by_openssl_without_a_number_is_read_and_version_one_is_not() {
    let authority = Authority::new(KeyType::P256);
    let folder = Folder::new("openssl-ca");
    let ca = folder.write("ca.crt", authority.signer.ca().to_pem());
    let key = folder.write("ca.key", authority.signer.key().to_pem().as_bytes());
    folder.write("index.txt", "");
    let config = folder.write(
        "ca.cnf",
        format!(
            "[ca]\ndefault_ca=d\n[d]\ndatabase={0}/index.txt\ndefault_md=sha256\n\
             default_crl_days=30\n[v2]\nauthorityKeyIdentifier=keyid\n",
            folder.path().display()
        ),
    );
    let gencrl = |more: &[&str]| {
        let base = ["ca", "-gencrl", "-config", &config, "-keyfile", &key, "-cert", &ca];
        stdout(&openssl(&[&base, more].concat()))
    };
    let crl = Crl::from_pem(&gencrl(&["-crlexts", "v2"])).unwrap();
    assert_eq!(crl.number(), None);
    assert_eq!(crl.verify(authority.signer.ca()), Ok(()));
    assert_eq!(Crl::from_pem(&gencrl(&[])), Err(CrlError::UnsupportedVersion));
}

fn request(folder: &Folder, newkey: &[&str]) -> String {
    let key = folder.path().join("any.key").display().to_string();
    let base = ["req", "-new", "-nodes", "-subj", "/CN=evil", "-addext", "keyUsage=keyCertSign"];
    let output = openssl(&[&base, &["-keyout", &key][..], newkey].concat());
    assert_ok(&output);
    stdout(&output)
}

fn text_of(pem: &str) -> String {
    let folder = Folder::new(&format!("text-{:?}", std::thread::current().id()));
    let path = folder.write("cert.pem", pem);
    stdout(&openssl(&["x509", "-in", &path, "-text", "-noout"]))
}

fn openssl(arguments: &[&str]) -> Output {
    Command::new("openssl").args(arguments).output().expect("openssl is installed")
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[track_caller]
fn assert_ok(output: &Output) {
    assert!(output.status.success(), "{}{}", stdout(output), stderr(output));
}

#[track_caller]
fn assert_fails(output: &Output, why: &str) {
    assert!(!output.status.success(), "{}", stdout(output));
    let said = stdout(output) + &stderr(output);
    assert!(said.contains(why), "{said}");
}

#[track_caller]
fn assert_contains(text: &str, part: &str) {
    assert!(text.contains(part), "{part:?} is not in {text}");
}
