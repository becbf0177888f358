//! A client's first handshake: both key messages, then the push, which says how packets are sealed.

use std::time::Duration;

use wire::key_method::{ClientKeySource, ServerKeyMessage, ServerKeySource};
use wire::message::ControlMessage;
use wire::push::PushReply;

use crate::end::{EndReason, Misbehaviour, Progress};
use crate::event::{Event, Negotiated};
use crate::generation::Generation;
use crate::session::core::Core;
use crate::session::handshake::{self, Exchange, Handshake, Next, Stop, Unanswered};

use super::parting::Parting;
use super::push::agree;
use super::{ClientSide, parse_key_message, texts};

/// Pauses before the requests for the push; the last one repeats. Most servers push unasked.
const PUSH_PAUSES: [u64; 4] = [1, 1, 2, 3];

/// What the first handshake waits for.
pub(crate) enum Opening {
    /// TLS to be up, with which our key message leaves.
    Tls,
    /// The server's key message, with what ours said.
    KeyMessage(Box<ClientKeySource>),
    Push(Box<ExpectPush>),
    /// The data plane.
    Install(Negotiated),
}

/// The push.
pub(crate) struct ExpectPush {
    from_client: ClientKeySource,
    from_server: ServerKeySource,
    server_options: String,
    request: Requests,
}

/// When the server is asked for the push.
#[derive(Default)]
struct Requests {
    next: Option<Duration>,
    planned: usize,
}

impl Requests {
    fn plan(&mut self, boot: Duration) {
        let last = PUSH_PAUSES.len() - 1;
        let pause = PUSH_PAUSES.get(self.planned.min(last)).copied().unwrap_or(1);
        self.planned += 1;
        self.next = Some(boot + Duration::from_secs(pause));
    }
}

impl ExpectPush {
    fn after(from_client: ClientKeySource, message: ServerKeyMessage) -> Self {
        let ServerKeyMessage { source, options } = message;
        Self {
            from_client,
            from_server: source,
            server_options: options,
            request: Requests::default(),
        }
    }

    fn text(
        self: Box<Self>,
        text: ControlMessage,
        side: &mut ClientSide,
        core: &mut Core,
    ) -> Result<Opening, EndReason> {
        if let ControlMessage::AuthPending { timeout } = text {
            wait_for_authentication(timeout, core);
            return Ok(Opening::Push(self));
        }
        match side.take_text(text)? {
            Some(reply) => self.take_options(reply, side, core),
            None => Ok(Opening::Push(self)),
        }
    }

    fn take_options(
        self: Box<Self>,
        reply: PushReply,
        side: &mut ClientSide,
        core: &mut Core,
    ) -> Result<Opening, EndReason> {
        let negotiated = agree(&side.config.ciphers, &self.server_options, &reply)?;
        side.pushed = Some(reply.clone());
        core.tell(Event::Pushed(Box::new(reply)));
        core.offer_key(negotiated, &self.from_client, &self.from_server)?;
        Ok(Opening::Install(negotiated))
    }
}

/// The user has to do something elsewhere first.
fn wait_for_authentication(timeout: Option<u32>, core: &mut Core) {
    let window = core.timing.hand_window;
    let most = window.max(core.timing.renegotiate / 2);
    let asked = timeout.map_or(window, |secs| Duration::from_secs(secs.into()));
    let until = core.now.boot + asked.min(most);
    core.generation.deadline = core.generation.deadline.max(Some(until));
}

impl Opening {
    fn text(
        self,
        text: ControlMessage,
        side: &mut ClientSide,
        core: &mut Core,
    ) -> Result<Self, EndReason> {
        match self {
            Opening::Push(expected) => expected.text(text, side, core),
            other => side.take_text(text).map(|_| other),
        }
    }
}

impl Exchange for Opening {
    type Side = ClientSide;
    type Parting = Parting;

    fn tls_moved(self, side: &mut ClientSide, core: &mut Core) -> Result<Self, Stop<Parting>> {
        match self {
            Opening::Tls if !core.generation.tls.is_handshaking() => {
                Ok(Opening::KeyMessage(Box::new(side.send_key_message(core)?)))
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
            Opening::Tls => Err(EndReason::PeerMisbehaved(Misbehaviour::BadKeyMessage).into()),
            Opening::KeyMessage(from_client) => {
                let expected = ExpectPush::after(*from_client, parse_key_message(message)?);
                Ok(Opening::Push(Box::new(expected)))
            }
            step => Ok(texts(message).try_fold(step, |step, text| step.text(text, side, core))?),
        }
    }

    fn is_exchanged(&self) -> bool {
        matches!(self, Opening::Push(_) | Opening::Install(_))
    }
}

impl Handshake for Opening {
    type Outcome = Negotiated;

    fn is_held(&self) -> bool {
        matches!(self, Opening::Install(_))
    }

    fn texts_opened(&mut self, core: &mut Core) {
        core.generation.deadline = Some(core.window_from_now());
        if let Opening::Push(expected) = self {
            expected.request.plan(core.now.boot);
        }
    }

    fn installed(self, _: &mut ClientSide, _: &mut Core) -> Result<Next<Self>, Unanswered<Self>> {
        match self {
            Opening::Install(negotiated) => Ok(Next::Finished(negotiated)),
            other => Err(Unanswered::NotAwaited(other)),
        }
    }

    fn heard(self) -> Next<Self> {
        Next::Unfinished(self)
    }

    fn part(self, _: &mut ClientSide, _: &mut Core) -> Result<Parting, EndReason> {
        Ok(match self {
            Opening::Tls => Parting::Tls,
            Opening::KeyMessage(_) => Parting::KeyMessage,
            Opening::Push(_) | Opening::Install(_) => Parting::Exchanged,
        })
    }

    fn progress(&self, generation: &Generation) -> Progress {
        match self {
            Opening::Tls | Opening::KeyMessage(_) => generation.progress(),
            Opening::Push(_) => Progress::NoPushReply,
            Opening::Install(_) => Progress::AwaitingInstall,
        }
    }
}

impl handshake::Opening for Opening {
    fn negotiated(&self) -> Option<Negotiated> {
        match self {
            Opening::Install(negotiated) => Some(*negotiated),
            _ => None,
        }
    }

    fn is_pushed(&self) -> bool {
        false
    }

    fn asks_again_at(&self) -> Option<Duration> {
        match self {
            Opening::Push(expected) => expected.request.next,
            _ => None,
        }
    }

    /// Unless the last request is still on its way.
    fn ask_again(mut self, core: &mut Core) -> Result<Self, Stop<Parting>> {
        if let Opening::Push(expected) = &mut self {
            expected.request.plan(core.now.boot);
            if core.generation.reliable.all_acknowledged() {
                core.generation.say("PUSH_REQUEST")?;
            }
        }
        Ok(self)
    }
}
