//! The client as a program of its own, for tests that kill it: `connect PROFILE STATE-FOLDER`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use client::{ClientError, ConnectSettings, Profile};
use clock::{Clock, SystemClock};

#[tokio::main]
async fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(profile), Some(state)) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: connect PROFILE STATE-FOLDER");
        return ExitCode::from(2);
    };
    match connect(profile, state).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            error.hints().iter().for_each(|hint| eprintln!("hint: {hint}"));
            ExitCode::FAILURE
        }
    }
}

async fn connect(profile: PathBuf, state: PathBuf) -> Result<(), ClientError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let mut settings = ConnectSettings::new(Profile::load(&profile, &*clock)?, clock);
    settings.dns_backup = state.join("resolv.conf.backup");
    settings.state = state;
    let stop = client::stop_signal().expect("signals can be caught");
    let asks = client::Asks::by_signal().expect("signals can be caught");
    client::run(settings, |event| println!("{event}"), stop, asks).await
}
