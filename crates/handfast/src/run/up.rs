//! `handfast up`: the gateway in the foreground.
//!
//! 1. own the folder (the first start makes it), open the door, then take commands: whoever gets an
//!    answer gets it from a gateway that serves;
//! 2. SIGHUP reads the settings again, SIGUSR2 writes the counters to the log, SIGTERM, SIGINT and
//!    SIGQUIT stop it, and any other that may be ignored is;
//! 3. everything is undone in the opposite order.

use std::io::ErrorKind::{ReadOnlyFilesystem, StorageFull};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use admin::failure::{Failure, FailureKind};
use clock::{Clock, SystemClock};
use gateway::config::Config;
use gateway::control::ControlServer;
use gateway::data::DataDir;
use gateway::{FirstStart, Gateway, publishing, tls_door, vpn_door};
use sd_notify::NotifyState;
use sysio::Inherited;
use tokio::signal::unix::{SignalKind, signal};

use super::output::Output;
use crate::args::place::SYSTEM_FOLDER;

/// What `up` was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UpOptions {
    /// The data folder, made where it is missing.
    pub(crate) data: PathBuf,
    /// What goes into the settings that a first start writes.
    pub(crate) first: FirstStart,
    /// Where what has to be undone is recorded, where it was typed.
    pub(crate) state: Option<PathBuf>,
}

/// Runs until it is told to stop.
pub(crate) fn run_up(options: UpOptions) -> Result<Output, Failure> {
    super::log::start("info");
    if let Some(refused) = super::key_logs::refused() {
        tracing::warn!("{refused}");
    }
    let sockets = inherited()?;
    super::process::room_for_a_gateway(workers(&options))?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|e| {
            Failure::new(FailureKind::Environment, "no threads to run on").caused_by(&e)
        })?;
    runtime.block_on(serve(options, sockets))?;
    Ok(Output { text: String::new(), exit_code: 0 })
}

/// What a service manager opened for us.
fn inherited() -> Result<Inherited, Failure> {
    Inherited::from_environment().map_err(|error| {
        Failure::new(FailureKind::Environment, "the sockets that were passed can't be taken over")
            .caused_by(&error)
            .hint("LISTEN_PID and LISTEN_FDS are the service manager's: start it without them")
    })
}

/// How many threads will carry packets. Settings that can't be read stop the start later, by name.
fn workers(options: &UpOptions) -> u16 {
    let settings = Config::load_for_start(&DataDir::new(&options.data).config());
    settings.map(|settings| settings.config).unwrap_or_default().vpn.workers()
}

async fn serve(options: UpOptions, sockets: Inherited) -> Result<(), Failure> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let mut signals = Signals::new()?;
    let data = DataDir::new(options.data);
    let is_first = !data.config().exists();
    let gateway = Gateway::start(data.clone(), clock, options.first).await?;
    let gateway = Arc::new(gateway.inheriting(sockets.clone()));
    // First, so that no client comes before there is something to staple.
    let published = publishing::open(&gateway).await;
    let vpn = vpn_door::open(&gateway, options.state.as_deref()).await?;
    let tls = tls_door::open(&gateway).await;
    for socket in sockets.left() {
        tracing::warn!(
            socket,
            "passed by the service manager, and no setting has that address yet"
        );
    }
    gateway.run().await?;
    let commands = bind(&data)?.map(|control| tokio::spawn(control.serve(Arc::clone(&gateway))));
    let listening = gateway.config().vpn.listen.iter().map(ToString::to_string).collect::<Vec<_>>();
    tracing::info!(listen = listening.join(" "), data = %data.path().display(), "the gateway is up");
    if is_first {
        tracing::info!("{}", next_steps(data.path()));
    }
    notify(NotifyState::Ready);
    let broken = loop {
        tokio::select! {
            asked = signals.next() => match asked {
                Asked::Reload => {
                    reload(&gateway).await;
                    vpn.put_back().await;
                }
                Asked::Statistics => gateway.log_statistics().await,
                Asked::Stop => break false,
            },
            () = vpn.ended() => break true,
        }
    };
    notify(NotifyState::Stopping);
    if let Some(commands) = commands {
        commands.abort();
    }
    drop((published, tls));
    vpn.stop().await;
    gateway.stopping().await?;
    gateway.close().await;
    if broken {
        // A service manager starts it again; going on would serve nobody and look healthy.
        return Err(Failure::new(FailureKind::Failed, "the data path has ended by itself")
            .hint("the log says why; please report it"));
    }
    tracing::info!("the gateway has stopped");
    Ok(())
}

