//! One OpenVPN connection of either role: what its driver calls, in which order.
//!
//! This file holds the state and the way in and out. What both roles do to bring a key into use is in
//! [`handshake`], each role's messages are in [`server`] and [`client`], new generations in [`reneg`],
//! deadlines in [`timers`], the end in [`close`], a saved session in [`restore`]. Those rest on this
//! file, and it holds their parts together.

mod client;
mod close;
mod handshake;
mod reneg;
mod restore;
mod server;
mod timers;

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use clock::Now;
use wire::control::ControlPacket;
use wire::key_material::Role;
use wire::wrap::Unwrapped;
use wire::{KeyId, MessageId, Opcode, SessionId};
use zeroize::Zeroizing;

use crate::config::{ClientConfig, ServerConfig, Timing};
use crate::dropped::DropReason;
use crate::end::{EndReason, Progress};
use crate::entropy::{Entropy, Seed};
use crate::event::{Event, Negotiated};
use crate::gate::Accepted;
use crate::generation::{Generation, Initiator};
use crate::keys::Keys;
use crate::reliable::{PIGGYBACKED_ACKS, Reliable};
use crate::tls::Tls;
use crate::wrapping::Wrapping;

use client::ClientSide;
use server::ServerSide;

/// One OpenVPN connection.
///
/// Drive it so:
///
/// 1. Call one of `handle`, `handle_datagram`, `handle_timeout`, `admit`, `refuse`, `key_installed`,
///    `data_seen`, `renegotiate`, `close`. A few datagrams that came together may be handled before 2:
///    one packet acknowledges four.
/// 2. Drain `poll_transmit` and send each datagram to the peer.
/// 3. Drain `poll_event`. Answer `Admission` with `admit` or `refuse` and `KeyReady` with
///    `key_installed`, each of which begins again at 1; the answer may come at any later time, and
///    is refused by a [`crate::NotAwaited`] where the session has gone on or is over.
/// 4. Arm a timer for `poll_timeout`.
///
/// After `Ended`, drain `poll_transmit` once more (it may hold a last acknowledgement or alert) and
/// drop the session.
pub struct Session {
    pub(crate) side: Side,
    pub(crate) id: SessionId,
    pub(crate) peer: Option<SessionId>,
    pub(crate) wrapping: Wrapping,
    pub(crate) entropy: Entropy,
    pub(crate) timing: Timing,
    pub(crate) primary: Generation,
    pub(crate) keys: Keys,
    pub(crate) negotiated: Option<Negotiated>,
    pub(crate) phase: Phase,
    pub(crate) renegotiate_at: Option<Duration>,
    pub(crate) texts: VecDeque<Zeroizing<Vec<u8>>>,
    pub(crate) events: VecDeque<Event>,
    pub(crate) now: Now,
}

/// What only one role has.
pub(crate) enum Side {
    Server(Box<ServerSide>),
    Client(Box<ClientSide>),
}

/// Where a session stands as a whole.
pub(crate) enum Phase {
    /// Before its first key is in use.
    Opening,
    /// In use, renegotiating or not.
    Established,
    /// Saying goodbye.
    Draining { until: Duration, reason: EndReason },
    /// Over.
    Ended,
}

impl Session {
    /// A server's session from what the gate accepted.
    pub fn server(config: Arc<ServerConfig>, accepted: Accepted, seed: Seed, now: Now) -> Session {
        let wrapping = Wrapping::after_gate(accepted.wrap, accepted.stamp, now);
        let timing = config.timing.clone();
        let reliable = Reliable::after_gate(
            wrapping.payload_room(timing.max_control_datagram, PIGGYBACKED_ACKS),
        );
        let tls = Tls::server(&config.tls);
        let primary = Generation::new(
            KeyId::FIRST,
            Initiator::Peer,
            reliable,
            tls,
            now.boot,
            timing.hand_window,
        );
        let side = Side::Server(Box::new(ServerSide::new(config)));
        let entropy = Entropy::new(&seed);
        let mut session =
            Self::begin(side, accepted.session_id, wrapping, entropy, timing, primary, now);
        session.peer = Some(accepted.packet.session_id);
        // The gate has checked sender and cookie, and no window can be full.
        let _taken = session.primary.reliable.receive(accepted.packet, now.boot);
        session.advance();
        session
    }

    /// A client's session; its first datagram waits in `poll_transmit`.
    pub fn client(config: Arc<ClientConfig>, seed: Seed, now: Now) -> Session {
        let wrapping = Wrapping::new(Arc::clone(&config.wrap));
        let timing = config.timing.clone();
        let room = wrapping.payload_room(timing.max_control_datagram, PIGGYBACKED_ACKS);
        let reliable = Reliable::with_reset(Opcode::CONTROL_HARD_RESET_CLIENT_V2, room);
        let tls = Tls::client(&config.tls);
        let primary = Generation::new(
            KeyId::FIRST,
            Initiator::Us,
            reliable,
            tls,
            now.boot,
            timing.hand_window,
        );
        let side = Side::Client(Box::new(ClientSide::new(config)));
        let mut entropy = Entropy::new(&seed);
        let id = entropy.session_id();
        let mut session = Self::begin(side, id, wrapping, entropy, timing, primary, now);
        session.advance();
        session
    }

    fn begin(
        side: Side,
        id: SessionId,
        wrapping: Wrapping,
        entropy: Entropy,
        timing: Timing,
        primary: Generation,
        now: Now,
    ) -> Session {
        Session {
            side,
            id,
            peer: None,
            wrapping,
            entropy,
            timing,
            primary,
            keys: Keys::default(),
            negotiated: None,
            phase: Phase::Opening,
            renegotiate_at: None,
            texts: VecDeque::new(),
            events: VecDeque::new(),
            now,
        }
    }

