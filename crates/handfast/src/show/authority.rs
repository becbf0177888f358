//! The CA and its CRL in words.

use admin::response::{
    Behind, CaDetail, CaSummary, Certificate, CrlDetail, CrlEntry, CrlSummary, Rollover,
};
use clock::Timestamp;
use pki::CaCertificate;

use super::table::{Table, fields};
use super::time;

pub(crate) fn crl(crl: &CrlDetail, now: Timestamp) -> String {
    let CrlDetail { number, this_update, next_update, .. } = *crl;
    let own = CrlSummary { number, issuer: crl.issuer.clone(), this_update, next_update };
    let lists = std::iter::once(&own).chain(&crl.others);
    let each: Vec<_> = lists.map(|list| one_list(list, &crl.entries, now)).collect();
    each.join("\n")
}

fn one_list(list: &CrlSummary, entries: &[CrlEntry], now: Timestamp) -> String {
    let own: Vec<_> = entries.iter().filter(|entry| entry.issuer == list.issuer).collect();
    let mut text = fields(&[
        ("CRL number", list.number.to_string()),
        ("issuer", list.issuer.clone()),
        ("signed", time::moment(list.this_update, now)),
        ("next update", time::moment(list.next_update, now)),
        ("revoked", own.len().to_string()),
    ]);
    if own.is_empty() {
        return text;
    }
    let mut table = Table::new(&["CERTIFICATE", "WHOSE", "REVOKED AT (UTC)", "REASON"]);
    for entry in own {
        let device = entry.device.as_ref().map(ToString::to_string);
        table.row([
            entry.serial.clone(),
            device.or_else(|| entry.name.clone()).unwrap_or_else(|| "-".into()),
            entry.revoked_at.to_seconds(),
            entry.reason.word().into(),
        ]);
    }
    text.push('\n');
    text.push_str(&table.text());
    text
}

/// Who signs, who is trusted still, and who has not moved.
pub(crate) fn rollover(rollover: &Rollover, now: Timestamp) -> String {
    let ca = |ca: &CaSummary| {
        format!("{} ({}), valid until {}", ca.subject, ca.tag, time::day(ca.expires_at, now))
    };
    let mut lines = vec![("signs", ca(&rollover.present))];
    match &rollover.former {
        Some(former) => lines.push(("trusted too", ca(former))),
        None => lines.push(("rollover", "none is under way".to_owned())),
    }
    lines.extend(rollover.retired.iter().map(|retired| ("trusted no longer", ca(retired))));
    if rollover.former.is_some() {
        lines.push(("moved", rollover.moved.to_string()));
        lines.push(("not moved", rollover.behind.len().to_string()));
    }
    let mut text = fields(&lines);
    let (behind, kept_out) = (&rollover.behind, &rollover.kept_out);
    text.push_str(&listed("KEPT OUT", kept_out));
    text.push_str(&listed("NOT MOVED", behind));
    if !behind.is_empty() || !kept_out.is_empty() {
        text.push_str("next: handfast profile USER/DEVICE --renew --out DIR, for each\n");
    } else if rollover.former.is_some() {
        text.push_str("next: handfast ca rollover finish\n");
    }
    text
}

fn listed(heading: &str, behind: &[Behind]) -> String {
    if behind.is_empty() {
        return String::new();
    }
    let mut table = Table::new(&[heading, "CERTIFICATE", "VALID UNTIL"]);
    for behind in behind {
        table.row([behind.name.clone(), behind.serial.clone(), behind.expires_at.date()]);
    }
    format!("\n{}", table.text())
}

pub(crate) fn ca(ca: &CaDetail, now: Timestamp) -> String {
    let mut lines = of_one("CA", &ca.certificate, (ca.issued, ca.revoked), now);
    lines.push(("public URL", ca.public_url.clone().unwrap_or_else(|| "-".into())));
    let mut text = fields(&lines);
    for other in &ca.others {
        let subject = if other.trusted { "trusted too" } else { "trusted no longer" };
        let counts = (other.issued, other.revoked);
        text.push('\n');
        text.push_str(&fields(&of_one(subject, &other.certificate, counts, now)));
    }
    text
}

fn of_one(
    what: &'static str,
    certificate: &Certificate,
    (issued, revoked): (u64, u64),
    now: Timestamp,
) -> Vec<(&'static str, String)> {
    let mut lines = vec![
        (what, certificate.subject.clone()),
        ("serial", certificate.serial.clone()),
        ("key", certificate.key_type.clone()),
        ("valid from", certificate.not_before.date()),
        ("valid until", time::day(certificate.not_after, now)),
        ("SHA-256", certificate.fingerprint.clone()),
    ];
    lines.extend(certified_names(certificate).map(|names| ("certifies", names)));
    lines.extend([("issued", issued.to_string()), ("revoked", revoked.to_string())]);
    lines
}

/// Which names it may certify, where not any.
fn certified_names(certificate: &Certificate) -> Option<String> {
    let own = pki::certificates_from_pem(&certificate.pem).ok()?;
    let constraints = CaCertificate::from_der(own.first()?).ok()?.constraints();
    (!constraints.is_empty()).then(|| constraints.to_string())
}
