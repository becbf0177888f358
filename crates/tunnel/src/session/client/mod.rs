//! A client's side of a session: its key message, and what the server pushed.

mod opening;
mod parting;
mod push;
mod renewing;
mod token;

use std::sync::Arc;

use wire::Opcode;
use wire::cipher::Cipher;
use wire::key_material::Role as TlsRole;
use wire::key_method::{ClientKeyMessage, ClientKeySource, ServerKeyMessage};
use wire::message::{self, ControlMessage};
use wire::peer_info::{IvProto, PeerInfo};
use wire::push::{PushCollector, PushReply};
use zeroize::Zeroizing;

use crate::config::ClientConfig;
use crate::end::{EndReason, Misbehaviour};
use crate::event::Negotiated;
use crate::session::core::Core;
use crate::session::handshake::Role;
use crate::state::SavedSide;
use crate::tls::Tls;

use opening::Opening;
use parting::Parting;
use renewing::Renewing;
use token::Token;

/// What this client understands.
const PROTO: IvProto = IvProto::DATA_V2
    .with(IvProto::REQUEST_PUSH)
    .with(IvProto::TLS_KEY_EXPORT)
    .with(IvProto::AUTH_PENDING)
    .with(IvProto::CC_EXIT_NOTIFY)
    .with(IvProto::AUTH_FAILED_TEMP)
    .with(IvProto::DNS_V2);
/// A pushed MTU is taken up to this.
const MAX_TUN_MTU: &str = "1600";

/// A client's side of a session.
pub(crate) struct ClientSide {
    config: Arc<ClientConfig>,
    token: Token,
    /// The options that are in force.
    pushed: Option<PushReply>,
    collector: PushCollector,
}

impl ClientSide {
    pub(crate) fn new(config: Arc<ClientConfig>) -> Self {
        let (token, collector) = (Token::default(), PushCollector::new());
        Self { config, token, pushed: None, collector }
    }

    /// From a saved state. A push that does not parse any more would not have been taken.
    pub(crate) fn restored(config: Arc<ClientConfig>, saved: &SavedSide) -> Self {
        let mut side = Self::new(config);
        side.token = Token { password: saved.auth_token.clone(), user: saved.auth_user.clone() };
        for text in &saved.pushed {
            if let ControlMessage::PushReply(part) = ControlMessage::parse(text)
                && let Ok(Some(reply)) = side.collector.add(part)
            {
                side.pushed = Some(reply);
            }
        }
        side
    }

    pub(crate) fn pushed(&self) -> Option<&PushReply> {
        self.pushed.as_ref()
    }

    /// A client speaks first, as soon as TLS is up.
    fn send_key_message(&self, core: &mut Core) -> Result<ClientKeySource, EndReason> {
        let random = Zeroizing::new(core.entropy.array());
        let source = ClientKeySource::from_random(&random);
        let message = self.key_message(source.clone());
        core.generation.tls.send_message(&message.encode().map_err(EndReason::OwnKeyMessage)?)?;
        Ok(source)
    }

    fn key_message(&self, source: ClientKeySource) -> ClientKeyMessage {
        let (config, token) = (&self.config, &self.token);
        let username = if token.user.is_empty() { &config.username } else { &token.user };
        let password = if token.password.is_empty() { &config.password } else { &token.password };
        ClientKeyMessage {
            source,
            options: config.options.clone(),
            username: username.clone(),
            password: password.clone(),
            peer_info: self.peer_info().encode(),
        }
    }

    /// The lines that servers act upon; the configuration may replace any and add others.
    fn peer_info(&self) -> PeerInfo {
        let config = &self.config;
        let (ciphers, proto) = (Cipher::join(&config.ciphers), PROTO.to_string());
        let both_gcm =
            [Cipher::Aes256Gcm, Cipher::Aes128Gcm].iter().all(|gcm| config.ciphers.contains(gcm));
        let usual = [
            ("IV_VER", config.version.as_str()),
            ("IV_PLAT", &config.platform),
            ("IV_TCPNL", "1"),
            ("IV_MTU", MAX_TUN_MTU),
            ("IV_NCP", if both_gcm { "2" } else { "" }),
            ("IV_CIPHERS", &ciphers),
            ("IV_PROTO", &proto),
        ];
        let replaced = |name: &str| config.peer_info.iter().any(|(other, _)| other == name);
        let own = config.peer_info.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let usual = usual.into_iter().filter(|(name, value)| !value.is_empty() && !replaced(name));
        let mut info = PeerInfo::new();
        for (name, value) in usual.chain(own) {
            info.push(name, value);
        }
        info
    }
}

impl Role for ClientSide {
    const TLS: TlsRole = TlsRole::TlsClient;
    const PEERS_RESET: Opcode = Opcode::CONTROL_HARD_RESET_SERVER_V2;
    type Opening = Opening;
    type Renewing = Renewing;
    type Parting = Parting;

    fn tls(&self) -> Tls {
        Tls::client(&self.config.tls)
    }

    fn opening() -> Opening {
        Opening::Tls
    }

    fn renewing(negotiated: Negotiated) -> Renewing {
        Renewing::Tls(negotiated)
    }

    fn exchanged() -> Parting {
        Parting::Exchanged
    }

    fn take_texts(&mut self, message: &[u8], _: &mut Core) -> Result<(), EndReason> {
        texts(message).try_for_each(|text| self.take_text(text).map(drop))
    }

    fn save(&self) -> SavedSide {
        SavedSide {
            leaf: None,
            auth_token: self.token.password.clone(),
            auth_user: self.token.user.clone(),
            pushed: self.pushed.as_ref().map(encode_push).unwrap_or_default(),
        }
    }
}

impl ClientSide {
    /// Gives the push that this text completes. A later one may renew the token; it does not change the
    /// tunnel.
    fn take_text(&mut self, text: ControlMessage) -> Result<Option<PushReply>, EndReason> {
        match text {
            ControlMessage::PushReply(part) => {
                let reply = self.collector.add(part);
                let reply =
                    reply.map_err(|_| EndReason::PeerMisbehaved(Misbehaviour::PushTooLong))?;
                reply.iter().for_each(|reply| self.token.learn(reply));
                Ok(reply)
            }
            ControlMessage::AuthFailed(failure) => Err(EndReason::AuthFailed(failure)),
            ControlMessage::Restart { keep_credentials, next_server, text } => {
                Err(EndReason::PeerRestart { keep_credentials, next_server, text })
            }
            ControlMessage::Halt(text) => Err(EndReason::PeerHalt(text)),
            ControlMessage::Exit => Err(EndReason::PeerExit),
            _ => Ok(None),
        }
    }
}

fn texts(message: &[u8]) -> impl Iterator<Item = ControlMessage> {
    message::parse(message).into_iter().flatten()
}

/// A server's key message. None comes before ours.
fn parse_key_message(message: &[u8]) -> Result<ServerKeyMessage, EndReason> {
    ServerKeyMessage::parse(message)
        .map_err(|_| EndReason::PeerMisbehaved(Misbehaviour::BadKeyMessage))
}

fn encode_push(push: &PushReply) -> Vec<Zeroizing<String>> {
    push.encode().unwrap_or_default().into_iter().map(Zeroizing::new).collect()
}
