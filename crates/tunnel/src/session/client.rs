//! What only a client's session does: its key message, asking for the push, the server's texts.

use std::sync::Arc;
use std::time::Duration;

use wire::cipher::{Cipher, client_choice};
use wire::key_method::{ClientKeyMessage, ClientKeySource, ServerKeyMessage};
use wire::message::{self, ControlMessage};
use wire::options::cipher_token;
use wire::peer_info::{IvProto, PeerInfo};
use wire::push::{ProtocolFlag, PushCollector, PushOption, PushPart, PushReply};
use zeroize::Zeroizing;

use crate::config::ClientConfig;
use crate::end::{EndReason, Misbehaviour, PushFault};
use crate::event::{Event, Negotiated};
use crate::generation::HandshakeState;
use crate::session::{Session, Side};
use crate::state::SessionState;

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
/// Pauses before the requests for the push; the last one repeats. Most servers push unasked.
const PUSH_PAUSES: [u64; 4] = [1, 1, 2, 3];

/// A client's part of a session.
pub(crate) struct ClientSide {
    pub(crate) config: Arc<ClientConfig>,
    /// Pushed in place of the password.
    pub(crate) auth_token: Zeroizing<String>,
    pub(crate) auth_user: String,
    /// The options that are in force.
    pub(crate) pushed: Option<PushReply>,
    collector: PushCollector,
    server_options: String,
    next_request: Option<Duration>,
    requests: usize,
}

impl ClientSide {
    pub(crate) fn new(config: Arc<ClientConfig>) -> Self {
        Self {
            config,
            auth_token: Zeroizing::default(),
            auth_user: String::new(),
            pushed: None,
            collector: PushCollector::new(),
            server_options: String::new(),
            next_request: None,
            requests: 0,
        }
    }

    /// From a saved state. A push that does not parse any more would not have been taken.
    pub(crate) fn restored(config: Arc<ClientConfig>, state: &SessionState) -> Self {
        let mut client = Self::new(config);
        client.auth_token = state.auth_token.clone();
        client.auth_user.clone_from(&state.auth_user);
        for text in &state.pushed {
            if let ControlMessage::PushReply(part) = ControlMessage::parse(text)
                && let Ok(Some(reply)) = client.collector.add(part)
            {
                client.pushed = Some(reply);
            }
        }
        client
    }

    pub(crate) fn ask_for_push(&mut self, boot: Duration) {
        let last = PUSH_PAUSES.len() - 1;
        let pause = PUSH_PAUSES.get(self.requests.min(last)).copied().unwrap_or(1);
        self.requests += 1;
        self.next_request = Some(boot + Duration::from_secs(pause));
    }

    pub(crate) fn next_request(&self) -> Option<Duration> {
        self.next_request
    }

