//! A try to connect to one address, and how it ended.

use std::net::SocketAddr;
use std::time::Duration;

use engine::DisconnectReason;

use crate::ClientError;
use crate::retry::{Next, next, why};
use crate::standing::Unsettled;

/// How a try ended.
pub(crate) struct Attempt {
    pub(crate) next: Next,
    pub(crate) why: String,
    pub(crate) was_up: bool,
    /// The server said nothing, or nothing leads there.
    pub(crate) was_silent: bool,
}

impl Attempt {
    pub(crate) fn ended(
        ending: &DisconnectReason,
        up_for: Option<Duration>,
    ) -> Result<Self, ClientError> {
        let (why, was_up) = (why(ending), up_for.is_some());
        let next = match next(ending) {
            Next::GiveUp(error) => return Err(error),
            // A server that sends everybody away at once is not asked again without a pause.
            Next::AtOnce if up_for.is_some_and(|time| time < SHORT) => Next::Usual,
            next => next,
        };
        Ok(Self { next, why, was_up, was_silent: false })
    }

    pub(crate) fn unanswered(address: SocketAddr, limit: Duration) -> Self {
        let why = format!(
            "{} (it may be off, a firewall may be in between, or the tls-auth key be a wrong one)",
            Self::silence(address, limit)
        );
        Self { next: Next::Usual, why, was_up: false, was_silent: true }
    }

    /// The same without what may be behind it.
    pub(crate) fn silence(address: SocketAddr, limit: Duration) -> String {
        format!("{address} did not answer for {} s", limit.as_secs())
    }

    /// Its machine answered in its place.
    pub(crate) fn refused(address: SocketAddr) -> Self {
        Self::unreachable(format!(
            "nobody listens at {address}: the gateway is off, or it is another port"
        ))
    }

    pub(crate) fn unreachable(why: String) -> Self {
        Self { next: Next::Usual, why, was_up: false, was_silent: true }
    }

    pub(crate) fn cut_off(was_up: bool) -> Self {
        let why = "the connection's task ended".to_owned();
        Self { next: Next::Usual, why, was_up, was_silent: false }
    }

    /// The server's certificate is not to be trusted, or not yet.
    pub(crate) fn unsettled(unsettled: Unsettled, was_up: bool) -> Self {
        let (next, why) = match unsettled {
            Unsettled::Revoked(refusal) => {
                let why = format!("the server is not trusted: {refusal}");
                (Next::NotTrusted(refusal), why)
            }
            Unsettled::NotKnown(why) => (Next::Usual, format!("{NOT_KNOWN}: {why}")),
        };
        Self { next, why, was_up, was_silent: false }
    }

    /// The server's certificate was asked about when keys were to be renewed with it.
    pub(crate) fn to_be_vouched_for(was_up: bool) -> Self {
        let why =
            "nothing was known of the server's certificate when keys were to be renewed, and \
                   by now it is known to hold"
                .to_owned();
        Self { next: Next::AtOnce, why, was_up, was_silent: false }
    }

    pub(crate) fn asked(was_up: bool) -> Self {
        let why = "it was asked for by SIGUSR1".to_owned();
        Self { next: Next::AtOnce, why, was_up, was_silent: false }
    }

    pub(crate) fn of_another_network(was_up: bool) -> Self {
        let why = "the network changed".to_owned();
        Self { next: Next::AtOnce, why, was_up, was_silent: false }
    }
}

const NOT_KNOWN: &str = "it could not be found out whether the server's certificate was revoked, so nothing \
                         was sent (--revocation=prefer would go on)";
/// A connection that was up for less than this was none.
const SHORT: Duration = Duration::from_secs(5);
