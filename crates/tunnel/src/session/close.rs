//! The end of a session from this side: a last text, its acknowledgement, and out.
//!
//! A session that says goodbye in the middle of a negotiation goes on with it for a moment, as the
//! peer reads texts in a finished generation only. It admits nobody and installs no key meanwhile.

use std::time::Duration;

use clock::Now;
use wire::key_material::Role;
use wire::message::{AuthFailure, ControlMessage};

use crate::closing::Close;
use crate::end::EndReason;
use crate::generation::HandshakeState;
use crate::session::{Phase, Session};

/// How long the last text may take to be acknowledged.
const DRAIN: Duration = Duration::from_secs(5);

impl Session {
    /// Ends the session. `Ended` follows once the peer has acknowledged, or after 5 seconds.
    pub fn close(&mut self, how: Close, now: Now) {
        self.now = now;
        if !matches!(self.phase, Phase::Opening | Phase::Established) {
            return;
        }
        let exit_notify = self.negotiated.is_some_and(|negotiated| negotiated.exit_notify);
        let text = match &how {
            Close::Exit if exit_notify => Some(ControlMessage::Exit),
            Close::Exit | Close::Replaced => None,
            Close::Restart(text) => {
                let (keep_credentials, next_server) = (false, false);
                Some(ControlMessage::Restart { keep_credentials, next_server, text: text.clone() })
            }
            Close::Halt(text) => Some(ControlMessage::Halt(text.clone())),
            Close::AuthFailed(text) => Some(denied(text)),
        };
        match text {
            Some(text) => self.close_with(&text, EndReason::Closed(how)),
            None => self.end(EndReason::Closed(how)),
        }
    }

    /// Sends a last text and ends with `reason`.
    pub(crate) fn close_with(&mut self, text: &ControlMessage, reason: EndReason) {
        if self.primary.is_broken() {
            return self.end(reason);
        }
        self.texts.clear();
        self.queue_message(&text.to_string());
        self.phase = Phase::Draining { until: self.now.boot + DRAIN, reason };
        self.primary.state = HandshakeState::Closing;
        let late = self.role() == Role::TlsServer && self.primary.key_message_received;
        match if late { self.send_server_key_message() } else { Ok(()) } {
            Ok(()) => self.advance(),
            Err(reason) => self.fail(reason),
        }
    }

    /// Ends the session at once, with a last text that is sent and not waited for.
    pub(crate) fn cut_off(&mut self, text: &ControlMessage, reason: EndReason) {
        if !self.primary.is_complete() {
            return self.end(reason);
        }
        self.queue_message(&text.to_string());
        match self.send_texts() {
            Ok(()) => self.end(reason),
            Err(fault) => self.end(fault),
        }
    }

    pub(crate) fn finish_closing(&mut self) {
        if let Phase::Draining { reason, .. } = &self.phase {
            let reason = reason.clone();
            self.end(reason);
        }
    }
}

/// `AUTH_FAILED` with its text, or alone.
pub(crate) fn denied(text: &str) -> ControlMessage {
    ControlMessage::AuthFailed(AuthFailure::Denied(text.to_owned()))
}
