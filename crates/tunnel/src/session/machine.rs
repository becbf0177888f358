//! What drives a session of either role: packets and times in, steps in the right order.
//!
//! It decides which step is due and none of what a step does. After every input it goes on until nothing
//! more can be done without another one.

use std::mem;
use std::time::Duration;

use clock::Now;
use wire::control::ControlPacket;
use wire::key_material::Role as TlsRole;
use wire::message::ControlMessage;
use wire::wrap::Unwrapped;
use wire::{KeyId, MessageId, Opcode};

use crate::closing::Close;
use crate::dropped::DropReason;
use crate::end::{EndReason, Progress};
use crate::event::{Event, TimeoutReason};
use crate::life::Life;
use crate::not_awaited::{NotAwaited, NotNow};
use crate::session::close::{DRAIN, certificate_expired, last_text};
use crate::session::core::Core;
use crate::session::handshake::{Goodbye, Role, Stop};
use crate::session::phase::{Answer, Closing, Phase, Renewal, Up};
use crate::session::reneg::{MIN_AGE, is_ahead};
use crate::session::timers::Agenda;

/// A session of one role.
pub(crate) struct Machine<R: Role> {
    pub(crate) side: R,
    pub(crate) core: Core,
    pub(crate) phase: Phase<R>,
}

type Done<R> = Result<(), Stop<<R as Role>::Parting>>;

impl<R: Role> Machine<R> {
    pub(crate) fn handle(&mut self, unwrapped: Unwrapped, now: Now) -> Result<(), DropReason> {
        self.core.now = now;
        if self.is_ended() {
            return Err(DropReason::SessionEnded);
        }
        let (stamp, packet) = unwrapped.into_parts();
        self.core.link.check_sender(&packet)?;
        self.check_opcode(&packet)?;
        self.core.link.accept(stamp, packet.session_id, now)?;
        let taken = self.route(packet);
        self.advance();
        taken
    }

    fn check_opcode(&self, packet: &ControlPacket) -> Result<(), DropReason> {
        let reset = match packet.opcode {
            Opcode::ACK_V1 => return Ok(()),
            Opcode::CONTROL_V1 => false,
            Opcode::CONTROL_SOFT_RESET_V1 if packet.key_id != KeyId::FIRST => true,
            opcode if opcode == R::PEERS_RESET => true,
            _ => return Err(DropReason::UnexpectedOpcode),
        };
        let generation = &self.core.generation;
        let is_first = packet.message_id == Some(MessageId::FIRST);
        let unannounced = packet.key_id == generation.key_id && generation.may_open_with_tls();
        if is_first == reset || (is_first && unannounced) {
            Ok(())
        } else {
            Err(DropReason::BadMessageId)
        }
    }

    fn route(&mut self, packet: ControlPacket) -> Result<(), DropReason> {
        let boot = self.core.now.boot;
        if packet.key_id == self.core.generation.key_id {
            self.core.generation.reliable.receive(packet, boot)
        } else if packet.opcode == Opcode::CONTROL_SOFT_RESET_V1 {
            self.follow_to(packet.key_id)?;
            self.core.generation.reliable.receive(packet, boot)
        } else {
            Err(DropReason::KeyIdOutOfSync)
        }
    }

    /// The peer begins a generation.
    fn follow_to(&mut self, key_id: KeyId) -> Result<(), DropReason> {
        let (core, boot) = (&self.core, self.core.now.boot);
        let in_use = core.keys.sealing == Some(key_id) && core.keys.switch.is_none();
        if in_use || !is_ahead(core.peers_last_key_id(), key_id) {
            return Err(DropReason::KeyIdOutOfSync);
        }
        if boot.saturating_sub(core.generation.started) < MIN_AGE {
            return Err(DropReason::RenegotiationTooSoon);
        }
        self.change(Phase::outlived);
        if self.begin_generation(key_id) { Ok(()) } else { Err(DropReason::RenegotiationTooSoon) }
    }

    /// Only a session that is up can; says whether it did.
    fn begin_generation(&mut self, key_id: KeyId) -> bool {
        let Phase::Up(up) = &mut self.phase else { return false };
        up.renewal = Renewal::Runs(R::renewing(up.negotiated));
        self.core.begin_generation(key_id, self.side.tls());
        true
    }

