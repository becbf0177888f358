//! What a TCP backend hears before a guest's first byte: who it is, by the PROXY protocol.

use std::io;

use proxied::{Addresses, NotWritten, Preamble, Secured};

use crate::handshake::Guest;
use crate::registry::Info;
use crate::settings::ProxyProtocol;

/// The preamble, where the backend wants one.
///
/// # Errors
/// Where it can't be said, as a name that is too long.
pub(crate) fn of(guest: &Guest, info: &Info) -> io::Result<Vec<u8>> {
    let written = match guest.site.settings.proxy {
        ProxyProtocol::None => return Ok(Vec::new()),
        ProxyProtocol::V1 => preamble(guest, info).to_v1(),
        ProxyProtocol::V2 => preamble(guest, info).to_v2(),
    };
    written.map_err(|error: NotWritten| io::Error::new(io::ErrorKind::InvalidInput, error))
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