/// The place for commands. Without it subscribers are served all the same, where it is the disk that has
/// none.
fn bind(data: &DataDir) -> Result<Option<ControlServer>, Failure> {
    match ControlServer::bind(data) {
        Ok(control) => Ok(Some(control)),
        Err(error) if matches!(error.kind(), ReadOnlyFilesystem | StorageFull) => {
            tracing::error!(%error, "no command reaches this gateway: make its disk writable, and restart it");
            Ok(None)
        }
        Err(error) => {
            Err(Failure::new(FailureKind::Environment, "the control socket could not be made")
                .caused_by(&error)
                .hint(
                    "a socket's path has at most 107 bytes: if that is it, choose a shorter --data",
                ))
        }
    }
}

/// What to do after the first start.
pub(crate) fn next_steps(data: &Path) -> String {
    let here = if data == Path::new(SYSTEM_FOLDER) {
        String::new()
    } else {
        format!(" --data {}", data.display())
    };
    format!("next: handfast{here} user add NAME, then handfast{here} profile NAME --out FOLDER")
}

async fn reload(gateway: &Gateway) {
    let reloaded = match gateway.reload().await {
        Ok(reloaded) => reloaded,
        Err(error) => {
            let failure = Failure::from(error);
            tracing::error!("{failure}; the former settings stay in force");
            return;
        }
    };
    tracing::info!(
        "settings were read again; sessions stay; sockets, networks and timers change at the next start"
    );
    if !reloaded.waiting.is_empty() {
        tracing::warn!(
            keys = reloaded.waiting.join(", "),
            "changed; takes effect at the next start"
        );
    }
    if let Some(error) = reloaded.unfinished {
        let failure = Failure::from(error);
        tracing::error!("{failure}; the new settings are in force, and this is tried again");
    }
}

/// Why the gateway woke up.
enum Asked {
    Reload,
    Statistics,
    Stop,
}

struct Signals {
    hangup: tokio::signal::unix::Signal,
    statistics: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    quit: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> Result<Self, Failure> {
        let listen = |kind| {
            signal(kind).map_err(|e| {
                Failure::new(FailureKind::Environment, "signals cannot be heard").caused_by(&e)
            })
        };
        for number in HARMLESS {
            // A signal that was listened to once ends nobody from then on. Some may not exist here.
            let _ = signal(SignalKind::from_raw(number));
        }
        Ok(Self {
            hangup: listen(SignalKind::hangup())?,
            statistics: listen(SignalKind::user_defined2())?,
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            quit: listen(SignalKind::quit())?,
        })
    }

    async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.hangup.recv() => Asked::Reload,
            _ = self.statistics.recv() => Asked::Statistics,
            _ = self.terminate.recv() => Asked::Stop,
            _ = self.interrupt.recv() => Asked::Stop,
            _ = self.quit.recv() => Asked::Stop,
        }
    }
}

/// Tells a service manager, where one is listening.
fn notify(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(%error, "the service manager could not be told");
    }
}

/// Signals that end a process unless it listens, and that others send by habit, as to a stock server
/// (SIGUSR1), or the system over a log or a clock: SIGUSR1, SIGALRM, SIGSTKFLT, SIGXCPU, SIGXFSZ,
/// SIGVTALRM, SIGPROF, SIGIO, SIGPWR, and the first and last that are free for any use.
const HARMLESS: [i32; 11] = [10, 14, 16, 24, 25, 26, 27, 29, 30, 34, 64];