    pub(crate) fn renegotiate(&mut self, now: Now) -> Result<(), NotNow> {
        self.core.now = now;
        match &self.phase {
            Phase::Up(up) if up.renewal.is_over() => self.begin_our_generation(),
            Phase::Up(_) => return Err(NotNow::Renewing),
            Phase::Opening(_) => return Err(NotNow::NotUp),
            Phase::Closing(_) => return Err(NotNow::Closing),
            Phase::Ended => return Err(NotNow::Ended),
        }
        Ok(())
    }

    /// Whatever became of the last one.
    pub(crate) fn begin_our_generation(&mut self) {
        self.begin_generation(self.core.free_key_id());
        self.advance();
    }

    pub(crate) fn poll_transmit(&mut self, now: Now) -> Option<Vec<u8>> {
        self.core.now = now;
        if self.phase.is_held() {
            return None;
        }
        let Core { generation, link, .. } = &mut self.core;
        let out = generation.reliable.poll(now.boot)?;
        Some(link.seal(generation.key_id, out, now))
    }

    pub(crate) fn key_installed(&mut self, key_id: KeyId, now: Now) -> Result<(), NotAwaited> {
        let is_present = key_id == self.core.generation.key_id;
        self.answer(NotAwaited::Key, now, |phase, side, core| match is_present {
            true => phase.installed(side, core),
            false => Answer::NotAwaited(phase),
        })
    }

    /// Takes an answer of the driver where it is awaited; `what` says that it is not.
    pub(crate) fn answer(
        &mut self,
        what: NotAwaited,
        now: Now,
        take: impl FnOnce(Phase<R>, &mut R, &mut Core) -> Answer<R>,
    ) -> Result<(), NotAwaited> {
        if self.is_ended() {
            return Err(NotAwaited::SessionEnded);
        }
        self.core.now = now;
        match take(self.take_phase(), &mut self.side, &mut self.core) {
            Answer::Taken(phase) => self.phase = phase,
            Answer::Stopped(stop) => self.stop(stop),
            Answer::NotAwaited(phase) => {
                self.phase = phase;
                return Err(what);
            }
        }
        self.advance();
        Ok(())
    }

    /// Why an answer that belongs to no step of this session had no effect.
    pub(crate) fn not_awaited(&self, what: NotAwaited) -> NotAwaited {
        if self.is_ended() { NotAwaited::SessionEnded } else { what }
    }

    pub(crate) fn data_seen(&mut self, key_id: KeyId, now: Now) {
        self.core.now = now;
        if self.is_ended() {
            return;
        }
        self.core.keys.note_seen(key_id, now.boot);
        // Who seals with the key has all that we sent and opens with it, whatever became of the
        // acknowledgements.
        if key_id == self.core.generation.key_id {
            self.change(Phase::heard);
        }
        self.core.switch_if_due();
        self.advance();
    }

    /// Does everything that can be done without further input.
    pub(crate) fn advance(&mut self) {
        while let Err(stop) = self.read_and_settle() {
            self.stop(stop);
        }
    }

    fn read_and_settle(&mut self) -> Done<R> {
        if !self.phase.reads() {
            return Ok(());
        }
        self.read_chunks()?;
        self.settle()
    }

    fn read_chunks(&mut self) -> Done<R> {
        if let Some(error) = self.core.generation.tls.broken() {
            return Err(error.into());
        }
        while let Some(chunk) = self.core.generation.reliable.next_chunk() {
            self.core.generation.tls.receive(&chunk)?;
            self.step(Phase::tls_moved)?;
            while let Some(message) = self.core.generation.tls.next_message()? {
                self.step(|phase, side, core| phase.message(&message, side, core))?;
            }
        }
        Ok(())
    }

    /// Moves on where an acknowledgement was all that was missing.
    fn settle(&mut self) -> Done<R> {
        self.core.generation.flush_tls();
        if self.phase.is_exchanged() && self.core.generation.open_texts()? {
            self.phase.texts_opened(&mut self.core);
        }
        if self.core.generation.texts_are_open() {
            self.step(Phase::say_texts)?;
        }
        self.core.generation.flush_tls();
        if self.core.generation.is_heard() {
            self.change(Phase::heard);
            if let Phase::Closing(closing) = &self.phase {
                self.end(closing.reason.clone());
            }
        }
        Ok(())
    }

