//! The wish to stop, and waiting that heeds it.
//!
//! A signal sets a flag; every wait and every transfer looks at it and gives up. What there is to
//! undo is undone on the way out, as after any other failure.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use admin::failure::{Failure, FailureKind};
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};

use super::limits::interrupted;

/// Whether somebody wants the demo to stop.
#[derive(Debug)]
pub(super) struct Stop {
    asked: Arc<AtomicBool>,
    _runtime: Runtime,
}

impl Stop {
    /// Hears SIGINT, SIGTERM and SIGHUP from here on.
    pub(super) fn listen() -> Result<Self, Failure> {
        let deaf = |error: std::io::Error| {
            Failure::new(FailureKind::Environment, "signals cannot be heard").caused_by(&error)
        };
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.map_err(deaf)?;
        let asked = Arc::new(AtomicBool::new(false));
        let inside = runtime.enter();
        for kind in [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()] {
            let mut heard = signal(kind).map_err(deaf)?;
            let asked = Arc::clone(&asked);
            runtime.spawn(async move {
                heard.recv().await;
                asked.store(true, Ordering::Relaxed);
            });
        }
        drop(inside);
        Ok(Self { asked, _runtime: runtime })
    }

    pub(super) fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    /// Fails once the demo is to stop.
    pub(super) fn check(&self) -> Result<(), Failure> {
        if self.is_asked() { Err(interrupted()) } else { Ok(()) }
    }

    /// Asks again and again until there is an answer. `None`: time ran out.
    pub(super) fn wait_for<T>(
        &self,
        limit: Duration,
        mut look: impl FnMut() -> Result<Option<T>, Failure>,
    ) -> Result<Option<T>, Failure> {
        let end = Instant::now() + limit;
        loop {
            self.check()?;
            if let Some(found) = look()? {
                return Ok(Some(found));
            }
            if Instant::now() >= end {
                return Ok(None);
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// Lets time pass.
    pub(super) fn pause(&self, time: Duration) -> Result<(), Failure> {
        self.wait_for(time, || Ok(None::<()>)).map(drop)
    }
}

const PAUSE: Duration = Duration::from_millis(5);
