//! A session to its saved state and back.
//!
//! A restored session has its data keys, counters and agreement, and begins a new generation at once.
//! Its TLS connection is gone, so what was unfinished is not continued: a client starts over, and a
//! server's session ends with a typed reason.

use std::collections::VecDeque;
use std::sync::Arc;

use clock::Now;
use wire::KeyId;
use wire::key_material::Role;
use wire::push::PushReply;
use zeroize::Zeroizing;

use crate::config::{ClientConfig, ServerConfig};
use crate::end::EndReason;
use crate::entropy::{Entropy, Seed};
use crate::event::{Event, NewKey};
use crate::generation::{Generation, HandshakeState, Initiator};
use crate::keys::{HeldKey, Keys};
use crate::reliable::Reliable;
use crate::session::client::ClientSide;
use crate::session::server::ServerSide;
use crate::session::{Phase, Session, Side};
use crate::state::{SavedKey, SessionState, Stage};
use crate::tls::Tls;
use crate::wrapping::Wrapping;

impl Session {
    /// Everything that a restored session needs, as of the last call with a time.
    pub fn save(&self) -> SessionState {
        let (leaf, token, user, pushed) = match &self.side {
            Side::Server(server) => (server.leaf, Default::default(), String::new(), None),
            Side::Client(client) => {
                (None, client.auth_token.clone(), client.auth_user.clone(), client.pushed.as_ref())
            }
        };
        SessionState {
            role: self.role(),
            stage: self.stage(),
            id: self.id,
            peer: self.peer,
            last_sent: self.wrapping.last_sent(),
            replay: self.wrapping.replay(),
            key_id: self.primary.key_id,
            negotiated: self.negotiated,
            keys: self.keys.held.iter().map(|key| self.save_key(key)).collect(),
            sealing: self.saved_sealing(),
            leaf,
            auth_token: token,
            auth_user: user,
            pushed: pushed.map(encode_push).unwrap_or_default(),
        }
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
        let wrap = config.check.session_wrap();
        let wrapping = Wrapping::restored(wrap, state.last_sent, state.replay);
        let timing = config.timing.clone();
        let primary = Generation::new(
            state.key_id,
            Initiator::Us,
            Reliable::after_gate(0),
            Tls::server(&config.tls),
            now.boot,
            timing.hand_window,
        );
        let mut server = ServerSide::new(config);
        server.leaf = state.leaf;
        let side = Side::Server(Box::new(server));
        let mut session = Self::revive(side, &state, wrapping, seed, timing, primary, now);
        match state.stage {
            Stage::Established => session.resume(state),
            Stage::Opening => session.end(EndReason::RestoredMidHandshake),
            Stage::Over => session.end(EndReason::RestoredAfterItsEnd),
        }
        session
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
        let wrapping = Wrapping::restored(Arc::clone(&config.wrap), state.last_sent, state.replay);
        let timing = config.timing.clone();
        let primary = Generation::new(
            state.key_id,
            Initiator::Us,
            Reliable::after_gate(0),
            Tls::client(&config.tls),
            now.boot,
            timing.hand_window,
        );
        let side = Side::Client(Box::new(ClientSide::restored(config, &state)));
        let mut session = Self::revive(side, &state, wrapping, seed, timing, primary, now);
        match state.stage {
            Stage::Over => session.end(EndReason::RestoredAfterItsEnd),
            _ => session.resume(state),
        }
        session
    }

    fn resume(&mut self, state: SessionState) {
        let (boot, role) = (self.now.boot, self.role());
        let seals_until = self.timing.sealing_life().map(|life| boot + life);
        for SavedKey { key_id, cipher, material, left } in state.keys {
            let expires = left.map(|left| boot + left);
            let key = NewKey { key_id, cipher, material: material.clone(), role };
            self.keys.held.push(HeldKey { key_id, cipher, material, expires, seals_until });
            self.events.push_back(Event::KeyReady(Box::new(key)));
        }
        // Not said to be active: a data plane that survived seals with it already, and a new one does
        // not know which packet ids are used up and would use nonces twice. Its data waits for the
        // generation that begins here.
        self.keys.sealing = state.sealing;
        self.begin_generation(self.free_key_id(), Initiator::Us);
        self.advance();
    }

    /// A server that has pushed may go on: its client either has all it needs, or gives up by itself.
    fn stage(&self) -> Stage {
        match self.phase {
            Phase::Opening if self.has_pushed() => Stage::Established,
            Phase::Opening => Stage::Opening,
            Phase::Established => Stage::Established,
            Phase::Draining { .. } | Phase::Ended => Stage::Over,
        }
    }

    fn has_pushed(&self) -> bool {
        self.role() == Role::TlsServer
            && self.primary.is_first()
            && self.primary.state == HandshakeState::ExpectAcks
    }

    /// The restored session begins a generation, which makes a complete one seal.
    fn saved_sealing(&self) -> Option<KeyId> {
        let pushed = Some(self.primary.key_id).filter(|_| self.has_pushed());
        self.keys.switch.map(|switch| switch.key_id).or(self.keys.sealing).or(pushed)
    }

    fn save_key(&self, key: &HeldKey) -> SavedKey {
        SavedKey {
            key_id: key.key_id,
            cipher: key.cipher,
            material: key.material.clone(),
            left: key.expires.map(|at| at.saturating_sub(self.now.boot)),
        }
    }

    fn revive(
        side: Side,
        state: &SessionState,
        wrapping: Wrapping,
        seed: Seed,
        timing: crate::config::Timing,
        primary: Generation,
        now: Now,
    ) -> Session {
        Session {
            side,
            id: state.id,
            peer: state.peer,
            wrapping,
            entropy: Entropy::new(&seed),
            timing,
            primary,
            keys: Keys::default(),
            negotiated: state.negotiated,
            phase: Phase::Established,
            renegotiate_at: None,
            texts: VecDeque::new(),
            events: VecDeque::new(),
            now,
        }
    }
}

fn encode_push(push: &PushReply) -> Vec<Zeroizing<String>> {
    push.encode().unwrap_or_default().into_iter().map(Zeroizing::new).collect()
}
