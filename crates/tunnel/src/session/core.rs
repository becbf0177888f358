//! What a session of either role has at any step: its link, its current generation, its data keys.
//!
//! Roles and steps act through it. It knows no step: what it is asked for, it does.

use std::collections::VecDeque;
use std::time::Duration;

use clock::Now;
use wire::key_material::{KeyMaterial, Role};
use wire::key_method::{ClientKeySource, ServerKeySource};
use wire::{KeyId, prf};

use crate::config::Timing;
use crate::end::EndReason;
use crate::entropy::{Entropy, Seed};
use crate::event::{Event, Negotiated, NewKey};
use crate::generation::Generation;
use crate::keys::Keys;
use crate::reliable::Reliable;
use crate::session::link::Link;
use crate::session::reneg::{BACK_AFTER, retry_after};
use crate::tls::Tls;

/// How long the peer may take to use a new key before we seal with it unasked.
const SWITCH_GRACE: Duration = Duration::from_secs(5);

/// The part of a session that no step changes hands of.
pub(crate) struct Core {
    pub(crate) role: Role,
    pub(crate) link: Link,
    pub(crate) generation: Generation,
    pub(crate) keys: Keys,
    pub(crate) entropy: Entropy,
    pub(crate) timing: Timing,
    pub(crate) events: VecDeque<Event>,
    unfinished: Option<Unfinished>,
    /// As of the last call with a time.
    pub(crate) now: Now,
}

/// Generations that followed each other since the last one that was finished.
struct Unfinished {
    since: Duration,
    /// How many were lost.
    lost: u32,
}

impl Core {
    pub(crate) fn new(
        role: Role,
        link: Link,
        generation: Generation,
        entropy: Entropy,
        timing: Timing,
        now: Now,
    ) -> Self {
        let (keys, events) = (Keys::default(), VecDeque::new());
        let unfinished = None;
        Self { role, link, generation, keys, entropy, timing, events, unfinished, now }
    }

    /// One that lost its TLS connection with whatever held it before. A generation takes the place of
    /// this one at once, or the session is over.
    pub(crate) fn restored(
        role: Role,
        link: Link,
        key_id: KeyId,
        tls: Tls,
        seed: Seed,
        timing: Timing,
        now: Now,
    ) -> Self {
        let (nothing, window) = (Reliable::after_gate(0), timing.hand_window);
        let generation = Generation::new(key_id, nothing, tls, now.boot, window);
        Self::new(role, link, generation, Entropy::new(&seed), timing, now)
    }

    pub(crate) fn tell(&mut self, event: Event) {
        self.events.push_back(event);
    }

    /// A whole hand-window from now.
    pub(crate) fn window_from_now(&self) -> Duration {
        self.now.boot + self.timing.hand_window
    }

    /// Replaces the generation by a new one, which begins with a soft reset.
    pub(crate) fn begin_generation(&mut self, key_id: KeyId, tls: Tls) {
        let boot = self.now.boot;
        let switched = self.keys.switch_at_once(boot);
        self.report_switch(switched);
        let retired = self.keys.begin(key_id, boot + self.timing.tran_window);
        self.report_retired(retired);
        let room = self.link.room(self.timing.max_control_datagram);
        let reliable = Reliable::with_soft_reset(room);
        self.generation = Generation::new(key_id, reliable, tls, boot, self.timing.hand_window);
        self.unfinished();
    }

    /// Gives the generation up; the session has its former keys. When the next one is to begin: soon, as the
    /// peer may be waiting for it, and later each time, as somebody may be breaking each.
    pub(crate) fn lose_generation(&mut self) -> Duration {
        self.generation.break_off();
        let unfinished = self.unfinished();
        unfinished.lost = unfinished.lost.saturating_add(1);
        let wait = retry_after(unfinished.lost);
        self.now.boot.max(self.generation.started + wait)
    }

    fn unfinished(&mut self) -> &mut Unfinished {
        self.unfinished.get_or_insert(Unfinished { since: self.now.boot, lost: 0 })
    }

