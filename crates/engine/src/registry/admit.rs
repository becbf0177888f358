//! From a session's request to a registered peer, and what sessions tell of themselves later.
//!
//! An answer may come at any time, or never. Whenever it comes, the session is registered first and
//! looked at once more: what changed in between is caught.

use std::time::Duration;

use clock::Now;
use datapath::{Command, PeerCounters};
use tunnel::Close;

use super::{Effect, Recheck, Registry};
use crate::grant::{grant, peer_settings};
use crate::messages::{About, ConnectionId, SessionEvent, ToSession};
use crate::{Admitted, Decision, Denied, DisconnectReason, Report, SessionInfo};

impl Registry {
    /// A session's task, or whoever answers its admission, said something.
    pub(crate) fn handle_session_event(
        &mut self,
        id: ConnectionId,
        event: SessionEvent,
        now: Now,
        recheck: Recheck<'_>,
    ) {
        match event {
            SessionEvent::Asked { attempt, about } => self.asked(id, attempt, about, now),
            SessionEvent::Decided { attempt, decision } => {
                self.decided(id, attempt, decision, now, recheck);
            }
            SessionEvent::Established(cipher) => {
                self.figures.sessions_opened += 1;
                if let Some(info) = self.connections.session(id).map(|of| of.establish(cipher)) {
                    self.places.remember(info.source.ip());
                    self.effects.report(Report::Opened(info));
                }
            }
            SessionEvent::Renegotiated => {
                self.figures.renegotiations += 1;
                if let Some(number) = self.connections.session(id).map(|of| of.renew(now.boot)) {
                    self.effects.report(Report::Renegotiated { number });
                }
            }
            SessionEvent::Ended(why) => self.end(id, why, None),
        }
    }

    /// Admissions that nobody answered in time are refused.
    pub(crate) fn handle_timeout(&mut self, now: Now) {
        while let Some(id) = self.questions.take_overdue(now.boot) {
            self.refuse(id, Denied::Undecided, DisconnectReason::Refused);
        }
    }

    fn asked(&mut self, id: ConnectionId, attempt: u64, about: About, now: Now) {
        if self.connections.living(id).is_some() {
            self.questions.ask(id, attempt, about, now.boot + ANSWER_WITHIN);
            self.places.settle(id);
        }
    }

    fn decided(
        &mut self,
        id: ConnectionId,
        attempt: u64,
        decision: Decision,
        now: Now,
        recheck: Recheck<'_>,
    ) {
        // The answer to a question that was given up has come too late.
        if !self.questions.waits(id, attempt) {
            return;
        }
        match decision {
            Decision::Pending { at_most } => {
                self.questions.postpone(id, now.boot.saturating_add(at_most))
            }
            Decision::Admitted(admitted) => self.admit(id, *admitted, now, recheck),
            Decision::Denied(denied) => self.refuse(id, denied, DisconnectReason::Refused),
        }
    }

    fn admit(&mut self, id: ConnectionId, admitted: Admitted, now: Now, recheck: Recheck<'_>) {
        let Some(about) = self.questions.take(id) else { return };
        match self.connections.session(id) {
            None => self.register(id, &about, &admitted, now, recheck),
            Some(session) if session.info.identity == admitted.identity => {
                self.grant_if_it_holds(id, &about, &admitted, recheck);
            }
            // A renewed certificate of the same device connects anew instead.
            Some(_) => {
                let close = ToSession::Close(Close::Restart(String::new()));
                self.end(id, DisconnectReason::Replaced, Some(close));
            }
        }
    }

    fn register(
        &mut self,
        id: ConnectionId,
        about: &About,
        admitted: &Admitted,
        now: Now,
        recheck: Recheck<'_>,
    ) {
        let Some(connection) = self.connections.living(id) else { return };
        let endpoint = connection.endpoint;
        let principal = &admitted.identity.principal;
        if let Some(former) = self.connections.at_place_of(principal, &endpoint) {
            return self.restart(former, id);
        }
        let most = self.settings.max_sessions as usize;
        let has_room = self.connections.has_room_for(principal, most);
        let worker = endpoint.stream().map(|stream| stream.worker);
        let Some(peer) = has_room.then(|| self.peer_ids.take(worker)).flatten() else {
            let full = Denied::Full.of(admitted.identity.clone());
            return self.refuse(id, full, DisconnectReason::Refused);
        };
        // A device has one address, so its older session goes before the new one's peer is made.
        if let Some(older) = self.connections.take_over(principal, id) {
            self.end(older, DisconnectReason::Replaced, Some(ToSession::Close(Close::Replaced)));
        }
        let data = &self.settings.data;
        let settings = peer_settings(admitted, peer, &about.peer_info, &endpoint, data);
        self.connections.register(id, peer, info(id, about, admitted, &endpoint, now));
        self.places.leave(id);
        self.effects.push(Effect::HandshakeOver(id));
        self.effects.data(Command::PeerNew { peer, endpoint, settings });
        // Registered: from here on a sweep finds it. What changed before that is caught here.
        self.grant_if_it_holds(id, about, admitted, recheck);
    }

    /// A stock client whose renewal failed begins another session where it is. It goes on with the peer-id of
    /// the former one, whatever it is pushed, and often with its key for a minute, so it has to forget both:
    /// it comes back after a second, and finds no session in its place.
    fn restart(&mut self, former: ConnectionId, id: ConnectionId) {
        let why = || DisconnectReason::BegunInPlace;
        self.end(former, why(), Some(ToSession::Close(Close::Replaced)));
        let restart = Close::Restart("the renewal of keys failed".to_owned());
        self.end(id, why(), Some(ToSession::Close(restart)));
    }

    /// The second look, as the answer may be old by the time it comes.
    fn grant_if_it_holds(
        &mut self,
        id: ConnectionId,
        about: &About,
        admitted: &Admitted,
        recheck: Recheck<'_>,
    ) {
        if let Err(denied) = recheck(&admitted.identity) {
            return self.refuse(id, denied, DisconnectReason::Withdrawn);
        }
        let Some(connection) = self.connections.living(id) else { return };
        let Some(session) = &connection.admitted else { return };
        let (peer, buffer) = (session.peer, self.settings.receive_buffer);
        let grant = grant(admitted, peer, about, &connection.endpoint, buffer);
        self.effects.tell(id, ToSession::Admitted(peer, Box::new(grant)));
    }

    fn refuse(&mut self, id: ConnectionId, denied: Denied, why: fn(Denied) -> DisconnectReason) {
        let refusal = tunnel::Refusal { code: denied.code(), close: denied.close() };
        self.end(id, why(denied), Some(ToSession::Refused(refusal)));
    }
}

fn info(
    id: ConnectionId,
    about: &About,
    admitted: &Admitted,
    endpoint: &datapath::Endpoint,
    now: Now,
) -> SessionInfo {
    SessionInfo {
        number: id,
        identity: admitted.identity.clone(),
        tcp: endpoint.stream().is_some(),
        source: endpoint.remote,
        local: endpoint.local,
        addresses: admitted.addresses.clone(),
        cipher: None,
        tls: about.tls,
        peer_version: about.client_name(),
        profile: about.peer_info.profile().map(str::to_owned),
        since: now.boot,
        renegotiations: 0,
        renegotiated_at: None,
        counters: PeerCounters::default(),
    }
}

/// How long an answer may take that was not said to take longer.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
