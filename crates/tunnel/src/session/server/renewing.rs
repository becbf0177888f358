//! A server's later handshakes: the client proves itself anew, and its next key comes into use. What was
//! agreed on stays.
//!
//! Our key message waits for the data plane: with it the client may use the key.

use wire::key_method::{ClientKeySource, ServerKeySource};

use crate::end::{EndReason, Progress};
use crate::event::{Grant, Negotiated};
use crate::generation::Generation;
use crate::session::core::Core;
use crate::session::handshake::{Exchange, Handshake, Next, Role, Stop, Unanswered};

use super::greeting::{Greeting, Impostor};
use super::parting::Parting;
use super::{ServerSide, draw_source};

/// What a later handshake waits for.
pub(crate) enum Renewing {
    /// TLS, then the client's key message.
    KeyMessage(Negotiated),
    Admission(ExpectAdmission),
    /// The data plane, with what our key message will say.
    Install(ServerKeySource),
    /// The acknowledgement of our key message.
    Acks,
}

/// The driver's verdict on the identity.
pub(crate) struct ExpectAdmission {
    negotiated: Negotiated,
    from_client: ClientKeySource,
}

impl Renewing {
    /// Lets the client stay. What it was pushed stays as well.
    pub(super) fn grant(
        self,
        grant: &Grant,
        side: &mut ServerSide,
        core: &mut Core,
    ) -> Result<Self, Unanswered<Self>> {
        let Renewing::Admission(asked) = self else { return Err(Unanswered::NotAwaited(self)) };
        side.not_after = grant.not_after;
        let source = draw_source(core);
        core.offer_key(asked.negotiated, &asked.from_client, &source)?;
        Ok(Renewing::Install(source))
    }

    pub(super) fn awaits_admission(&self) -> bool {
        matches!(self, Renewing::Admission(_))
    }
}

impl Exchange for Renewing {
    type Side = ServerSide;
    type Parting = Parting;

    fn message(
        self,
        message: &[u8],
        side: &mut ServerSide,
        core: &mut Core,
    ) -> Result<Self, Stop<Parting>> {
        let Renewing::KeyMessage(negotiated) = self else {
            side.take_texts(message, core)?;
            return Ok(self);
        };
        match Greeting::read(message, core, true)?.ask_again(side, core) {
            Ok(from_client) => Ok(Renewing::Admission(ExpectAdmission { negotiated, from_client })),
            Err(Impostor) => Err(Stop::NotThePeer),
        }
    }

    fn is_exchanged(&self) -> bool {
        matches!(self, Renewing::Acks)
    }
}

impl Handshake for Renewing {
    type Outcome = ();

    fn is_held(&self) -> bool {
        matches!(self, Renewing::Admission(_) | Renewing::Install(_))
    }

    /// Any subscriber's certificate goes through TLS; which one it is is looked at with the key message.
    fn is_unproved(&self) -> bool {
        matches!(self, Renewing::KeyMessage(_))
    }

    fn installed(
        self,
        side: &mut ServerSide,
        core: &mut Core,
    ) -> Result<Next<Self>, Unanswered<Self>> {
        let Renewing::Install(source) = self else { return Err(Unanswered::NotAwaited(self)) };
        side.send_key_message(source, core)?;
        Ok(Next::Unfinished(Renewing::Acks))
    }

    fn heard(self) -> Next<Self> {
        match self {
            Renewing::Acks => Next::Finished(()),
            other => Next::Unfinished(other),
        }
    }

    fn part(self, side: &mut ServerSide, core: &mut Core) -> Result<Parting, EndReason> {
        let source = match self {
            Renewing::KeyMessage(_) => return Ok(Parting::KeyMessage),
            Renewing::Acks => return Ok(Parting::Exchanged),
            Renewing::Admission(_) => draw_source(core),
            Renewing::Install(source) => source,
        };
        side.send_key_message(source, core)?;
        Ok(Parting::Exchanged)
    }

    fn progress(&self, generation: &Generation) -> Progress {
        match self {
            Renewing::KeyMessage(_) => generation.progress(),
            Renewing::Admission(_) => Progress::AwaitingAdmission,
            Renewing::Install(_) => Progress::AwaitingInstall,
            Renewing::Acks => Progress::Unacknowledged,
        }
    }
}