    /// When a session is over whose peer has not proved itself anew: at the hard end of the key that seals.
    /// However many generations begin and break till then, a peer that never shows its certificate is kept
    /// no longer, and one that others disturb has that long to get through.
    pub(crate) fn proof_ends(&self) -> Option<Duration> {
        let without_age = || Some(self.unfinished.as_ref()?.since + self.timing.renewing_life());
        match self.timing.renegotiate {
            Duration::ZERO => without_age(),
            _ => self.keys.sealing_ends(),
        }
    }

    /// The generation that the peer is known to have reached. One of ours that it has not answered may be none
    /// of its: stock goes on to its own next id, whatever the id of the reset that made it do so.
    pub(crate) fn peers_last_key_id(&self) -> KeyId {
        let age = self.now.boot.saturating_sub(self.generation.started);
        let unanswered = !self.generation.reliable.reset_acknowledged() && age >= BACK_AFTER;
        let finished = self.keys.newest().filter(|_| unanswered);
        finished.unwrap_or(self.generation.key_id)
    }

    /// The id after ours; not that of the sealing key, should six renegotiations have failed since.
    pub(crate) fn free_key_id(&self) -> KeyId {
        let next = self.generation.key_id.next();
        if self.keys.sealing == Some(next) { next.next() } else { next }
    }

    /// Derives the generation's key and hands it to the data plane.
    pub(crate) fn offer_key(
        &mut self,
        negotiated: Negotiated,
        from_client: &ClientKeySource,
        from_server: &ServerKeySource,
    ) -> Result<(), EndReason> {
        let material = match negotiated.exporter {
            true => self.generation.tls.export()?,
            false => self.expand(from_client, from_server)?,
        };
        let (key_id, cipher, role) = (self.generation.key_id, negotiated.cipher, self.role);
        let seals_until = self.timing.sealing_life().map(|life| self.now.boot + life);
        self.keys.hold(key_id, cipher, material.clone(), seals_until, self.now.boot);
        let key = NewKey { key_id, cipher, material, role, fresh: true };
        self.tell(Event::KeyReady(Box::new(key)));
        Ok(())
    }

    /// By the PRF, with the ids of the hard reset.
    fn expand(
        &self,
        from_client: &ClientKeySource,
        from_server: &ServerKeySource,
    ) -> Result<KeyMaterial, EndReason> {
        let (client, server) = self.link.pair(self.role);
        prf::expand(from_client, from_server, client, server)
            .map_err(|_| EndReason::KeyDerivationFailed)
    }

    /// The first generation is done: its key seals.
    pub(crate) fn finish_opening(&mut self) {
        self.generation.deadline = None;
        self.keys.complete(self.generation.key_id, self.now.boot);
        self.keys.schedule(self.generation.key_id, Duration::ZERO);
        self.switch_if_due();
        self.tell(Event::Established);
    }

    /// A later generation is done: its key seals soon.
    pub(crate) fn finish_renewal(&mut self) {
        let key_id = self.generation.key_id;
        self.generation.deadline = None;
        self.unfinished = None;
        self.tell(Event::Renegotiated(key_id));
        self.keys.complete(key_id, self.now.boot);
        self.keys.schedule(key_id, self.now.boot + self.switch_grace());
        self.switch_if_due();
    }

    fn switch_grace(&self) -> Duration {
        let half_life = match self.timing.renegotiate {
            Duration::ZERO => SWITCH_GRACE,
            renegotiate => renegotiate / 2,
        };
        SWITCH_GRACE.min(half_life).min(self.timing.hand_window)
    }

    /// When a key that is new now is old enough.
    pub(crate) fn draw_renewal(&mut self) -> Option<Duration> {
        let age = self.timing.renegotiate;
        if age.is_zero() {
            return None;
        }
        let jitter = self.entropy.duration_below(age / 10);
        Some(self.now.boot + age - jitter)
    }

    pub(crate) fn switch_if_due(&mut self) {
        let switched = self.keys.switch_due(self.now.boot);
        self.report_switch(switched);
    }

    pub(crate) fn expire_keys(&mut self) {
        let expired = self.keys.expire(self.now.boot);
        self.report_retired(expired);
    }

    fn report_switch(&mut self, switched: Option<KeyId>) {
        self.events.extend(switched.map(Event::KeyActive));
    }

    fn report_retired(&mut self, retired: Vec<KeyId>) {
        self.events.extend(retired.into_iter().map(Event::KeyRetired));
    }
}
