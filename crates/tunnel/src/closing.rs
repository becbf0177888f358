//! How a session is ended from this side: by whoever drives it, or by a refusal. Values only.

/// How to end a session from this side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Close {
    /// `EXIT`, if negotiated.
    Exit,
    /// `RESTART`: the client reconnects. The text may be empty.
    Restart(String),
    /// `HALT`: the client stays away. The text may be empty.
    Halt(String),
    /// `AUTH_FAILED`. The text may be empty.
    AuthFailed(String),
    /// Says nothing: another session has taken this one's place.
    Replaced,
}

/// Server: no to an [`crate::Event::Admission`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Stable snake_case reason for counters.
    pub code: &'static str,
    /// Text behind `AUTH_FAILED,`; empty sends none.
    pub peer_message: String,
}
