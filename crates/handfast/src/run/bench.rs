//! `handfast bench`: many sessions against a server, from this one process.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use admin::failure::{Failure, FailureKind};
use clock::{Clock, SystemClock};
use load::{LoadError, PacketSettings, Progress, Settings};

use super::Output;
use crate::show;

/// What `bench` was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BenchOptions {
    /// A folder of profiles, or one.
    pub(crate) profiles: PathBuf,
    /// The server, where it was typed.
    pub(crate) server: Option<SocketAddr>,
    /// Sessions, where they were typed.
    pub(crate) sessions: Option<usize>,
    /// Handshakes at once.
    pub(crate) at_once: usize,
    /// New sessions a second.
    pub(crate) rate: Option<u32>,
    /// How long to hold them.
    pub(crate) hold: Duration,
    /// What to send through them.
    pub(crate) packets: Option<PacketSettings>,
}

/// Runs to its end. Progress goes to stderr, the figures to stdout.
pub(crate) fn run_bench(options: BenchOptions, json: bool) -> Result<Output, Failure> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let subscribers =
        load::read_profiles(&options.profiles, options.sessions, options.server, &clock)
            .map_err(|error| failure(&error))?;
    let settings = Settings {
        sessions: options.sessions.unwrap_or(subscribers.len()),
        at_once: options.at_once,
        rate: options.rate,
        hold: options.hold,
        packets: options.packets,
    };
    let report =
        load::run(&subscribers, &settings, &*clock, say).map_err(|error| failure(&error))?;
    if json {
        return Ok(Output::json(&report));
    }
    Ok(Output::done(show::bench::text(&report)))
}

/// Nobody may be reading any more.
fn say(progress: Progress) {
    let _ = writeln!(std::io::stderr().lock(), "{progress}");
}

fn failure(error: &LoadError) -> Failure {
    let kind = match error {
        LoadError::Unreadable(..)
        | LoadError::NoProfiles(_)
        | LoadError::NoUdp(_)
        | LoadError::Profile(_) => FailureKind::Configuration,
        LoadError::NoAddress(_) | LoadError::Socket(..) => FailureKind::Unreachable,
        LoadError::TooFewDescriptors { .. } | LoadError::System(_) => FailureKind::Environment,
        LoadError::NobodyConnected | LoadError::NoDestination => FailureKind::Failed,
    };
    let mut failure = Failure::new(kind, error.to_string());
    if let Some(source) = std::error::Error::source(error) {
        failure = failure.caused_by(source);
    }
    error.hint().into_iter().fold(failure, Failure::hint)
}
