//! The steps that both roles share, from TLS bytes to a key in use.

use std::time::Duration;

use clock::Now;
use wire::KeyId;
use wire::key_material::KeyMaterial;
use wire::message::encode_text;
use zeroize::Zeroizing;

use crate::end::EndReason;
use crate::event::{Event, Negotiated, NewKey};
use crate::generation::HandshakeState;
use crate::not_awaited::NotAwaited;
use crate::session::{Phase, Session, Side};

/// How long the peer may take to use a new key before we seal with it unasked.
const SWITCH_GRACE: Duration = Duration::from_secs(5);

impl Session {
    /// The data plane opens with this key. Only then leaves what lets the peer use it.
    pub fn key_installed(&mut self, key_id: KeyId, now: Now) -> Result<(), NotAwaited> {
        self.now = now;
        if self.is_ended() {
            return Err(NotAwaited::SessionEnded);
        }
        if key_id != self.primary.key_id || self.primary.state != HandshakeState::ExpectInstall {
            return Err(NotAwaited::Key);
        }
        let mut sent = Ok(());
        match (&self.side, self.primary.is_first()) {
            (Side::Server(server), true) if server.pushes_at_once() => {
                sent = self.send_key_message_and_push();
            }
            (Side::Server(_), true) => self.primary.state = HandshakeState::ExpectPushRequest,
            (Side::Client(_), true) => self.complete(),
            (Side::Server(_), false) => {
                self.primary.state = HandshakeState::ExpectAcks;
                sent = self.send_server_key_message();
            }
            (Side::Client(_), false) => self.primary.state = HandshakeState::ExpectAcks,
        }
        match sent {
            Ok(()) => self.advance(),
            Err(reason) => self.fail(reason),
        }
        Ok(())
    }

    /// The data plane opened the first packet under this key.
    pub fn data_seen(&mut self, key_id: KeyId, now: Now) {
        self.now = now;
        if self.is_ended() {
            return;
        }
        self.keys.note_seen(key_id, now.boot);
        // Who seals with the key has all that we sent and opens with it, whatever became of the
        // acknowledgements.
        if key_id == self.primary.key_id && self.primary.state == HandshakeState::ExpectAcks {
            self.complete();
        }
        self.switch_if_due();
        self.advance();
    }

    /// Does everything that can be done without further input.
    pub(crate) fn advance(&mut self) {
        if self.is_ended() || self.primary.is_broken() {
            return;
        }
        if let Err(reason) = self.read_chunks().and_then(|()| self.settle()) {
            self.fail(reason);
        }
    }

    /// Before a session is up any failure is its end. From then on bytes that are not TLS end their
    /// generation only: anybody who has the control-channel key may have put them there.
    pub(crate) fn fail(&mut self, reason: EndReason) {
        if self.is_established() && self.primary.tls.is_stream_broken() {
            return self.abandon_generation();
        }
        // An alert may wait to be sent.
        self.primary.flush_tls();
        self.end(reason);
    }

