//! The end of a session from this side: a last text, its acknowledgement, and out.
//!
//! A session that says goodbye in the middle of a negotiation goes on with it for a moment, as the
//! peer reads texts in a finished generation only. It admits nobody and installs no key meanwhile.

use std::time::Duration;

use clock::Now;

use crate::end::EndReason;
use crate::event::{Close, Role};
use crate::generation::Step;
use crate::session::{Life, Session};

/// How long the last text may take to be acknowledged.
const DRAIN: Duration = Duration::from_secs(5);

impl Session {
    /// Ends the session. `Ended` follows once the peer has acknowledged, or after 5 seconds.
    pub fn close(&mut self, how: Close, now: Now) {
        self.now = now;
        if !matches!(self.life, Life::Opening | Life::Established) {
            return;
        }
        let exit_notify = self.negotiated.is_some_and(|negotiated| negotiated.exit_notify);
        let text = match &how {
            Close::Exit if exit_notify => Some("EXIT".to_owned()),
            Close::Exit | Close::Replaced => None,
            Close::Restart(text) => Some(with_text("RESTART", text)),
            Close::Halt(text) => Some(with_text("HALT", text)),
            Close::AuthFailed(text) => Some(with_text("AUTH_FAILED", text)),
        };
        match text {
            Some(text) => self.say_goodbye(&text, EndReason::Closed(how)),
            None => self.end(EndReason::Closed(how)),
        }
    }

    /// Sends a last text and ends with `reason`.
    pub(crate) fn say_goodbye(&mut self, text: &str, reason: EndReason) {
        self.texts.clear();
        self.say(text);
        self.life = Life::Draining { until: self.now.boot + DRAIN, reason };
        self.primary.step = Step::Goodbye;
        if self.role() == Role::TlsServer && self.primary.key_message_received {
            self.send_server_key_message();
        }
        self.advance();
    }

    pub(crate) fn finish_goodbye(&mut self) {
        if let Life::Draining { reason, .. } = &self.life {
            let reason = reason.clone();
            self.end(reason);
        }
    }
}

/// `AUTH_FAILED,text`, or the bare word. A NUL or line break would end the message early.
pub(crate) fn with_text(word: &str, text: &str) -> String {
    const ROOM: usize = 900;
    let clean = text.chars().filter(|c| !c.is_control()).take(ROOM / 4).collect::<String>();
    if clean.is_empty() { word.to_owned() } else { format!("{word},{clean}") }
}
