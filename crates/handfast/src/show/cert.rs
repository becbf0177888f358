//! Certificates under names in words.

use admin::request::CertificateUsage;
use admin::response::{CertificateState, Named, NamedDetail};
use clock::Timestamp;

use super::device::{certificate_state, certificates};
use super::table::{Table, Width, fields, visible};
use super::time;
use super::words::{list, total};

pub(crate) fn issued(detail: &NamedDetail) -> String {
    let Named { name, serial, expires_at, .. } = &detail.named;
    let until = expires_at.date();
    let mut text = format!("issued certificate {serial} for {name}, valid until {until}\n");
    for former in &detail.certificates {
        if let CertificateState::Superseding { until } = former.state {
            let (serial, until) = (&former.serial, until.date());
            text.push_str(&format!("the former one, {serial}, is revoked on {until}\n"));
        }
    }
    text
}

/// What a CSR asked for and did not get, since what is certified is said by whoever issues; nothing where it got all.
pub(crate) fn left_out(detail: &NamedDetail, hosts: &[String]) -> String {
    if hosts.is_empty() {
        return String::new();
    }
    let named = &detail.named;
    let (name, has) = (&named.name, list(&named.hosts));
    let asked = visible(&hosts.join(", "));
    if named.usage == CertificateUsage::Client {
        return format!("the CSR asks for {asked} too: a client's certificate has no hosts\n");
    }
    let sans = visible(&named.hosts.iter().chain(hosts).cloned().collect::<Vec<_>>().join(","));
    format!(
        "it is for {has}\nthe CSR asks for {asked} too, which it is not for; to have them in it:\n  \
         handfast cert revoke {name} --reason superseded\n  \
         handfast cert issue {name} --csr FILE --san {sans}\n"
    )
}

pub(crate) fn listing(all: &[Named], width: Width) -> String {
    if all.is_empty() {
        return "no certificates yet; issue one: handfast cert issue NAME\n".into();
    }
    let mut table = Table::new(&["NAME", "PROFILE", "STATE", "EXPIRES", "HOSTS"]);
    for named in all {
        table.row([
            named.name.to_string(),
            usage(named.usage).into(),
            certificate_state(named.state),
            named.expires_at.date(),
            list(&named.hosts),
        ]);
    }
    table.text_in(width) + &total(all.len(), "name", None)
}

pub(crate) fn detail(detail: &NamedDetail, now: Timestamp) -> String {
    let named = &detail.named;
    let head = fields(&[
        ("name", named.name.to_string()),
        ("profile", usage(named.usage).into()),
        ("hosts", list(&named.hosts)),
        ("valid until", time::day(named.expires_at, now)),
    ]);
    format!("{head}\n{}", certificates(&detail.certificates))
}

fn usage(usage: CertificateUsage) -> &'static str {
    match usage {
        CertificateUsage::Server => "server",
        CertificateUsage::Client => "client",
        CertificateUsage::Peer => "peer",
    }
}
