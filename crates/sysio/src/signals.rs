//! Signals that end a program, and one that has another reason to end.

/// Whoever ends a group of processes does not end this one by it. Handlers that were set are gone.
pub fn outlive_stop_signals() {
    for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM] {
        // SAFETY: `SIG_IGN` is no code of ours, and these signals may be ignored.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
}
