//! What only a server's session does: admission, cipher choice, push.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use clock::Now;
use wire::cipher::{Choice, ClientOffer, negotiate};
use wire::key_method::{ClientKeyMessage, ServerKeyMessage, ServerKeySource};
use wire::message::{self, ControlMessage};
use wire::peer_info::{IvProto, PeerInfo};
use wire::push::{ProtocolFlag, PushEncodeError, PushOption, PushReply};
use zeroize::Zeroizing;

use crate::closing::Refusal;
use crate::config::ServerConfig;
use crate::end::{EndReason, Misbehaviour};
use crate::event::{Event, Grant, Hello, Negotiated};
use crate::generation::HandshakeState;
use crate::not_awaited::NotAwaited;
use crate::session::close::denied;
use crate::session::{Phase, Session, Side};

/// A client that asks again sooner has its answer on the way.
const PUSH_AGAIN_AFTER: Duration = Duration::from_secs(30);
const NO_SHARED_CIPHER: &str = "Data channel cipher negotiation failed (no shared cipher)";
const CERTIFICATE_EXPIRED: &str = "The certificate has expired";
/// How `IV_VER` begins where a push that comes in one flight with the key message was seen to be
/// read: stock clients 2.5 to 2.7, and ours.
const READ_AT_ONCE: [&str; 2] = ["2.", "handfast_"];
/// Fits every peer; used if the configured string does not fit the message.
const PLAIN_OPTIONS: &str = "V4,dev-type tun,key-method 2,tls-server";

/// A server's part of a session.
pub(crate) struct ServerSide {
    pub(crate) config: Arc<ServerConfig>,
    /// Fingerprint of the admitted certificate; all zero if there was none.
    pub(crate) leaf: Option<[u8; 32]>,
    client: Option<Abilities>,
    push: Vec<String>,
    /// When the admitted certificate runs out, as time since 1970.
    not_after: Option<Duration>,
    push_requested: bool,
    pushed_at: Option<Duration>,
}

/// What the client said about itself in the first generation.
struct Abilities {
    proto: IvProto,
    offer: ClientOffer,
    takes_mtu: bool,
    /// Reads key message and push in one flight.
    reads_at_once: bool,
}

impl Abilities {
    fn of(info: &PeerInfo, options: &str) -> Self {
        let proto = info.iv_proto();
        let version = info.get("IV_VER").unwrap_or_default();
        Self {
            proto,
            offer: info.cipher_offer(options),
            takes_mtu: info.max_mtu().is_some(),
            reads_at_once: proto.contains(IvProto::REQUEST_PUSH)
                && READ_AT_ONCE.iter().any(|known| version.starts_with(known)),
        }
    }
}

impl ServerSide {
    pub(crate) fn new(config: Arc<ServerConfig>) -> Self {
        Self {
            config,
            leaf: None,
            client: None,
            push: Vec::new(),
            not_after: None,
            push_requested: false,
            pushed_at: None,
        }
    }

    /// True if the first key message waits for the push, to leave in one flight with it.
    pub(crate) fn pushes_at_once(&self) -> bool {
        self.client.as_ref().is_some_and(|client| client.reads_at_once)
    }
}

impl Session {
    /// Server: yes to an `Admission`.
    pub fn admit(&mut self, grant: Grant, now: Now) -> Result<(), NotAwaited> {
        self.now = now;
        self.check_admission_is_open()?;
        if let Side::Server(server) = &mut self.side {
            server.not_after = grant.not_after;
        }
        match self.grant_key(&grant) {
            Ok(()) => self.advance(),
            Err(reason @ EndReason::NoCommonCipher) => {
                self.close_with(&denied(NO_SHARED_CIPHER), reason);
            }
            Err(reason) => self.end(reason),
        }
        Ok(())
    }

    /// Server: no to an `Admission`.
    pub fn refuse(&mut self, refusal: Refusal, now: Now) -> Result<(), NotAwaited> {
        self.now = now;
        self.check_admission_is_open()?;
        self.close_with(&denied(&refusal.told), EndReason::Refused(refusal));
        Ok(())
    }

