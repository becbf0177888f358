//! What a session says when it ends from this side.

use std::time::Duration;

use wire::message::{AuthFailure, ControlMessage};

use crate::closing::Close;

/// How long the last text may take to be acknowledged.
pub(crate) const DRAIN: Duration = Duration::from_secs(5);

/// The last text, if there is anything to say that the peer understands.
pub(crate) fn last_text(how: &Close, exit_notify: bool) -> Option<ControlMessage> {
    match how {
        Close::Exit if exit_notify => Some(ControlMessage::Exit),
        Close::Exit | Close::Replaced => None,
        Close::Restart(text) => Some(restart(text)),
        Close::Halt(text) => Some(ControlMessage::Halt(text.clone())),
        Close::AuthFailed(text) => Some(denied(text)),
        Close::AuthFailedForNow { pause, text } => {
            let backoff = Some(u32::try_from(pause.as_secs()).unwrap_or(u32::MAX));
            let failure = AuthFailure::Temporary { backoff, advance: None, text: text.clone() };
            Some(ControlMessage::AuthFailed(failure))
        }
    }
}

/// What a client is told whose certificate has run out: it may have a newer one by now, or another server
/// may take this one, so it is not told to give up.
pub(crate) fn certificate_expired() -> ControlMessage {
    restart("The certificate has expired")
}

fn restart(text: &str) -> ControlMessage {
    let (keep_credentials, next_server) = (false, false);
    ControlMessage::Restart { keep_credentials, next_server, text: text.to_owned() }
}

/// `AUTH_FAILED` with its text, or alone.
pub(crate) fn denied(text: &str) -> ControlMessage {
    ControlMessage::AuthFailed(AuthFailure::Denied(text.to_owned()))
}
