//! What those around the registry see of it: the effects of each step, held against the reference.

use std::collections::{BTreeMap, BTreeSet};

use datapath::{Command, PeerRef, Shard, StreamId};
use tunnel::Close;

use super::devices::{Holder, Records, holder};
use super::plane::Plane;
use super::reference::Reference;
use crate::data::StreamOrder;
use crate::messages::{ConnectionId, ToSession};
use crate::registry::Effect;
use crate::{DisconnectReason, Report};

/// Everybody whom effects reach.
#[derive(Debug)]
pub(super) struct View {
    pub(super) reference: Reference,
    pub(super) plane: Plane,
    shard: Shard,
    /// The last revision that was handed in, and the last that was said to be swept.
    pub(super) handed_in: u64,
    pub(super) swept: u64,
    /// Whose established sessions were reported as closed by sweeps.
    pub(super) closed: Vec<Holder>,
    /// Every peer whose session was let in.
    let_in: BTreeMap<PeerRef, Holder>,
    ended: BTreeSet<(ConnectionId, &'static str)>,
    granted: BTreeSet<ConnectionId>,
}

impl View {
    pub(super) fn new(shard: Shard) -> Self {
        Self {
            reference: Reference::default(),
            plane: Plane::default(),
            shard,
            handed_in: 0,
            swept: 0,
            closed: Vec::new(),
            let_in: BTreeMap::new(),
            ended: BTreeSet::new(),
            granted: BTreeSet::new(),
        }
    }

    /// One effect of a step.
    pub(super) fn take(&mut self, effect: Effect, records: &Records) {
        match effect {
            Effect::Data(command) => self.command(command),
            Effect::Stream(stream, order) => self.stream(stream, &order),
            Effect::Tell(id, message) => self.told(id, &message),
            Effect::HandshakeOver(id) => self.reference.expected(id).said.handshake_over += 1,
            Effect::Report(report) => self.reported(report, records),
            Effect::Closed(peer, info, why) => {
                assert_eq!(self.reference.expected(info.number).peer, Some(peer));
                self.over(info.number, &why, true);
            }
            Effect::StreamEnded(id, _) => panic!("{id} was told of an end that was not one"),
            Effect::Forget(id) => self.forgotten(id),
        }
    }

    /// The step is over: nothing more was done than the reference says, and nothing less.
    pub(super) fn settle(&mut self) {
        let (ended, granted) = (std::mem::take(&mut self.ended), std::mem::take(&mut self.granted));
        assert_eq!(ended, std::mem::take(&mut self.reference.ends), "who ended, and why");
        assert_eq!(granted, std::mem::take(&mut self.reference.grants), "who was let in");
    }

    fn command(&mut self, command: Command) {
        match command {
            Command::PeerNew { peer, endpoint, settings } => {
                self.plane.add(peer, settings.addresses[0]);
                if let Some(stream) = endpoint.stream() {
                    let owner = self.shard.owner(peer.id.get());
                    assert_eq!(owner, stream.worker, "a peer over TCP belongs to its worker");
                }
                let id = self.reference.at(endpoint.remote).expect("its connection");
                assert_eq!(
                    self.reference.expected(id).peer.replace(peer),
                    None,
                    "registered twice"
                );
            }
            Command::PeerDel { peer } => self.plane.delete(peer),
            other => panic!("{other:?}"),
        }
    }

    fn stream(&mut self, stream: StreamId, order: &StreamOrder) {
        let id = self.reference.of_stream(stream).expect("a connection over it");
        let said = &mut self.reference.expected(id).said;
        match order {
            StreamOrder::Adopt => said.adopt += 1,
            StreamOrder::Expire => said.expire += 1,
            StreamOrder::Close => said.close += 1,
            StreamOrder::Send(_) => panic!("sent by the registry"),
        }
    }

    fn told(&mut self, id: ConnectionId, message: &ToSession) {
        if let ToSession::Admitted(peer, _) = message {
            assert_eq!(self.reference.expected(id).peer, Some(*peer), "not registered");
            assert!(self.granted.insert(id), "{id} was let in twice");
            self.let_in.extend(self.reference.expected(id).holder.map(|h| (*peer, h)));
        }
        let expected = self.reference.expected(id);
        if let ToSession::Close(_) | ToSession::Refused(_) = message {
            expected.said.last_message += 1;
            let peer = expected.peer;
            let stopped = peer.is_none_or(|peer| self.plane.deleted.contains(&peer));
            assert!(stopped, "{id} was told to end before its data was stopped");
            let quiet = matches!(message, ToSession::Close(Close::Halt(_)));
            assert!(!quiet, "clients may come back");
        }
        assert!(self.reference.expected(id).said.last_message <= 1, "{id} was told to end twice");
    }

    fn reported(&mut self, report: Report, records: &Records) {
        match report {
            Report::Closed { .. } => panic!("an end was reported before its peer was gone"),
            Report::Refused { source, why, .. } => {
                let id = self.reference.at(source).expect("its connection");
                self.over(id, &why, false);
            }
            Report::Opened(info) => self.reference.expected(info.number).said.opened += 1,
            Report::Swept { through, closed } => {
                self.sweep_reported(through.get(), records);
                self.closed.extend(closed.iter().map(holder));
            }
            Report::Renegotiated { .. } | Report::Floated { .. } | Report::Flapping { .. } => {}
        }
    }

    fn over(&mut self, id: ConnectionId, why: &DisconnectReason, established: bool) {
        let expected = self.reference.expected(id);
        assert_eq!(expected.established, established, "{id} ended as what it was not");
        expected.said.over += 1;
        assert!(self.ended.insert((id, why.code())), "{id} ended twice");
    }

    fn sweep_reported(&mut self, through: u64, records: &Records) {
        assert!(through >= self.swept, "a sweep went back");
        self.swept = through;
        assert!(through <= self.handed_in, "a revision was swept before it came");
        for (peer, holder) in &self.let_in {
            let is_open = records.has_revoked(holder, through) && !self.plane.is_gone(*peer);
            assert!(!is_open, "revision {through} was swept before {peer:?} was confirmed gone");
        }
    }

    fn forgotten(&mut self, id: ConnectionId) {
        let gone = self.reference.connections.remove(&id).expect("forgotten once");
        let by_stream = u32::from(gone.endpoint.stream().is_some());
        let said = &gone.said;
        assert_eq!(said.over, 1, "{id}: its end was reported once");
        assert_eq!(said.handshake_over, 1, "{id}: its handshake was over once");
        assert_eq!(said.opened, u32::from(gone.established), "{id}: its beginning was reported");
        assert_eq!((said.adopt, said.expire, said.close), (by_stream, by_stream, by_stream));
        let stopped = gone.peer.is_none_or(|peer| self.plane.deleted.contains(&peer));
        assert!(stopped, "{id} was forgotten with its peer alive");
    }
}