    fn step(
        &mut self,
        next: impl FnOnce(Phase<R>, &mut R, &mut Core) -> Result<Phase<R>, Stop<R::Parting>>,
    ) -> Done<R> {
        self.phase = next(self.take_phase(), &mut self.side, &mut self.core)?;
        Ok(())
    }

    fn change(&mut self, next: impl FnOnce(Phase<R>, &mut Core) -> Phase<R>) {
        self.phase = next(self.take_phase(), &mut self.core);
    }

    fn take_phase(&mut self) -> Phase<R> {
        mem::replace(&mut self.phase, Phase::Ended)
    }

    /// Before a session is up any failure is its end. From then on TLS that fails before the peer has proved
    /// itself ends its generation only: anybody who has the control-channel key may have begun it.
    pub(crate) fn stop(&mut self, stop: Stop<R::Parting>) {
        let tls = &self.core.generation.tls;
        // Without any TLS our own settings are at fault.
        let is_others =
            tls.is_stream_broken() || self.phase.is_unproved() && tls.broken().is_none();
        match (stop, &mut self.phase) {
            (Stop::Part(goodbye), _) => self.say_goodbye(*goodbye),
            (Stop::NotThePeer, _) => self.end(EndReason::IdentityChanged),
            (Stop::End(_), Phase::Up(up)) if is_others => {
                // The peer is told nothing: an alert would end a TLS connection that is well on its side.
                if !self.core.generation.begin_tls_anew(|| self.side.tls()) {
                    up.renewal = Renewal::Broken { retry_at: self.core.lose_generation() };
                }
            }
            (Stop::End(reason), _) => {
                // An alert may wait to be sent.
                self.core.generation.flush_tls();
                self.end(reason);
            }
        }
    }

    pub(crate) fn close(&mut self, how: Close, now: Now) -> Result<(), NotNow> {
        self.core.now = now;
        match self.phase {
            Phase::Opening(_) | Phase::Up(_) => {}
            Phase::Closing(_) => return Err(NotNow::Closing),
            Phase::Ended => return Err(NotNow::Ended),
        }
        self.close_for(&how.clone(), EndReason::Closed(how));
        Ok(())
    }

    /// Ends with `reason`, whatever else the peer is told.
    pub(crate) fn close_for(&mut self, how: &Close, reason: EndReason) {
        let exit_notify = self.phase.negotiated().is_some_and(|agreed| agreed.exit_notify);
        match last_text(how, exit_notify) {
            Some(text) => self.close_with(text, reason),
            None => self.end(reason),
        }
    }

    /// Sends a last text and ends with `reason`.
    fn close_with(&mut self, text: ControlMessage, reason: EndReason) {
        match self.take_phase().part(&mut self.side, &mut self.core) {
            Ok(Some(parting)) => self.say_goodbye(Goodbye { parting, text, reason }),
            Ok(None) => self.end(reason),
            Err(fault) => self.stop(Stop::End(fault)),
        }
        self.advance();
    }

    fn say_goodbye(&mut self, goodbye: Goodbye<R::Parting>) {
        let Goodbye { parting, text, reason } = goodbye;
        let until = self.core.now.boot + DRAIN;
        self.phase = Phase::Closing(Closing { until, reason, parting });
        if let Err(fault) = self.core.generation.say_last(&text.to_string()) {
            self.stop(Stop::End(fault));
        }
    }

    /// Ends the session at once, with a last text that is sent and not waited for.
    fn end_with_certificate(&mut self) {
        if matches!(self.phase, Phase::Up(Up { renewal: Renewal::Rests { .. }, .. })) {
            let text = certificate_expired().to_string();
            if let Err(fault) = self.core.generation.say_at_once(&text) {
                return self.end(fault);
            }
        }
        self.end(EndReason::CertificateExpired);
    }

    pub(crate) fn end(&mut self, reason: EndReason) {
        self.phase = Phase::Ended;
        self.core.tell(Event::Ended(reason));
    }

    pub(crate) fn is_ended(&self) -> bool {
        matches!(self.phase, Phase::Ended)
    }

