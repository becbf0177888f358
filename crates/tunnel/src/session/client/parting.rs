//! A client that says goodbye: it goes on with the key messages, so that the server reads the last text.

use crate::end::{EndReason, Misbehaviour};
use crate::session::core::Core;
use crate::session::handshake::{Exchange, Role, Stop};

use super::{ClientSide, parse_key_message};

/// What the last text waits for.
pub(crate) enum Parting {
    Tls,
    KeyMessage,
    Exchanged,
}

impl Exchange for Parting {
    type Side = ClientSide;
    type Parting = Parting;

    fn tls_moved(self, side: &mut ClientSide, core: &mut Core) -> Result<Self, Stop<Parting>> {
        match self {
            Parting::Tls if !core.generation.tls.is_handshaking() => {
                side.send_key_message(core)?;
                Ok(Parting::KeyMessage)
            }
            other => Ok(other),
        }
    }

    fn message(
        self,
        message: &[u8],
        side: &mut ClientSide,
        core: &mut Core,
    ) -> Result<Self, Stop<Parting>> {
        match self {
            Parting::Tls => {
                return Err(EndReason::PeerMisbehaved(Misbehaviour::BadKeyMessage).into());
            }
            Parting::KeyMessage => drop(parse_key_message(message)?),
            Parting::Exchanged => side.take_texts(message, core)?,
        }
        Ok(Parting::Exchanged)
    }

    fn is_exchanged(&self) -> bool {
        matches!(self, Parting::Exchanged)
    }
}
