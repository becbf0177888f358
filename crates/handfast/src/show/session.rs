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
    let unheard = if sessions.iter().any(is_unheard) { UNHEARD } else { "" };
    format!("{text}{}{unheard}", total(sessions.len(), "session", None))
}

/// Whether no packet of a client has come in the tunnel: it may not even know that it is connected. One without an
/// address is no tunnel's, and waits perhaps for its server to speak.
fn is_unheard(session: &Session) -> bool {
    session.bytes_in == 0 && !session.addresses.is_empty()
}

fn bytes_in(session: &Session) -> String {
    if is_unheard(session) { "none yet".into() } else { time::bytes(session.bytes_in) }
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
            bytes_in(session),
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
            bytes_in(session),
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

/// Of whom no session was open.
pub(crate) fn absent(names: &[String]) -> String {
    match names.is_empty() {
        true => String::new(),
        false => format!("not connected: {}\n", super::change::first_ones(names)),
    }
}

/// Of rows of a listing of whom nothing could be done, as they are of nobody who is known.
pub(crate) fn nameless(rows: usize) -> String {
    match rows {
        0 => String::new(),
        rows => format!("left out, as they name nobody: {}\n", count(rows, "row")),
    }
}

/// Below a listing with such a session.
const LONGER: &str = "gateway_ended: the gateway was killed, and what it noted last may be five minutes older than that: the \
     session may have lasted longer and carried more\n";
/// Below a listing with a session that was never heard.
const UNHEARD: &str = "none yet: nothing has come from that client in the tunnel, not even its signs of life: its packets, or ours \
     to it, are lost on their way\n";

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_session_whose_client_was_never_heard_is_marked() {
        let heard = [("alice", 0), ("bob", 40)].map(|(user, bytes_in)| session(user, bytes_in));
        for width in [Width::Terminal, Width::Pipe, Width::Whole] {
            let text = listing(&heard, now(), width);
            let row = |user: &str| text.lines().find(|line| line.contains(user)).unwrap_or("");
            assert!(row("alice/pc").contains("  none yet  "), "{text}");
            assert!(row("bob/pc").contains("  40 B  ") && text.ends_with(UNHEARD), "{text}");
            assert!(!listing(&heard[1..], now(), width).contains("none yet"));
        }
        let web = Session { addresses: Vec::new(), ..session("carol", 0) };
        assert!(
            listing(&[web], now(), Width::Pipe).contains("  0 B"),
            "its server may speak first"
        );
    }

    #[test]
    fn how_long_a_session_lasted_whose_gateway_was_killed_is_marked_as_the_least() {
        let [killed, left] = ["gateway_ended", "peer_exit"].map(past);
        let text = history(&[killed, left.clone()], None, Width::Pipe);
        assert!(text.contains("  5 minutes+  ") && text.contains("  5 minutes  "), "{text}");
        assert!(text.ends_with(LONGER), "{text}");
        let text = history(&[left], None, Width::Pipe);
        assert!(!text.contains('+') && !text.contains("longer"), "{text}");
    }

    fn session(user: &str, bytes_in: u64) -> Session {
        let session = json!({
            "id": 7, "transport": "udp", "source": "192.0.2.1:4000", "local": null, "addresses": ["10.71.0.2"],
            "cipher": "", "tls": "", "group": "", "keys_since": null, "client": "", "serial": null,
            "since": now(), "renegotiated_at": null, "bytes_in": bytes_in, "bytes_out": 9,
        });
        read(session, user)
    }

    fn past(ended: &str) -> PastSession {
        let session = json!({
            "id": 7, "transport": "udp", "source": "192.0.2.1:4000", "addresses": [], "client": "",
            "opened_at": now(), "seen_at": Timestamp::from_millis(now().millis() + 300_000),
            "bytes_in": 1, "bytes_out": 2, "ended": ended,
        });
        read(session, "alice")
    }

    fn read<T: serde::de::DeserializeOwned>(mut session: Value, user: &str) -> T {
        session["device"] = json!({ "user": user, "device": "pc" });
        serde_json::from_value(session).expect("a session")
    }

    fn now() -> Timestamp {
        Timestamp::from_unix_secs(1_800_000_000)
    }
}
