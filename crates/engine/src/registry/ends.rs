//! Ends of connections: each once, data first, then the session's task.

use datapath::{Command, PeerRef};
use tunnel::Close;

use super::{Effect, Registered, Registry};
use crate::data::{StreamEnded, StreamOrder};
use crate::messages::{ConnectionId, ToSession};
use crate::{DisconnectReason, Identity, Report};

/// Which sessions to close.
#[derive(Clone, Debug)]
pub enum Kick {
    /// The session with this number.
    Number(u64),
    /// All of a user.
    User(String),
    /// Those of one device: user, device.
    Device(String, String),
}

impl Registry {
    /// A TCP connection is gone, and what lives on it ends once it has seen what came before: that may be
    /// its last message.
    pub(crate) fn handle_stream_ended(&mut self, ended: &StreamEnded) {
        let of_it = (ended.stream, 0)..=(ended.stream, ConnectionId::MAX);
        for (_, id) in self.by_stream.range(of_it) {
            self.effects.push_back(Effect::StreamEnded(*id, ended.why));
        }
    }

    /// A session's task is over: its last acknowledgements are in, or it panicked. What it said before
    /// has been handed in.
    pub(crate) fn handle_task_ended(&mut self, id: ConnectionId) {
        // Without a word it panicked; and no connection is forgotten whose peer was not deleted.
        self.end(id, DisconnectReason::Panicked, None);
        self.forget_sender(id);
        let had_place = self.leave_place(id);
        let Some(connection) = self.connections.remove(&id) else { return };
        if connection.admitted.is_none() {
            self.leaving -= usize::from(!had_place);
            self.effects.push_back(Effect::HandshakeOver(id));
        }
        if let Some(stream) = connection.endpoint.stream() {
            self.by_stream.remove(&(stream, id));
            self.effects.push_back(Effect::Stream(stream, StreamOrder::Close));
        }
        self.effects.push_back(Effect::Forget(id));
    }

    /// Closes the sessions that match; says whose they were.
    pub(crate) fn kick(&mut self, whom: &Kick) -> Vec<Identity> {
        let matching = self.live().filter(|(id, registered)| whom.matches(*id, registered));
        let kicked: Vec<_> =
            matching.map(|(id, registered)| (id, registered.info.identity.clone())).collect();
        for (id, _) in &kicked {
            let close = ToSession::Close(Close::Restart("closed by an administrator".to_owned()));
            self.end(*id, DisconnectReason::Kicked, Some(close));
        }
        kicked.into_iter().map(|(_, identity)| identity).collect()
    }

    /// Ends every connection.
    pub(crate) fn stop(&mut self) {
        let ids: Vec<_> = self.connections.keys().copied().collect();
        for id in ids {
            let close = ToSession::Close(Close::Restart("the gateway is stopping".to_owned()));
            self.end(id, DisconnectReason::Shutdown, Some(close));
        }
    }

    pub(super) fn end_peer(&mut self, peer: PeerRef, why: DisconnectReason) {
        if let Some(id) = self.by_peer.get(&peer).copied() {
            self.end(id, why, Some(ToSession::Close(Close::Replaced)));
        }
    }

    /// A data worker has confirmed that a peer is gone.
    pub(super) fn deleted(&mut self, peer: PeerRef) {
        if let Some(id) = self.by_peer.remove(&peer) {
            // A worker deletes on its own only a peer over which it panicked.
            self.end(id, DisconnectReason::Panicked, Some(ToSession::Close(Close::Replaced)));
        }
        self.peer_ids.give_back(peer);
        self.confirm_deleted(peer);
    }

    /// Ends a connection once: data first, then the session's task.
    pub(super) fn end(
        &mut self,
        id: ConnectionId,
        why: DisconnectReason,
        message: Option<ToSession>,
    ) {
        self.forget_question(id);
        let Some(connection) = self.living(id) else { return };
        connection.ended = true;
        let of = connection.source;
        let (stream, source) = (connection.endpoint.stream(), connection.endpoint.remote);
        let registered =
            connection.admitted.as_ref().map(|r| (r.peer, r.info.clone(), r.established));
        self.sources.settle(of, id);
        if let Some(stream) = stream {
            self.effects.push_back(Effect::Stream(stream, StreamOrder::Expire));
        }
        *self.figures.endings.entry(why.code()).or_default() += 1;
        let report = match registered {
            Some((peer, info, established)) => {
                self.effects.push_back(Effect::Data(Command::PeerDel { peer }));
                let principal = &info.identity.principal;
                if self.by_principal.get(principal) == Some(&id) {
                    self.by_principal.remove(principal);
                }
                if established {
                    Report::Closed { info, why }
                } else {
                    Report::Refused { source, why, whom: Some(info.identity) }
                }
            }
            None => Report::Refused { source, why, whom: None },
        };
        self.report(report);
        if let Some(message) = message {
            self.tell(id, message);
        }
    }
}

impl Kick {
    fn matches(&self, id: ConnectionId, registered: &Registered) -> bool {
        let of = &registered.info.identity.principal;
        match self {
            Kick::Number(number) => id == *number,
            Kick::User(user) => of.user == *user,
            Kick::Device(user, device) => of.user == *user && of.device == *device,
        }
    }
}
