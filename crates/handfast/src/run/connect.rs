//! `handfast connect`: the VPN client in the foreground. SIGUSR2 makes it say what it has carried and
//! lost, SIGUSR1 connect anew.

use std::io::Write as _;
use std::sync::Arc;

use admin::failure::{Failure, FailureKind};
use client::{ClientError, ConnectSettings, ErrorKind, Profile, Progress};
use clock::{Clock, SystemClock};

use super::guard::Guard;
use super::output::Output;
use crate::args::order::ConnectOrder;
use crate::show;

/// Runs until it is told to stop, or until trying again can't help.
pub(crate) fn run_connect(options: ConnectOrder, json: bool) -> Result<Output, Failure> {
    super::log::start("warn");
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|e| {
            Failure::new(FailureKind::Environment, "no threads to run on").caused_by(&e)
        })?;
    let ended = runtime.block_on(connect(options, json));
    // The resolver may still wait for a name server that is gone.
    runtime.shutdown_background();
    ended?;
    Ok(Output { text: String::new(), exit_code: 0 })
}

async fn connect(options: ConnectOrder, json: bool) -> Result<(), Failure> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let profile =
        Profile::load(&options.profile, &*clock).map_err(|e| failure(&ClientError::from(e)))?;
    let mut settings = match options.state {
        None => ConnectSettings::new(profile, clock),
        // The usual places are not even made then.
        Some(state) => {
            let dns_backup = state.join("resolv.conf.backup");
            let revocation = options.revocation;
            ConnectSettings { profile, state, dns_backup, set_dns: true, revocation, clock }
        }
    };
    settings.revocation = options.revocation;
    let guard = Guard::start(&settings.state, &settings.dns_backup);
    let deaf = |error: std::io::Error| {
        Failure::new(FailureKind::Environment, "signals cannot be heard").caused_by(&error)
    };
    let (stop, asks) =
        (client::stop_signal().map_err(deaf)?, client::Asks::by_signal().map_err(deaf)?);
    let timestamps = options.timestamps;
    let say = move |progress: Progress| match (json, timestamps) {
        (true, _) => say(&show::progress::event(&progress, SystemClock.now().into())),
        (false, true) => say(&progress.at(SystemClock.now())),
        (false, false) => say(&progress),
    };
    let ended = client::run(settings, say, stop, asks).await;
    if let Some(guard) = guard {
        guard.dismiss();
    }
    ended.map_err(|error| failure(&error))
}

/// One line for each thing that happened. Nobody may be reading any more.
fn say(line: &dyn std::fmt::Display) {
    let mut stdout = std::io::stdout().lock();
    let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
}

fn failure_says(error: &ClientError, cause: &dyn std::error::Error) -> bool {
    error.to_string().contains(&cause.to_string())
}

fn failure(error: &ClientError) -> Failure {
    let kind = match error.kind() {
        ErrorKind::Profile => FailureKind::Configuration,
        ErrorKind::Permission => FailureKind::Forbidden,
        ErrorKind::System => FailureKind::Environment,
        ErrorKind::Unreachable => FailureKind::Unreachable,
        ErrorKind::Refused | ErrorKind::NotTrusted => FailureKind::Refused,
        ErrorKind::Incompatible => FailureKind::Failed,
    };
    let mut failure = Failure::new(kind, error.to_string());
    // Many messages hold their cause; nothing is said twice.
    let cause = std::error::Error::source(error);
    if let Some(cause) = cause.filter(|cause| !failure_says(error, *cause)) {
        failure = failure.caused_by(cause);
    }
    error.hints().iter().fold(failure, |failure, hint| failure.hint(*hint))
}
