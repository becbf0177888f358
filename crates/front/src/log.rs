//! What the log says of connections: a line for each that is let in, ends or is refused; and where somebody causes the
//! same line again and again, one with a count.
//!
//! Invariant: what was held back is written when its interval ends, or when the door closes.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sources::{Limits, Repeated, Repeats, Source};

use crate::directory::Report;
use crate::holder::Holder;
use crate::registry::Info;

/// Writes the lines.
#[derive(Debug)]
pub(crate) struct Log(Mutex<Repeats<Key, ()>>);

/// Which lines are counted together.
type Key = (Option<Source>, &'static str);

impl Default for Log {
    fn default() -> Self {
        Self(Mutex::new(Repeats::new(LIMITS)))
    }
}

impl Log {
    /// Writes a report's line, now or later.
    pub(crate) fn write(&self, report: &Report, boot: Duration) {
        let (source, what) = match report {
            Report::Opened(info) => (info.source, "connected"),
            Report::Closed(info, why) => (info.source, why.code()),
            Report::Refused { source, why, .. } => (*source, why.code()),
        };
        if self.is_said(source.ip(), what, boot) {
            say(report, boot);
        }
    }

    fn is_said(&self, source: IpAddr, what: &'static str, boot: Duration) -> bool {
        let key = (Some(Source::network(source)), what);
        self.lines().note(key, (None, what), (), boot).is_some()
    }

    /// Writes what was held back and whose interval has ended.
    pub(crate) fn write_repeated(&self, boot: Duration) {
        loop {
            let next = self.lines().poll_repeated(boot);
            let Some(repeated) = next else { return };
            say_again(&repeated);
        }
    }

    /// Writes what was held back: nothing follows.
    pub(crate) fn finish(&self) {
        loop {
            let next = self.lines().poll_rest();
            let Some(repeated) = next else { return };
            say_again(&repeated);
        }
    }

    fn lines(&self) -> MutexGuard<'_, Repeats<Key, ()>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn say(report: &Report, boot: Duration) {
    match report {
        Report::Opened(info) => tracing::info!(
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
            "disconnected from a virtual server"
        ),
        Report::Refused { source, whom, why } => refused(*source, whom.as_ref(), why),
    }
}

fn refused(source: SocketAddr, whom: Option<&Holder>, why: &crate::refused::Refused) {
    tracing::info!(
        %source,
        user = user(whom),
        device = device(whom),
        reason = why.code(),
        "refused by a virtual server: {why}"
    );
}

fn say_again(repeated: &Repeated<Key, ()>) {
    let (source, what) = repeated.key;
    let source = source.map_or_else(|| "many networks".to_owned(), |source| source.to_string());
    tracing::info!(source, what, times = repeated.count, "again, at virtual servers");
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

const LIMITS: Limits = Limits { interval: Duration::from_secs(60), at_once: 10, keys: 1024 };
