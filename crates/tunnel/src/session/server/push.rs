//! What server and client agree on, and the push that says so.

use wire::PeerId;
use wire::cipher::{Choice, Cipher, NoSharedCipher, negotiate};
use wire::peer_info::IvProto;
use wire::push::{ProtocolFlag, PushEncodeError, PushOption, PushReply};

use crate::event::{Grant, Negotiated};

use super::greeting::Abilities;

/// Cipher, key derivation and abilities.
pub(super) fn agree(
    ciphers: &[Cipher],
    peer_id: PeerId,
    client: &Abilities,
) -> Result<(Choice, Negotiated), NoSharedCipher> {
    let choice = negotiate(ciphers, &client.offer, None)?;
    let negotiated = Negotiated {
        cipher: choice.cipher,
        exporter: client.proto.contains(IvProto::TLS_KEY_EXPORT),
        exit_notify: client.proto.contains(IvProto::CC_EXIT_NOTIFY),
        peer_id: Some(peer_id)
            .filter(|id| !id.is_unset() && client.proto.contains(IvProto::DATA_V2)),
    };
    Ok((choice, negotiated))
}

/// The whole push, cut into messages. A client without `IV_MTU` gets no `tun-mtu`.
pub(super) fn texts(
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
