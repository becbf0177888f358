//! A server that says goodbye: it answers a key message that is still to come, so that the client reads
//! the last text.

use crate::end::EndReason;
use crate::session::core::Core;
use crate::session::handshake::{Exchange, Stop};

use super::{Request, ServerSide, draw_source, greeting, requests};

/// What the last text waits for.
pub(crate) enum Parting {
    KeyMessage,
    Exchanged,
}

impl Exchange for Parting {
    type Side = ServerSide;
    type Parting = Parting;

    fn message(
        self,
        message: &[u8],
        side: &mut ServerSide,
        core: &mut Core,
    ) -> Result<Self, Stop<Parting>> {
        match self {
            Parting::KeyMessage => {
                greeting::parse(message)?;
                let source = draw_source(core);
                side.send_key_message(source, core)?;
            }
            Parting::Exchanged => {
                if requests(message).any(|request| matches!(request, Request::Exit)) {
                    return Err(EndReason::PeerExit.into());
                }
            }
        }
        Ok(Parting::Exchanged)
    }

    fn is_exchanged(&self) -> bool {
        matches!(self, Parting::Exchanged)
    }
}
