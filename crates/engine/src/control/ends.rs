//! Ends of connections: each once, data first, then the session's task.

use std::time::Duration;

use datapath::{Command, PeerCounters, PeerRef};
use tokio::sync::oneshot;
use tunnel::Close;

use super::Control;
use crate::data::{StreamEnded, StreamOrder};
use crate::session::{ConnectionId, ToSession};
use crate::{Ending, Report};

impl Control {
    pub(super) fn end_peer(&mut self, peer: PeerRef, ending: Ending) {
        if let Some(id) = self.by_peer.get(&peer).copied() {
            self.end(id, ending, Some(ToSession::Close(Close::Replaced)));
        }
    }

    /// A TCP connection is gone, and what lives on it ends once it has seen what came before: that may be
    /// a goodbye.
    pub(super) fn stream_ended(&self, ended: &StreamEnded) {
        let of_it = (ended.stream, 0)..=(ended.stream, ConnectionId::MAX);
        for (_, id) in self.by_stream.range(of_it) {
            if let Some(connection) = self.connections.get(id) {
                connection.inlet.stream_ended(ended.why);
            }
        }
    }

    pub(super) fn deleted(&mut self, peer: PeerRef, _counters: PeerCounters) {
        if let Some(id) = self.by_peer.remove(&peer) {
            // The data worker deletes on its own only whom it stumbled over.
            self.end(id, Ending::Panicked, Some(ToSession::Close(Close::Replaced)));
        }
        self.peer_ids.give_back(peer);
        if let Some(sweep) = &mut self.sweep {
            sweep.waiting.remove(&peer);
        }
        self.finish_sweep();
    }

    /// Ends a connection once: data first, then the session's task.
    pub(super) fn end(&mut self, id: ConnectionId, ending: Ending, message: Option<ToSession>) {
        let Some(connection) = self.connections.get_mut(&id).filter(|c| !c.ended) else { return };
        connection.ended = true;
        if let Some(stream) = connection.endpoint.stream() {
            self.parts.data.stream(stream, StreamOrder::Expire);
        }
        *self.figures.endings.entry(ending.code()).or_default() += 1;
        match &connection.admitted {
            Some(registered) => {
                self.parts.data.apply(Command::PeerDel { peer: registered.peer });
                let info = registered.info.clone();
                let device = (info.identity.user.clone(), info.identity.device.clone());
                if self.by_device.get(&device) == Some(&id) {
                    self.by_device.remove(&device);
                }
                let report = if registered.established {
                    Report::Closed { info, ending }
                } else {
                    Report::Refused { source: connection.remote, ending, whom: Some(info.identity) }
                };
                self.parts.admission.report(report);
            }
            None => {
                let source = connection.remote;
                self.parts.admission.report(Report::Refused { source, ending, whom: None });
            }
        }
        if let Some(message) = message {
            self.tell(id, message);
        }
    }

    /// A session's task is over: its last acknowledgements are in, or it panicked.
    pub(super) fn bury(&mut self, ended: Result<(tokio::task::Id, ()), tokio::task::JoinError>) {
        let task = match &ended {
            Ok((task, ())) => *task,
            Err(error) => error.id(),
        };
        let Some(id) = self.task_ids.remove(&task) else { return };
        // What the task said before it ended may not have been heard yet.
        while let Ok((id, what)) = self.from_sessions.try_recv() {
            self.hear(id, what);
        }
        // Without a word it panicked; and nobody is forgotten whose peer was not deleted.
        self.end(id, Ending::Panicked, None);
        let Some(connection) = self.connections.remove(&id) else { return };
        if connection.admitted.is_none() {
            self.sources.end(connection.source);
            self.parts.pool.end(connection.seat);
        }
        self.by_sender.remove(&connection.sender());
        if let Some(stream) = connection.endpoint.stream() {
            self.by_stream.remove(&(stream, id));
            self.parts.data.stream(stream, StreamOrder::Close);
        }
    }

    pub(super) async fn stop(mut self, done: oneshot::Sender<()>) {
        let ids: Vec<_> = self.connections.keys().copied().collect();
        for id in ids {
            let close = ToSession::Close(Close::Restart("the gateway is stopping".to_owned()));
            self.end(id, Ending::Shutdown, Some(close));
        }
        let farewell = async { while self.tasks.join_next().await.is_some() {} };
        // A peer that does not acknowledge the goodbye does not hold up the stop.
        let _ = tokio::time::timeout(FAREWELL, farewell).await;
        let _ = done.send(());
    }
}

const FAREWELL: Duration = Duration::from_secs(2);
