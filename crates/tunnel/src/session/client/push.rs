//! What a server's push means for keys and packets, and what of it can't be spoken here.

use wire::cipher::{Cipher, client_choice};
use wire::options::cipher_token;
use wire::push::{ProtocolFlag, PushOption, PushReply};

use crate::end::{EndReason, PushFault};
use crate::event::Negotiated;

/// What the push means for keys and packets.
pub(super) fn agree(
    own: &[Cipher],
    server_options: &str,
    reply: &PushReply,
) -> Result<Negotiated, EndReason> {
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

/// What a server does to its data packets that would make every one of them unreadable here. Of
/// all framings for compression, `stub-v2` alone adds nothing.
fn foreign_framing(server_options: &str, reply: &PushReply) -> Option<PushFault> {
    let pushed = reply.options.iter().filter_map(|option| match option {
        PushOption::Other(text) => Some(text.split_ascii_whitespace()),
        _ => None,
    });
    let pushed = pushed.filter_map(|mut words| Some((words.next()?, words.next())));
    let pushed: Vec<_> = pushed.collect();
    let is_pushed = |name: &str| pushed.iter().any(|(pushed, _)| *pushed == name);
    let says = |token: &str| server_options.split(',').any(|said| said == token);
    if says("dev-type tap") {
        return Some(PushFault::Ethernet);
    }
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
        assert_eq!(fault("V4,dev-type tap,comp-lzo", &[]), Some(PushFault::Ethernet));
        assert_eq!(fault("V4,x-comp-lzo", &[]), None);
    }
}
