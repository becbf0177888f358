//! An open connection of the door as `explain` tells it: its keys and the rules by which it ends, in force as the settings
//! have them.

use std::time::Duration;

use clock::{Now, Timestamp};
use explain::kept::{LiveKey, OpenSession};
use explain::story::{KeyKind, Protocol};
use front::{Info, VirtualServer};

use crate::explained::micros_at;
use crate::history::wall_time;

/// The connection, and what its virtual server says of it.
pub(super) fn open_session(info: &Info, server: &VirtualServer, now: Now) -> OpenSession {
    let since = micros_at(now, info.since);
    let traffic = LiveKey {
        kind: KeyKind::TlsTraffic,
        closes: seconds(server.max_age_seconds).map(|age| since + micros(age)),
        ..key(info, since)
    };
    // The key that locks what a client comes back with changes so often, and the one before still opens.
    let resumption = seconds(server.ticket_seconds).map(|life| LiveKey {
        kind: KeyKind::Resumption,
        opens_until: Some(since + 2 * micros(life)),
        in_use: false,
        ..key(info, since)
    });
    OpenSession {
        protocol: Protocol::Tls,
        since,
        renewed: None,
        // Where TLS ends behind the gateway, it has none of its keys.
        keys: match server.passthrough {
            true => Vec::new(),
            false => [traffic].into_iter().chain(resumption).collect(),
        },
        rules: rules(info, server, wall_time(now, info.since)),
    }
}

fn key(info: &Info, since: u64) -> LiveKey {
    LiveKey {
        kind: KeyKind::TlsTraffic,
        handshake: 0,
        cipher: info.secured.cipher.clone(),
        made: Some(since),
        complete: None,
        // Between the handshake and the letting in nothing is noted.
        uses: Vec::new(),
        in_use: true,
        renews: None,
        renews_again: false,
        seals_from: None,
        seals_until: None,
        opens_until: None,
        in_flight: None,
        closes: None,
    }
}

/// By what it is closed, and when, so far as that stands fast; of several, which one counts.
fn rules(info: &Info, server: &VirtualServer, since: Timestamp) -> Vec<String> {
    let of = server.label();
    let idle = seconds(server.idle_seconds).map(|silence| {
        let silence = silence.as_secs();
        format!(
            "it is closed when nothing has gone either way for {silence} s (`idle_seconds` of {of})"
        )
    });
    let age = seconds(server.max_age_seconds).map(|age| {
        let at = since.after(age).whole_second();
        let age = age.as_secs();
        format!("it is closed on {at}, {age} s after it was let in, whatever it carries (`max_age_seconds` of {of})")
    });
    let right = info.until.map(|until| {
        let until = until.whole_second();
        format!("it is closed when the client's certificate ends, on {until}")
    });
    let mut all: Vec<String> = [idle, age, right].into_iter().flatten().collect();
    if all.len() > 1 {
        all.push(format!("of these {} ends, the first that comes counts", all.len()));
    }
    all
}

fn seconds(seconds: u32) -> Option<Duration> {
    (seconds > 0).then(|| Duration::from_secs(seconds.into()))
}

fn micros(of: Duration) -> u64 {
    u64::try_from(of.as_micros()).unwrap_or(u64::MAX)
}
