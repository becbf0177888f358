//! Key logs, which other programs write where `SSLKEYLOGFILE` says. Whoever reads one can read all that was said, so this
//! program writes none by an environment that somebody may have forgotten, and says so. `explain --keylog` writes one of
//! its own handshake.

use std::io::{self, Write as _};

/// What is said where one is asked for.
pub(super) fn refused() -> Option<&'static str> {
    let asked = std::env::var_os(VARIABLE).is_some_and(|value| !value.is_empty());
    asked.then_some("SSLKEYLOGFILE has no effect here: no key log is written there")
}

/// Says so to whoever runs a command.
pub(super) fn say() {
    if let Some(refused) = refused() {
        let _ = writeln!(io::stderr().lock(), "note: {refused}");
    }
}

const VARIABLE: &str = "SSLKEYLOGFILE";
