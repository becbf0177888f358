//! All deadlines of a session, each with its reason.
//!
//! Acknowledgements and first transmissions have no timer: they wait in `poll_transmit`.

use clock::Now;

use crate::end::EndReason;
use crate::event::{Deadline, RenegotiateReason, TimeoutReason};
use crate::session::{Phase, Session, Side};

impl Session {
    /// When `handle_timeout` is to be called next.
    pub fn poll_timeout(&self) -> Option<Deadline> {
        let deadline = |at: Option<std::time::Duration>, why| at.map(|at| Deadline { at, why });
        let repeat = self.primary.reliable.next_timeout().filter(|_| !self.primary.is_held());
        let repeat = deadline(repeat, TimeoutReason::Retransmit);
        match &self.phase {
            Phase::Ended => None,
            Phase::Draining { until, .. } => {
                repeat.into_iter().chain(deadline(Some(*until), TimeoutReason::Drain)).min()
            }
            Phase::Opening | Phase::Established => [
                repeat,
                deadline(self.primary.deadline, TimeoutReason::HandWindow),
                deadline(self.next_push_request(), TimeoutReason::PushRequest),
                deadline(self.renegotiate_at, TimeoutReason::Renegotiate),
                deadline(self.keys.switch.map(|switch| switch.at), TimeoutReason::KeySwitch),
                deadline(self.keys.next_expiry(), TimeoutReason::KeyExpiry),
                deadline(self.keys.sealing_ends(), TimeoutReason::KeyExpiry),
                deadline(self.certificate_ends(), TimeoutReason::CertificateExpiry),
            ]
            .into_iter()
            .flatten()
            .min(),
        }
    }

    /// Does what is due. Calling it early does no harm.
    pub fn handle_timeout(&mut self, now: Now) {
        self.now = now;
        match &self.phase {
            Phase::Ended => {}
            Phase::Draining { until, .. } if *until <= now.boot => self.finish_closing(),
            Phase::Draining { .. } => {}
            Phase::Opening | Phase::Established => self.handle_due(now),
        }
    }

    fn handle_due(&mut self, now: Now) {
        let due = |at: Option<std::time::Duration>| at.is_some_and(|at| at <= now.boot);
        self.switch_if_due();
        let expired = self.keys.expire(now.boot);
        self.report_retired(expired);
        if due(self.certificate_ends()) {
            return self.end_with_certificate();
        }
        if due(self.keys.sealing_ends()) {
            return self.end(EndReason::KeyTooOld);
        }
        if due(self.primary.deadline) {
            return self.end(self.too_long());
        }
        if due(self.next_push_request()) {
            self.request_push();
        }
        if due(self.renegotiate_at) {
            self.renegotiate_at = None;
            self.renegotiate(RenegotiateReason::Age, now);
        }
        self.advance();
    }

    fn too_long(&self) -> EndReason {
        match self.phase {
            Phase::Opening => EndReason::HandshakeTimeout(self.progress()),
            _ => EndReason::RenegotiationTimeout(self.progress()),
        }
    }

    fn next_push_request(&self) -> Option<std::time::Duration> {
        match &self.side {
            Side::Client(client) => client.next_request(),
            Side::Server(_) => None,
        }
    }
}
