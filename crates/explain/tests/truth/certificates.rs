//! What OpenSSL reads in certificates that tshark found.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::Mutex;

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
    let bits = line("Public-Key: (").split(' ').next().unwrap_or_default();
    let key = match line("Public Key Algorithm: ") {
        "rsaEncryption" => format!("RSA, {bits} bits"),
        "id-ecPublicKey" => format!("elliptic curve, {bits} bits"),
        other => other.to_owned(),
    };
    json!({
        "subject": line("subject="),
        "issuer": line("issuer="),
        "serial": line("serial=").to_lowercase().trim_start_matches('0'),
        "not_before": seconds(line("notBefore=")),
        "not_after": seconds(line("notAfter=")),
        "names": names,
        "key": key,
    })
}

/// Of `2026-11-29 18:00:00Z`.
fn seconds(time: &str) -> u64 {
    let numbers: Vec<u64> =
        time.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok()).collect();
    let [year, month, day, h, m, s] = numbers[..] else { panic!("a time: {time}") };
    seconds_of((year, month, day), (h, m, s))
}
