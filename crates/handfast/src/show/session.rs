//! Sessions in words.

use admin::response::{Kicked, Session};
use admin::timestamp::Timestamp;

use super::table::Table;
use super::time;
use super::words::{count, list};

pub(crate) fn listing(sessions: &[Session], now: Timestamp) -> String {
    if sessions.is_empty() {
        return "nobody is connected\n".into();
    }
    let mut table = Table::new(&[
        "ID",
        "DEVICE",
        "SOURCE",
        "ADDRESSES",
        "CLIENT",
        "CIPHER",
        "TLS",
        "FOR",
        "IN",
        "OUT",
    ]);
    for session in sessions {
        table.row([
            session.id.to_string(),
            session.device.to_string(),
            format!("{}:{}", session.transport.word(), session.source),
            list(&session.addresses),
            session.client.clone(),
            session.cipher.clone(),
            session.tls.clone(),
            time::length(now.since(session.since)),
            time::bytes(session.bytes_in),
            time::bytes(session.bytes_out),
        ]);
    }
    table.text()
}

pub(crate) fn kicked(kicked: &Kicked) -> String {
    if kicked.sessions.is_empty() {
        return "no session was open; nothing was closed\n".into();
    }
    format!("closed {}: {}\n", count(kicked.sessions.len(), "session"), list(&kicked.sessions))
}
