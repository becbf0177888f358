//! What OpenSSL reads in certificates that tshark found.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::Mutex;

use explain::live::{Live, Speech};
use explain::{Chunk, KeyLog, Side};
use serde_json::{Value, json};

use crate::pdml::{Shown, all};
use crate::tls::seconds_of;

/// What `openssl x509` says of a certificate, in the form of our JSON.
pub(crate) fn read(der: &[u8]) -> Value {
    static READ: Mutex<BTreeMap<Vec<u8>, Value>> = Mutex::new(BTreeMap::new());
    let mut read = READ.lock().unwrap();
    read.entry(der.to_vec()).or_insert_with(|| fields(&openssl(der))).clone()
}

/// Whom an answer names as its signer, by the parts of the name that tshark shows.
pub(crate) fn signer(fields: &[Shown]) -> Option<String> {
    let of = |name: &str| fields.iter().position(|shown| shown.name == name);
    let (begin, end) = (of("ocsp.byName")?, of("ocsp.producedAt")?);
    let parts = all(&fields[begin..end], "x509if.RelativeDistinguishedName_item_element");
    let names = parts.map(|part| {
        let (kind, value) = part.line.split_once("(id-at-").unwrap().1.split_once('=').unwrap();
        let kind = match kind {
            "commonName" => "CN",
            "organizationName" => "O",
            other => panic!("{other} in a name"),
        };
        format!("{kind}={}", value.strip_suffix(')').unwrap())
    });
    Some(names.collect::<Vec<String>>().join(", "))
}

fn openssl(der: &[u8]) -> String {
    let mut child = Command::new("openssl")
        .args(["x509", "-inform", "DER", "-noout", "-subject", "-issuer", "-serial", "-dates"])
        .args(["-dateopt", "iso_8601", "-nameopt", "sname,sep_comma_plus_space,utf8", "-text"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(der).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "openssl x509");
    String::from_utf8(output.stdout).unwrap()
}

fn fields(text: &str) -> Value {
    let line = |prefix: &str| {
        text.lines().find_map(|line| line.trim_start().strip_prefix(prefix)).unwrap_or_default()
    };
    let names = text.lines().skip_while(|line| !line.contains("X509v3 Subject Alternative Name"));
    let names = names.skip(1).take(1).flat_map(|line| line.trim().split(", "));
    let names: Vec<&str> =
        names.filter_map(|name| name.split_once(':')).map(|(_, name)| name).collect();
    let key = key(&line);
    json!({
        "subject": line("subject="),
        "issuer": line("issuer="),
        "serial": line("serial="),
        "not_before": seconds(line("notBefore=")),
        "not_after": seconds(line("notAfter=")),
        "names": names,
        "key": key,
    })
}

fn key<'a>(line: &impl Fn(&str) -> &'a str) -> String {
    let bits = line("Public-Key: (").split(' ').next().unwrap_or_default();
    let curve = Some(line("NIST CURVE: ")).filter(|name| !name.is_empty());
    match line("Public Key Algorithm: ") {
        "rsaEncryption" => format!("RSA, {bits} bits"),
        "rsassaPss" => format!("RSA for PSS alone, {bits} bits"),
        "id-ecPublicKey" => {
            format!("elliptic curve {}, {bits} bits", curve.unwrap_or(line("ASN1 OID: ")))
        }
        "ED25519" => "Ed25519".to_owned(),
        "ED448" => "Ed448".to_owned(),
        other => other.to_owned(),
    }
}

/// Of `2026-11-29 18:00:00Z`.
fn seconds(time: &str) -> u64 {
    let numbers: Vec<u64> =
        time.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok()).collect();
    let [year, month, day, h, m, s] = numbers[..] else { panic!("a time: {time}") };
    seconds_of((year, month, day), (h, m, s))
}

#[test]
fn the_key_of_a_certificate_of_each_kind_is_what_openssl_says() {
    let curve = |name: &'static str| vec!["ec", "-pkeyopt", name];
    for (kind, says) in [
        (curve("ec_paramgen_curve:P-256"), "elliptic curve P-256, 256 bits"),
        (curve("ec_paramgen_curve:P-384"), "elliptic curve P-384, 384 bits"),
        (curve("ec_paramgen_curve:P-521"), "elliptic curve P-521, 521 bits"),
        (curve("ec_paramgen_curve:secp256k1"), "elliptic curve secp256k1, 256 bits"),
        (curve("ec_paramgen_curve:brainpoolP384r1"), "elliptic curve brainpoolP384r1, 384 bits"),
        (vec!["ed25519"], "Ed25519"),
        (vec!["ed448"], "Ed448"),
        (vec!["rsa:2048"], "RSA, 2048 bits"),
        (vec!["rsa-pss", "-pkeyopt", "rsa_keygen_bits:2048"], "RSA for PSS alone, 2048 bits"),
    ] {
        let made = Command::new("openssl")
            .args(["req", "-x509", "-batch", "-nodes", "-subj", "/CN=kind", "-outform", "DER"])
            .args(["-keyout", "/dev/null", "-newkey"])
            .args(&kind)
            .output()
            .unwrap();
        assert!(made.status.success(), "{kind:?}: {}", String::from_utf8_lossy(&made.stderr));
        let (theirs, ours) = (read(&made.stdout), shown(&made.stdout));
        assert_eq!((ours["key"].as_str(), &theirs["key"]), (Some(says), &says.into()), "{kind:?}");
    }
}

/// The certificate as a story of TLS 1.2 has it, where it stands in the clear.
fn shown(der: &[u8]) -> Value {
    let long = |bytes: &[u8]| [&(bytes.len() as u32).to_be_bytes()[1..], bytes].concat();
    let message = |kind: u8, body: &[u8]| [&[kind][..], &long(body)].concat();
    let record =
        |content: &[u8]| [&[22, 3, 3][..], &(content.len() as u16).to_be_bytes(), content].concat();
    let client = [&[3, 3][..], &[1; 32], &[0, 0, 2, 0xc0, 0x2b, 1, 0]].concat();
    let server = [&[3, 3][..], &[2; 32], &[0, 0xc0, 0x2b, 0]].concat();
    let mut live = Live::new("tcp");
    for (number, from, content) in [
        (1, Side::Client, message(1, &client)),
        (2, Side::Server, message(2, &server)),
        (3, Side::Server, message(11, &long(&long(der)))),
    ] {
        let bytes = record(&content);
        live.push(&Chunk { at: number.into(), from, frame: number, offset: 0, bytes: &bytes });
    }
    let story = live.story(Speech::Tls, KeyLog::default()).unwrap();
    serde_json::to_value(&story.certificates[0]).unwrap()
}
