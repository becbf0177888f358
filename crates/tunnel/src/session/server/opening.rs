//! A server's first handshake: admission, agreement, and the push.
//!
//! No key comes into use by our key message here, as that takes the push, so it leaves as soon as the
//! client has said its own; or with the push, where the client is known to read both at once.

use wire::key_method::{ClientKeySource, ServerKeySource};
use wire::peer_info::IvProto;

use crate::end::{EndReason, Progress};
use crate::event::{Grant, Negotiated};
use crate::generation::Generation;
use crate::session::close::denied;
use crate::session::core::Core;
use crate::session::handshake::{self, Exchange, Goodbye, Handshake, Next, Stop, Unanswered};

use super::greeting::{Abilities, Greeting};
use super::parting::Parting;
use super::push::{agree, texts};
use super::{Request, ServerSide, draw_source, requests};

const NO_SHARED_CIPHER: &str = "Data channel cipher negotiation failed (no shared cipher)";

/// What the first handshake waits for.
pub(crate) enum Opening {
    /// TLS, then the client's key message.
    KeyMessage,
    Admission(Box<ExpectAdmission>),
    Install(ExpectInstall),
    PushRequest(ExpectPushRequest),
    /// The acknowledgement of the push.
    Acks(Negotiated),
}

/// The driver's verdict on the identity.
pub(crate) struct ExpectAdmission {
    abilities: Abilities,
    from_client: ClientKeySource,
    from_server: ServerKeySource,
    own: OwnKeyMessage,
}

/// Where our key message is.
#[derive(Clone, Copy)]
enum OwnKeyMessage {
    /// It waits to leave with the push. Nothing is sent meanwhile: what follows the verdict brings the
    /// acknowledgements.
    WithPush,
    Said(Reader),
}

/// Whether the client is ready to read a push that comes after the key message.
#[derive(Clone, Copy)]
enum Reader {
    Ready,
    /// It has to ask first.
    Asks,
}

/// The data plane, with what leaves once it opens with the key.
pub(crate) struct ExpectInstall {
    negotiated: Negotiated,
    from_server: ServerKeySource,
    own: OwnKeyMessage,
    push: Vec<String>,
}

/// The client to be ready for its push, and our key message to be acknowledged.
pub(crate) struct ExpectPushRequest {
    negotiated: Negotiated,
    reader: Reader,
    push: Vec<String>,
}

impl Opening {
    /// Lets the client in: what both agree on, and the key.
    pub(super) fn grant(
        self,
        grant: &Grant,
        side: &mut ServerSide,
        core: &mut Core,
    ) -> Result<Self, Unanswered<Self>> {
        let Opening::Admission(asked) = self else { return Err(Unanswered::NotAwaited(self)) };
        side.not_after = grant.not_after;
        let ciphers = if grant.ciphers.is_empty() { &side.config.ciphers } else { &grant.ciphers };
        let Ok((choice, negotiated)) = agree(ciphers, grant.peer_id, &asked.abilities) else {
            let parting = Opening::Admission(asked).part(side, core)?;
            let (text, reason) = (denied(NO_SHARED_CIPHER), EndReason::NoCommonCipher);
            let goodbye = Box::new(Goodbye { parting, text, reason });
            return Err(Unanswered::Stopped(Stop::Part(goodbye)));
        };
        let push = texts(grant, &asked.abilities, choice, negotiated);
        let push = push.map_err(EndReason::OwnPush)?;
        core.offer_key(negotiated, &asked.from_client, &asked.from_server)?;
        let (from_server, own) = (asked.from_server, asked.own);
        Ok(Opening::Install(ExpectInstall { negotiated, from_server, own, push }))
    }

    pub(super) fn awaits_admission(&self) -> bool {
        matches!(self, Opening::Admission(_))
    }

    fn greet(
        message: &[u8],
        side: &mut ServerSide,
        core: &mut Core,
    ) -> Result<Self, Stop<Parting>> {
        let (abilities, from_client) = Greeting::read(message, core, false)?.ask(side, core);
        let from_server = draw_source(core);
        let own = match abilities {
            Abilities { reads_at_once: true, .. } => OwnKeyMessage::WithPush,
            _ if abilities.proto.contains(IvProto::REQUEST_PUSH) => {
                OwnKeyMessage::Said(Reader::Ready)
            }
            _ => OwnKeyMessage::Said(Reader::Asks),
        };
        if let OwnKeyMessage::Said(_) = own {
            side.send_key_message(from_server.clone(), core)?;
        }
        let asked = ExpectAdmission { abilities, from_client, from_server, own };
        Ok(Opening::Admission(Box::new(asked)))
    }