    fn check_admission_is_open(&self) -> Result<(), NotAwaited> {
        match self.primary.state {
            _ if self.is_ended() => Err(NotAwaited::SessionEnded),
            HandshakeState::ExpectAdmission => Ok(()),
            _ => Err(NotAwaited::Admission),
        }
    }

    pub(crate) fn take_client_key_message(&mut self, message: &[u8]) -> Result<(), EndReason> {
        let message = ClientKeyMessage::parse(message)
            .map_err(|_| EndReason::PeerMisbehaved(Misbehaviour::BadKeyMessage))?;
        self.primary.key_message_received = true;
        if matches!(self.phase, Phase::Draining { .. }) {
            return self.send_server_key_message();
        }
        self.greet(message)
    }

    fn greet(&mut self, message: ClientKeyMessage) -> Result<(), EndReason> {
        let first = self.primary.is_first();
        let chain = self.primary.tls.peer_chain();
        let fingerprint = chain.first().map_or([0; 32], |leaf| sha256(leaf));
        let peer_info = PeerInfo::parse(&message.peer_info);
        let Side::Server(server) = &mut self.side else { return Ok(()) };
        if *server.leaf.get_or_insert(fingerprint) != fingerprint {
            self.close_with(&denied(""), EndReason::IdentityChanged);
            return Ok(());
        }
        if first {
            server.client = Some(Abilities::of(&peer_info, &message.options));
            // No key comes into use by it: that takes the push. A renegotiation's waits for the key.
            if !server.pushes_at_once() {
                self.send_server_key_message()?;
            }
        }
        self.primary.sources.client = Some(message.source);
        self.primary.state = HandshakeState::ExpectAdmission;
        self.events.push_back(Event::Admission(Box::new(Hello {
            chain,
            tls: self.primary.tls.version(),
            peer_info,
            options: message.options,
            username: message.username,
            password: message.password,
            renegotiation: !first,
        })));
        Ok(())
    }

    /// Says it once in each generation.
    pub(crate) fn send_server_key_message(&mut self) -> Result<(), EndReason> {
        let Side::Server(server) = &self.side else { return Ok(()) };
        if self.primary.key_message_sent {
            return Ok(());
        }
        let options = server.config.options.clone();
        let source = self.server_source();
        let mut message = ServerKeyMessage { source, options };
        let mut bytes = message.encode();
        if bytes.is_err() {
            message.options = PLAIN_OPTIONS.to_owned();
            bytes = message.encode();
        }
        self.primary.tls.send_message(&bytes.map_err(EndReason::OwnKeyMessage)?)?;
        self.primary.key_message_sent = true;
        Ok(())
    }

    /// Drawn once in each generation: a renewed key is derived before the message leaves.
    fn server_source(&mut self) -> ServerKeySource {
        let random = Zeroizing::new(self.entropy.array());
        let drawn = || ServerKeySource::from_random(&random);
        self.primary.sources.server.get_or_insert_with(drawn).clone()
    }

    fn grant_key(&mut self, grant: &Grant) -> Result<(), EndReason> {
        let negotiated = match self.negotiated {
            Some(negotiated) => negotiated,
            None => self.agree(grant)?,
        };
        self.server_source();
        self.offer_key(negotiated)
    }

    /// Section 8: cipher, key derivation and abilities, and the push that says so.
    fn agree(&mut self, grant: &Grant) -> Result<Negotiated, EndReason> {
        let Side::Server(server) = &mut self.side else { return Err(EndReason::NoCommonCipher) };
        let Some(client) = &server.client else { return Err(EndReason::NoCommonCipher) };
        let ciphers =
            if grant.ciphers.is_empty() { &server.config.ciphers } else { &grant.ciphers };
        let choice =
            negotiate(ciphers, &client.offer, None).map_err(|_| EndReason::NoCommonCipher)?;
        let negotiated = Negotiated {
            cipher: choice.cipher,
            exporter: client.proto.contains(IvProto::TLS_KEY_EXPORT),
            exit_notify: client.proto.contains(IvProto::CC_EXIT_NOTIFY),
            peer_id: Some(grant.peer_id)
                .filter(|id| !id.is_unset() && client.proto.contains(IvProto::DATA_V2)),
        };
        server.push =
            push_messages(grant, client, choice, negotiated).map_err(EndReason::OwnPush)?;
        self.negotiated = Some(negotiated);
        Ok(negotiated)
    }

