//! The log of a process that stays: lines on stderr, for a person or the journal.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

/// Starts logging at `level`, unless `HANDFAST_LOG` says otherwise.
pub(crate) fn start(level: &str) {
    let filter = EnvFilter::try_from_env("HANDFAST_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .init();
}
