//! One OpenVPN connection of either role: what its driver calls, in which order.
//!
//! This file is the way in and out. What is due when is in [`machine`], for both roles; where a session
//! stands in [`phase`]; the steps of its handshakes, each a type that owns what it needs, in [`server`]
//! and [`client`], after the rules in [`handshake`]; what every step works with in [`self::core`] and [`link`].
//! Deadlines are in [`timers`], the rules for new generations in [`reneg`], last words in [`close`], a
//! saved session in [`restore`].

mod client;
mod close;
mod core;
mod handshake;
mod link;
mod machine;
mod phase;
mod reneg;
mod restore;
mod server;
mod timers;

use std::fmt;
use std::sync::Arc;

use clock::Now;
use wire::key_material::Role;
use wire::push::PushReply;
use wire::wrap::Unwrapped;
use wire::{KeyId, Opcode, SessionId};

use crate::closing::{Close, Refusal};
use crate::config::{ClientConfig, ServerConfig, Timing};
use crate::dropped::DropReason;
use crate::end::{EndReason, Progress};
use crate::entropy::{Entropy, Seed};
use crate::event::{Deadline, Event, Grant, Negotiated};
use crate::gate::Accepted;
use crate::generation::Generation;
use crate::life::Life;
use crate::not_awaited::{NotAwaited, NotNow};
use crate::reliable::Reliable;
use crate::state::{SessionState, Stage};
use crate::wrapping::Wrapping;

use self::core::Core;
use client::ClientSide;
use link::Link;
use machine::Machine;
use phase::Phase;
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
    machine: EitherMachine,
}

enum EitherMachine {
    Server(Machine<ServerSide>),
    Client(Machine<ClientSide>),
}

/// What both roles do alike.
macro_rules! either {
    ($session:ident, $machine:ident => $what:expr) => {
        match &$session.machine {
            EitherMachine::Server($machine) => $what,
            EitherMachine::Client($machine) => $what,
        }
    };
    (mut $session:ident, $machine:ident => $what:expr) => {
        match &mut $session.machine {
            EitherMachine::Server($machine) => $what,
            EitherMachine::Client($machine) => $what,
        }
    };
}

impl From<Machine<ServerSide>> for Session {
    fn from(machine: Machine<ServerSide>) -> Self {
        Self { machine: EitherMachine::Server(machine) }
    }
}

impl From<Machine<ClientSide>> for Session {
    fn from(machine: Machine<ClientSide>) -> Self {
        Self { machine: EitherMachine::Client(machine) }
    }
}

impl Session {
    /// A server's session from what the gate accepted.
    pub fn server(config: Arc<ServerConfig>, accepted: Accepted, seed: Seed, now: Now) -> Session {
        let (wrapping, timing) =
            (Wrapping::after_gate(accepted.wrap, accepted.stamp, now), config.timing.clone());
        let link = Link::new(accepted.session_id, Some(accepted.packet.session_id), wrapping);
        let mut reliable = Reliable::after_gate(link.room(timing.max_control_datagram));
        // The gate has checked sender and cookie, and no window can be full.
        let _taken = reliable.receive(accepted.packet, now.boot);
        let side = ServerSide::new(config);
        Self::begin(side, link, reliable, Entropy::new(&seed), timing, now).into()
    }

    /// A client's session; its first datagram waits in `poll_transmit`.
    pub fn client(config: Arc<ClientConfig>, seed: Seed, now: Now) -> Session {
        let (wrapping, timing) = (Wrapping::new(Arc::clone(&config.wrap)), config.timing.clone());
        let mut entropy = Entropy::new(&seed);
        let link = Link::new(entropy.session_id(), None, wrapping);
        let room = link.room(timing.max_control_datagram);
        let reliable = Reliable::with_reset(Opcode::CONTROL_HARD_RESET_CLIENT_V2, room);
        Self::begin(ClientSide::new(config), link, reliable, entropy, timing, now).into()
    }

    fn begin<R: handshake::Role>(
        side: R,
        link: Link,
        reliable: Reliable,
        entropy: Entropy,
        timing: Timing,
        now: Now,
    ) -> Machine<R> {
        let window = timing.hand_window;
        let generation = Generation::new(KeyId::FIRST, reliable, side.tls(), now.boot, window);
        let core = Core::new(R::TLS, link, generation, entropy, timing, now);
        let mut machine = Machine { side, core, phase: Phase::Opening(R::opening()) };
        machine.advance();
        machine
    }

    /// A server's session from its saved state.
    ///
    /// If it was established, events give its data keys (`KeyReady`, `KeyActive`) for a data plane
    /// that lost them, and a renegotiation begins. If not, it ends.
    pub fn restore_server(
        config: Arc<ServerConfig>,
        state: SessionState,
        seed: Seed,
        now: Now,
    ) -> Session {
        let timing = config.timing.clone();
        let side = ServerSide::restored(config, &state.side);
        restore::revive(side, state, timing, seed, now).into()
    }

    /// A client's session from its saved state.
    ///
    /// If it was established, events give its data keys (`KeyReady`, `KeyActive`) for a data plane
    /// that lost them, and a renegotiation begins. If not, it starts over with a new session id.
    pub fn restore_client(
        config: Arc<ClientConfig>,
        state: SessionState,
        seed: Seed,
        now: Now,
    ) -> Session {
        if state.stage == Stage::Opening {
            return Session::client(config, seed, now);
        }
        let timing = config.timing.clone();
        let side = ClientSide::restored(config, &state.side);
        restore::revive(side, state, timing, seed, now).into()
    }

