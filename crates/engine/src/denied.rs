//! Why a peer is not let in, or may not stay: one closed list for the log, for counters, and for the peer.

use std::fmt;

use pki::Refusal;

/// Why a peer is not let in, or may not stay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Denied {
    /// Its certificate does not open this door.
    Certificate(Refusal),
    /// There is no room for another session.
    Full,
    /// It was not decided in time, or the request was given up.
    Undecided,
}

impl Denied {
    /// A stable snake_case name for counters and JSON.
    pub fn code(&self) -> &'static str {
        match self {
            Denied::Certificate(refusal) => refusal.code(),
            Denied::Full => "no_free_address_or_slot",
            Denied::Undecided => "admission_undecided",
        }
    }

    /// What the peer is told: one line of bounded length.
    pub(crate) fn peer_message(&self) -> String {
        match self {
            Denied::Certificate(refusal) => {
                refusal.to_string().chars().filter(|c| !c.is_control()).take(200).collect()
            }
            Denied::Full => "the gateway is full".to_owned(),
            Denied::Undecided => "the gateway could not decide in time".to_owned(),
        }
    }
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Denied::Certificate(refusal) => fmt::Display::fmt(refusal, f),
            Denied::Full => f.write_str(
                "there is no room for another session; raise the limit of sessions, or close some",
            ),
            Denied::Undecided => f.write_str("whether to let the peer in was not decided in time"),
        }
    }
}

impl From<Refusal> for Denied {
    fn from(refusal: Refusal) -> Self {
        Denied::Certificate(refusal)
    }
}
