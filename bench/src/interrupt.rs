//! Ctrl-C and SIGTERM end the run between two steps, so that everything is put back.
//!
//! Programs that run at that moment share the terminal and get the signal too; whatever they say
//! about it, the run ends as interrupted.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::signal::unix::{SignalKind, signal};

use crate::error::BenchError;

/// Listens from now on. A machine where that fails is only less tidy after Ctrl-C.
pub(crate) fn listen() {
    let listener = std::thread::Builder::new().name("interrupt".to_owned());
    let _ = listener.spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        if let Ok(runtime) = runtime {
            runtime.block_on(wait());
        }
    });
}

/// An error from the moment on when somebody asked for the end.
pub(crate) fn check() -> Result<(), BenchError> {
    if ASKED.load(Ordering::Relaxed) { Err(BenchError::Interrupted) } else { Ok(()) }
}

/// Sleeps, and wakes at once when somebody asks for the end.
pub(crate) fn sleep(duration: Duration) -> Result<(), BenchError> {
    let end = Instant::now() + duration;
    loop {
        check()?;
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        std::thread::sleep(left.min(Duration::from_millis(50)));
    }
}

async fn wait() {
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return };
    let Ok(mut interrupt) = signal(SignalKind::interrupt()) else { return };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    ASKED.store(true, Ordering::Relaxed);
}

static ASKED: AtomicBool = AtomicBool::new(false);