    fn key_message(&self, source: ClientKeySource) -> ClientKeyMessage {
        let config = &self.config;
        let username = if self.auth_user.is_empty() { &config.username } else { &self.auth_user };
        let password = if self.auth_token.is_empty() { &config.password } else { &self.auth_token };
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

impl Session {
    /// Client: the push that is in force, also after a restore.
    pub fn pushed(&self) -> Option<&PushReply> {
        match &self.side {
            Side::Client(client) => client.pushed.as_ref(),
            Side::Server(_) => None,
        }
    }

    pub(crate) fn send_client_key_message(&mut self) -> Result<(), EndReason> {
        let Side::Client(client) = &self.side else { return Ok(()) };
        let random = Zeroizing::new(self.entropy.array());
        let source = ClientKeySource::from_random(&random);
        let message =
            client.key_message(source.clone()).encode().map_err(EndReason::OwnKeyMessage)?;
        self.primary.sources.client = Some(source);
        self.primary.key_message_sent = true;
        self.primary.tls.send_message(&message)
    }

    pub(crate) fn take_server_key_message(&mut self, message: &[u8]) -> Result<(), EndReason> {
        let message = ServerKeyMessage::parse(message)
            .map_err(|_| EndReason::PeerMisbehaved(Misbehaviour::BadKeyMessage))?;
        self.primary.key_message_received = true;
        self.primary.sources.server = Some(message.source);
        if self.primary.state == HandshakeState::Closing {
            return Ok(());
        }
        let Side::Client(client) = &mut self.side else { return Ok(()) };
        match self.negotiated {
            Some(negotiated) => self.offer_key(negotiated),
            None => {
                client.server_options = message.options;
                self.primary.state = HandshakeState::ExpectPushReply;
                Ok(())
            }
        }
    }

    /// Asks once more, unless the last request is still on its way.
    pub(crate) fn request_push(&mut self) {
        let boot = self.now.boot;
        let on_its_way = !self.primary.reliable.all_acknowledged();
        let Side::Client(client) = &mut self.side else { return };
        if self.primary.state != HandshakeState::ExpectPushReply {
            client.next_request = None;
            return;
        }
        client.ask_for_push(boot);
        if !on_its_way {
            self.queue_message("PUSH_REQUEST");
        }
    }

    pub(crate) fn take_text_from_server(&mut self, message: &[u8]) -> Result<(), EndReason> {
        for text in message::parse(message).into_iter().flatten() {
            if self.is_ended() {
                break;
            }
            match text {
                ControlMessage::PushReply(part) => self.take_push(part)?,
                ControlMessage::AuthFailed(failure) => return Err(EndReason::AuthFailed(failure)),
                ControlMessage::Restart { keep_credentials, next_server, text } => {
                    return Err(EndReason::PeerRestart { keep_credentials, next_server, text });
                }
                ControlMessage::Halt(text) => return Err(EndReason::PeerHalt(text)),
                ControlMessage::Exit => return Err(EndReason::PeerExit),
                ControlMessage::AuthPending { timeout } => self.wait_for_authentication(timeout),
                _ => {}
            }
        }
        Ok(())
    }

    /// The user has to do something elsewhere first (section 9.4).
    fn wait_for_authentication(&mut self, timeout: Option<u32>) {
        if self.primary.state != HandshakeState::ExpectPushReply {
            return;
        }
        let most = self.timing.hand_window.max(self.timing.renegotiate / 2);
        let asked =
            timeout.map_or(self.timing.hand_window, |secs| Duration::from_secs(secs.into()));
        let until = self.now.boot + asked.min(most);
        self.primary.deadline = self.primary.deadline.max(Some(until));
    }

    fn take_push(&mut self, part: PushPart) -> Result<(), EndReason> {
        let expected = self.primary.state == HandshakeState::ExpectPushReply;
        let Side::Client(client) = &mut self.side else { return Ok(()) };
        let reply = client.collector.add(part);
        let reply = reply.map_err(|_| EndReason::PeerMisbehaved(Misbehaviour::PushTooLong))?;
        let Some(reply) = reply else { return Ok(()) };
        client.keep_token(&reply);
        // A later reply may only renew the token; it does not change the tunnel.
        if expected { self.take_options(reply) } else { Ok(()) }
    }

    fn take_options(&mut self, reply: PushReply) -> Result<(), EndReason> {
        let Side::Client(client) = &mut self.side else { return Ok(()) };
        let negotiated = agree(&client.config.ciphers, &client.server_options, &reply)?;
        client.next_request = None;
        client.pushed = Some(reply.clone());
        self.negotiated = Some(negotiated);
        self.events.push_back(Event::Pushed(Box::new(reply)));
        self.offer_key(negotiated)
    }
}

impl ClientSide {
    fn keep_token(&mut self, reply: &PushReply) {
        for option in &reply.options {
            match option {
                PushOption::AuthToken(token) => self.auth_token = token.0.clone(),
                PushOption::AuthTokenUser(user) => {
                    self.auth_user = decode_base64(user).unwrap_or_default()
                }
                _ => {}
            }
        }
    }
}

/// What the push means for keys and packets (section 8).
fn agree(own: &[Cipher], server_options: &str, reply: &PushReply) -> Result<Negotiated, EndReason> {
    if let Some(fault) = foreign_framing(server_options, reply) {
        return Err(EndReason::PushUnusable(fault));
    }
    let pushed = reply.options.iter().find_map(|option| match option {
        PushOption::Cipher(name) => Some(name.as_str()),
        _ => None,
    });
    let cipher = client_choice(own, pushed, cipher_token(server_options), None);
    let cipher = cipher.map_err(|_| match pushed {
        Some(_) => EndReason::PushUnusable(PushFault::CipherNotOffered),
        None => EndReason::NoCommonCipher,
    })?;
    let mut negotiated = Negotiated { cipher, exporter: false, exit_notify: false, peer_id: None };
    for option in &reply.options {
        match option {
            PushOption::PeerId(id) => negotiated.peer_id = Some(*id).filter(|id| !id.is_unset()),
            PushOption::KeyDerivationTlsEkm => negotiated.exporter = true,
            PushOption::ProtocolFlags(flags) => take_flags(&mut negotiated, flags)?,
            _ => {}
        }
    }
    Ok(negotiated)
}

/// What a server does to its data packets that would make every one of them unreadable here (sections
/// 7.3, 10.7 and 10.8). Of all framings for compression, `stub-v2` alone adds nothing.
fn foreign_framing(server_options: &str, reply: &PushReply) -> Option<PushFault> {
    let pushed = reply.options.iter().filter_map(|option| match option {
        PushOption::Other(text) => Some(text.split_ascii_whitespace()),
        _ => None,
    });
    let pushed = pushed.filter_map(|mut words| Some((words.next()?, words.next())));
    let pushed: Vec<_> = pushed.collect();
    let is_pushed = |name: &str| pushed.iter().any(|(pushed, _)| *pushed == name);
    let says = |token: &str| server_options.split(',').any(|said| said == token);
    if says("mtu-dynamic") || is_pushed("fragment") {
        return Some(PushFault::Fragments);
    }
    let framed = says("comp-lzo") || is_pushed("comp-lzo") || is_pushed("compress");
    let adds_nothing = pushed.contains(&("compress", Some("stub-v2")));
    (framed && !adds_nothing).then_some(PushFault::Compression)
}

fn take_flags(negotiated: &mut Negotiated, flags: &[ProtocolFlag]) -> Result<(), EndReason> {
    for flag in flags {
        match flag {
            ProtocolFlag::CcExit => negotiated.exit_notify = true,
            ProtocolFlag::TlsEkm => negotiated.exporter = true,
            ProtocolFlag::DynTlsCrypt | ProtocolFlag::AeadEpoch => {
                return Err(EndReason::PushUnusable(PushFault::FlagNotOffered));
            }
            ProtocolFlag::Unknown(_) => {}
        }
    }
    Ok(())
}

/// The user name of `auth-token-user`.
fn decode_base64(text: &str) -> Option<String> {
    let digit = |byte| match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let (mut bits, mut held, mut out) = (0_u32, 0, Vec::new());
    for byte in text.trim_end_matches('=').bytes() {
        bits = (bits << 6 | u32::from(digit(byte)?)) & 0xffff;
        held += 6;
        if held >= 8 {
            held -= 8;
            out.push((bits >> held & 0xff) as u8);
        }
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_whose_packets_would_be_unreadable_is_told_by_its_options_or_its_push() {
        let fault = |options: &str, push: &[&str]| {
            let options_pushed = push.iter().map(|text| PushOption::parse(text).unwrap());
            let reply = PushReply { options: options_pushed.collect(), refused: Vec::new() };
            foreign_framing(options, &reply)
        };
        let (plain, lzo) = ("V4,dev-type tun,tun-mtu 1500", "V4,dev-type tun,comp-lzo,keydir 0");
        assert_eq!(fault(plain, &["route 10.0.0.0"]), None);
        assert_eq!(fault(lzo, &[]), Some(PushFault::Compression));
        for push in ["comp-lzo no", "comp-lzo", "compress", "compress lz4", "compress lz4-v2"] {
            assert_eq!(fault(plain, &[push]), Some(PushFault::Compression), "{push}");
        }
        for options in [plain, lzo] {
            assert_eq!(fault(options, &["compress stub-v2"]), None);
        }
        assert_eq!(fault("V4,mtu-dynamic,comp-lzo", &[]), Some(PushFault::Fragments));
        assert_eq!(fault("V4,x-comp-lzo", &[]), None);
    }

    #[test]
    fn a_token_user_is_read_from_base64() {
        for (text, name) in
            [("YQ==", "a"), ("YWI=", "ab"), ("YWJj", "abc"), ("w7w=", "\u{fc}"), ("", "")]
        {
            assert_eq!(decode_base64(text).as_deref(), Some(name));
        }
        assert_eq!(decode_base64("a b"), None);
    }
}
