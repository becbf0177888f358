//! How a conversation ended, and if it broke: where, who refused whom, why, and what mends it.
//!
//! An alert that was received is its sender's finding and not the reader's own: whoever sent it is named.

use serde::{Deserialize, Serialize};

use crate::place::Side;

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "how", rename_all = "snake_case")]
pub enum Ending {
    /// The handshake came to its end.
    Done,
    /// One side broke it off, or the other never answered.
    Broken(Broken),
    /// The handshake was done and the client let in; what it opened was ended later, by one side or by a rule.
    Ended(Broken),
    /// The handshake was done, and new keys that were asked for later were not made. The former ones may serve on until their
    /// limit.
    Unrenewed(Broken),
    /// The handshake was done by a client that only looks, and what the server showed is not to be believed: a client that
    /// acts by that stops at this step. Nothing was broken off, so the steps behind it are what was seen.
    Distrusted(Broken),
    /// One packet was dropped. No handshake and no session is refused or ended by that: where there is one, it goes on.
    Dropped(Broken),
    /// What was observed ends before the handshake does, and nothing in it says why.
    Cut,
}

impl Ending {
    /// Why it broke or ended, is to be refused, or a packet was dropped.
    pub fn reason(&self) -> Option<&Broken> {
        match self {
            Ending::Broken(broken)
            | Ending::Ended(broken)
            | Ending::Unrenewed(broken)
            | Ending::Distrusted(broken)
            | Ending::Dropped(broken) => Some(broken),
            Ending::Done | Ending::Cut => None,
        }
    }
}

/// A handshake that broke or should have, a session that ended, or a packet that was dropped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Broken {
    /// A stable name.
    pub code: String,
    /// Who broke it off, or would have; none where one side is silent.
    pub by: Option<Side>,
    /// The step at which it broke, if there is one.
    pub at_step: Option<u32>,
    /// What happened.
    pub sentence: String,
    /// What to do about it, the likeliest first.
    pub mends: Vec<String>,
}
