//! `handfast bench`: many sessions against a server, from this one process.

use std::io::Write as _;
use std::sync::Arc;

use admin::failure::{Failure, FailureKind};
use clock::{Clock, SystemClock};
use load::{LoadError, Progress, Settings};

use super::output::Output;
use super::patience::Patience;
use crate::args::order::BenchOrder;
use crate::show;

/// Runs to its end. Progress goes to stderr, the figures to stdout.
pub(crate) fn run_bench(options: BenchOrder, json: bool) -> Result<Output, Failure> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let patience = Patience::start("reading profiles");
    let subscribers =
        load::read_profiles(&options.profiles, options.sessions, options.server, &clock)
            .map_err(|error| failure(&error))?;
    drop(patience);
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
