//! The driver's answers to a server's question whether a client may in, or stay.

use crate::event::Grant;
use crate::session::core::Core;
use crate::session::phase::{Answer, Phase, Renewal, Up};

use super::ServerSide;

pub(crate) fn awaits_admission(phase: &Phase<ServerSide>) -> bool {
    match phase {
        Phase::Opening(handshake) => handshake.awaits_admission(),
        Phase::Up(Up { renewal: Renewal::Runs(handshake), .. }) => handshake.awaits_admission(),
        _ => false,
    }
}

/// Yes.
pub(crate) fn admit(
    grant: &Grant,
    phase: Phase<ServerSide>,
    side: &mut ServerSide,
    core: &mut Core,
) -> Answer<ServerSide> {
    match phase {
        Phase::Opening(handshake) => match handshake.grant(grant, side, core) {
            Ok(handshake) => Answer::Taken(Phase::Opening(handshake)),
            Err(why) => Answer::not_taken(why, Phase::Opening),
        },
        Phase::Up(Up { negotiated, renewal: Renewal::Runs(handshake) }) => {
            let renewal = Renewal::<ServerSide>::Runs;
            let up = |handshake| Phase::Up(Up { negotiated, renewal: renewal(handshake) });
            match handshake.grant(grant, side, core) {
                Ok(handshake) => Answer::Taken(up(handshake)),
                Err(why) => Answer::not_taken(why, up),
            }
        }
        other => Answer::NotAwaited(other),
    }
}