    /// Server or client.
    pub fn role(&self) -> Role {
        match self.side {
            Side::Server(_) => Role::TlsServer,
            Side::Client(_) => Role::TlsClient,
        }
    }

    /// Our session id.
    pub fn id(&self) -> SessionId {
        self.id
    }

    /// The peer's session id, once it is known.
    pub fn peer_session_id(&self) -> Option<SessionId> {
        self.peer
    }

    /// What both sides agreed on, once they did.
    pub fn negotiated(&self) -> Option<Negotiated> {
        self.negotiated
    }

    /// How far the current negotiation came.
    pub fn progress(&self) -> Progress {
        self.primary.progress()
    }

    /// True from `Established` until the end begins.
    pub fn is_established(&self) -> bool {
        matches!(self.phase, Phase::Established)
    }

    /// True from `Ended` on.
    pub fn is_ended(&self) -> bool {
        matches!(self.phase, Phase::Ended)
    }

    /// Takes a control packet from the peer's address whose wrapping was verified with the keys of this
    /// session. An error says why it had no effect.
    pub fn handle(&mut self, unwrapped: Unwrapped, now: Now) -> Result<(), DropReason> {
        self.now = now;
        if self.is_ended() {
            return Err(DropReason::SessionEnded);
        }
        let (stamp, packet) = unwrapped.into_parts();
        self.check_sender(&packet)?;
        self.check_opcode(&packet)?;
        self.wrapping.check_replay(stamp, now)?;
        self.peer.get_or_insert(packet.session_id);
        let taken = self.route(packet);
        self.advance();
        taken
    }

    /// The same for a datagram that nobody has checked before.
    pub fn handle_datagram(&mut self, datagram: &[u8], now: Now) -> Result<(), DropReason> {
        if self.is_ended() {
            return Err(DropReason::SessionEnded);
        }
        let unwrapped = self.wrapping.open(datagram)?;
        self.handle(unwrapped, now)
    }

    fn check_sender(&self, packet: &ControlPacket) -> Result<(), DropReason> {
        if packet.acked_session.is_some_and(|acked| acked != self.id) {
            return Err(DropReason::WrongAckedSession);
        }
        match self.peer {
            Some(peer) if peer == packet.session_id => Ok(()),
            Some(_) => Err(DropReason::WrongSession),
            // The client's first answer: a reset that acknowledges ours.
            None if packet.opcode != Opcode::CONTROL_HARD_RESET_SERVER_V2 => {
                Err(DropReason::UnexpectedOpcode)
            }
            None if packet.acks.contains(MessageId::FIRST) => Ok(()),
            None => Err(DropReason::WrongAckedSession),
        }
    }

    fn check_opcode(&self, packet: &ControlPacket) -> Result<(), DropReason> {
        let reset = match packet.opcode {
            Opcode::ACK_V1 => return Ok(()),
            Opcode::CONTROL_V1 => false,
            Opcode::CONTROL_SOFT_RESET_V1 if packet.key_id != KeyId::FIRST => true,
            Opcode::CONTROL_HARD_RESET_CLIENT_V2 if self.role() == Role::TlsServer => true,
            Opcode::CONTROL_HARD_RESET_SERVER_V2 if self.role() == Role::TlsClient => true,
            _ => return Err(DropReason::UnexpectedOpcode),
        };
        let is_first = packet.message_id == Some(MessageId::FIRST);
        let unannounced = packet.key_id == self.primary.key_id && self.primary.may_open_with_tls();
        if is_first == reset || (is_first && unannounced) {
            Ok(())
        } else {
            Err(DropReason::BadMessageId)
        }
    }

    fn route(&mut self, packet: ControlPacket) -> Result<(), DropReason> {
        if packet.key_id == self.primary.key_id {
            self.primary.reliable.receive(packet, self.now.boot)
        } else if packet.opcode == Opcode::CONTROL_SOFT_RESET_V1 {
            self.peer_renegotiates(packet)
        } else {
            Err(DropReason::KeyIdOutOfSync)
        }
    }

    /// The next datagram for the peer. Call until there is none.
    pub fn poll_transmit(&mut self, now: Now) -> Option<Vec<u8>> {
        self.now = now;
        if self.primary.is_held() && !self.is_ended() {
            return None;
        }
        let out = self.primary.reliable.poll(now.boot)?;
        let packet = ControlPacket {
            opcode: out.opcode,
            key_id: self.primary.key_id,
            session_id: self.id,
            acks: out.acks,
            acked_session: self.peer.filter(|_| !out.acks.is_empty()),
            message_id: out.message_id,
            payload: out.payload,
        };
        Some(self.wrapping.seal(&packet, now))
    }

    /// The next event. Call until there is none.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Both hard-reset ids as (client, server), which the PRF mixes in.
    pub(crate) fn session_pair(&self) -> (SessionId, SessionId) {
        let peer = self.peer.unwrap_or(self.id);
        match self.role() {
            Role::TlsClient => (self.id, peer),
            Role::TlsServer => (peer, self.id),
        }
    }

    pub(crate) fn end(&mut self, reason: EndReason) {
        if !self.is_ended() {
            self.phase = Phase::Ended;
            self.events.push_back(Event::Ended(reason));
        }
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("role", &self.role())
            .field("id", &self.id)
            .field("peer", &self.peer)
            .field("key_id", &self.primary.key_id)
            .field("state", &self.primary.state)
            .finish_non_exhaustive()
    }
}
