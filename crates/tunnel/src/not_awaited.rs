//! Why what the driver said had no effect. It is no fault by itself: an answer may take its time, and the
//! peer may have begun another generation meanwhile, or be gone.

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

/// The session is in a step in which this can't be begun; nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotNow {
    /// It has no key yet that could be renewed.
    NotUp,
    /// A renewal is under way, which will do.
    Renewing,
    /// It is saying goodbye already.
    Closing,
    /// It has ended.
    Ended,
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

impl fmt::Display for NotNow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NotNow::NotUp => "the session has no key yet",
            NotNow::Renewing => "its key is being renewed",
            NotNow::Closing => "the session is closing",
            NotNow::Ended => "the session has ended",
        })
    }
}

impl Error for NotAwaited {}

impl Error for NotNow {}
