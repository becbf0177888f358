//! The CA and its CRL in words.

use admin::response::{CaDetail, CrlDetail};
use clock::Timestamp;

use super::table::{Table, fields};
use super::time;

pub(crate) fn crl(crl: &CrlDetail, now: Timestamp) -> String {
    let mut text = fields(&[
        ("CRL number", crl.number.to_string()),
        ("issuer", crl.issuer.clone()),
        ("signed", time::moment(crl.this_update, now)),
        ("next update", time::moment(crl.next_update, now)),
        ("revoked", crl.entries.len().to_string()),
    ]);
    if crl.entries.is_empty() {
        return text;
    }
    let mut table = Table::new(&["CERTIFICATE", "DEVICE", "REVOKED AT (UTC)", "REASON"]);
    for entry in &crl.entries {
        table.row([
            entry.serial.clone(),
            entry.device.as_ref().map_or("-".into(), ToString::to_string),
            entry.revoked_at.to_seconds(),
            entry.reason.word().into(),
        ]);
    }
    text.push('\n');
    text.push_str(&table.text());
    text
}

pub(crate) fn ca(ca: &CaDetail, now: Timestamp) -> String {
    let certificate = &ca.certificate;
    fields(&[
        ("CA", certificate.subject.clone()),
        ("serial", certificate.serial.clone()),
        ("key", certificate.key_type.clone()),
        ("valid from", certificate.not_before.date()),
        ("valid until", time::day(certificate.not_after, now)),
        ("SHA-256", certificate.fingerprint.clone()),
        ("issued", ca.issued.to_string()),
        ("revoked", ca.revoked.to_string()),
        ("public URL", ca.public_url.clone().unwrap_or_else(|| "-".into())),
    ])
}
