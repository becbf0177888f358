//! What this process is asked for by signals: its end, a new connection, its statistics.
//!
//! Invariant: no other signal that a process can outlive ends a client, since whatever ends it
//! unasked leaves routes and name servers behind.

use std::fs;
use std::future::Future;
use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Completes when this process is asked to end, by SIGTERM, SIGINT, SIGQUIT, or by SIGHUP unless that was
/// ignored when the process began, as `nohup` has it. From the call on, signals that would end a process
/// for no reason of its own (SIGALRM, SIGIO, the real-time signals and so on) do nothing.
///
/// # Errors
/// When signals can't be caught.
pub fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    for number in HARMLESS.into_iter().chain(REAL_TIME) {
        // What was caught once stays caught; a number that this system lacks can't come.
        let _ = signal(SignalKind::from_raw(number));
    }
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut quit = signal(SignalKind::quit())?;
    let mut hangup = (!was_ignored(HANGUP)).then(|| signal(SignalKind::hangup())).transpose()?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            _ = quit.recv() => {}
            () = next(hangup.as_mut()) => {}
        }
    })
}

/// Asks something of a running client.
#[derive(Debug)]
pub struct Asks {
    statistics: Option<Signal>,
    reconnect: Option<Signal>,
}

/// What a running client is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    /// To tell what it has carried and lost.
    Statistics,
    /// To make a new connection in the place of the present one.
    Reconnect,
}

impl Asks {
    /// By SIGUSR2 for the statistics and SIGUSR1 for a new connection, as OpenVPN is asked.
    ///
    /// # Errors
    /// When signals can't be caught.
    pub fn by_signal() -> io::Result<Self> {
        let statistics = Some(signal(SignalKind::user_defined2())?);
        Ok(Self { statistics, reconnect: Some(signal(SignalKind::user_defined1())?) })
    }

    /// Nobody asks.
    pub fn never() -> Self {
        Self { statistics: None, reconnect: None }
    }

    /// Completes when somebody asks. The same asked again while nobody listens is asked once.
    pub(crate) async fn next(&mut self) -> Ask {
        tokio::select! {
            () = next(self.reconnect.as_mut()) => Ask::Reconnect,
            () = next(self.statistics.as_mut()) => Ask::Statistics,
        }
    }
}

async fn next(signal: Option<&mut Signal>) {
    if let Some(signal) = signal
        && signal.recv().await.is_some()
    {
        return;
    }
    std::future::pending().await
}

/// Whether whoever started this process had it ignore a signal.
fn was_ignored(number: u32) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default();
    mask & (1 << (number - 1)) != 0
}

/// SIGHUP.
const HANGUP: u32 = 1;
/// SIGALRM, SIGSTKFLT, SIGXFSZ, SIGVTALRM, SIGPROF, SIGIO, SIGPWR.
const HARMLESS: [i32; 7] = [14, 16, 25, 26, 27, 29, 30];
const REAL_TIME: std::ops::RangeInclusive<i32> = 34..=64;
