//! What a session says when it ends from this side.

use std::time::Duration;

use wire::message::{AuthFailure, ControlMessage};

use crate::closing::Close;

/// How long the last text may take to be acknowledged.
pub(crate) const DRAIN: Duration = Duration::from_secs(5);
pub(crate) const CERTIFICATE_EXPIRED: &str = "The certificate has expired";

/// The last text, if there is anything to say that the peer understands.
pub(crate) fn last_text(how: &Close, exit_notify: bool) -> Option<ControlMessage> {
    match how {
        Close::Exit if exit_notify => Some(ControlMessage::Exit),
        Close::Exit | Close::Replaced => None,
        Close::Restart(text) => {
            let (keep_credentials, next_server) = (false, false);
            Some(ControlMessage::Restart { keep_credentials, next_server, text: text.clone() })
        }
        Close::Halt(text) => Some(ControlMessage::Halt(text.clone())),
        Close::AuthFailed(text) => Some(denied(text)),
    }
}

/// `AUTH_FAILED` with its text, or alone.
pub(crate) fn denied(text: &str) -> ControlMessage {
    ControlMessage::AuthFailed(AuthFailure::Denied(text.to_owned()))
}
