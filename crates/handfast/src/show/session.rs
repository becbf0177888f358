//! Sessions in words.

use admin::response::{Kicked, PastSession, Session};
use clock::Timestamp;

use super::table::{Table, Width};
use super::words::{count, list, total};
use super::{device, time};

pub(crate) fn listing(sessions: &[Session], now: Timestamp, width: Width) -> String {
    if sessions.is_empty() {
        return "nobody is connected\n".into();
    }
    let text = match width {
        Width::Whole => whole(sessions, now),
        Width::Terminal | Width::Pipe => narrow(sessions, now, width),
    };
    text + &total(sessions.len(), "session", None)
}

/// What is looked at first.
fn narrow(sessions: &[Session], now: Timestamp, width: Width) -> String {
    let mut table = Table::new(&["ID", "DEVICE", "SOURCE", "ADDRESS", "FOR", "IN", "OUT"]);
    for session in sessions {
        table.row([
            session.id.to_string(),
            whose(session),
            source(session),
            list(device::inner(&session.addresses, width)),
            time::length(now.since(session.since)),
            time::bytes(session.bytes_in),
            time::bytes(session.bytes_out),
        ]);
    }
    table.text_in(width)
}

fn whole(sessions: &[Session], now: Timestamp) -> String {
    let mut table = Table::new(&[
        "ID",
        "DEVICE",
        "SOURCE",
        "ADDRESSES",
        "CLIENT",
        "CIPHER",
        "TLS",
        "GROUP",
        "KEY AGE",
        "FOR",
        "IN",
        "OUT",
    ]);
    for session in sessions {
        table.row([
            session.id.to_string(),
            whose(session),
            source(session),
            list(&session.addresses),
            session.client.clone(),
            session.cipher.clone(),
            session.tls.clone(),
            said(&session.group),
            session.keys_since.map_or_else(|| "-".into(), |since| time::length(now.since(since))),
            time::length(now.since(session.since)),
            time::bytes(session.bytes_in),
            time::bytes(session.bytes_out),
        ]);
    }
    table.text()
}

/// A dash where it came in without a certificate.
fn whose(session: &Session) -> String {
    session.device.as_ref().map_or_else(|| "-".into(), ToString::to_string)
}

/// A dash for what is not known.
fn said(text: &str) -> String {
    if text.is_empty() { "-".into() } else { text.to_owned() }
}

fn source(session: &Session) -> String {
    format!("{}:{}", session.transport.word(), session.source)
}

pub(crate) fn history(sessions: &[PastSession], limit: Option<u32>, width: Width) -> String {
    if sessions.is_empty() {
        return "no session is on record for that\n".into();
    }
    let text = match width {
        Width::Whole => whole_history(sessions),
        Width::Terminal | Width::Pipe => narrow_history(sessions, width),
    };
    text + &sum(sessions, limit)
}

/// How much it was in all, and whether it may be all.
fn sum(sessions: &[PastSession], limit: Option<u32>) -> String {
    let bytes = |of: fn(&PastSession) -> u64| time::bytes(sessions.iter().map(of).sum());
    let (bytes_in, bytes_out) = (bytes(|one| one.bytes_in), bytes(|one| one.bytes_out));
    let all = count(sessions.len(), "session");
    let reached = limit.filter(|limit| sessions.len() == *limit as usize);
    let more = reached
        .map(|limit| format!("; there may be older ones: --limit {}", limit.saturating_mul(10)));
    let more = more.unwrap_or_default();
    let cut_off = sessions.iter().any(was_cut_off);
    let longer = if cut_off { LONGER } else { "" };
    format!("{all}, {bytes_in} in, {bytes_out} out{more}\n{longer}")
}

/// Whether its gateway was killed, so that its record is behind.
fn was_cut_off(session: &PastSession) -> bool {
    session.ended.as_deref() == Some("gateway_ended")
}

fn lasted(session: &PastSession) -> String {
    let known = time::length(session.seen_at.since(session.opened_at));
    if was_cut_off(session) { format!("{known}+") } else { known }
}

fn narrow_history(sessions: &[PastSession], width: Width) -> String {
    let mut table = Table::new(&["DEVICE", "OPENED (UTC)", "FOR", "ADDRESS", "IN", "OUT", "ENDED"]);
    table.keep_whole(1);
    for session in sessions {
        table.row([
            session.device.to_string(),
            session.opened_at.to_seconds(),
            lasted(session),
            list(device::inner(&session.addresses, width)),
            time::bytes(session.bytes_in),
            time::bytes(session.bytes_out),
            session.ended.clone().unwrap_or_else(|| "-".into()),
        ]);
    }
    table.text_in(width)
}

fn whole_history(sessions: &[PastSession]) -> String {
    let mut table = Table::new(&[
        "DEVICE",
        "OPENED (UTC)",
        "SEEN (UTC)",
        "SOURCE",
        "ADDRESSES",
        "CLIENT",
        "IN",
        "OUT",
        "ENDED",
    ]);
    for session in sessions {
        table.row([
            session.device.to_string(),
            session.opened_at.to_seconds(),
            session.seen_at.to_seconds(),
            format!("{}:{}", session.transport.word(), session.source),
            list(&session.addresses),
            session.client.clone(),
            time::bytes(session.bytes_in),
            time::bytes(session.bytes_out),
            session.ended.clone().unwrap_or_else(|| "-".into()),
        ]);
    }
    table.text()
}

pub(crate) fn kicked(kicked: &Kicked) -> String {
    let (known, unknown) = (kicked.sessions.len(), kicked.without_certificate as usize);
    if known + unknown == 0 {
        return "no session was open; nothing was closed\n".into();
    }
    let closed = count(known + unknown, "session");
    let mut whose: Vec<_> = kicked.sessions.iter().map(ToString::to_string).collect();
    if unknown > 0 {
        whose.push(format!("{unknown} without a certificate"));
    }
    let held = kicked.held.as_deref().map(super::change::held).unwrap_or_default();
    format!("closed {closed}: {}\n{held}", list(&whose))
}

/// Below a listing with such a session.
const LONGER: &str = "gateway_ended: the gateway was killed, and what it noted last may be five minutes older than that: the \
     session may have lasted longer and carried more\n";