    fn read_chunks(&mut self) -> Result<(), EndReason> {
        if let Some(error) = self.primary.tls.broken() {
            return Err(error);
        }
        while let Some(chunk) = self.primary.reliable.next_chunk() {
            self.primary.tls.receive(&chunk)?;
            self.send_key_message_if_due()?;
            while let Some(message) = self.primary.tls.next_message()? {
                self.take_message(&message)?;
                if self.is_ended() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn take_message(&mut self, message: &[u8]) -> Result<(), EndReason> {
        match (&self.side, self.primary.key_message_received) {
            (Side::Server(_), false) => self.take_client_key_message(message),
            (Side::Client(_), false) => self.take_server_key_message(message),
            (Side::Server(_), true) => self.take_text_from_client(message),
            (Side::Client(_), true) => self.take_text_from_server(message),
        }
    }

    /// A client speaks first, as soon as TLS is up.
    fn send_key_message_if_due(&mut self) -> Result<(), EndReason> {
        let due = !self.primary.key_message_sent && !self.primary.tls.is_handshaking();
        match self.side {
            Side::Client(_) if due => self.send_client_key_message(),
            _ => Ok(()),
        }
    }

    /// Moves on where an acknowledgement was all that was missing.
    fn settle(&mut self) -> Result<(), EndReason> {
        if self.is_ended() {
            return Ok(());
        }
        self.primary.flush_tls();
        if !self.primary.active && self.key_exchange_done() {
            self.primary.active = true;
            self.became_active();
        }
        if self.primary.active {
            self.push_if_ready();
            self.send_texts()?;
        }
        self.primary.flush_tls();
        if !self.primary.reliable.all_acknowledged() {
            return Ok(());
        }
        match self.primary.state {
            HandshakeState::ExpectAcks if self.primary.active => self.complete(),
            HandshakeState::Closing if self.primary.active && self.texts.is_empty() => {
                self.finish_closing()
            }
            _ => {}
        }
        Ok(())
    }

    fn key_exchange_done(&self) -> bool {
        let generation = &self.primary;
        generation.key_message_sent
            && generation.key_message_received
            && generation.reliable.all_acknowledged()
    }

    fn became_active(&mut self) {
        if self.primary.is_first() && !self.primary.is_complete() {
            self.primary.deadline = Some(self.now.boot + self.timing.hand_window);
        }
        if let Side::Client(client) = &mut self.side
            && self.primary.is_first()
        {
            client.ask_for_push(self.now.boot);
        }
    }

    /// Each leaves TLS before the next one goes in, which has room for a few dozen only.
    pub(crate) fn send_texts(&mut self) -> Result<(), EndReason> {
        while let Some(text) = self.texts.pop_front() {
            self.primary.tls.send_message(&text)?;
            self.primary.flush_tls();
        }
        Ok(())
    }

    /// Queues a text with its NUL; it leaves once the generation is active.
    pub(crate) fn queue_message(&mut self, text: &str) {
        self.texts.push_back(Zeroizing::new(encode_text(text)));
    }

    /// Derives the generation's key and hands it to the data plane.
    pub(crate) fn offer_key(&mut self, negotiated: Negotiated) -> Result<(), EndReason> {
        let (client, server) = self.session_pair();
        let material: KeyMaterial = self.primary.derive(negotiated.exporter, client, server)?;
        let (key_id, cipher, role) = (self.primary.key_id, negotiated.cipher, self.role());
        let seals_until = self.timing.sealing_life().map(|life| self.now.boot + life);
        self.keys.hold(key_id, cipher, material.clone(), seals_until);
        self.primary.state = HandshakeState::ExpectInstall;
        self.events.push_back(Event::KeyReady(Box::new(NewKey { key_id, cipher, material, role })));
        Ok(())
    }

    /// The generation is done: its key may seal, at once or soon.
    pub(crate) fn complete(&mut self) {
        let (key_id, boot) = (self.primary.key_id, self.now.boot);
        self.primary.state = HandshakeState::Complete;
        self.primary.deadline = None;
        self.schedule_renegotiation();
        if self.primary.is_first() {
            self.keys.schedule(key_id, Duration::ZERO);
            self.switch_if_due();
            self.phase = Phase::Established;
            self.events.push_back(Event::Established);
        } else {
            self.events.push_back(Event::Renegotiated(key_id));
            self.keys.schedule(key_id, boot + self.switch_grace());
            self.switch_if_due();
        }
    }

    fn switch_grace(&self) -> Duration {
        let half_life = match self.timing.renegotiate {
            Duration::ZERO => SWITCH_GRACE,
            renegotiate => renegotiate / 2,
        };
        SWITCH_GRACE.min(half_life).min(self.timing.hand_window)
    }

    pub(crate) fn switch_if_due(&mut self) {
        let switched = self.keys.switch_due(self.now.boot);
        self.report_switch(switched);
    }

    pub(crate) fn report_switch(&mut self, switched: Option<KeyId>) {
        self.events.extend(switched.map(Event::KeyActive));
    }

    pub(crate) fn report_retired(&mut self, retired: Vec<KeyId>) {
        self.events.extend(retired.into_iter().map(Event::KeyRetired));
    }
}
