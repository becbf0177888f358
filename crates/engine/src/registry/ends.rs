//! Ends of connections: each once, data first, then the session's task.

use datapath::Command;
use names::{DeviceName, UserName};
use tunnel::Close;

use super::connections::Registered;
use super::{Effect, Registry};
use crate::data::{StreamEnded, StreamOrder};
use crate::messages::{ConnectionId, ToSession};
use crate::{DisconnectReason, Identity, Report};

/// Which sessions to close.
#[derive(Clone, Debug)]
pub enum Kick {
    /// The session with this number.
    Number(u64),
    /// All of a user.
    User(UserName),
    /// Those of one device: user, device.
    Device(UserName, DeviceName),
}

impl Registry {
    /// A TCP connection is gone, and what lives on it ends once it has seen what came before: that may be
    /// its last message.
    pub(crate) fn handle_stream_ended(&mut self, ended: &StreamEnded) {
        for id in self.connections.over(ended.stream) {
            self.effects.push(Effect::StreamEnded(id, ended.why));
        }
    }

    /// A session's task is over: its last acknowledgements are in, or it panicked. What it said before
    /// has been handed in.
    pub(crate) fn handle_task_ended(&mut self, id: ConnectionId) {
        // Without a word it panicked; and no connection is forgotten whose peer was not deleted.
        self.end(id, DisconnectReason::Panicked, None);
        self.places.forget(id);
        let Some(connection) = self.connections.remove(id) else { return };
        if connection.admitted.is_none() {
            self.effects.push(Effect::HandshakeOver(id));
        }
        self.effects.stream(connection.endpoint.stream(), StreamOrder::Close);
        self.effects.push(Effect::Forget(id));
    }

    /// Closes the sessions that match; says whose they were.
    pub(crate) fn kick(&mut self, whom: &Kick) -> Vec<Identity> {
        let matching = self.connections.sessions().filter(|(id, of)| whom.matches(*id, of));
        let kicked: Vec<_> =
            matching.map(|(id, session)| (id, session.info.identity.clone())).collect();
        for (id, _) in &kicked {
            let close = ToSession::Close(Close::Restart("closed by an administrator".to_owned()));
            self.end(*id, DisconnectReason::Kicked, Some(close));
        }
        kicked.into_iter().map(|(_, identity)| identity).collect()
    }

    /// Ends every connection.
    pub(crate) fn stop(&mut self) {
        for id in self.connections.ids() {
            let close = ToSession::Close(Close::Restart("the gateway is stopping".to_owned()));
            self.end(id, DisconnectReason::Shutdown, Some(close));
        }
    }

    /// Ends a connection once: data first, then the session's task.
    pub(super) fn end(
        &mut self,
        id: ConnectionId,
        why: DisconnectReason,
        message: Option<ToSession>,
    ) {
        self.questions.take(id);
        let Some((endpoint, session)) = self.connections.end(id) else { return };
        self.places.settle(id);
        self.effects.stream(endpoint.stream(), StreamOrder::Expire);
        *self.figures.endings.entry(why.code()).or_default() += 1;
        if let Some(Registered { peer, .. }) = session {
            self.effects.data(Command::PeerDel { peer });
        }
        let (source, local, tcp) = (endpoint.remote, endpoint.local, endpoint.stream().is_some());
        let refused = |whom, why| {
            Effect::Report(Report::Refused { number: id, source, local, tcp, whom, why })
        };
        self.effects.push(match session {
            Some(Registered { peer, info, established: true, .. }) => {
                Effect::Closed(peer, info, why)
            }
            Some(Registered { info, .. }) => refused(Some(info.identity), why),
            None => refused(None, why),
        });
        if let Some(message) = message {
            self.effects.tell(id, message);
        }
    }
}

impl Kick {
    fn matches(&self, id: ConnectionId, session: &Registered) -> bool {
        let of = &session.info.identity.principal;
        match self {
            Kick::Number(number) => id == *number,
            Kick::User(user) => of.user == *user,
            Kick::Device(user, device) => of.user == *user && of.device == *device,
        }
    }
}
