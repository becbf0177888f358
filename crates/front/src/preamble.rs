//! What a TCP backend hears before a guest's first byte: who it is, by the PROXY protocol or by XCLIENT.

use std::io;

use proxied::{Addresses, NotWritten, Preamble, Secured};
use starttls::{Introduction, Protocol, Relay};

use crate::handshake::Guest;
use crate::registry::Info;
use crate::settings::ProxyProtocol;
use crate::ways::Link;

/// The preamble, where the backend wants one.
///
/// # Errors
/// Where it can't be said, as a name that is too long.
pub(crate) fn of(guest: &Guest, info: &Info) -> io::Result<Vec<u8>> {
    can_be_told(guest)?;
    let written = match guest.site.settings.proxy {
        // That is said later, in the protocol's own words.
        ProxyProtocol::None | ProxyProtocol::Xclient => return Ok(Vec::new()),
        ProxyProtocol::V1 => preamble(guest, info).to_v1(),
        ProxyProtocol::V2 => preamble(guest, info).to_v2(),
    };
    written.map_err(|error: NotWritten| io::Error::new(io::ErrorKind::InvalidInput, error))
}

/// What stands between a guest and its backend, where TLS began in the clear on either side.
pub(crate) fn relay(guest: &Guest, info: &Info, link: &Link) -> Relay {
    let (site, behind) = (&guest.site.settings, link.begun_by());
    match (guest.by.filter(|_| !site.passthrough), behind) {
        (Some(protocol), _) => {
            let introduced = site.proxy == ProxyProtocol::Xclient;
            let login = guest.client.as_ref().map(|client| client.holder.user.to_string());
            let introduction = introduced.then_some(Introduction { source: info.source, login });
            Relay::behind(protocol, behind.is_some(), introduction)
        }
        // Whose TLS began at once waits for the greeting that was heard.
        (None, Some(behind)) => Relay::before(behind, site.label(), link.greeting()),
        (None, None) => Relay::none(),
    }
}

/// A backend that believes everybody to be on this machine would be worse than one that hears nobody.
fn can_be_told(guest: &Guest) -> io::Result<()> {
    let mail = guest.by.is_some_and(|by| MAIL.contains(&by));
    let why = match guest.site.settings.proxy {
        ProxyProtocol::Xclient if !mail || guest.site.settings.passthrough => {
            "XCLIENT is said only where clients come by starttls:smtp, starttls:submission or starttls:lmtp"
        }
        ProxyProtocol::V1 | ProxyProtocol::V2 if guest.backend.is_some() => {
            "its greeting comes before anybody is known, so that it can't be told by `proxy`"
        }
        _ => return Ok(()),
    };
    Err(io::Error::other(why))
}

fn preamble(guest: &Guest, info: &Info) -> Preamble {
    let secured = &info.secured;
    let ended_here = !guest.site.settings.passthrough;
    Preamble {
        addresses: Some(Addresses { client: info.source, server: info.local }),
        server_name: guest.asked.clone(),
        protocol: secured.alpn.clone().map(String::into_bytes),
        secured: ended_here.then(|| Secured {
            version: secured.version.to_owned(),
            cipher: Some(secured.cipher.clone()),
            certificate: guest.client.is_some(),
            verified: true,
            common_name: guest
                .client
                .as_ref()
                .map(|client| format!("{}/{}", client.holder.user, client.holder.device)),
        }),
    }
}

const MAIL: [Protocol; 3] = [Protocol::Smtp, Protocol::Submission, Protocol::Lmtp];
