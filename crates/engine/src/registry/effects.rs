//! What the registry wants done, in the order in which it has to be done.

use std::collections::VecDeque;

use datapath::{Command, PeerRef, StreamId};

use crate::data::{StreamEnd, StreamOrder};
use crate::messages::{ConnectionId, ToSession};
use crate::{DisconnectReason, Report, SessionInfo};

/// What the registry wants done. Each is said once.
#[derive(Debug)]
pub(crate) enum Effect {
    /// A command for the data workers.
    Data(Command),
    /// Something for a TCP connection.
    Stream(StreamId, StreamOrder),
    /// A message for a session's task.
    Tell(ConnectionId, ToSession),
    /// A session's TCP connection is gone, which its task hears behind what came over it.
    StreamEnded(ConnectionId, StreamEnd),
    /// The connection is no handshake any more: it was admitted, or it is gone.
    HandshakeOver(ConnectionId),
    /// The connection is gone, its task as well.
    Forget(ConnectionId),
    /// News for the admission.
    Report(Report),
    /// A session is over, which is news once its peer is confirmed gone, with what it carried.
    Closed(PeerRef, SessionInfo, DisconnectReason),
}

/// Those that are not carried out yet.
#[derive(Debug, Default)]
pub(super) struct Effects(VecDeque<Effect>);

impl Effects {
    pub(super) fn next(&mut self) -> Option<Effect> {
        self.0.pop_front()
    }

    pub(super) fn push(&mut self, effect: Effect) {
        self.0.push_back(effect);
    }

    pub(super) fn data(&mut self, command: Command) {
        self.push(Effect::Data(command));
    }

    /// To the TCP connection that a session goes over, if it goes over one.
    pub(super) fn stream(&mut self, stream: Option<StreamId>, order: StreamOrder) {
        if let Some(stream) = stream {
            self.push(Effect::Stream(stream, order));
        }
    }

    pub(super) fn tell(&mut self, id: ConnectionId, message: ToSession) {
        self.push(Effect::Tell(id, message));
    }

    pub(super) fn report(&mut self, report: Report) {
        self.push(Effect::Report(report));
    }
}