    /// The client asks for its push, which may be early.
    fn asked(self, side: &mut ServerSide, core: &mut Core) -> Result<Self, EndReason> {
        let ready = |own| match own {
            OwnKeyMessage::WithPush => OwnKeyMessage::WithPush,
            OwnKeyMessage::Said(_) => OwnKeyMessage::Said(Reader::Ready),
        };
        Ok(match self {
            Opening::Admission(mut asked) => {
                asked.own = ready(asked.own);
                Opening::Admission(asked)
            }
            Opening::Install(install) => {
                Opening::Install(ExpectInstall { own: ready(install.own), ..install })
            }
            Opening::PushRequest(expected) => {
                Opening::PushRequest(ExpectPushRequest { reader: Reader::Ready, ..expected })
            }
            other => {
                side.push_again(core)?;
                other
            }
        })
    }
}

impl ExpectInstall {
    fn installed(self, side: &mut ServerSide, core: &mut Core) -> Result<Opening, EndReason> {
        let Self { negotiated, from_server, own, push } = self;
        match own {
            OwnKeyMessage::Said(reader) => {
                Ok(Opening::PushRequest(ExpectPushRequest { negotiated, reader, push }))
            }
            OwnKeyMessage::WithPush => {
                side.send_key_message(from_server, core)?;
                push.iter().try_for_each(|text| core.generation.say_at_once(text))?;
                side.note_push(push, core);
                Ok(Opening::Acks(negotiated))
            }
        }
    }
}

impl Exchange for Opening {
    type Side = ServerSide;
    type Parting = Parting;

    fn message(
        self,
        message: &[u8],
        side: &mut ServerSide,
        core: &mut Core,
    ) -> Result<Self, Stop<Parting>> {
        let mut step = match self {
            Opening::KeyMessage => return Self::greet(message, side, core),
            step => step,
        };
        for request in requests(message) {
            match request {
                Request::Push => step = step.asked(side, core)?,
                Request::Exit => return Err(EndReason::PeerExit.into()),
            }
        }
        Ok(step)
    }

    fn is_exchanged(&self) -> bool {
        match self {
            Opening::KeyMessage => false,
            Opening::Admission(asked) => matches!(asked.own, OwnKeyMessage::Said(_)),
            Opening::Install(install) => matches!(install.own, OwnKeyMessage::Said(_)),
            Opening::PushRequest(_) | Opening::Acks(_) => true,
        }
    }
}

impl Handshake for Opening {
    type Outcome = Negotiated;

    fn is_held(&self) -> bool {
        match self {
            Opening::Admission(asked) => matches!(asked.own, OwnKeyMessage::WithPush),
            Opening::Install(_) => true,
            _ => false,
        }
    }

    fn texts_opened(&mut self, core: &mut Core) {
        core.generation.deadline = Some(core.window_from_now());
    }

    fn say_texts(self, side: &mut ServerSide, core: &mut Core) -> Result<Self, Stop<Parting>> {
        let Opening::PushRequest(ExpectPushRequest { negotiated, reader: Reader::Ready, push }) =
            self
        else {
            return Ok(self);
        };
        push.iter().try_for_each(|text| core.generation.say(text))?;
        side.note_push(push, core);
        Ok(Opening::Acks(negotiated))
    }

    fn installed(
        self,
        side: &mut ServerSide,
        core: &mut Core,
    ) -> Result<Next<Self>, Unanswered<Self>> {
        match self {
            Opening::Install(install) => Ok(Next::Unfinished(install.installed(side, core)?)),
            other => Err(Unanswered::NotAwaited(other)),
        }
    }

    fn heard(self) -> Next<Self> {
        match self {
            Opening::Acks(negotiated) => Next::Finished(negotiated),
            other => Next::Unfinished(other),
        }
    }

    fn part(self, side: &mut ServerSide, core: &mut Core) -> Result<Parting, EndReason> {
        let (own, source) = match self {
            Opening::KeyMessage => return Ok(Parting::KeyMessage),
            Opening::PushRequest(_) | Opening::Acks(_) => return Ok(Parting::Exchanged),
            Opening::Admission(asked) => (asked.own, asked.from_server),
            Opening::Install(install) => (install.own, install.from_server),
        };
        if let OwnKeyMessage::WithPush = own {
            side.send_key_message(source, core)?;
        }
        Ok(Parting::Exchanged)
    }

    fn progress(&self, generation: &Generation) -> Progress {
        match self {
            Opening::KeyMessage => generation.progress(),
            Opening::Admission(_) => Progress::AwaitingAdmission,
            Opening::Install(_) => Progress::AwaitingInstall,
            Opening::PushRequest(_) if generation.texts_are_open() => Progress::NoPushRequest,
            Opening::PushRequest(_) | Opening::Acks(_) => Progress::Unacknowledged,
        }
    }
}

impl handshake::Opening for Opening {
    fn negotiated(&self) -> Option<Negotiated> {
        match self {
            Opening::KeyMessage | Opening::Admission(_) => None,
            Opening::Install(install) => Some(install.negotiated),
            Opening::PushRequest(expected) => Some(expected.negotiated),
            Opening::Acks(negotiated) => Some(*negotiated),
        }
    }

    fn is_pushed(&self) -> bool {
        matches!(self, Opening::Acks(_))
    }
}
