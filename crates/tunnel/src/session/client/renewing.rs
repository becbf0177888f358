//! A client's later handshakes: it proves itself anew, and the next key comes into use. What was pushed
//! stays.

use wire::key_method::ClientKeySource;

use crate::end::{EndReason, Misbehaviour, Progress};
use crate::event::Negotiated;
use crate::generation::Generation;
use crate::session::core::Core;
use crate::session::handshake::{Exchange, Handshake, Next, Role, Stop, Unanswered};

use super::parting::Parting;
use super::{ClientSide, parse_key_message};

/// What a later handshake waits for.
pub(crate) enum Renewing {
    /// TLS to be up, with which our key message leaves.
    Tls(Negotiated),
    KeyMessage(Box<ExpectKeyMessage>),
    /// The data plane.
    Install,
    /// The acknowledgement of our key message.
    Acks,
}

/// The server's key message.
pub(crate) struct ExpectKeyMessage {
    negotiated: Negotiated,
    from_client: ClientKeySource,
}

impl Exchange for Renewing {
    type Side = ClientSide;
    type Parting = Parting;

    fn tls_moved(self, side: &mut ClientSide, core: &mut Core) -> Result<Self, Stop<Parting>> {
        match self {
            Renewing::Tls(negotiated) if !core.generation.tls.is_handshaking() => {
                let from_client = side.send_key_message(core)?;
                let expected = ExpectKeyMessage { negotiated, from_client };
                Ok(Renewing::KeyMessage(Box::new(expected)))
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
            Renewing::Tls(_) => Err(EndReason::PeerMisbehaved(Misbehaviour::BadKeyMessage).into()),
            Renewing::KeyMessage(expected) => {
                let from_server = parse_key_message(message)?.source;
                core.offer_key(expected.negotiated, &expected.from_client, &from_server)?;
                Ok(Renewing::Install)
            }
            other => {
                side.take_texts(message, core)?;
                Ok(other)
            }
        }
    }

    fn is_exchanged(&self) -> bool {
        matches!(self, Renewing::Install | Renewing::Acks)
    }
}

impl Handshake for Renewing {
    type Outcome = ();

    fn is_held(&self) -> bool {
        matches!(self, Renewing::Install)
    }

    fn installed(self, _: &mut ClientSide, _: &mut Core) -> Result<Next<Self>, Unanswered<Self>> {
        match self {
            Renewing::Install => Ok(Next::Unfinished(Renewing::Acks)),
            other => Err(Unanswered::NotAwaited(other)),
        }
    }

    fn heard(self) -> Next<Self> {
        match self {
            Renewing::Acks => Next::Finished(()),
            other => Next::Unfinished(other),
        }
    }

    fn part(self, _: &mut ClientSide, _: &mut Core) -> Result<Parting, EndReason> {
        Ok(match self {
            Renewing::Tls(_) => Parting::Tls,
            Renewing::KeyMessage(_) => Parting::KeyMessage,
            Renewing::Install | Renewing::Acks => Parting::Exchanged,
        })
    }

    fn progress(&self, generation: &Generation) -> Progress {
        match self {
            Renewing::Tls(_) | Renewing::KeyMessage(_) => generation.progress(),
            Renewing::Install => Progress::AwaitingInstall,
            Renewing::Acks => Progress::Unacknowledged,
        }
    }
}
