//! An open connection of the door as `explain` tells it: its keys and the rules by which it ends, in force as the settings
//! have them.

use std::time::Duration;

use clock::Now;
use explain::kept::{LiveKey, OpenSession};
use explain::story::{KeyKind, Protocol};
use front::{Info, VirtualServer};

use crate::history::wall_time;

/// The connection, and what its virtual server says of it.
pub(super) fn open_session(info: &Info, server: &VirtualServer, now: Now) -> OpenSession {
    let since = wall_time(now, info.since).millis().saturating_mul(1_000);
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
        keys: [traffic].into_iter().chain(resumption).collect(),
        rules: rules(info, server),
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

fn rules(info: &Info, server: &VirtualServer) -> Vec<String> {
    let closed = |what: &str, after: u32| {
        seconds(after).map(|after| {
            format!(
                "by the settings of {} it is closed {what} {} s",
                server.label(),
                after.as_secs()
            )
        })
    };
    let until = info.until.map(|until| {
        format!(
            "if it still stands then, it is closed when the client's certificate ends, on {}",
            until.to_seconds()
        )
    });
    let all = [
        closed("after a silence of", server.idle_seconds),
        closed("whatever it carries after", server.max_age_seconds),
        until,
    ];
    all.into_iter().flatten().collect()
}

fn seconds(seconds: u32) -> Option<Duration> {
    (seconds > 0).then(|| Duration::from_secs(seconds.into()))
}

fn micros(of: Duration) -> u64 {
    u64::try_from(of.as_micros()).unwrap_or(u64::MAX)
}
