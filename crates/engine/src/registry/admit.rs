//! From a session's request to a registered peer, and what sessions tell of themselves later.
//!
//! An answer may come at any time, or never. Whenever it comes, the session is registered first and
//! looked at once more: what changed in between is caught.

use std::time::Duration;

use clock::Now;
use datapath::{Command, PeerCounters};
use tunnel::Close;
use wire::cipher::Cipher;

use super::{Asked, Effect, Recheck, Registered, Registry};
use crate::grant::{grant, peer_settings};
use crate::messages::{About, ConnectionId, SessionEvent, ToSession};
use crate::{Admitted, Decision, Denied, DisconnectReason, Identity, Report, SessionInfo};

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
            SessionEvent::Established(cipher) => self.established(id, cipher),
            SessionEvent::Renegotiated => self.renegotiated(id, now),
            SessionEvent::Ended(why) => self.end(id, why, None),
        }
    }

    /// Admissions that nobody answered in time are refused.
    pub(crate) fn handle_timeout(&mut self, now: Now) {
        while let Some((at, id)) = self.deadlines.first().copied()
            && at <= now.boot
        {
            self.deadlines.remove(&(at, id));
            self.refuse(id, Denied::Undecided, DisconnectReason::Refused);
        }
    }

    fn asked(&mut self, id: ConnectionId, attempt: u64, about: About, now: Now) {
        self.forget_question(id);
        let deadline = now.boot + ANSWER_WITHIN;
        let Some(connection) = self.living(id) else { return };
        connection.asked = Some(Asked { attempt, about, deadline });
        let of = connection.source;
        self.sources.settle(of, id);
        self.deadlines.insert((deadline, id));
    }

    fn decided(
        &mut self,
        id: ConnectionId,
        attempt: u64,
        decision: Decision,
        now: Now,
        recheck: Recheck<'_>,
    ) {
        let asked = self.living(id).and_then(|connection| connection.asked.as_ref());
        // The answer to a question that was given up has come too late.
        if asked.is_none_or(|asked| asked.attempt != attempt) {
            return;
        }
        match decision {
            Decision::Pending { at_most } => self.postpone(id, now.boot + at_most),
            Decision::Admitted(admitted) => self.admit(id, *admitted, now, recheck),
            Decision::Denied(denied) => {
                self.forget_question(id);
                self.refuse(id, denied, DisconnectReason::Refused);
            }
        }
    }

    fn postpone(&mut self, id: ConnectionId, deadline: Duration) {
        let Some(asked) = self.living(id).and_then(|connection| connection.asked.as_mut()) else {
            return;
        };
        let former = std::mem::replace(&mut asked.deadline, deadline);
        self.deadlines.remove(&(former, id));
        self.deadlines.insert((deadline, id));
    }

    /// What the peer said about itself when it asked; nothing is waited for any more.
    pub(super) fn forget_question(&mut self, id: ConnectionId) -> Option<About> {
        let asked = self.connections.get_mut(&id)?.asked.take()?;
        self.deadlines.remove(&(asked.deadline, id));
        Some(asked.about)
    }

    fn admit(&mut self, id: ConnectionId, admitted: Admitted, now: Now, recheck: Recheck<'_>) {
        let Some(about) = self.forget_question(id) else { return };
        match self.registered(id) {
            None => self.register(id, &about, &admitted, now, recheck),
            Some(registered) if registered.info.identity == admitted.identity => {
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
        let Some(connection) = self.connections.get(&id) else { return };
        let endpoint = connection.endpoint;
        let worker = endpoint.stream().map(|stream| stream.worker);
        let has_room = self.has_room_for(&admitted.identity);
        let Some(peer) = has_room.then(|| self.peer_ids.take(worker)).flatten() else {
            return self.refuse(id, Denied::Full, DisconnectReason::Refused);
        };
        self.replace_older(id, &admitted.identity);
        let data = &self.settings.data;
        let settings = peer_settings(admitted, peer, &about.peer_info, &endpoint, data);
        let info = info(id, about, admitted, &endpoint, now);
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.admitted = Some(Registered { peer, info, established: false, flaps: false });
        }
        self.leave_place(id);
        self.effects.push_back(Effect::HandshakeOver(id));
        self.by_peer.insert(peer, id);
        self.effects.push_back(Effect::Data(Command::PeerNew { peer, endpoint, settings }));
        // Registered: from here on a sweep finds it. What changed before that is caught here.
        self.grant_if_it_holds(id, about, admitted, recheck);
    }

    /// The second look, as the answer may be old by the time it comes.
    fn grant_if_it_holds(
        &mut self,
        id: ConnectionId,
        about: &About,
        admitted: &Admitted,
        recheck: Recheck<'_>,
    ) {
        match recheck(&admitted.identity) {
            Ok(()) => self.grant(id, about, admitted),
            Err(denied) => self.refuse(id, denied, DisconnectReason::Withdrawn),
        }
    }

    /// A device has one session, so devices count; and one that comes back takes nobody's place.
    fn has_room_for(&self, identity: &Identity) -> bool {
        self.by_principal.len() < self.settings.max_sessions as usize
            || self.by_principal.contains_key(&identity.principal)
    }

    /// A device has one address, so its older session goes before the new one's peer is made.
    fn replace_older(&mut self, id: ConnectionId, identity: &Identity) {
        if let Some(older) = self.by_principal.insert(identity.principal.clone(), id) {
            self.end(older, DisconnectReason::Replaced, Some(ToSession::Close(Close::Replaced)));
        }
    }

    fn grant(&mut self, id: ConnectionId, about: &About, admitted: &Admitted) {
        let buffer = self.settings.receive_buffer;
        let Some(connection) = self.connections.get(&id) else { return };
        let Some(registered) = &connection.admitted else { return };
        let peer = registered.peer;
        let grant = grant(admitted, peer, about, &connection.endpoint, buffer);
        self.tell(id, ToSession::Admitted(peer, Box::new(grant)));
    }

    fn refuse(&mut self, id: ConnectionId, denied: Denied, why: fn(Denied) -> DisconnectReason) {
        let (code, peer_message) = (denied.code(), denied.peer_message());
        let refusal = tunnel::Refusal { code, peer_message };
        self.end(id, why(denied), Some(ToSession::Refused(refusal)));
    }

    fn established(&mut self, id: ConnectionId, cipher: Option<Cipher>) {
        self.figures.sessions_opened += 1;
        let Some(registered) = self.registered(id) else { return };
        registered.established = true;
        registered.info.cipher = cipher;
        let info = registered.info.clone();
        self.report(Report::Opened(info));
    }

    fn renegotiated(&mut self, id: ConnectionId, now: Now) {
        self.figures.renegotiations += 1;
        let Some(registered) = self.registered(id) else { return };
        registered.info.renegotiations += 1;
        registered.info.renegotiated_at = Some(now.boot);
        let number = registered.info.number;
        self.report(Report::Renegotiated { number });
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
        since: now.boot,
        renegotiations: 0,
        renegotiated_at: None,
        counters: PeerCounters::default(),
    }
}

/// How long an answer may take that was not said to take longer.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
