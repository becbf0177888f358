//! A client's key message: who it is, what it can, and the question whether it may in.

use aws_lc_rs::digest::{SHA256, digest};
use wire::cipher::ClientOffer;
use wire::key_method::{ClientKeyMessage, ClientKeySource};
use wire::peer_info::{IvProto, PeerInfo};

use crate::end::{EndReason, Misbehaviour};
use crate::event::{Event, Hello};
use crate::session::core::Core;

use super::ServerSide;

/// How `IV_VER` begins where a push that comes in one flight with the key message was seen to be
/// read: stock clients 2.5 to 2.7, and ours.
const READ_AT_ONCE: [&str; 2] = ["2.", "handfast_"];

/// A client that has introduced itself.
pub(super) struct Greeting {
    pub(super) abilities: Abilities,
    pub(super) source: ClientKeySource,
    hello: Hello,
}

/// What a client said about itself.
pub(super) struct Abilities {
    pub(super) proto: IvProto,
    pub(super) offer: ClientOffer,
    pub(super) takes_mtu: bool,
    /// Reads key message and push in one flight.
    pub(super) reads_at_once: bool,
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

impl Greeting {
    pub(super) fn read(
        message: &[u8],
        core: &Core,
        renegotiation: bool,
    ) -> Result<Self, EndReason> {
        let message = parse(message)?;
        let peer_info = PeerInfo::parse(&message.peer_info);
        Ok(Self {
            abilities: Abilities::of(&peer_info, &message.options),
            source: message.source,
            hello: Hello {
                chain: core.generation.tls.peer_chain(),
                tls: core.generation.tls.version(),
                peer_info,
                options: message.options,
                username: message.username,
                password: message.password,
                renegotiation,
            },
        })
    }

    /// Asks whether it may in.
    pub(super) fn ask(
        self,
        side: &mut ServerSide,
        core: &mut Core,
    ) -> (Abilities, ClientKeySource) {
        side.leaf = Some(self.fingerprint());
        core.tell(Event::Admission(Box::new(self.hello)));
        (self.abilities, self.source)
    }

    /// Asks whether it may stay, if it is who was let in before.
    pub(super) fn ask_again(
        self,
        side: &mut ServerSide,
        core: &mut Core,
    ) -> Result<ClientKeySource, Impostor> {
        let fingerprint = self.fingerprint();
        if *side.leaf.get_or_insert(fingerprint) != fingerprint {
            return Err(Impostor);
        }
        core.tell(Event::Admission(Box::new(self.hello)));
        Ok(self.source)
    }

    /// All zero without a certificate.
    fn fingerprint(&self) -> [u8; 32] {
        self.hello.chain.first().map_or([0; 32], |leaf| sha256(leaf))
    }
}

/// Another certificate than the one that the session was begun with.
pub(super) struct Impostor;

pub(super) fn parse(message: &[u8]) -> Result<ClientKeyMessage, EndReason> {
    ClientKeyMessage::parse(message)
        .map_err(|_| EndReason::PeerMisbehaved(Misbehaviour::BadKeyMessage))
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, bytes).as_ref());
    out
}
