//! How a session is ended from this side: by whoever drives it, or by a refusal. Values only.

use std::time::Duration;

/// How to end a session from this side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Close {
    /// `EXIT`, if negotiated.
    Exit,
    /// `RESTART`: the client reconnects. The text may be empty.
    Restart(String),
    /// `HALT`: the client stays away. The text may be empty.
    Halt(String),
    /// `AUTH_FAILED`: the client gives up. The text may be empty.
    AuthFailed(String),
    /// `AUTH_FAILED,TEMP`: the client tries again after this pause. One that does not know it gives up.
    AuthFailedForNow {
        /// Not before.
        pause: Duration,
        /// For the person.
        text: String,
    },
    /// Says nothing: another session has taken this one's place.
    Replaced,
}

/// Server: no to an [`crate::Event::Admission`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Stable snake_case reason for counters.
    pub code: &'static str,
    /// What the peer is told, which decides whether it gives up.
    pub close: Close,
}
