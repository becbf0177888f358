//! A server's side of a session: the certificate that it knows its client by, what it pushed, and its
//! own key message.

mod admission;
mod greeting;
mod opening;
mod parting;
mod push;
mod renewing;

use std::sync::Arc;
use std::time::Duration;

use clock::Now;
use wire::Opcode;
use wire::key_material::Role as TlsRole;
use wire::key_method::{ServerKeyMessage, ServerKeySource};
use wire::message::{self, ControlMessage};
use zeroize::Zeroizing;

use crate::config::ServerConfig;
use crate::end::EndReason;
use crate::event::Negotiated;
use crate::session::core::Core;
use crate::session::handshake::Role;
use crate::state::SavedSide;
use crate::tls::Tls;

pub(crate) use admission::{admit, awaits_admission};
use opening::Opening;
use parting::Parting;
use renewing::Renewing;

/// A client that asks again sooner has its answer on the way.
const PUSH_AGAIN_AFTER: Duration = Duration::from_secs(30);
/// Fits every peer; used if the configured string does not fit the message.
const PLAIN_OPTIONS: &str = "V4,dev-type tun,key-method 2,tls-server";

/// A server's side of a session.
pub(crate) struct ServerSide {
    config: Arc<ServerConfig>,
    /// Fingerprint of the admitted certificate; all zero if there was none.
    leaf: Option<[u8; 32]>,
    /// When the admitted certificate runs out, as time since 1970.
    not_after: Option<Duration>,
    pushed: Option<Pushed>,
}

/// The push, as it was sent last.
struct Pushed {
    texts: Vec<String>,
    at: Duration,
}

impl ServerSide {
    pub(crate) fn new(config: Arc<ServerConfig>) -> Self {
        Self { config, leaf: None, not_after: None, pushed: None }
    }

    pub(crate) fn restored(config: Arc<ServerConfig>, saved: &SavedSide) -> Self {
        Self { leaf: saved.leaf, ..Self::new(config) }
    }

    /// Sends our key message, which a generation has one of.
    fn send_key_message(&self, source: ServerKeySource, core: &mut Core) -> Result<(), EndReason> {
        let options = self.config.options.clone();
        let mut message = ServerKeyMessage { source, options };
        let mut bytes = message.encode();
        if bytes.is_err() {
            message.options = PLAIN_OPTIONS.to_owned();
            bytes = message.encode();
        }
        core.generation.tls.send_message(&bytes.map_err(EndReason::OwnKeyMessage)?)
    }

    fn note_push(&mut self, texts: Vec<String>, core: &Core) {
        self.pushed = Some(Pushed { texts, at: core.now.boot });
    }

    /// The client asks for its push, which it has got unless it was long ago.
    fn push_again(&mut self, core: &mut Core) -> Result<(), EndReason> {
        let Some(pushed) = &mut self.pushed else { return Ok(()) };
        if core.now.boot.saturating_sub(pushed.at) < PUSH_AGAIN_AFTER {
            return Ok(());
        }
        pushed.at = core.now.boot;
        pushed.texts.iter().try_for_each(|text| core.generation.say(text))
    }
}

impl Role for ServerSide {
    const TLS: TlsRole = TlsRole::TlsServer;
    const PEERS_RESET: Opcode = Opcode::CONTROL_HARD_RESET_CLIENT_V2;
    type Opening = Opening;
    type Renewing = Renewing;
    type Parting = Parting;

    fn tls(&self) -> Tls {
        Tls::server(&self.config.tls)
    }

    fn opening() -> Opening {
        Opening::KeyMessage
    }

    fn renewing(negotiated: Negotiated) -> Renewing {
        Renewing::KeyMessage(negotiated)
    }

    fn exchanged() -> Parting {
        Parting::Exchanged
    }

    fn take_texts(&mut self, message: &[u8], core: &mut Core) -> Result<(), EndReason> {
        for request in requests(message) {
            match request {
                Request::Push => self.push_again(core)?,
                Request::Exit => return Err(EndReason::PeerExit),
            }
        }
        Ok(())
    }

    fn certificate_ends(&self, now: Now) -> Option<Duration> {
        Some(now.boot + self.not_after?.saturating_sub(now.wall))
    }

    fn save(&self) -> SavedSide {
        SavedSide { leaf: self.leaf, ..SavedSide::default() }
    }
}

/// Which of a client's texts a server acts upon.
enum Request {
    Push,
    Exit,
}

fn requests(message: &[u8]) -> impl Iterator<Item = Request> {
    message::parse(message).into_iter().flatten().filter_map(|text| match text {
        ControlMessage::PushRequest => Some(Request::Push),
        ControlMessage::Exit => Some(Request::Exit),
        _ => None,
    })
}

/// Drawn once in each generation: a renewed key is derived before the message leaves.
fn draw_source(core: &mut Core) -> ServerKeySource {
    let random = Zeroizing::new(core.entropy.array());
    ServerKeySource::from_random(&random)
}
