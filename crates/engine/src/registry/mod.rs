//! The session registry: who is connected, who asks to be let in, and who has to go.
//!
//! It decides and does nothing else: no socket, task, queue or clock, and no randomness. What happened
//! comes in as a call with the time, and what is to be done leaves as an [`Effect`]. Its driver:
//!
//! 1. asks [`Registry::session_at`] for the session of a control packet; for one of no session it asks
//!    [`Registry::has_room`], then the gate, and has what the gate accepts opened by [`Registry::open`];
//! 2. hands everything that happens in by one of the `handle_*` calls, in the order of its happening;
//! 3. after each call carries out [`Registry::poll_effect`] until there is none, in that order;
//! 4. calls [`Registry::handle_timeout`] when [`Registry::poll_timeout`] is due.
//!
//! One invariant above all: a session is registered before its admission is looked at for the second
//! time, and every registered session is looked at whenever the revision moves, so that none outlives
//! its right. A revision counts as swept once the data workers have confirmed all that it closed.
//!
//! Order of an end: the data worker is told first, so that a closed peer's traffic stops whatever its
//! session's task does; then the task, which says its last message and lingers for the acknowledgements,
//! so that they don't look like a new connection.
//!
//! Its tables keep themselves in order and decide nothing: [`connections`], [`questions`], [`places`],
//! [`peer_ids`], and how far a [`sweep`] has come. This file holds the way in; who is let in is in
//! [`admit`], ends are in [`ends`].

mod admit;
mod connections;
mod effects;
mod ends;
mod listing;
#[cfg(test)]
mod model;
mod peer_ids;
mod places;
mod questions;
mod regulars;
mod shares;
mod sweep;

use std::net::IpAddr;
use std::time::Duration;

use datapath::{Endpoint, Notice, PeerRef, Shard};
use tunnel::{Close, EndReason};
use wire::SessionId;

use self::connections::Connections;
use self::effects::Effects;
use self::peer_ids::PeerIds;
use self::places::Places;
use self::questions::Questions;
use self::sweep::Sweeps;
use crate::data::StreamOrder;
use crate::figures::ControlFigures;
use crate::grant::DataSettings;
use crate::messages::{ConnectionId, ToSession};
use crate::{Denied, DisconnectReason, Identity, Report};

pub(crate) use self::effects::Effect;
pub use self::ends::Kick;
pub(crate) use self::peer_ids::slots;

/// What a registry is made with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RegistrySettings {
    /// Sessions at once.
    pub(crate) max_sessions: u32,
    /// Handshakes at once.
    pub(crate) max_handshakes: usize,
    /// How the workers share the peers.
    pub(crate) shard: Shard,
    /// Timers and sizes of the data channel.
    pub(crate) data: DataSettings,
    /// What our own receive buffer holds, if a peer may be told.
    pub(crate) receive_buffer: Option<u32>,
}

/// The second look: does an earlier admission still hold?
pub(crate) type Recheck<'a> = &'a dyn Fn(&Identity) -> Result<(), Denied>;

/// Who is connected, and what is to be done about it.
#[derive(Debug)]
pub(crate) struct Registry {
    settings: RegistrySettings,
    connections: Connections,
    questions: Questions,
    places: Places,
    peer_ids: PeerIds,
    sweeps: Sweeps,
    figures: ControlFigures,
    effects: Effects,
}

impl Registry {
    pub(crate) fn new(settings: RegistrySettings) -> Self {
        Self {
            settings,
            connections: Connections::none(),
            questions: Questions::default(),
            places: Places::of(settings.max_handshakes),
            peer_ids: PeerIds::new(slots(settings.max_sessions), settings.shard),
            sweeps: Sweeps::default(),
            figures: listing::from_zero(),
            effects: Effects::default(),
        }
    }

    /// What is to be done next.
    pub(crate) fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.next()
    }

    /// When [`Registry::handle_timeout`] has something to do, by boot time.
    pub(crate) fn poll_timeout(&self) -> Option<Duration> {
        self.questions.next_deadline()
    }

    /// The connection that a control packet from there belongs to.
    pub(crate) fn session_at(
        &self,
        endpoint: &Endpoint,
        client_session: SessionId,
    ) -> Option<ConnectionId> {
        self.connections.at(endpoint, client_session)
    }

    /// Whether a handshake from there may begin.
    pub(crate) fn has_room(&self, source: IpAddr) -> bool {
        self.places.has_room(source)
    }

    /// A connection whose cookie came back. Its task is to be begun under this number.
    pub(crate) fn open(&mut self, endpoint: Endpoint, client_session: SessionId) -> ConnectionId {
        let source = endpoint.remote.ip();
        if let Some(id) = self.places.makes_room(source) {
            let close = ToSession::Close(Close::Replaced);
            self.end(id, DisconnectReason::MadeRoom, Some(close));
            self.places.make_room(id);
        }
        let id = self.connections.open(endpoint, client_session);
        self.places.take(source, id);
        self.figures.handshakes_begun += 1;
        self.effects.stream(endpoint.stream(), StreamOrder::Adopt);
        id
    }

    /// A data worker said something about one of its peers.
    pub(crate) fn handle_notice(&mut self, notice: Notice) {
        match notice {
            Notice::Deleted { peer, .. } => self.deleted(peer),
            Notice::Float { peer, endpoint } => self.moved(peer, endpoint),
            Notice::Flapping { peer } => {
                if let Some(number) = self.connections.flaps(peer) {
                    self.effects.report(Report::Flapping { number });
                }
            }
            Notice::Expired { peer } => self.end_peer(peer, DisconnectReason::PingTimeout),
            Notice::WorkerPanicked { peer } => self.end_peer(peer, DisconnectReason::Panicked),
            Notice::Exit { peer } => {
                self.end_peer(peer, DisconnectReason::Session(EndReason::PeerExit));
            }
            Notice::FirstUse { peer, .. } | Notice::KeysNearlyUsedUp { peer, .. } => {
                if let Some(id) = self.connections.of_peer(peer) {
                    self.effects.tell(id, ToSession::Notice(notice));
                }
            }
            Notice::Refused { peer, why } => {
                tracing::debug!(?peer, %why, "a command had no effect");
            }
        }
    }

    fn moved(&mut self, peer: PeerRef, endpoint: Endpoint) {
        let Some((id, to_report)) = self.connections.moved(peer, endpoint) else { return };
        if let Some(number) = to_report {
            self.effects.report(Report::Floated { number, to: endpoint.remote });
        }
        self.effects.tell(id, ToSession::Moved(endpoint));
    }

    fn end_peer(&mut self, peer: PeerRef, why: DisconnectReason) {
        if let Some(id) = self.connections.of_peer(peer) {
            self.end(id, why, Some(ToSession::Close(Close::Replaced)));
        }
    }

    /// A data worker has confirmed that a peer is gone.
    fn deleted(&mut self, peer: PeerRef) {
        if let Some(id) = self.connections.forget_peer(peer) {
            // A worker deletes on its own only a peer over which it panicked.
            self.end(id, DisconnectReason::Panicked, Some(ToSession::Close(Close::Replaced)));
        }
        self.peer_ids.give_back(peer);
        let swept = self.sweeps.confirm(peer);
        swept.into_iter().for_each(|report| self.effects.report(report));
    }
}
