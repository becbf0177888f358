//! What the log says of TCP connections. Strangers can make and break thousands in a second, so a line that comes
//! again is held back and written once, with a count, when its interval ends.
//!
//! Not here: counters, which count every one.

use std::net::SocketAddr;
use std::time::Duration;

use sources::{Limits, Repeated, Repeats, Source};
use sysio::AcceptError;
use tracing::Level;

use super::end::StreamEnd;

/// Writes the lines of one worker.
#[derive(Debug)]
pub(super) struct StreamLog {
    lines: Repeats<(Option<Source>, &'static str), Line>,
    /// As of the last turn, which is exact enough for an interval.
    boot: Duration,
}

#[derive(Debug, PartialEq)]
enum Line {
    Ended { remote: SocketAddr, why: StreamEnd },
    NotWaitedFor { remote: SocketAddr, error: String },
    Paused { error: String },
}

impl StreamLog {
    pub(super) fn new() -> Self {
        Self { lines: Repeats::new(LIMITS), boot: Duration::ZERO }
    }

    /// A connection ended.
    pub(super) fn ended(&mut self, remote: SocketAddr, why: StreamEnd) {
        self.debug(remote, why.code(), || Line::Ended { remote, why });
    }

    /// A connection was lost before it was read.
    pub(super) fn not_waited_for(&mut self, remote: SocketAddr, error: &std::io::Error) {
        self.debug(remote, "not_waited_for", || {
            let error = error.to_string();
            Line::NotWaitedFor { remote, error }
        });
    }

    /// No descriptor is left.
    pub(super) fn paused(&mut self, error: &AcceptError) {
        self.note((None, "paused"), Line::Paused { error: error.to_string() });
    }

    pub(super) fn poll_timeout(&self) -> Option<Duration> {
        self.lines.poll_timeout()
    }

    /// Writes what was held back until now.
    pub(super) fn handle_timeout(&mut self, boot: Duration) {
        self.boot = boot;
        while let Some(repeated) = self.lines.poll_repeated(boot) {
            write_again(&repeated);
        }
    }

    /// Writes all that was held back: there is no later.
    pub(super) fn finish(&mut self) {
        while let Some(repeated) = self.lines.poll_rest() {
            write_again(&repeated);
        }
    }

    fn debug(&mut self, remote: SocketAddr, what: &'static str, line: impl FnOnce() -> Line) {
        if tracing::enabled!(Level::DEBUG) {
            self.note((Some(Source::network(remote.ip())), what), line());
        }
    }

    fn note(&mut self, key: (Option<Source>, &'static str), line: Line) {
        if let Some(line) = self.lines.note(key, (None, key.1), line, self.boot) {
            line.write();
        }
    }
}

impl Line {
    fn write(&self) {
        match self {
            Self::Ended { remote, why } => tracing::debug!(%remote, %why, "a TCP connection ended"),
            Self::NotWaitedFor { remote, error } => {
                tracing::debug!(%remote, %error, "a connection can't be waited for");
            }
            Self::Paused { error } => {
                tracing::warn!(%error, "no TCP connection is taken for a moment");
            }
        }
    }
}

fn write_again(repeated: &Repeated<(Option<Source>, &'static str), Line>) {
    let Repeated { key: (source, what), count, latest } = repeated;
    let source = source.map_or_else(|| "many".to_owned(), |source| source.to_string());
    match latest {
        Line::Paused { error } => {
            tracing::warn!(count, %error, "no TCP connection was taken for a moment, again");
        }
        _ => tracing::debug!(count, source, what, "the same of more TCP connections"),
    }
}

const LIMITS: Limits = Limits { interval: Duration::from_secs(10), at_once: 1, keys: 64 };

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_that_stays_out_of_descriptors_says_so_once_an_interval() {
        let mut log = StreamLog::new();
        let error = || AcceptError::NoRoom(std::io::ErrorKind::Other.into());
        let (mut written, mut held) = (0, 0);
        for half_second in 200..320 {
            log.boot = Duration::from_millis(half_second * 500);
            let line = Line::Paused { error: error().to_string() };
            let key = (None, "paused");
            written += u64::from(log.lines.note(key, key, line, log.boot).is_some());
            while let Some(repeated) = log.lines.poll_repeated(log.boot) {
                (written, held) = (written + 1, held + repeated.count);
            }
        }
        assert_eq!(written, 1 + 5);
        assert!(held >= 100, "{held} of 120 were counted in lines so far");
    }
}
