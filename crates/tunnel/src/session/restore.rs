//! A session to its saved state and back.
//!
//! A restored session has its data keys, counters and agreement, and begins a new generation at once.
//! Its TLS connection is gone, so what was unfinished is not continued: a client starts over, and a
//! server's session ends with a typed reason.

use std::time::Duration;

use clock::Now;
use wire::KeyId;

use crate::config::Timing;
use crate::end::EndReason;
use crate::entropy::Seed;
use crate::event::{Event, NewKey};
use crate::keys::{HeldKey, Past};
use crate::session::core::Core;
use crate::session::handshake::{Opening, Role};
use crate::session::link::Link;
use crate::session::machine::Machine;
use crate::session::phase::{Phase, Renewal, Up};
use crate::state::{SavedKey, SessionState, Stage};
use crate::wrapping::Wrapping;

/// Everything that a restored session needs, as of the last call with a time.
pub(crate) fn save<R: Role>(machine: &Machine<R>) -> SessionState {
    let Machine { core, side, phase } = machine;
    let wrapping = core.link.wrapping();
    SessionState {
        role: R::TLS,
        stage: stage(phase),
        id: core.link.id(),
        peer: core.link.peer(),
        wrap: wrapping.wrap(),
        last_sent: wrapping.last_sent(),
        replay: wrapping.replay(),
        key_id: core.generation.key_id,
        keys: core.keys.held.iter().map(|key| save_key(key, core.now.boot)).collect(),
        sealing: sealing(phase, core),
        side: side.save(),
    }
}

/// A server that has pushed may go on: its client either has all it needs, or gives up by itself.
fn stage<R: Role>(phase: &Phase<R>) -> Stage {
    match phase {
        Phase::Opening(handshake) => match handshake.negotiated() {
            Some(negotiated) if handshake.is_pushed() => Stage::Established(negotiated),
            _ => Stage::Opening,
        },
        Phase::Up(up) => Stage::Established(up.negotiated),
        Phase::Closing(_) | Phase::Ended => Stage::Over,
    }
}

/// The restored session begins a generation, which makes a complete one seal.
fn sealing<R: Role>(phase: &Phase<R>, core: &Core) -> Option<KeyId> {
    let pushed = match phase {
        Phase::Opening(handshake) if handshake.is_pushed() => Some(core.generation.key_id),
        _ => None,
    };
    core.keys.switch.map(|switch| switch.key_id).or(core.keys.sealing).or(pushed)
}

fn save_key(key: &HeldKey, boot: Duration) -> SavedKey {
    SavedKey {
        key_id: key.key_id,
        cipher: key.cipher,
        material: key.material.clone(),
        left: key.expires.map(|at| at.saturating_sub(boot)),
    }
}

/// A session from its saved state, which goes on if it was established and ends if not.
pub(crate) fn revive<R: Role>(
    side: R,
    state: SessionState,
    timing: Timing,
    seed: Seed,
    now: Now,
) -> Machine<R> {
    let wrapping = Wrapping::restored(state.wrap, state.last_sent, state.replay);
    let link = Link::new(state.id, state.peer, wrapping);
    let core = Core::restored(R::TLS, link, state.key_id, side.tls(), seed, timing, now);
    let mut machine = Machine { side, core, phase: Phase::Ended };
    match state.stage {
        Stage::Opening => machine.end(EndReason::RestoredMidHandshake),
        Stage::Over => machine.end(EndReason::RestoredAfterItsEnd),
        Stage::Established(negotiated) => {
            hold(&mut machine.core, state.keys);
            // Not said to be active: a data plane that survived seals with it already, and a new one does
            // not know which packet ids are used up and would use nonces twice. Its data waits for the
            // generation that begins here.
            machine.core.keys.sealing = state.sealing;
            machine.phase = Phase::Up(Up { negotiated, renewal: Renewal::Rests { until: None } });
            machine.begin_our_generation();
        }
    }
    machine
}

fn hold(core: &mut Core, keys: Vec<SavedKey>) {
    let (boot, role) = (core.now.boot, core.role);
    let seals_until = core.timing.sealing_life().map(|life| boot + life);
    for SavedKey { key_id, cipher, material, left } in keys {
        let expires = left.map(|left| boot + left);
        let key = NewKey { key_id, cipher, material: material.clone(), role, fresh: false };
        let past = Past::default();
        core.keys.add(HeldKey { key_id, cipher, material, expires, seals_until, past });
        core.tell(Event::KeyReady(Box::new(key)));
    }
}