    /// Spares the client a round trip.
    pub(crate) fn send_key_message_and_push(&mut self) -> Result<(), EndReason> {
        self.primary.state = HandshakeState::ExpectAcks;
        self.send_server_key_message()?;
        self.push();
        self.send_texts()
    }

    /// Pushes once the key is installed and the client is ready to read it.
    pub(crate) fn push_if_ready(&mut self) {
        let Side::Server(server) = &mut self.side else { return };
        let early = server
            .client
            .as_ref()
            .is_some_and(|client| client.proto.contains(IvProto::REQUEST_PUSH));
        if self.primary.state == HandshakeState::ExpectPushRequest
            && (early || server.push_requested)
        {
            self.primary.state = HandshakeState::ExpectAcks;
            self.push();
        }
    }

    fn push(&mut self) {
        let Side::Server(server) = &mut self.side else { return };
        server.pushed_at = Some(self.now.boot);
        for text in server.push.clone() {
            self.queue_message(&text);
        }
    }

    /// Boot time at which the admitted certificate runs out, by the clock as it is.
    pub(crate) fn certificate_ends(&self) -> Option<Duration> {
        let Side::Server(server) = &self.side else { return None };
        Some(self.now.boot + server.not_after?.saturating_sub(self.now.wall))
    }

    pub(crate) fn end_with_certificate(&mut self) {
        self.cut_off(&denied(CERTIFICATE_EXPIRED), EndReason::CertificateExpired);
    }

    pub(crate) fn take_text_from_client(&mut self, message: &[u8]) -> Result<(), EndReason> {
        for text in message::parse(message).into_iter().flatten() {
            match text {
                ControlMessage::PushRequest => self.take_push_request(),
                ControlMessage::Exit => self.end(EndReason::PeerExit),
                _ => {}
            }
        }
        Ok(())
    }

    fn take_push_request(&mut self) {
        let Side::Server(server) = &mut self.side else { return };
        server.push_requested = true;
        let stale =
            server.pushed_at.is_some_and(|at| self.now.boot.saturating_sub(at) >= PUSH_AGAIN_AFTER);
        if stale && matches!(self.phase, Phase::Opening | Phase::Established) {
            self.push();
        }
    }
}

/// The whole push, cut into messages. A client without `IV_MTU` gets no `tun-mtu`.
fn push_messages(
    grant: &Grant,
    client: &Abilities,
    choice: Choice,
    negotiated: Negotiated,
) -> Result<Vec<String>, PushEncodeError> {
    let fits = |option: &&PushOption| client.takes_mtu || !matches!(option, PushOption::TunMtu(_));
    let mut options: Vec<PushOption> = grant.push.iter().filter(fits).cloned().collect();
    options.extend(negotiated.peer_id.map(PushOption::PeerId));
    if choice.push {
        options.push(PushOption::Cipher(choice.cipher.name().to_owned()));
    }
    let mut flags = Vec::new();
    if negotiated.exit_notify {
        flags.push(ProtocolFlag::CcExit);
    }
    if negotiated.exporter {
        flags.push(ProtocolFlag::TlsEkm);
    }
    match negotiated.exit_notify {
        true => options.push(PushOption::ProtocolFlags(flags)),
        false if negotiated.exporter => options.push(PushOption::KeyDerivationTlsEkm),
        false => {}
    }
    PushReply::new(options).encode()
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, bytes).as_ref());
    out
}
