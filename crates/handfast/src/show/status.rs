//! The running gateway in words.

use std::collections::BTreeMap;

use admin::names::DeviceName;
use admin::response::Status;
use clock::Timestamp;

use super::table::{Table, Width, fields, visible};
use super::time;
use super::words::{effect_word, list};

pub(crate) fn text(status: &Status, now: Timestamp, width: Width) -> String {
    let mut text = fields(&[
        ("gateway", gateway(status, now)),
        ("data", status.data.clone()),
        ("listening", list(&status.listen)),
        ("TLS door", tls_door(status)),
        ("reached at", reached_at(status)),
        ("networks", list(&status.networks)),
        ("pushes", list(&status.pushes)),
        ("users", format!("{}, devices {}", status.users, status.devices)),
        ("sessions", status.sessions.to_string()),
        ("data path", status.data_path.clone()),
        ("CA", format!("valid until {}", time::day(status.ca_expires_at, now))),
        ("certificate", format!("valid until {}", time::day(status.server_expires_at, now))),
        ("OCSP signer", ocsp(status, now)),
        ("CRL", crl(status, now)),
        ("changes", changes(status)),
        ("refusals", refused(&status.refusals)),
        ("ended", counts(&status.endings)),
        ("drops", drops(status)),
    ]);
    if !status.waiting.is_empty() {
        text.push_str(&format!("waiting for the next start: {}\n", list(&status.waiting)));
    }
    if !status.outdated_profiles.is_empty() {
        text.push_str(&outdated(&status.outdated_profiles));
    }
    for warning in &status.warnings {
        text.push_str(&format!("warning: {}\n", visible(warning)));
    }
    if !status.last_refusals.is_empty() {
        text.push('\n');
        text.push_str(&refusals(status, width));
    }
    text
}

fn outdated(devices: &[DeviceName]) -> String {
    let more = match devices.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let named = list(&devices[..devices.len().min(NAMED)]);
    format!(
        "profiles that have former settings, or may: {named}{more}; all: handfast device list --outdated, and write them \
         again: handfast profile --from OLD.ovpn\n"
    )
}

const NAMED: usize = 5;

fn gateway(status: &Status, now: Timestamp) -> String {
    let running = time::length(now.since(status.started_at));
    format!("version {}, process {}, running for {running}", status.version, status.pid)
}

fn reached_at(status: &Status) -> String {
    let remotes: Vec<String> = status
        .remotes
        .iter()
        .map(|remote| match remote.host.contains(':') {
            true => format!("{}:[{}]:{}", remote.transport.word(), remote.host, remote.port),
            false => format!("{}:{}:{}", remote.transport.word(), remote.host, remote.port),
        })
        .collect();
    list(&remotes)
}

fn tls_door(status: &Status) -> String {
    match status.virtual_servers {
        0 => "-".into(),
        servers => format!(
            "virtual servers {servers}, at {}; sessions {}",
            list(&status.tls_listen),
            status.tls_sessions
        ),
    }
}

fn ocsp(status: &Status, now: Timestamp) -> String {
    let until = status.ocsp_expires_at.map(|until| time::day(until, now));
    until.map_or("-".into(), |until| format!("valid until {until}"))
}

/// How soon changes were in force.
fn changes(status: &Status) -> String {
    let each: Vec<String> = status
        .effects
        .iter()
        .map(|(of, delay)| {
            let of = effect_word(of);
            format!("{of} after {} ms, at worst {} ms", delay.last_ms, delay.worst_ms)
        })
        .collect();
    match each.is_empty() {
        true => "none since the start".into(),
        false => each.join(", "),
    }
}

fn crl(status: &Status, now: Timestamp) -> String {
    format!(
        "number {}, signed {}, valid until {}",
        status.crl_number,
        time::distance(status.crl_signed_at, now),
        time::day(status.crl_next_update, now)
    )
}

fn counts(counts: &BTreeMap<String, u64>) -> String {
    let seen: Vec<String> =
        counts.iter().filter(|(_, n)| **n > 0).map(|(what, n)| format!("{what} {n}")).collect();
    if seen.is_empty() { "none".into() } else { seen.join(", ") }
}

/// With where the last came from, of those that have no other trace.
fn drops(status: &Status) -> String {
    let from = |what: &String| {
        let source = status.drop_sources.get(what);
        source.map(|source| format!(" (last from {source})")).unwrap_or_default()
    };
    let seen = status.drops.iter().filter(|(_, count)| **count > 0);
    let seen: Vec<_> = seen.map(|(what, count)| format!("{what} {count}{}", from(what))).collect();
    if seen.is_empty() { "none".into() } else { seen.join(", ") }
}

/// They are counted from the start on.
fn refused(refusals: &BTreeMap<String, u64>) -> String {
    match refusals.values().any(|count| *count > 0) {
        true => format!("{}; those before this start are in the log", counts(refusals)),
        false => counts(refusals),
    }
}

fn refusals(status: &Status, width: Width) -> String {
    let mut table =
        Table::new(&["NO.", "REFUSED AT (UTC)", "SOURCE", "DEVICE", "REASON", "MEANING"]);
    for refusal in &status.last_refusals {
        table.row([
            refusal.number.to_string(),
            refusal.at.to_seconds(),
            refusal.source.to_string(),
            refusal.device.as_ref().map_or("-".into(), ToString::to_string),
            refusal.reason.clone(),
            refusal.sentence.clone(),
        ]);
    }
    table.text_in(width) + "more of one: handfast explain failure NO.\n"
}
