//! What the log says of connections: a line for each that is let in, ends or is refused; and where somebody causes the
//! same line again and again, one with a count.
//!
//! Invariant: what was held back is written when its interval ends, or when the door closes.

use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sources::{Limits, Repeated, Repeats, Source};
use web::Refusal;

use crate::directory::Report;
use crate::holder::Holder;
use crate::registry::Info;

/// Writes the lines.
#[derive(Debug)]
pub(crate) struct Log(Mutex<Lines>);

/// Apart, so that strangers hide nobody.
#[derive(Debug)]
struct Lines {
    failures: Repeats<Failure, ()>,
    refusals: Repeats<Key, ()>,
    guests: Repeats<Key, ()>,
}

/// Which lines are counted together: of a network, or of a device in it. Without both it is of whatever there was no
/// room for.
type Key = (Option<Source>, Option<String>, &'static str);

/// The same of requests that failed, of a virtual server.
type Failure = (Option<String>, &'static str);

/// A line with a count.
enum Held {
    Connections(Repeated<Key, ()>),
    Requests(Repeated<Failure, ()>),
}

impl Default for Log {
    fn default() -> Self {
        let (failures, refusals) = (Repeats::new(REFUSALS), Repeats::new(REFUSALS));
        Self(Mutex::new(Lines { failures, refusals, guests: Repeats::new(GUESTS) }))
    }
}

impl Log {
    /// Writes a report's line, now or later.
    pub(crate) fn write(&self, report: &Report, number: Option<u64>, boot: Duration) {
        let (source, whom, what) = match report {
            Report::Opened(info, _) => (info.source, holder(info), "connected"),
            Report::Closed(info, why) => (info.source, holder(info), why.code()),
            Report::Refused { source, whom, why, .. } => (*source, whom.as_ref(), why.code()),
        };
        let whom = whom.map(|holder| format!("{}/{}", holder.user, holder.device));
        let key = (Some(Source::network(source.ip())), whom, what);
        let mut lines = self.lines();
        let repeats = match report {
            Report::Refused { .. } => &mut lines.refusals,
            _ => &mut lines.guests,
        };
        let is_said = repeats.note(key, (None, None, what), (), boot).is_some();
        drop(lines);
        if is_said {
            say(report, number, boot);
        }
    }

    /// A request was not answered as it was meant, or not to its end, and it is no fault of the client's.
    pub(crate) fn failed(&self, info: &Info, why: Refusal, boot: Duration) {
        let key = (Some(info.server.clone()), why.code());
        let is_said = self.lines().failures.note(key, (None, why.code()), (), boot).is_some();
        if is_said {
            tracing::warn!(
                connection = info.number,
                server = info.server,
                user = user(holder(info)),
                device = device(holder(info)),
                source = %info.source,
                reason = why.code(),
                "a request failed: {why}"
            );
        }
    }

    /// Writes what was held back and whose interval has ended.
    pub(crate) fn write_repeated(&self, boot: Duration) {
        self.say_each(|lines| {
            let refused = lines.refusals.poll_repeated(boot);
            let next = refused.or_else(|| lines.guests.poll_repeated(boot)).map(Held::Connections);
            next.or_else(|| lines.failures.poll_repeated(boot).map(Held::Requests))
        });
    }

    /// Writes what was held back: nothing follows.
    pub(crate) fn finish(&self) {
        self.say_each(|lines| {
            let refused = lines.refusals.poll_rest();
            let next = refused.or_else(|| lines.guests.poll_rest()).map(Held::Connections);
            next.or_else(|| lines.failures.poll_rest().map(Held::Requests))
        });
    }

    fn say_each(&self, next: impl Fn(&mut Lines) -> Option<Held>) {
        loop {
            let held = next(&mut self.lines());
            match held {
                Some(Held::Connections(repeated)) => say_again(&repeated),
                Some(Held::Requests(repeated)) => failed_again(&repeated),
                None => return,
            }
        }
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// With the number that `handfast explain failure` takes.
fn say(report: &Report, explain_failure: Option<u64>, boot: Duration) {
    match report {
        Report::Opened(info, _) => tracing::info!(
            connection = info.number,
            server = info.server,
            user = user(holder(info)),
            device = device(holder(info)),
            source = %info.source,
            tls = info.secured.version,
            cipher = info.secured.cipher,
            resumed = info.secured.resumed,
            "connected to a virtual server"
        ),
        Report::Closed(info, why) => tracing::info!(
            connection = info.number,
            server = info.server,
            user = user(holder(info)),
            device = device(holder(info)),
            source = %info.source,
            seconds = boot.saturating_sub(info.since).as_secs(),
            bytes_in = info.traffic.incoming(),
            bytes_out = info.traffic.outgoing(),
            reason = why.code(),
            explain_failure,
            "disconnected from a virtual server"
        ),
        Report::Refused { source, whom, why, .. } => {
            refused(*source, whom.as_ref(), why, explain_failure);
        }
    }
}

fn refused(
    source: SocketAddr,
    whom: Option<&Holder>,
    why: &crate::refused::Refused,
    explain_failure: Option<u64>,
) {
    tracing::info!(
        %source,
        user = user(whom),
        device = device(whom),
        reason = why.code(),
        explain_failure,
        "refused by a virtual server: {why}"
    );
}

fn say_again(repeated: &Repeated<Key, ()>) {
    let (source, device, what) = &repeated.key;
    let source = source.map_or_else(|| "many networks".to_owned(), |source| source.to_string());
    let (device, times) = (device.as_deref(), repeated.count);
    tracing::info!(source, device, what, times, "again, at virtual servers");
}

fn failed_again(repeated: &Repeated<Failure, ()>) {
    let (server, reason) = &repeated.key;
    let (server, times) = (server.as_deref().unwrap_or("many servers"), repeated.count);
    tracing::warn!(server, reason, times, "requests failed again");
}

fn holder(info: &Info) -> Option<&Holder> {
    info.client.as_ref().map(|(holder, _)| holder)
}

fn user(holder: Option<&Holder>) -> Option<&str> {
    holder.map(|holder| holder.user.as_str())
}

fn device(holder: Option<&Holder>) -> Option<&str> {
    holder.map(|holder| holder.device.as_str())
}

const INTERVAL: Duration = Duration::from_secs(10);
/// Of strangers: about a dozen lines a second.
const REFUSALS: Limits = Limits { interval: INTERVAL, at_once: 1, keys: 64 };
/// Each is of somebody who was let in.
const GUESTS: Limits = Limits { interval: INTERVAL, at_once: 5, keys: 1 << 16 };