    /// Everything that a restored session needs, as of the last call with a time.
    pub fn save(&self) -> SessionState {
        either!(self, machine => restore::save(machine))
    }

    /// Server or client.
    pub fn role(&self) -> Role {
        either!(self, machine => machine.core.role)
    }

    /// Our session id.
    pub fn id(&self) -> SessionId {
        either!(self, machine => machine.core.link.id())
    }

    /// The peer's session id, once it is known.
    pub fn peer_session_id(&self) -> Option<SessionId> {
        either!(self, machine => machine.core.link.peer())
    }

    /// What both sides agreed on, from then until the end begins.
    pub fn negotiated(&self) -> Option<Negotiated> {
        either!(self, machine => machine.phase.negotiated())
    }

    /// Client: the push that is in force, also after a restore.
    pub fn pushed(&self) -> Option<&PushReply> {
        match &self.machine {
            EitherMachine::Client(machine) => machine.side.pushed(),
            EitherMachine::Server(_) => None,
        }
    }

    /// How far the current negotiation came.
    pub fn progress(&self) -> Progress {
        either!(self, machine => machine.phase.progress(&machine.core.generation))
    }

    /// How long its data keys live, as of the last call with a time.
    pub fn life(&self) -> Life {
        either!(self, machine => machine.life())
    }

    /// True from `Established` until the end begins.
    pub fn is_established(&self) -> bool {
        either!(self, machine => matches!(machine.phase, Phase::Up(_)))
    }

    /// True from `Ended` on.
    pub fn is_ended(&self) -> bool {
        either!(self, machine => machine.is_ended())
    }

    /// Takes a control packet from the peer's address whose wrapping was verified with the keys of this
    /// session. An error says why it had no effect.
    pub fn handle(&mut self, unwrapped: Unwrapped, now: Now) -> Result<(), DropReason> {
        either!(mut self, machine => machine.handle(unwrapped, now))
    }

    /// The same for a datagram that nobody has checked before.
    pub fn handle_datagram(&mut self, datagram: &[u8], now: Now) -> Result<(), DropReason> {
        if self.is_ended() {
            return Err(DropReason::SessionEnded);
        }
        let unwrapped = either!(self, machine => machine.core.link.open(datagram))?;
        self.handle(unwrapped, now)
    }

    /// The next datagram for the peer. Call until there is none.
    pub fn poll_transmit(&mut self, now: Now) -> Option<Vec<u8>> {
        either!(mut self, machine => machine.poll_transmit(now))
    }

    /// The next event. Call until there is none.
    pub fn poll_event(&mut self) -> Option<Event> {
        either!(mut self, machine => machine.core.events.pop_front())
    }

    /// When `handle_timeout` is to be called next.
    pub fn poll_timeout(&self) -> Option<Deadline> {
        either!(self, machine => machine.agenda().earliest())
    }

    /// Does what is due. Calling it early does no harm.
    pub fn handle_timeout(&mut self, now: Now) {
        either!(mut self, machine => machine.handle_timeout(now));
    }

    /// Server: yes to an `Admission`.
    pub fn admit(&mut self, grant: Grant, now: Now) -> Result<(), NotAwaited> {
        let what = NotAwaited::Admission;
        match &mut self.machine {
            EitherMachine::Server(machine) => machine
                .answer(what, now, |phase, side, core| server::admit(&grant, phase, side, core)),
            EitherMachine::Client(machine) => Err(machine.not_awaited(what)),
        }
    }

    /// Server: no to an `Admission`.
    pub fn refuse(&mut self, refusal: Refusal, now: Now) -> Result<(), NotAwaited> {
        match &mut self.machine {
            EitherMachine::Server(machine) if server::awaits_admission(&machine.phase) => {
                machine.core.now = now;
                machine.close_for(&refusal.close.clone(), EndReason::Refused(refusal));
                Ok(())
            }
            EitherMachine::Server(machine) => Err(machine.not_awaited(NotAwaited::Admission)),
            EitherMachine::Client(machine) => Err(machine.not_awaited(NotAwaited::Admission)),
        }
    }

    /// The data plane opens with this key. Only then leaves what lets the peer use it.
    pub fn key_installed(&mut self, key_id: KeyId, now: Now) -> Result<(), NotAwaited> {
        either!(mut self, machine => machine.key_installed(key_id, now))
    }

    /// The data plane opened the first packet under this key.
    pub fn data_seen(&mut self, key_id: KeyId, now: Now) {
        either!(mut self, machine => machine.data_seen(key_id, now));
    }

    /// Begins a new key generation. An error says why it does not, and nothing has changed.
    pub fn renegotiate(&mut self, now: Now) -> Result<(), NotNow> {
        either!(mut self, machine => machine.renegotiate(now))
    }

    /// Ends the session. `Ended` follows once the peer has acknowledged, or after 5 seconds. An error says
    /// that its end had begun before, which goes on as it was.
    pub fn close(&mut self, how: Close, now: Now) -> Result<(), NotNow> {
        either!(mut self, machine => machine.close(how, now))
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("role", &self.role())
            .field("id", &self.id())
            .field("peer", &self.peer_session_id())
            .field("key_id", &either!(self, machine => machine.core.generation.key_id))
            .field("progress", &self.progress())
            .finish_non_exhaustive()
    }
}