    pub(crate) fn life(&self) -> Life {
        Life {
            keys: self.core.keys.lives(),
            renews_at: self.phase.renews_at(),
            renews_again: self.phase.renews_again(),
            certificate_ends: self.side.certificate_ends(self.core.now),
            renegotiate: self.core.timing.renegotiate,
            hand_window: self.core.timing.hand_window,
        }
    }

    pub(crate) fn agenda(&self) -> Agenda {
        let Core { generation, keys, .. } = &self.core;
        let repeat = generation.reliable.next_timeout().filter(|_| !self.phase.is_held());
        let agenda = Agenda::default();
        match &self.phase {
            Phase::Ended => agenda,
            Phase::Closing(closing) => agenda
                .with(TimeoutReason::Retransmit, repeat)
                .with(TimeoutReason::Drain, Some(closing.until)),
            Phase::Opening(_) | Phase::Up(_) => agenda
                .with(TimeoutReason::Retransmit, repeat)
                .with(TimeoutReason::HandWindow, generation.deadline)
                .with(TimeoutReason::ClientHello, self.hello_missing())
                .with(TimeoutReason::PushRequest, self.phase.asks_again_at())
                .with(TimeoutReason::Renegotiate, self.phase.renews_at())
                .with(TimeoutReason::KeySwitch, keys.switch.map(|switch| switch.at))
                .with(TimeoutReason::KeyExpiry, keys.next_expiry())
                .with(TimeoutReason::KeyExpiry, self.core.proof_ends())
                .with(TimeoutReason::CertificateExpiry, self.side.certificate_ends(self.core.now)),
        }
    }

    /// A server's place is not for a stranger who proves an address and says nothing.
    fn hello_missing(&self) -> Option<Duration> {
        let generation = &self.core.generation;
        let is_a_stranger = R::TLS == TlsRole::TlsServer
            && matches!(self.phase, Phase::Opening(_))
            && generation.tls.progress() == Progress::BeforeHello;
        is_a_stranger.then(|| generation.started + HELLO_WITHIN)
    }

    pub(crate) fn handle_timeout(&mut self, now: Now) {
        self.core.now = now;
        match &self.phase {
            Phase::Ended => {}
            Phase::Closing(closing) if closing.until <= now.boot => {
                self.end(closing.reason.clone());
            }
            Phase::Closing(_) => {}
            Phase::Opening(_) | Phase::Up(_) => self.handle_due(),
        }
    }

    fn handle_due(&mut self) {
        self.core.switch_if_due();
        self.core.expire_keys();
        let (agenda, boot) = (self.agenda(), self.core.now.boot);
        let due = |why| agenda.is_due(why, boot);
        if due(TimeoutReason::CertificateExpiry) {
            return self.end_with_certificate();
        }
        // Keys that only open have gone, so what is left is the one that seals.
        if due(TimeoutReason::KeyExpiry) {
            return self.end(self.phase.too_long(&self.core.generation));
        }
        if due(TimeoutReason::HandWindow) || due(TimeoutReason::ClientHello) {
            return self.end_or_lose_generation();
        }
        if due(TimeoutReason::PushRequest)
            && let Err(stop) = self.step(Phase::ask_again)
        {
            return self.stop(stop);
        }
        if due(TimeoutReason::Renegotiate) {
            return self.begin_our_generation();
        }
        self.advance();
    }
}

impl<R: Role> Machine<R> {
    /// What is unfinished has taken too long. A session that is up has its former key still.
    fn end_or_lose_generation(&mut self) {
        let core = &mut self.core;
        match &mut self.phase {
            // The peer knows nothing of it. Another id would be further from the one that it thinks is next.
            Phase::Up(_) if !core.generation.reliable.reset_acknowledged() => {
                core.generation.deadline = Some(core.window_from_now());
            }
            Phase::Up(up) => {
                up.renewal = Renewal::Broken { retry_at: core.lose_generation() };
            }
            _ => return self.end(self.phase.too_long(&self.core.generation)),
        }
        self.advance();
    }
}

/// From the cookie's return to a complete ClientHello, which is on its way by then. A peer that loses one
/// of its first packets three times has repeated it within 14 s.
const HELLO_WITHIN: Duration = Duration::from_secs(15);
