//! Why an answer of the driver had no effect. It is no fault by itself: an answer may take its time, and
//! the peer may have begun another generation meanwhile, or be gone.

use std::error::Error;
use std::fmt;

/// The session did not wait for this answer, which had no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAwaited {
    /// The session has ended.
    SessionEnded,
    /// No admission is open: it was answered before, or another generation has begun since.
    Admission,
    /// No key waits to be installed, or another one does.
    Key,
}

impl fmt::Display for NotAwaited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NotAwaited::SessionEnded => "the session has ended",
            NotAwaited::Admission => "no admission is open",
            NotAwaited::Key => "no such key waits to be installed",
        })
    }
}

impl Error for NotAwaited {}
